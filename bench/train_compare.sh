#!/usr/bin/env bash
# train_compare.sh [ROUNDS]: jiang (products in f32, and in bf16) and PyTorch (f32) train the same decoder in turns on
# the same threads; prints the ratios. Needs Debian's python3-torch, python3-numpy and libopenblas0-pthread.
#
# An OpenBLAS that is older than the CPU takes it for a Prescott, whose kernels are slower, so its
# AVX-512 kernels are asked for where the CPU has them, unless OPENBLAS_CORETYPE is set.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
rounds=${1:-3}
threads=${THREADS:-2}
if [ -z "${OPENBLAS_CORETYPE:-}" ] && grep -qw avx512vl /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi
export OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads
cmake --build build/release --target train_bench >/dev/null
echo "OpenBLAS: $(OPENBLAS_VERBOSE=2 /usr/bin/python3 -c 'import torch; torch.ones(64, 64) @ torch.ones(64, 64)' 2>&1 | grep '^Core' || echo 'says nothing: is it installed?')"
ours_of() { build/release/train_bench "$threads" 3 "$1" oracle | awk '$1 == "oracle" {for (i = 1; i < NF; i++) if ($(i + 1) ~ /^tokens\/s/) print $i}'; }
best_f32=0 best_bf16=0 best_torch=0
for _ in $(seq "$rounds"); do
  f32=$(ours_of f32)
  bf16=$(ours_of bf16)
  torch=$(/usr/bin/python3 tools/train_oracle.py bench 2 | python3 -c 'import json, sys; print(round(json.load(sys.stdin)["tokens_per_second"]))')
  echo "jiang $f32 tokens/s in f32, $bf16 in bf16; PyTorch $torch"
  best_f32=$(( f32 > best_f32 ? f32 : best_f32 ))
  best_bf16=$(( bf16 > best_bf16 ? bf16 : best_bf16 ))
  best_torch=$(( torch > best_torch ? torch : best_torch ))
done
awk -v f="$best_f32" -v b="$best_bf16" -v t="$best_torch" \
  'BEGIN {printf "best of each: %d, %d and %d tokens/s: %.2f and %.2f times PyTorch\n", f, b, t, f / t, b / t}'
