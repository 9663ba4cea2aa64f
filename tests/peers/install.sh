# Sourced: puts llama.cpp's prebuilt binary (npm node-llama-cpp) under build/peers and sets
# PEERS_NODE. About 75 MB: the GPU builds that npm would add by itself (700 MB) are left out.
NODE_LLAMA_CPP=3.22.1
. tools/node.sh
ulimit -c 0  # llama.cpp aborts for what it dislikes; nobody wants its core dumps

npm_install() {
  (cd build/peers && npm install --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error "$@" \
    >npm.log 2>&1) || { tail -5 build/peers/npm.log >&2; fail "npm install $* failed; is the npm registry reachable?"; }
}

install_peers() {
  mkdir -p build/peers
  [ -f build/peers/package.json ] || echo '{"private": true, "type": "module"}' >build/peers/package.json
  find_node build/peers
  PEERS_NODE=$NODE
  local machine=x64; [ "$(uname -m)" = aarch64 ] && machine=arm64
  if [ ! -d "build/peers/node_modules/@node-llama-cpp/linux-$machine" ]; then
    say "installing node-llama-cpp $NODE_LLAMA_CPP (llama.cpp's binary, about 75 MB)"
    npm_install "node-llama-cpp@$NODE_LLAMA_CPP"
    npm_install "@node-llama-cpp/linux-$machine@$NODE_LLAMA_CPP"
  fi
}
