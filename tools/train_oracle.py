#!/usr/bin/env python3
"""PyTorch's numbers for what jiang trains. A test oracle: nothing else of the project uses PyTorch.

  train_oracle.py steps FOLDER TOKENS.json   losses and gradient norms of AdamW steps on a Qwen2 folder
  train_oracle.py bench [STEPS]              tokens per second of a 6.8 M parameter decoder

Debian's python3-torch (1.13) and python3-numpy are enough: run it with /usr/bin/python3.
"""
import json
import math
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as functional


def read_safetensors(path):
    with open(path, "rb") as file:
        body = file.read()
    (length,) = struct.unpack("<Q", body[:8])
    header = json.loads(body[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", entry["dtype"]
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(body[begin:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.nn.Parameter(torch.from_numpy(values.copy()))
    return tensors


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rope(x, theta):
    """(batch, heads, tokens, head_dim): halves turn against each other."""
    d, n = x.shape[-1], x.shape[-2]
    frequency = theta ** (-torch.arange(0, d, 2, dtype=torch.float32) / d)
    angle = torch.arange(n, dtype=torch.float32)[:, None] * frequency[None]
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :d // 2], x[..., d // 2:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def forward(weights, config, ids):
    """(batch, tokens) -> logits of a Qwen2 decoder."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    eps, theta = config["rms_norm_eps"], config.get("rope_theta", 10000.0)
    x = weights["model.embed_tokens.weight"][ids]
    batch, n, hidden = x.shape
    head_dim = config.get("head_dim", hidden // heads)
    mask = torch.full((n, n), float("-inf")).triu(1)
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        h = rms_norm(x, weights[at + "input_layernorm.weight"], eps)

        def project(name, count):
            name = at + "self_attn." + name
            y = functional.linear(h, weights[name + ".weight"], weights.get(name + ".bias"))
            return y.view(batch, n, count, head_dim).transpose(1, 2)

        q, k = rope(project("q_proj", heads), theta), rope(project("k_proj", kv_heads), theta)
        v = project("v_proj", kv_heads)
        k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(head_dim) + mask
        h = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, n, heads * head_dim)
        x = x + functional.linear(h, weights[at + "self_attn.o_proj.weight"])
        h = rms_norm(x, weights[at + "post_attention_layernorm.weight"], eps)
        gate = functional.linear(h, weights[at + "mlp.gate_proj.weight"])
        up = functional.linear(h, weights[at + "mlp.up_proj.weight"])
        x = x + functional.linear(functional.silu(gate) * up, weights[at + "mlp.down_proj.weight"])
    x = rms_norm(x, weights["model.norm.weight"], eps)
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    return functional.linear(x, head)


def optimizer(weights, rate):
    matrices = [w for w in weights.values() if w.dim() == 2]
    vectors = [w for w in weights.values() if w.dim() != 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                              {"params": vectors, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.95), eps=1e-8)


def steps(folder, tokens):
    with open(folder + "/config.json") as file:
        config = json.load(file)
    weights = read_safetensors(folder + "/model.safetensors")
    with open(tokens) as file:
        wanted = json.load(file)
    adamw = optimizer(weights, wanted["learning_rate"])
    losses, norms = [], []
    for _ in range(wanted["steps"]):
        adamw.zero_grad()
        total, count = 0, 0
        for ids in wanted["sequences"]:
            logits = forward(weights, config, torch.tensor([ids]))[0, :-1]
            total = total + functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum")
            count += len(ids) - 1
        loss = total / count
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)))
        losses.append(loss.item())
        adamw.step()
    print(json.dumps({"losses": losses, "norms": norms}))


BENCH = {"num_attention_heads": 4, "num_key_value_heads": 4, "rms_norm_eps": 1e-6,
         "num_hidden_layers": 6, "hidden": 256, "ffn": 768, "vocab": 8192}


def bench(n):
    """16 sequences of 256 tokens: forward, backward, clipping, AdamW."""
    torch.manual_seed(1)
    c, w = BENCH, {}

    def add(name, *shape):
        w[name] = torch.nn.Parameter(torch.randn(shape) * 0.02 if len(shape) == 2
                                     else torch.ones(shape))

    add("model.embed_tokens.weight", c["vocab"], c["hidden"])
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}."
        add(at + "input_layernorm.weight", c["hidden"])
        add(at + "post_attention_layernorm.weight", c["hidden"])
        for name in ("q", "k", "v", "o"):
            add(at + f"self_attn.{name}_proj.weight", c["hidden"], c["hidden"])
        for name in ("q", "k", "v"):
            w[at + f"self_attn.{name}_proj.bias"] = torch.nn.Parameter(torch.zeros(c["hidden"]))
        add(at + "mlp.gate_proj.weight", c["ffn"], c["hidden"])
        add(at + "mlp.up_proj.weight", c["ffn"], c["hidden"])
        add(at + "mlp.down_proj.weight", c["hidden"], c["ffn"])
    add("model.norm.weight", c["hidden"])
    adamw = optimizer(w, 1e-3)
    best = 0
    for _ in range(n):
        ids = torch.randint(0, c["vocab"], (16, 257))
        start = time.monotonic()
        adamw.zero_grad()
        logits = forward(w, c, ids[:, :-1])
        functional.cross_entropy(logits.reshape(-1, c["vocab"]), ids[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(list(w.values()), 1.0)
        adamw.step()
        best = max(best, 16 * 256 / (time.monotonic() - start))
    print(json.dumps({"parameters": sum(x.numel() for x in w.values()), "tokens_per_second": best,
                      "threads": torch.get_num_threads(), "torch": torch.__version__}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["steps"] and len(sys.argv) == 4:
        steps(*sys.argv[2:])
    elif sys.argv[1:2] == ["bench"]:
        bench(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    else:
        sys.exit(__doc__)
