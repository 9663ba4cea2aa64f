#!/usr/bin/env bash
# Cross-compiles for aarch64 and passes the tests of base to ops under qemu-user: ./test --aarch64.
# Libraries for arm64 come from the distribution's archive, unpacked under build/aarch64/sysroot;
# nothing is installed and no architecture is added to the system for them.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/setup.sh

[ "$(uname -m)" = x86_64 ] || fail "--aarch64 cross-compiles on x86-64; on this machine plain ./test does it natively"
install_packages g++-aarch64-linux-gnu qemu-user cmake ninja-build pkg-config

here=$PWD/build/aarch64 sysroot=$PWD/build/aarch64/sysroot
if [ ! -f "$sysroot/complete" ]; then
  say "fetching arm64 libraries from the distribution (13 MB)"
  rm -rf "$here/apt" "$sysroot"
  mkdir -p "$here"/apt/{state/lists/partial,cache/archives/partial} "$sysroot"
  : >"$here/apt/status"
  private_apt() {
    LC_ALL=C apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$here/apt/state" \
      -o Dir::State::status="$here/apt/status" -o Dir::Cache="$here/apt/cache" -o Debug::NoLocking=1 \
      -o APT::Sandbox::User="" "$@" >>"$here/apt/log" 2>&1 || fail "apt-get $1 failed; the log is $here/apt/log"
  }
  private_apt update
  private_apt install -y --download-only --no-install-recommends libfmt-dev libutf8proc-dev libpcre2-dev \
    libsimdjson-dev libcli11-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  # Only our libraries: libc and libstdc++ come with the cross compiler.
  for package in "$here"/apt/cache/archives/*.deb; do
    case "$(basename "$package")" in
      libfmt*|libutf8proc*|libpcre2*|libsimdjson*|libcli11*|nlohmann*|libgtest*|libgmock*|googletest*) dpkg -x "$package" "$sysroot" ;;
    esac
  done
  rm -rf "$here/apt"
  touch "$sysroot/complete"
fi

say "building"
programs="base_test kernels_test quant_test ops_test"
# shellcheck disable=SC2086
build_preset aarch64 $programs
say "tests under qemu ($((SECONDS - started)) s so far)"
ctest --test-dir build/aarch64 --output-on-failure -j"$(nproc)" -R "^($(echo "$programs" | tr ' ' '|'))$"
