#!/usr/bin/env bash
# Makes the bundled model from nothing: data, tokenizer, pretraining, fine-tuning, preferences, GGUF, figures.
# Stages that are done are skipped; a stage that was cut off resumes from its checkpoint.
#   recipes/craftsman.sh [path of jiang]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
jiang=${1:-build/release/jiang}
work=build/craftsman
mkdir -p "$work"

python3 corpus/generate.py
[ -f "$work/tokenizer/tokenizer.json" ] ||
  "$jiang" train tokenizer "$work/tokenizer" build/corpus/pretrain.jsonl --vocab-size 6144
[ -f "$work/pretrained/model.safetensors" ] || "$jiang" train pretrain recipes/craftsman-pretrain.toml
[ -f "$work/sft/model.safetensors" ] || "$jiang" train sft recipes/craftsman-sft.toml
[ -f "$work/pairs.jsonl" ] || "$jiang" train pairs recipes/craftsman-pairs.toml
[ -f "$work/dpo/model.safetensors" ] || "$jiang" train dpo recipes/craftsman-dpo.toml
for stage in pretrained sft dpo; do
  [ -f "$work/$stage.gguf" ] || "$jiang" quantize "$work/$stage" "$work/$stage.gguf" --type q8_0
  "$jiang" eval recipes/eval-craftsman.toml "$work/$stage.gguf" --json > "$work/$stage.figures.json"
done
mkdir -p models
cp "$work/dpo.gguf" models/craftsman.gguf
"$jiang" eval recipes/eval-craftsman.toml
