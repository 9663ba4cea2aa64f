#!/usr/bin/env python3
"""bench/lookup.py [MODEL] [--questions 12] [--rounds 5]: what guessing tokens from the text gains when a program is
to be put right and most of it comes back: decoding with and without lookup in turn, over the same questions.
They come from the corpus (python3 corpus/generate.py); MODEL is the bundled one unless named. The bar is 2.0."""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
JIANG = os.environ.get("JIANG", str(ROOT / "build/release/jiang"))
CHATS = ROOT / "build/corpus/chats.jsonl"
SPEED = re.compile(r"answer (\d+) tokens, ([\d.]+) tokens/s.*?(?:; (\d+) of (\d+) guessed|$)", re.S)


def questions(n):
    if not CHATS.is_file():
        sys.exit(f"lookup: {CHATS} is missing: python3 corpus/generate.py makes it")
    found = []
    with open(CHATS, encoding="utf-8") as chats:
        for line in chats:
            messages = json.loads(line)["messages"]
            asked, answered = messages[0]["content"], messages[1]["content"]
            if "```c" in asked and ("改正后的程序" in answered or "The program put right" in answered):
                found.append(asked)
    found.sort(key=len, reverse=True)  # long programs, as people have them
    return found[:n]


def answer(model, question, *options):
    """(tokens, seconds of decoding, right guesses, guesses)"""
    done = subprocess.run([JIANG, "run", model, "-p", question, "-n", "1000", "--temp", "0", "--verbose", *options],
                          capture_output=True, text=True)
    speed = SPEED.search(done.stderr)
    if done.returncode != 0 or not speed:
        sys.exit(f"lookup: jiang run: {done.stderr.strip()}")
    tokens = int(speed[1]) - 1  # the first comes out of the prompt
    return tokens, tokens / max(float(speed[2]), 1e-9), int(speed[3] or 0), int(speed[4] or 0)


def main():
    parser = argparse.ArgumentParser(prog="bench/lookup.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=str(ROOT / "models/craftsman.gguf"))
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    asked = questions(options.questions)
    ratios = []
    for turn in range(options.rounds):
        plain = [answer(options.model, question, "--no-lookup") for question in asked]
        guessed = [answer(options.model, question) for question in asked]
        if [run[0] for run in plain] != [run[0] for run in guessed]:
            sys.exit("lookup: the answers differ in length with and without lookup")
        speeds = [sum(run[0] for run in runs) / sum(run[1] for run in runs) for runs in (plain, guessed)]
        ratios.append(speeds[1] / speeds[0])
        print(f"round {turn + 1}: {speeds[0]:.0f} tokens/s plain, {speeds[1]:.0f} with lookup: {ratios[-1]:.2f}")
    tokens, _, right, all_guesses = (sum(column) for column in zip(*guessed))
    print(f"{tokens} tokens in {len(asked)} answers, {right} of {all_guesses} guesses right; "
          f"with lookup {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}); the bar is 2.0")


if __name__ == "__main__":
    main()
