# Sourced after tools/setup.sh: a Node that is new enough, and npm.

# find_node FOLDER: sets NODE. The system's where it is 20.19 or newer (what Vite and the tests
# need); otherwise npm's own build of Node 22, put into FOLDER, which is below build/.
find_node() {
  local folder=$1 machine=x64
  command -v npm >/dev/null || fail "needs npm: apt-get install nodejs npm"
  NODE=$(command -v node || true)
  if [ -n "$NODE" ] && "$NODE" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then return; fi
  [ "$(uname -m)" = aarch64 ] && machine=arm64
  NODE=$PWD/$folder/node_modules/node-linux-$machine/bin/node
  if [ ! -x "$NODE" ]; then
    say "installing Node 22 from npm (about 45 MB): the system's is older than 20.19"
    mkdir -p "$folder"
    [ -f "$folder/package.json" ] || echo '{"private": true, "type": "module"}' >"$folder/package.json"
    (cd "$folder" && npm install --no-audit --no-fund --loglevel=error "node-linux-$machine@22" >npm.log 2>&1) ||
      { tail -5 "$folder/npm.log" >&2; fail "npm could not install Node 22; is the npm registry reachable?"; }
  fi
}

# npm_ci FOLDER [npm argument...]: installs what its package-lock.json says, once per lock file. After
# find_node: npm leaves out, without a word, the compiled part of a package whose Node is too old.
npm_ci() {
  local folder=$1; shift
  local stamp="$folder/node_modules/.jiang-installed" wanted
  wanted="$(sha256sum "$folder/package-lock.json" | cut -d' ' -f1) $*"
  # What has more installed (the tests' packages) serves who needs less.
  case "$(cat "$stamp" 2>/dev/null)" in "$wanted" | "${wanted%% *} ") return ;; esac
  say "installing the npm packages of $folder"
  (cd "$folder" && PATH="$(dirname "$NODE"):$PATH" PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error "$@" >"${TMPDIR:-/tmp}/jiang-npm.log" 2>&1) ||
    { tail -5 "${TMPDIR:-/tmp}/jiang-npm.log" >&2; fail "npm ci failed in $folder; is the npm registry reachable?"; }
  echo "$wanted" >"$stamp"
}
