#!/usr/bin/env bash
# train_compare.sh [ROUNDS]: jiang and PyTorch train the same decoder in turns on the same threads;
# prints the ratio. Needs Debian's python3-torch.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
rounds=${1:-3}
threads=${THREADS:-2}
cmake --build build/release --target train_bench >/dev/null
best_ours=0 best_torch=0
for _ in $(seq "$rounds"); do
  ours=$(build/release/train_bench "$threads" 2 | awk '$1 == "oracle" {for (i = 1; i < NF; i++) if ($(i + 1) ~ /^tokens\/s/) print $i}')
  torch=$(OMP_NUM_THREADS=$threads /usr/bin/python3 tools/train_oracle.py bench 1 | python3 -c 'import json, sys; print(round(json.load(sys.stdin)["tokens_per_second"]))')
  echo "jiang $ours tokens/s, PyTorch $torch"
  best_ours=$(( ours > best_ours ? ours : best_ours ))
  best_torch=$(( torch > best_torch ? torch : best_torch ))
done
awk -v a="$best_ours" -v b="$best_torch" 'BEGIN {printf "best of each: %d and %d tokens/s, %.2f times PyTorch\n", a, b, a / b}'
