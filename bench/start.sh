#!/usr/bin/env bash
# bench/start.sh [MODEL.gguf] [RUNS]: how long `jiang run` takes from its start to its first step of reading
# the prompt, with packed weights in the cache, and to the first token. Without a MODEL it makes a
# random one in the shape of Qwen2 1.5B, which stays in build/bench. The bar is 150 ms.
set -euo pipefail
here=$PWD
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/setup.sh
case " $* " in *" --help "* | *" -h "*) sed -n '2,4s/^# //p' bench/start.sh; exit 0 ;; esac
jiang=$(readlink -f "${JIANG:-build/release/jiang}")
[ -x "$jiang" ] || fail "$jiang is not built: cmake --preset release && cmake --build --preset release --target jiang"
runs=${2:-7}
mkdir -p build/bench
export JIANG_HOME=${JIANG_HOME:-$PWD/build/bench/home}
if [ $# -gt 0 ]; then
  model=$(cd "$here" && readlink -f "$1")
else
  model=build/bench/qwen2-1.5b-q4_0.gguf
  [ -f "$model" ] || "$jiang" dev make-model --arch qwen2 --shape 1.5b --type q4_0 -o "$model" >/dev/null
fi
start() { "$jiang" run "$model" -p hi -n 1 --temp 0 --verbose 2>&1 >/dev/null | sed -n 's/.*ready after \([0-9.]*\) s.*first token after \([0-9.]*\) s.*/\1 \2/p'; }
start >/dev/null  # packs the weights, where they are not yet
sleep 3           # so that a change would show in the file's times
rm -f "$JIANG_HOME"/cache/packed/*.checked
echo "checked: $(start | cut -d' ' -f1) s to be ready (every byte of the packed weights is read)"
for ((i = 0; i < runs; ++i)); do start; done | sort -n | awk -v n="$runs" '
  { ready[NR] = $1; token[NR] = $1 + $2 }
  END { m = int((n + 1) / 2); printf "warm: %.2f s to be ready (%.2f to %.2f), median of %d; %.2f s to the first token; the bar is 0.15\n", ready[m], ready[1], ready[n], n, token[m] }'
