#!/usr/bin/env python3
"""bench/quality.py MODEL TEXT [--calibration TEXT]: what each format of weights costs in quality.

MODEL, best in f32, bf16 or f16, becomes an f16 file, which is the reference; that becomes one file of
every type: without an importance matrix, and where a calibration text is given with one of columns
(jiang imatrix) and one with products (--full). Of each: bits
per weight, perplexity on TEXT, mean KL divergence from the reference and how often both name the
same next token. Types that another one beats in both bits and divergence are not on the front (*).
A TEXT that ends in .jsonl is read as documents: the values of "text", with blank lines between them.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

TYPES = ("q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 iq4_nl iq4_xs mxfp4 "
         "q3_k_l q3_k_m q3_k_s q2_k q2_k_s").split()
MATRICES = {"columns": (), "full": ("--full",)}  # options of jiang imatrix


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], usage="%(prog)s MODEL TEXT [OPTIONS]")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("text", help="what is scored; not the text of the calibration")
    parser.add_argument("--calibration", help="the text of the importance matrix")
    parser.add_argument("--types", nargs="+", default=TYPES, help="types of jiang quantize, also bits=N")
    parser.add_argument("--chunks", default="32", help="chunks that are scored, 0: all (default 32)")
    parser.add_argument("--calibration-chunks", default="64")
    parser.add_argument("--ctx", help="tokens of a chunk")
    parser.add_argument("--jiang", default=os.environ.get("JIANG", "build/release/jiang"))
    parser.add_argument("--out", help="write the table here (markdown) as well")
    parser.add_argument("--json", help="write all figures here")
    return parser.parse_args()


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="jiang-quality-") as folder:
        rows = measure(args, folder)
    mark_front(rows)
    table = markdown(args, rows)
    print(table)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            file.write(table)


def measure(args, folder):
    def jiang(*words, may_refuse=False):
        done = subprocess.run([args.jiang, *words], stdout=subprocess.PIPE, check=False)
        if done.returncode and not may_refuse:
            sys.exit(f"quality.py: jiang {' '.join(words)} failed")
        return done.stdout

    def quantize(source, out, *words, may_refuse=False):
        return json.loads(jiang("quantize", source, out, "--json", *words, may_refuse=may_refuse) or "null")

    def score(model, *words):
        size = ("-c", args.ctx) if args.ctx else ()
        return json.loads(jiang("perplexity", model, text, "--against", reference, "--chunks", args.chunks,
                                "--json", *size, *words))

    def row(name, report, figures, **more):
        rows.append({"type": name, **sizes(report), "perplexity": figures["perplexity"],
                     "kl": figures["mean_kl_divergence"], "kl_error": figures["kl_divergence_error"],
                     "top1": figures["top1_agreement"], "scored": figures["scored_tokens"],
                     "fallbacks": sum(tensor["fallback"] for tensor in report["tensors"]), **more})
        print(f"{name} {rows[-1].get('importance', '')}: {rows[-1]['bits']:.2f} bits, "
              f"KL {rows[-1]['kl']:.6f}", file=sys.stderr)
        if args.json:  # now, so that a run that is cut short leaves what it has
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(rows, file, indent=1)

    text = plain(args.text, os.path.join(folder, "scored.txt"))
    reference = os.path.join(folder, "f16.gguf")
    rows = []
    whole = quantize(args.model, reference, "--type", "f16")
    kinds = {tensor["from"] for tensor in whole["tensors"]}
    row("f16", whole, score(reference), source=" ".join(sorted(kinds)))
    for kv in ("f16", "int8"):
        row(f"f16, {kv} KV", whole, score(reference, "--kv-type", kv), kv=True)
    matrices = {"": ()}
    for kind, options in MATRICES.items() if args.calibration else ():
        matrix = os.path.join(folder, kind)
        size = ("-c", args.ctx) if args.ctx else ()
        jiang("imatrix", reference, plain(args.calibration, os.path.join(folder, "calibration.txt")),
              "-o", matrix, "--chunks", args.calibration_chunks, *size, *options)
        matrices[kind] = ("--imatrix", matrix)
    for name in args.types:
        is_mixture = name.startswith("bits=")
        wanted = ("--bits", name[5:]) if is_mixture else ("--type", name)
        for kind, matrix in matrices.items():
            if is_mixture and kind != "full":
                continue
            out = os.path.join(folder, "quantised.gguf")
            # A budget below the smallest formats of this model's rows is refused, with a sentence.
            report = quantize(reference, out, *wanted, *matrix, may_refuse=is_mixture)
            if report is None:
                continue
            row(name, report, score(out), importance=kind)
            os.remove(out)
    return rows


def plain(path, out):
    if not path.endswith(".jsonl"):
        return path
    with open(path, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as file:
        file.write("\n\n".join(json.loads(line)["text"] for line in lines))
    return out


def sizes(report):
    """Bits per weight of the whole file, and of its matrices alone."""
    tensors = report["tensors"]
    matrices = [tensor for tensor in tensors if tensor["is_matrix"]]
    return {"file_bits": 8 * report["bytes_out"] / sum(tensor["weights"] for tensor in tensors),
            "bits": 8 * sum(tensor["bytes"] for tensor in matrices) / sum(tensor["weights"] for tensor in matrices)}


def mark_front(rows):
    weights = [row for row in rows if not row.get("kv") and row["type"] != "f16"]
    for row in weights:
        row["front"] = not any(other["bits"] <= row["bits"] and other["kl"] < row["kl"] for other in weights)


def markdown(args, rows):
    lines = [f"{os.path.basename(os.path.normpath(args.model))} (as it came: {rows[0]['source']}), "
             f"{rows[0]['scored']} tokens of {os.path.basename(args.text)} scored"
             + (f", importance from {os.path.basename(args.calibration)}" if args.calibration else ""), "",
             "| type | importance | bits per weight | of the file | perplexity | mean KL, nats | +- | same top token | front |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (-row["bits"], row["kl"])):
        name = row["type"] + (" (1)" if row["fallbacks"] else "")
        lines.append(f"| {name} | {row.get('importance', '')} | {row['bits']:.2f} | {row['file_bits']:.2f} | "
                     f"{row['perplexity']:.4f} | {row['kl']:.6f} | {row['kl_error']:.6f} | {100 * row['top1']:.2f} % | "
                     f"{'*' if row.get('front') else ''} |")
    if any(row["fallbacks"] for row in rows):
        lines += ["", "(1) its blocks do not divide the rows of some matrices, which are in a wider type"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
