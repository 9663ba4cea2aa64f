"""jiang eval: the recipe's questions are asked, judged and counted; mistakes name their line."""
import json
import os
import unittest

from support import Case, jiang, scratch, tiny_model

QUESTIONS = [
    {"id": "p-1", "kind": "paraphrase", "lang": "en", "topic": "hello",
     "messages": [{"role": "user", "content": "hello world in C"}],
     "checks": [{"program": "hello/hello", "cases": [{"stdin": "", "arguments": [], "need": ["Hello"]}]}],
     "points": ["output with printf"]},
    {"id": "o-1", "kind": "outside", "lang": "zh", "messages": [{"role": "user", "content": "天气？"}]},
    {"id": "a-1", "kind": "about", "lang": "en", "messages": [{"role": "user", "content": "who?"}]},
]


def write(name, text):
    path = os.path.join(scratch, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def recipe(name="eval.toml", extra="max_tokens = 12\nparallel = 2\n", questions=QUESTIONS):
    write("questions.jsonl", "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions))
    return write(name, '[eval]\nquestions = "questions.jsonl"\n' + extra)


class Eval(Case):
    def setUp(self):
        made = write("box.c", "int main(void) { return 0; }\n")
        if jiang("run-code", made).returncode != 0:
            raise unittest.SkipTest("no sandbox holds on this machine")

    def test_a_model_that_knows_nothing_scores_nothing(self):
        answers = os.path.join(scratch, "answers.jsonl")
        report = json.loads(self.succeeds("eval", recipe(), tiny_model(), "--json", "--answers", answers))
        self.assertEqual(report["questions"], 3)
        self.assertEqual((report["behaves"]["good"], report["behaves"]["of"]), (0, 1))
        self.assertEqual((report["refusal"]["good"], report["refusal"]["of"]), (0, 1))
        self.assertEqual(report["language"]["of"], 3)
        with open(answers, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        self.assertEqual([row["id"] for row in rows], ["p-1", "o-1", "a-1"])
        self.assertEqual(rows[0]["reason"], "no whole program")

    def test_repairs_print_both_figures(self):
        answers = os.path.join(scratch, "mended.jsonl")
        report = json.loads(self.succeeds("eval", recipe(), tiny_model(), "--json", "--repairs", "1",
                                          "--answers", answers))
        self.assertEqual(report["with_repairs"]["behaves"], report["behaves"])
        plain = os.path.join(scratch, "plain.jsonl")
        self.succeeds("eval", recipe(), tiny_model(), "--json", "--answers", plain)
        with open(answers, encoding="utf-8") as first, open(plain, encoding="utf-8") as second:
            for mended, row in zip(map(json.loads, first), map(json.loads, second)):
                self.assertEqual(mended["answer"], row["answer"])

    def test_the_same_seed_gives_the_same_answers_in_any_batch(self):
        texts = []
        for parallel in (1, 3):
            path = os.path.join(scratch, f"answers-{parallel}.jsonl")
            self.succeeds("eval", recipe(extra=f"max_tokens = 16\nparallel = {parallel}\n"), tiny_model(),
                          "--answers", path)
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        self.assertEqual(*texts)


class Mistakes(Case):
    def test_a_recipe_with_an_unknown_key_names_its_line(self):
        self.refused("eval", recipe(extra="max_token = 3\n"), tiny_model(),
                     says="eval.toml:3: eval.max_token is not known")

    def test_a_value_out_of_range_is_refused(self):
        self.refused("eval", recipe(extra="parallel = 0\n"), tiny_model(),
                     says="eval.parallel must be from 1 to 64")

    def test_a_question_of_no_known_kind_names_its_line(self):
        bad = [QUESTIONS[0], {**QUESTIONS[1], "kind": "joke"}]
        self.refused("eval", recipe(questions=bad), tiny_model(),
                     says='questions.jsonl:2: unknown kind "joke"')

    def test_without_a_model_it_says_what_is_missing(self):
        self.refused("eval", recipe(), says="eval.model is missing")
