# Sourced: puts llama.cpp's prebuilt binary (npm node-llama-cpp) under build/peers and sets
# PEERS_NODE. About 75 MB: the GPU builds that npm would add by itself (700 MB) are left out.
NODE_LLAMA_CPP=3.22.1
ulimit -c 0  # llama.cpp aborts for what it dislikes; nobody wants its core dumps

# node-llama-cpp needs Node 20; where the system's is older, npm's own build of Node 22 is used.
find_node() {
  PEERS_NODE=$(command -v node || true)
  if [ -n "$PEERS_NODE" ] && [ "$("$PEERS_NODE" -p 'process.versions.node.split(".")[0]')" -ge 20 ]; then return; fi
  command -v npm >/dev/null || fail "needs npm, to install llama.cpp's binary: apt-get install nodejs npm"
  local machine=x64; [ "$(uname -m)" = aarch64 ] && machine=arm64
  PEERS_NODE=$PWD/build/peers/node_modules/node-linux-$machine/bin/node
  [ -x "$PEERS_NODE" ] || npm_install "node-linux-$machine@22"
}

npm_install() {
  (cd build/peers && npm install --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error "$@" \
    >npm.log 2>&1) || { tail -5 build/peers/npm.log >&2; fail "npm install $* failed; is the npm registry reachable?"; }
}

install_peers() {
  mkdir -p build/peers
  [ -f build/peers/package.json ] || echo '{"private": true, "type": "module"}' >build/peers/package.json
  find_node
  local machine=x64; [ "$(uname -m)" = aarch64 ] && machine=arm64
  if [ ! -d "build/peers/node_modules/@node-llama-cpp/linux-$machine" ]; then
    say "installing node-llama-cpp $NODE_LLAMA_CPP (llama.cpp's binary, about 75 MB)"
    npm_install "node-llama-cpp@$NODE_LLAMA_CPP"
    npm_install "@node-llama-cpp/linux-$machine@$NODE_LLAMA_CPP"
  fi
}
