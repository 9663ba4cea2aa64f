#!/usr/bin/env python3
"""Scores an answer for `jiang train pairs`, inside its box: reads {"answer", "line"} from stdin, prints a number.

The same rules as src/judge: a whole C program, no warning, right on every input of one alternative,
knowledge points, the language of the question.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FLAGS = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-O1"]


def first_program(answer):
    for tag, body in re.findall(r"(?ms)^```(\w*)[ \r]*\n(.*?)^```", answer):
        if tag in ("c", "C", ""):
            return body
    return None


def language(answer):
    prose = re.sub(r"(?ms)^```.*?(^```|\Z)", "", answer)
    prose = re.sub(r"`[^`\n]*`", " ", prose).replace("代码匠", "")
    chinese = len(re.findall(r"[\u3400-\u9fff]", prose))
    letters = chinese + len(re.findall(r"[A-Za-z]", prose))
    if letters == 0:
        return ""
    return "zh" if chinese * 3 >= letters else "en" if chinese * 50 <= letters else ""


def in_order(text, words):
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
        at += len(word)
    return True


def passes(binary, folder, cases):
    for case in cases:
        try:
            run = subprocess.run([binary, *case["arguments"]], input=case["stdin"].encode(), cwd=folder,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=3)
        except subprocess.TimeoutExpired:
            return False
        if run.returncode != 0 or not in_order(run.stdout.decode(errors="replace"), case["need"]):
            return False
    return True


def score(answer, line):
    total = 0.0
    program = first_program(answer)
    if program is not None:
        total += 1
        with tempfile.TemporaryDirectory() as folder:
            source, binary = pathlib.Path(folder, "main.c"), str(pathlib.Path(folder, "main"))
            source.write_text(program, encoding="utf-8")
            built = subprocess.run(["/usr/bin/gcc", *FLAGS, "-o", binary, str(source), "-lm"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if built.returncode == 0:
                total += 2
                if any(passes(binary, folder, check["cases"]) for check in line["checks"]):
                    total += 4
    heading = re.search("知识点|Key points", answer)
    if heading:
        listed = answer[heading.start():]
        if 2 * sum(name in listed for name in line["points"]) >= len(line["points"]):
            total += 1
    if language(answer) == line["lang"]:
        total += 1
    return total


if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(score(request["answer"], request["line"]))
