#!/usr/bin/env bash
# The page in a real browser (Debian's Chromium). Called by ./test:
#   ./test --e2e                   everything, on the real binary
#   ./test --e2e mock [ARG...]     everything, on the stand-in of web/mock; ARG go to Playwright
#   ./test --e2e smoke             the part that plain ./test runs, with types and unit tests
#   ./test --e2e shots [FOLDER]    screenshots into docs/shots: desktop and phone, zh and en, light and dark
#   ./test --e2e measure           sizes and timings
#   ./test --e2e first             JIANG_URL=http://...: the first preset question, answered by that server
# JIANG_URL=http://... takes screenshots and measures of a server that runs already.
set -euo pipefail
. tools/setup.sh
. tools/node.sh

word=${1:-all}
[ $# -eq 0 ] || shift
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-headless-shell || true)}
if [ -z "$CHROMIUM" ]; then
  install_packages chromium fonts-noto-cjk
  CHROMIUM=$(command -v chromium) || fail "needs Chromium: install it, or say where it is with CHROMIUM=/path"
fi
export CHROMIUM
mkdir -p build/web
find_node build/web/node
npm_ci web
npm_ci tests/e2e
page() { (exec 8>build/web/lock; flock 8; cd web; "$NODE" node_modules/vite/bin/vite.js build --logLevel warn >&2); }
browser() { (cd tests/e2e && "$NODE" node_modules/@playwright/test/cli.js test "$@"); }

case "$word" in
  smoke)
    say "page: types and unit tests"
    (cd web && "$NODE" node_modules/svelte-check/bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings --output human)
    (cd web && "$NODE" node_modules/vitest/vitest.mjs run --reporter=dot)
    say "page: the browser, on the stand-in server"
    page
    browser --grep @smoke ;;
  mock) page; browser "$@" ;;
  shots) page; "$NODE" tests/e2e/shots.mjs "${1:-docs/shots}"; say "screenshots are in ${1:-docs/shots}" ;;
  first) "$NODE" tests/e2e/first.mjs ;;
  measure) page; "$NODE" tests/e2e/measure.mjs ;;
  all) build_preset release jiang; JIANG_BIN=$PWD/build/release/jiang browser "$@" ;;
  *) fail "unknown word $word; the first lines of tests/e2e/run.sh list them" ;;
esac
