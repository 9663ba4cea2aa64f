#!/usr/bin/env bash
# Makes the bundled model from nothing: data, tokenizer, pretraining, fine-tuning, GGUF, figures.
# Stages that are done are skipped; a stage that was cut off resumes from its checkpoint.
#   recipes/craftsman.sh [path of jiang]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
jiang=${1:-build/release/jiang}
work=build/craftsman
mkdir -p "$work"

python3 corpus/generate.py
[ -f "$work/tokenizer/tokenizer.json" ] ||
  "$jiang" train tokenizer "$work/tokenizer" build/corpus/pretrain.jsonl --vocab-size 4096
[ -f "$work/pretrained/model.safetensors" ] || "$jiang" train pretrain recipes/craftsman-pretrain.toml
[ -f "$work/sft/model.safetensors" ] || "$jiang" train sft recipes/craftsman-sft.toml
last=sft
# Pairs are sampled and judged by `jiang train pairs`; without them the model is that of stage 2.
if [ -f "$work/pairs.jsonl" ]; then
  [ -f "$work/dpo/model.safetensors" ] || "$jiang" train dpo recipes/craftsman-dpo.toml
  last=dpo
fi
for stage in pretrained sft $last; do
  [ -f "$work/$stage.gguf" ] || "$jiang" quantize "$work/$stage" "$work/$stage.gguf" --type q8_0
  "$jiang" eval recipes/eval-craftsman.toml "$work/$stage.gguf" --json > "$work/$stage.figures.json"
done
mkdir -p models
cp "$work/$last.gguf" models/craftsman.gguf
"$jiang" eval recipes/eval-craftsman.toml
