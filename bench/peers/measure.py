"""Measures jiang and llama.cpp in turn (bench/peers/run starts it) and writes the table. Only the
standard library. The rows and their arithmetic are in table.py."""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

import table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JIANG = os.environ.get("JIANG", "")
MODELS = ROOT / "build/peers/models"


def say(text):
    print("==> " + text, file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"run: {text}")


class Llama:
    """llama.cpp in a process of its own (llama.mjs)."""

    def __init__(self, threads):
        self.threads = threads
        self.child = subprocess.Popen([os.environ["PEERS_NODE"], "--expose-gc", str(ROOT / "bench/peers/llama.mjs")],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        try:
            self.child.stdin.write(json.dumps(request) + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            stop("llama.cpp's process has died")
        for line in self.child.stdout:
            if not line.startswith("llama {"):
                continue  # llama.cpp prints to stdout, too
            answer = json.loads(line[len("llama "):])
            if "error" in answer:
                stop(f"llama.cpp: {answer['error']}")
            return answer
        stop("llama.cpp's process has died")

    def open(self, model):
        return self.ask(command="open", model=str(model), threads=self.threads)["system"]

    def measure(self, group, phases, flash):
        """What of `phases` the group has, under one setting of flash attention."""
        wanted = dict(group.sizes)
        if "prefill" not in phases:
            wanted["prefill"] = 0
        if "decode" not in phases:
            wanted["decode"] = 0
        answer = self.ask(command="measure", flash=flash, **wanted)
        return {phase: answer[phase] for phase in phases}

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def run_jiang(*arguments):
    done = subprocess.run([JIANG, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        stop(done.stderr.strip() or f"jiang {arguments[0]} ended with {done.returncode}")
    return done.stdout


def jiang_command(model, group, threads):
    sizes = group.sizes
    return ["bench", model, "-p", sizes.get("prefill", 0), "-n", sizes.get("decode", 0),
            "-d", sizes.get("depth", 1), "-b", sizes.get("sequences", 1), "-r", 1, "-t", threads, "--json"]


def choose_flash(llama, group):
    """Which setting of flash attention is faster for llama.cpp, for each phase of the group: the best
    of two turns each, of fewer tokens than the rows have."""
    trial = group.for_trial()
    best = {}
    for turn in range(2):
        for flash in (False, True):
            for phase, figures in llama.measure(trial, group.phases(), flash).items():
                key = (phase, flash)
                best[key] = max(best.get(key, 0), figures["tokens_per_second"])
    return {phase: best[phase, True] > best[phase, False] for phase in group.phases()}


def measure_llama(llama, group, flash):
    figures = {}
    for setting in sorted(set(flash.values())):
        phases = [phase for phase in group.phases() if flash[phase] == setting]
        figures.update(llama.measure(group, phases, setting))
    return figures


def measure_model(llama, model, groups, rounds, threads):
    """The model's part of the report."""
    context = json.loads(run_jiang("show", model, "--json"))["trained_context"]
    left_out = [group for group in groups if group.context() > context]
    for group in left_out:
        say(f"{model.name}: left out: {group.needs(context)}")
    groups = [group for group in groups if group not in left_out]
    system = llama.open(model)
    flash = {}
    for group in groups:
        say(f"{model.name}: {group.name}: is llama.cpp faster with flash attention?")
        flash[group.name] = choose_flash(llama, group)
    runs = {group.name: {"llama.cpp": [], "jiang": []} for group in groups}
    for turn in range(rounds):
        for group in groups:
            say(f"{model.name}: round {turn + 1} of {rounds}: {group.name}")
            theirs = measure_llama(llama, group, flash[group.name])
            ours = json.loads(run_jiang(*jiang_command(model, group, threads)))
            ours["model"] = model.name  # not where it lies
            runs[group.name]["llama.cpp"].append(theirs)
            runs[group.name]["jiang"].append(ours)
            for phase, title in group.titles.items():
                say(f"    {title}: llama.cpp {theirs[phase]['tokens_per_second']:.1f} tokens/s,"
                    f" jiang {ours[phase]['tokens_per_second']:.1f}")
    return {"model": model.name, "system": system, "flash": flash, "runs": runs,
            "left_out": [group.needs(context) for group in left_out]}


def made_models():
    """(path, groups): random weights, made once."""
    MODELS.mkdir(parents=True, exist_ok=True)
    for kind in ("q4_0", "q4_k", "q8_0"):
        path = MODELS / f"qwen2-1.5b-{kind}.gguf"
        if not path.exists():
            say(f"making {path.relative_to(ROOT)}")
            run_jiang("dev", "make-model", "--arch", "qwen2", "--shape", "1.5b", "--type", kind, "-o", path)
        yield path, table.GROUPS if kind == "q4_0" else [table.PREFILL_ONLY]


def main():
    parser = argparse.ArgumentParser(prog="bench/peers/run", allow_abbrev=False)
    parser.add_argument("models", nargs="*", metavar="MODEL.gguf")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="without the rows of 8192 tokens")
    parser.add_argument("--threads", type=int, help="of both (default: what jiang chooses)")
    parser.add_argument("--out", default=str(ROOT / "bench/results"))
    parser.add_argument("--from", dest="start", default=".", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--rounds and --threads must be 1 or more")
    start = pathlib.Path(options.start)
    models = [(start / model, table.GROUPS) for model in options.models]
    for model, _ in models:
        if not model.is_file():
            stop(f"{model} is not a file; name a .gguf file")
    out = start / options.out

    machine = json.loads(run_jiang("doctor", "--json"))
    threads = options.threads or machine["threads"]
    report = {
        "cpu": machine["cpu"], "isa": machine["isa"]["chosen"], "threads": threads, "rounds": options.rounds,
        "load_before": os.getloadavg()[0],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "command": table.command_line(options.models, options.rounds, options.quick, threads),
        "models": [],
    }
    llama = Llama(threads)
    for model, groups in models or made_models():
        if options.quick:
            groups = [group for group in groups if not group.is_long]
        report["models"].append(measure_model(llama, model, groups, options.rounds, threads))
    llama.close()
    report["rows"] = table.rows_of(report)

    text = table.as_text(report)
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    stem = table.slug(report["cpu"]) + "-peers"
    (out / (stem + ".json")).write_text(json.dumps(report, indent=1) + "\n")
    (out / (stem + ".md")).write_text(table.as_markdown(report))
    say(f"written to {out}: {stem}.json, {stem}.md")


if __name__ == "__main__":
    main()
