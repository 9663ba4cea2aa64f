#!/usr/bin/env bash
# tools/build_web.sh OUT.cpp: builds the page into build/web/dist and writes it as C++ to OUT.cpp.
# CMake calls it when a file of web/ changed. Several presets share the folder, so one at a time.
set -euo pipefail
out=$(readlink -f "$(dirname "$1")")/$(basename "$1")
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/setup.sh
. tools/node.sh
mkdir -p build/web
exec 8>build/web/lock
flock 8
find_node build/web/node
npm_ci web --omit=dev
(cd web && "$NODE" node_modules/vite/bin/vite.js build --logLevel warn >&2)
"$NODE" web/embed.mjs build/web/dist "$out"
