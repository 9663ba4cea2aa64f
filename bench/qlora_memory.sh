#!/usr/bin/env bash
# qlora_memory.sh [JIANG]: trains adapters over a Q4_0 model of the 0.5B shape at sequence length 512 and
# prints the peak memory of the process beside the bar: the file's weights and 1.5 GB.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
jiang=$(readlink -f "${1:-build/release/jiang}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$jiang" dev make-model --arch qwen2 --shape 0.5b --type q4_0 -o "$work/model.gguf" >/dev/null
python3 - "$work" "$jiang" <<'PYTHON'
import json, os, random, sys
work, jiang = sys.argv[1:]
random.seed(1)
words = "the a cat dog reads writes quickly often table window river stone".split()
with open(work + "/chats.jsonl", "w", encoding="utf-8") as file:
    for _ in range(16):
        answer = " ".join(random.choice(words) for _ in range(200))
        file.write(json.dumps({"messages": [{"role": "user", "content": "Tell me."},
                                            {"role": "assistant", "content": answer}]}) + "\n")
with open(work + "/lora.toml", "w", encoding="utf-8") as file:
    file.write('[model]\npath = "model.gguf"\n[data]\ntrain = ["chats.jsonl"]\n[train]\nout = "out"\n'
               'sequence_length = 512\ntokens_per_batch = 512\ntokens_per_step = 1024\nsteps = 2\n'
               '[lora]\nrank = 8\n')
child = os.fork()
if child == 0:
    os.execv(jiang, [jiang, "train", "lora", work + "/lora.toml"])
_, status, usage = os.wait4(child, 0)
if status != 0:
    sys.exit("the training failed")
peak, weights = usage.ru_maxrss * 1024, os.path.getsize(work + "/model.gguf")
bar = weights + 1.5e9
print(f"peak {peak / 1e9:.2f} GB; the file {weights / 1e9:.2f} GB, the bar {bar / 1e9:.2f} GB: "
      f"{'within' if peak <= bar else 'BEYOND'}")
sys.exit(peak > bar)
PYTHON
