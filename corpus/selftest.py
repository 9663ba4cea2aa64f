#!/usr/bin/env python3
"""Tests of the generator: the same files for a seed, and nothing held out is trained on."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check  # noqa: E402
import explain  # noqa: E402
import generate  # noqa: E402
import grammar  # noqa: E402
import score  # noqa: E402
import topicfile  # noqa: E402


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="corpus")
        cls.out = [pathlib.Path(cls.folder.name, name) for name in "ab"]
        for out in cls.out:
            sys.argv = ["generate.py", "--out", str(out), "--scale", "0.1", "--rounds", "2", "--dpo", "200"]
            with contextlib.redirect_stdout(io.StringIO()):
                generate.main()
        cls.held = rows(cls.out[0] / "heldout.jsonl")
        cls.chats = rows(cls.out[0] / "chats.jsonl") + rows(cls.out[0] / "chats-valid.jsonl")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_seed_gives_the_same_bytes(self):
        for path in self.out[0].iterdir():
            self.assertEqual(path.read_bytes(), (self.out[1] / path.name).read_bytes(), path.name)

    def test_held_out_questions_are_enough_and_half_chinese(self):
        of_c = [h for h in self.held if "checks" in h]
        self.assertGreaterEqual(len(of_c), 300)
        chinese = sum(h["lang"] == "zh" for h in self.held)
        self.assertLess(abs(2 * chinese - len(self.held)), 0.06 * len(self.held))
        self.assertGreaterEqual(sum(h["kind"] == "outside" for h in self.held), 50)
        self.assertGreaterEqual(sum(h["kind"] == "combination" for h in self.held), 20)

    def test_no_held_out_question_is_trained_on(self):
        kept = {h["messages"][0]["content"] for h in self.held if h["kind"] != "preset"}
        asked = {m["content"] for row in self.chats for m in row["messages"] if m["role"] == "user"}
        fronts = [text[:-2] for texts in (*generate.RESTATE.values(), *generate.CODE_ONLY.values()) for text in texts]
        asked |= {text[len(front):] for text in asked for front in fronts if text.startswith(front)}
        self.assertEqual(kept & asked, set())
        docs = rows(self.out[0] / "pretrain.jsonl") + rows(self.out[0] / "pretrain-valid.jsonl")
        first_lines = {doc["text"].split("\n\n")[0] for doc in docs}
        self.assertEqual({k for k in kept if len(k) > 25} & first_lines, set())
        dpo = {h["messages"][0]["content"] for h in rows(self.out[0] / "dpo.jsonl")}
        self.assertEqual(kept & dpo, set())

    def test_no_program_of_a_held_out_combination_is_trained_on(self):
        held = [p for t in topicfile.read_topics() for p in t.programs if p.held_out]
        self.assertGreaterEqual(len(held), 20)
        text = "".join((self.out[0] / name).read_text(encoding="utf-8")
                       for name in ("pretrain.jsonl", "chats.jsonl"))
        for program in held:
            for lang in ("zh", "en"):
                source = program.source(lang).strip()
                self.assertNotIn(json.dumps(source, ensure_ascii=False)[1:-1], text, program.id)

    def test_every_value_of_an_axis_is_trained_on(self):
        for topic in topicfile.read_topics():
            for axis, value, name in {(a, v, p.name.split("+")[0]) for p in topic.programs
                                      for a, v in p.values.items()}:
                self.assertTrue(any(p.values.get(axis) == value and not p.held_out for p in topic.programs
                                    if p.name.split("+")[0] == name), f"{topic.name} {axis}={value}")

    def test_conversations_are_whole_and_short_enough(self):
        for row in self.chats:
            roles = [m["role"] for m in row["messages"] if m["role"] != "system"]
            self.assertEqual(roles, ["user", "assistant"] * (len(roles) // 2))
            size = sum(len(m["content"].encode()) for m in row["messages"] if m["role"] != "system")
            self.assertLess(size, 1.3 * generate.LONGEST)
            for message in row["messages"]:
                self.assertEqual(message["content"].count("```") % 2, 0)
                self.assertNotRegex(message["content"], r"\{(np|vp|name|symptom)\}")

    def test_presets_are_trained_on(self):
        asked = {m["content"] for row in self.chats for m in row["messages"] if m["role"] == "user"}
        for question, _ in generate.PRESETS:
            self.assertIn(question, asked)


class Scored(unittest.TestCase):
    def test_the_corpus_answer_beats_a_wrong_one_and_that_beats_none(self):
        writer = generate.Writer(1)
        program = writer.by_id["gcd/lcm"]
        line = writer.expectation(program, "en", None, "dpo", "lcm")
        rng = generate.random.Random(1)
        answer = writer.answer(program, "en", rng)
        self.assertEqual(score.score(answer, line), 9)
        self.assertEqual(score.score(answer.replace("gcd(a, b) * b", "gcd(a, b)"), line), 5)
        self.assertEqual(score.score(answer.replace("int a, b;", "int a b;"), line), 3)
        self.assertEqual(score.score(answer.split("```")[0], line), 1)
        self.assertEqual(score.score(writer.answer(program, "zh", rng), line), 7)


class Parts(unittest.TestCase):
    def test_grammar_counts_choices_and_leaves_other_brackets(self):
        self.assertEqual(grammar.count("[a|b [c|d]|]x[0]"), 4)
        self.assertEqual(grammar.draw("a[0] = 1", None), "a[0] = 1")

    def test_normalising_drops_names_and_constants_only(self):
        one, two = "int a = 1;  // x", "int b = 2;"
        self.assertEqual(check.normalised(one), check.normalised(two))
        self.assertNotEqual(check.normalised("a > b"), check.normalised("a < b"))

    def test_an_unknown_line_is_not_explained(self):
        self.assertIsNone(explain.explain("int a@b;", "en"))
        self.assertEqual(explain.explain("sum += i;", "en"), [("sum += i;", "Adds `i` to `sum`.")])

    def test_conditions_and_slots(self):
        lines = ["%if a=x", "one {{a.k}}", "%elif a=y", "two", "%else", "three", "%end"]
        table = {("a", "x"): {"k": "K"}}
        self.assertEqual(topicfile.render(lines, {"a": "x"}, table, ""), ["one K"])
        self.assertEqual(topicfile.render(lines, {"a": "y"}, table, ""), ["two"])
        self.assertEqual(topicfile.render(lines, {"a": "z"}, table, ""), ["three"])
        with self.assertRaises(topicfile.TopicError):
            topicfile.render(["%if a=x"], {"a": "x"}, table, "")


if __name__ == "__main__":
    unittest.main()
