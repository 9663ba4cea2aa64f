#!/usr/bin/env bash
# ./test --real MODEL: one real model (a .gguf file or a Hugging Face folder) in jiang and in
# llama.cpp: the same tokens, the same rendered template, the same log-probabilities?
set -euo pipefail
caller=${OLDPWD:-$PWD}
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/setup.sh
. tests/peers/install.sh
model=${1:-}
[ -n "$model" ] || fail "--real needs a MODEL: a .gguf file or a Hugging Face folder"
[ -e "$model" ] || { [ -e "$caller/$model" ] && model=$caller/$model; }
[ -e "$model" ] || fail "$model does not exist; give a .gguf file or a Hugging Face folder"
model=$(readlink -f "$model")
install_peers
export JIANG=${JIANG:-$PWD/build/release/jiang}
export JIANG_HOME=$PWD/build/peers/home
[ -x "$JIANG" ] || fail "$JIANG is not built; ./test --real builds it"
exec "$PEERS_NODE" tests/real/real.mjs "$model"
