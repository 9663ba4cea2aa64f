#!/usr/bin/env python3
"""Checks the corpus: every program compiles without warnings and prints what the file says.

  check.py             all; programs that have not changed since they passed are skipped (build/corpus)
  check.py --fill      also writes the output of programs that have none yet; read it before you commit
  check.py --sanitize  under AddressSanitizer and UBSan, nothing skipped
  check.py NAME        only files whose name contains NAME
"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import topicfile  # noqa: E402

FLAGS = ["-std=c17", "-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if
inline int long register return short signed sizeof static struct switch typedef union unsigned void
volatile while _Bool""".split())


def normalised(code):
    """The program without names and constants: two programs of a topic must still differ."""
    code = re.sub(r"//.*|/\*.*?\*/", "", code)
    tokens = re.findall(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[A-Za-z_]\w*|\d[\w.]*|[^\w\s]{1,1}', code)
    return " ".join(t if t in KEYWORDS or not (t[0] in "\"'_" or t[0].isalnum()) else
                    ("0" if t[0] in "\"'" or t[0].isdigit() else "x") for t in tokens)


def compile_program(code, folder, extra):
    source, binary = pathlib.Path(folder, "main.c"), pathlib.Path(folder, "main")
    source.write_text(code, encoding="utf-8")
    done = subprocess.run(["gcc", *FLAGS, *extra, "-o", str(binary), str(source), "-lm"],
                          capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stderr, binary


def check_program(program, sanitize):
    """Returns (list of faults, list of outputs)."""
    extra = SANITIZE if sanitize else ["-O1"]
    faults, outputs = [], []
    with tempfile.TemporaryDirectory(prefix="corpus") as folder:
        code, errors, binary = compile_program(program.source("en"), folder, extra)
        if code != 0:
            return [f"does not compile:\n{errors[:1500]}"], []
        cases = program.cases or [topicfile.Case("", None, [])]
        for case in cases:
            for left in pathlib.Path(folder).iterdir():
                if left.name not in ("main", "main.c"):
                    left.unlink()
            try:
                run = subprocess.run([str(binary), *program.arguments], input=case.stdin, capture_output=True,
                                     text=True, cwd=folder, timeout=10, errors="replace")
            except subprocess.TimeoutExpired:
                faults.append("does not end at end of input")
                continue
            if run.returncode != 0:
                faults.append(f"ends with {run.returncode}: {run.stderr[:800]}")
            outputs.append(run.stdout)
            place = 0
            for word in case.need:
                place = run.stdout.find(word, place)
                if place < 0:
                    faults.append(f"prints\n{run.stdout}\nwithout {word!r} in its place")
                    break
                place += len(word)
            if program.exact and case.stdout is not None and run.stdout.rstrip() != case.stdout.rstrip():
                faults.append(f"prints\n{run.stdout}\nbut the file says\n{case.stdout}")
            elif case.stdout is None and not sanitize:
                faults.append("no expected output (--fill writes it)")
        if program.broken and program.error and not sanitize:
            code, errors, _ = compile_program(topicfile.localise(program.broken, "en"), folder, extra)
            if program.error not in errors:
                faults.append(f"the broken version does not give {program.error!r}:\n{errors[:800]}")
        elif program.broken and not sanitize:
            code, errors, _ = compile_program(topicfile.localise(program.broken, "en"), folder, ["-w"])
            if code != 0:
                faults.append(f"the broken version (no error named) does not compile:\n{errors[:800]}")
    return faults, outputs


def fill(topic, outputs):
    """Adds "--- out" to programs without axes that have none."""
    text = pathlib.Path(topic.path).read_text(encoding="utf-8")
    head, *blocks = re.split(r"(?m)^(?==== )", text)
    for i, block in enumerate(blocks):
        name = block.split("\n", 1)[0][4:].strip()
        if name in outputs and "\n--- out" not in block:
            lines = block.rstrip("\n").split("\n")
            at = next((k for k, line in enumerate(lines) if line.startswith("--- steps")), len(lines))
            lines[at:at] = ["--- out", *outputs[name].rstrip("\n").split("\n")]
            blocks[i] = "\n".join(lines) + "\n\n"
    pathlib.Path(topic.path).write_text((head + "".join(blocks)).rstrip("\n") + "\n", encoding="utf-8")


def style_faults(topics, knowledge):
    faults = []
    used = set()
    for topic in topics:
        shapes = {}
        for program in topic.programs:
            def bad(what):
                faults.append(f"{program.id}: {what}")
            shape = normalised(program.source("en"))
            if shape in shapes:
                bad(f"differs from {shapes[shape]} only in names and constants")
            shapes.setdefault(shape, program.id)
            for lang in ("zh", "en"):
                for field in ("symptom", "why") if program.broken else ("vp",):
                    if not program.fields[field][lang]:
                        bad(f"no {field} in {lang}")
                for text in program.steps[lang] + [t for f in program.fields.values() for t in f[lang]]:
                    if lang == "en" and re.search(r"[\u3400-\u9fff\uff00-\uffef\u3000-\u303f]", text):
                        bad(f"Chinese in the English text: {text}")
                    if lang == "zh" and not re.search(r"[\u3400-\u9fff]", text):
                        bad(f"no Chinese in: {text}")
            if len(program.steps["zh"]) < 2:
                bad("fewer than two steps")
            if not program.points:
                bad("no knowledge points")
            for point in program.points:
                used.add(point)
                if point not in knowledge:
                    bad(f"unknown knowledge point {point}")
            if "\t" in program.code or max(len(line) for line in program.source("en").split("\n")) > 100:
                bad("a tab, or a line over 100 columns")
            if len(program.code.split("\n")) > 130:
                bad("longer than 130 lines")
    return faults, used


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?")
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--stamps", default=str(topicfile.HERE.parent / "build" / "corpus" / "stamps"))
    arguments = parser.parse_args()
    topics = topicfile.read_topics(arguments.name)
    knowledge = topicfile.read_knowledge()
    faults, used = style_faults(topics, knowledge)
    stamps = pathlib.Path(arguments.stamps)
    stamps.mkdir(parents=True, exist_ok=True)

    def stamp(program):
        data = repr((FLAGS, program.code, program.broken, program.error, program.arguments,
                     [(c.stdin, c.stdout) for c in program.cases]))
        return stamps / hashlib.sha256(data.encode()).hexdigest()[:32]
    todo = [p for t in topics for p in t.programs
            if arguments.sanitize or arguments.fill or not stamp(p).exists()]
    total = sum(len(t.programs) for t in topics)
    results = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (bad, outputs) in zip(todo, pool.map(
                lambda p: check_program(p, arguments.sanitize), todo)):
            results[program.id] = outputs
            if arguments.fill:
                bad = [b for b in bad if not b.startswith("no expected output")]
            faults += [f"{program.id}: {b}" for b in bad]
            if not bad and not arguments.sanitize and not arguments.fill:
                stamp(program).touch()
    if arguments.fill:
        for topic in topics:
            outputs = {p.name: results[p.id][0] for p in topic.programs
                       if not p.values and len(p.cases) <= 1 and results.get(p.id)}
            fill(topic, outputs)
    for fault in faults:
        print(fault)
    print(f"corpus: {len(topics)} topics, {total} programs, {len(todo)} compiled now, {len(used)} of "
          f"{len(knowledge)} knowledge points used, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
