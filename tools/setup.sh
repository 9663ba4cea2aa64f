# Sourced by ./run and ./test: what must be installed, and how we say what we are doing.

# What building and running need; the tests' packages are in ./test.
BUILD_PACKAGES="g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libsimdjson-dev \
libcli11-dev libpcre2-dev libutf8proc-dev libboost-dev libcurl4-openssl-dev libssl-dev libsqlite3-dev \
libtomlplusplus-dev libgumbo-dev libseccomp-dev bubblewrap"
# The web page is built with npm; other Node distributions bring their own npm.
command -v npm >/dev/null || BUILD_PACKAGES="$BUILD_PACKAGES nodejs npm"

started=$SECONDS
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '==> %s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "needs root or sudo to install packages; run as root, or install them yourself: $missing"
  fi
}

# install_packages NAME...: installs those that are missing, and says how much it downloads.
install_packages() {
  command -v dpkg-query >/dev/null || { say "not a Debian-like system: expecting these to be installed: $*"; return; }
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return
  say "installing$missing"
  # shellcheck disable=SC2086
  {
    if ! as_root apt-get install -s --no-install-recommends $missing >/dev/null 2>&1; then
      as_root apt-get update -qq || fail "apt-get update failed; is the network up?"
    fi
    as_root env LC_ALL=C apt-get install --no-install-recommends --assume-no $missing 2>/dev/null |
      grep -E '^Need to get' >&2 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/tmp/jiang-apt.log 2>&1 ||
      { tail -5 /tmp/jiang-apt.log >&2; fail "could not install$missing; the log is /tmp/jiang-apt.log"; }
  }
  say "installed ($((SECONDS - started)) s so far)"
}

# build_preset PRESET [TARGET...]: configures once, builds what changed.
build_preset() {
  local preset=$1; shift
  if [ ! -f "build/$preset/build.ninja" ]; then
    say "configuring $preset"
    mkdir -p "build/$preset"
    cmake --preset "$preset" >"build/$preset/configure.log" 2>&1 ||
      { tail -20 "build/$preset/configure.log" >&2; fail "cmake failed; the log is build/$preset/configure.log"; }
  fi
  cmake --build --preset "$preset" ${1:+--target "$@"} >"build/$preset/build.log" 2>&1 ||
    { grep -E 'error|FAILED' -A8 "build/$preset/build.log" | head -60 >&2; fail "the $preset build failed; the log is build/$preset/build.log"; }
}
