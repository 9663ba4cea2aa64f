#!/usr/bin/env bash
# The npm clients of the three dialects, unmodified, against the binary. Called by ./test; or
#   bash tests/clients/run.sh build/dev/jiang [FILE.test.mjs...]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/setup.sh
. tools/node.sh

binary=$PWD/${1:-build/dev/jiang}
shift || true
say "unmodified clients: openai, anthropic, ollama, ai, langchain"
find_node build/web/node
npm_ci tests/clients
exec python3 tests/clients/run.py "$binary" "$NODE" "$@"
