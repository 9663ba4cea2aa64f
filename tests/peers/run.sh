#!/usr/bin/env bash
# ./test --peers: jiang against llama.cpp, on the same files.
# Arguments choose sections: weights answers families quantize folders tokenize tokenizers (default: all).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/setup.sh
. tests/peers/install.sh
install_peers
export JIANG=${JIANG:-$PWD/build/release/jiang}
export JIANG_HOME=$PWD/build/peers/home
export JIANG_TEST_DATA=${JIANG_TEST_DATA:-$PWD/../shared/data}
[ -x "$JIANG" ] || fail "$JIANG is not built; ./test --peers builds it"
[ -x build/dev/tests/write_fixtures ] || fail "build/dev/tests/write_fixtures is not built; ./test --peers builds it"
mkdir -p build/peers/fixtures
build/dev/tests/write_fixtures build/peers/fixtures
exec "$PEERS_NODE" tests/peers/peers.mjs "$@"
