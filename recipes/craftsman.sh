#!/usr/bin/env bash
# Makes the bundled model from nothing: data, tokenizer, pretraining, fine-tuning, preferences from pairs
# that the compiler judges, GGUF, figures.
# Stages that are done are skipped; a stage that was cut off resumes from its checkpoint.
#   recipes/craftsman.sh [path of jiang]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
jiang=${1:-build/release/jiang}
work=build/craftsman
mkdir -p "$work"

once() {  # once NAME CMD...: until it has come to its end
  [ -f "$work/$1.done" ] || { "${@:2}" && touch "$work/$1.done"; }
}

once data python3 corpus/generate.py
once tokenizer "$jiang" train tokenizer "$work/tokenizer" build/corpus/pretrain.jsonl --vocab-size 6144
once pretrained "$jiang" train pretrain recipes/craftsman-pretrain.toml
once sft "$jiang" train sft recipes/craftsman-sft.toml
once pairs "$jiang" train pairs recipes/craftsman-pairs.toml
once dpo "$jiang" train dpo recipes/craftsman-dpo.toml
stages="pretrained sft dpo"
for stage in $stages; do
  [ -f "$work/$stage.gguf" ] || "$jiang" quantize "$work/$stage" "$work/$stage.gguf" --type q8_0
  "$jiang" eval recipes/eval-craftsman.toml "$work/$stage.gguf" --json > "$work/$stage.figures.json"
done
mkdir -p models
cp "$work/${stages##* }.gguf" models/craftsman.gguf
"$jiang" eval recipes/eval-craftsman.toml
