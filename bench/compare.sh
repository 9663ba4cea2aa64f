#!/usr/bin/env bash
# bench/compare.sh MODEL.gguf [ROUNDS [PREFILL [DECODE [THREADS]]]]: jiang against llama.cpp (npm
# node-llama-cpp), side by side. The memory bandwidth of a shared host drifts by half within
# minutes, so the two take turns, and the table gives the median of each and of their ratios.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/setup.sh
. tests/peers/install.sh
[ $# -ge 1 ] || fail "usage: bench/compare.sh MODEL.gguf [ROUNDS [PREFILL [DECODE [THREADS]]]]"
model=$1 rounds=${2:-5} prefill=${3:-512} decode=${4:-64} threads=${5:-$(nproc)}
install_peers
export PEERS_MODULES=$PWD/build/peers/node_modules
jiang=${JIANG:-$PWD/build/release/jiang}
[ -x "$jiang" ] || fail "$jiang is not built: cmake --preset release && cmake --build --preset release"

results=$(mktemp)
trap 'rm -f "$results"' EXIT
for round in $(seq "$rounds"); do
  say "round $round of $rounds"
  "$PEERS_NODE" bench/peer_llama.mjs "$model" "$prefill" "$decode" "$threads" | sed 's/^/llama /' >>"$results"
  "$jiang" bench "$model" -p "$prefill" -n "$decode" -t "$threads" --json | tr -d '\n' | sed 's/^/jiang /; s/$/\n/' >>"$results"
done
python3 - "$results" <<'PY'
import json, statistics, sys
runs = {"llama": [], "jiang": []}
for line in open(sys.argv[1]):
    name, _, report = line.partition(" ")
    if report.strip():
        runs[name].append(json.loads(report))
print("llama.cpp:", runs["llama"][0].get("system"))
machine = runs["jiang"][-1].get("machine", {})
print("jiang: isa", runs["jiang"][-1].get("isa"), "machine", machine)
print(f'{"":10}{"llama.cpp":>12}{"jiang":>12}{"ratio":>8}   tokens/s, medians; ratios of pairs from least to most')
for phase in ("prefill", "decode"):
    a = [run[phase]["tokens_per_second"] for run in runs["llama"]]
    b = [run[phase]["tokens_per_second"] for run in runs["jiang"]]
    ratios = sorted(y / x for x, y in zip(a, b))
    print(f"{phase:10}{statistics.median(a):12.1f}{statistics.median(b):12.1f}{statistics.median(ratios):8.2f}   "
          + " ".join(f"{r:.2f}" for r in ratios))
PY
