"""One-shot answers: the documented story at every level and thread count, pipes, repeatability."""
import json
import os
import re
import subprocess
import tempfile

import support
from support import BINARY, ROOT, Case, data, environment, jiang, tiny_model

STORY = ["-p", "Once upon a time", "--raw", "--temp", "0", "-n", "200"]


def levels():
    found = json.loads(jiang("doctor", "--json").stdout)["isa"]["found"]
    return [level for level in ("scalar", "avx2", "avxvnni", "avx512", "amx") if level in found]


class Formats(Case):
    """A model that can only tell stories answers in JSON, because nothing else is allowed."""
    MODEL = "weights/stories260K/stories260K-f32.gguf"

    def answer(self, form, seed):
        out = self.succeeds("run", data(self.MODEL), "-p", "Once", "--raw", "--temp", "1", "--seed", seed,
                            "-n", "150", "--format", form)
        return json.loads(out)

    def test_an_object(self):
        for seed in range(3):
            self.assertIsInstance(self.answer("json", seed), dict)

    def test_a_schema(self):
        schema = {"type": "object", "required": ["name", "age"], "properties": {
            "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 1, "maximum": 99}}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(schema, file)
            file.flush()
            for seed in range(3):
                person = self.answer(file.name, seed)
                self.assertEqual(list(person), ["name", "age"])
                self.assertLessEqual(len(person["name"]), 20)
                self.assertTrue(1 <= person["age"] <= 99)

    def test_what_cannot_be_kept_is_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"properties": {"a": {"not": {}}}}, file)
            file.flush()
            failed = jiang("run", data(self.MODEL), "-p", "x", "--format", file.name)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn(b"schema/properties/a/not", failed.stderr)


class Story(Case):
    def documented(self):
        text = open(data("weights/stories260K/stories260K.md")).read()
        return re.search(r"-t 0\.0\n(Once upon a time.*?)\n```", text, re.S)[1]

    def test_stories260k_is_told_word_for_word(self):
        model = data("weights/stories260K/stories260K-f32.gguf")
        wanted = self.documented()
        for level in levels():
            for threads in (1, 2):
                with self.subTest(isa=level, threads=threads):
                    out = self.succeeds("run", model, *STORY, "-t", threads,
                                        env={"JIANG_ISA": level}).decode()
                    self.assertGreater(len(out), 400)
                    self.assertTrue(wanted.startswith("Once upon a time" + out.rstrip("\n")), out)

    def test_other_forms_of_the_story_speak_too(self):
        for model in ("weights/stories260K/stories260K-F16.gguf", "weights/tinystories-656k"):
            out = self.succeeds("run", data(model), *STORY).decode()
            words = re.findall(r"[A-Za-z']+", out)
            self.assertGreater(len(words), 60, out)
            self.assertIn("was", words)


class Drafts(Case):
    MODEL = ROOT / "models/craftsman.gguf"
    ASK = ["-p", "用 C 写一个程序，打印 1 到 10 的和", "-n", "120"]

    @classmethod
    def setUpClass(cls):
        cls.draft = os.path.join(support.scratch, "craftsman-q4_0.gguf")
        made = jiang("quantize", cls.MODEL, cls.draft, "--type", "q4_0", "--allow-requantize")
        assert made.returncode == 0, made.stderr

    def test_a_draft_changes_no_character_and_says_what_it_guessed(self):
        for how in (["--temp", "0"], ["--temp", "1", "--seed", "3"]):
            plain = self.succeeds("run", self.MODEL, *self.ASK, *how)
            for more in ([], ["--no-lookup"], ["-t", "2"]):
                done = jiang("run", self.MODEL, "--draft", self.draft, "--verbose", *self.ASK, *how, *more)
                self.assertEqual(done.stdout, plain, how + more)
                counts = re.search(r"guessed tokens were right \(.*draft (\d+) of (\d+)\)", done.stderr.decode())
                self.assertTrue(counts, done.stderr)
                if how == ["--temp", "0"] and more == ["--no-lookup"]:
                    self.assertGreater(int(counts[1]), 20)
                    self.assertGreater(int(counts[1]) / int(counts[2]), 0.6)

    def test_another_vocabulary_is_refused_and_says_what_differs(self):
        refusal = self.refused("run", self.MODEL, "--draft", tiny_model(), "-p", "x",
                               says=["another vocabulary", "512 tokens", "6144", "token "])
        self.assertIn(tiny_model(), refusal)
        self.refused("run", tiny_model(), "--draft", tiny_model("llama3"), "-p", "x",
                     says=["another vocabulary", "512"])
        self.refused("run", tiny_model(), "--draft", "/nowhere.gguf", "-p", "x", says="/nowhere.gguf")

    def test_bench_takes_one(self):
        report = json.loads(self.succeeds("bench", self.MODEL, "--draft", self.draft, "-p", "0", "-n", "16",
                                          "-r", "1", "--json"))
        self.assertGreater(report["decode"]["tokens_per_second"], 0)


class OneShot(Case):
    def test_the_same_seed_gives_the_same_answer(self):
        run = ["run", tiny_model(), "-p", "hello", "-n", "24", "--seed", "7"]
        first = self.succeeds(*run)
        self.assertEqual(first, self.succeeds(*run, "-t", "1"))
        self.assertEqual(first, self.succeeds(*run, "-t", "2"))
        self.assertNotEqual(first, self.succeeds(*run[:-1], "8"))

    def test_prompt_may_come_as_words_flag_or_pipe(self):
        tail = ["-n", "8", "--temp", "0"]
        flag = self.succeeds("run", tiny_model(), "-p", "hello there", *tail)
        self.assertEqual(flag, self.succeeds("run", tiny_model(), "hello", "there", *tail))
        self.assertEqual(flag, self.succeeds("run", tiny_model(), *tail, stdin=b"hello there"))
        both = self.succeeds("run", tiny_model(), "sum up:", *tail, stdin=b"a text")
        self.assertEqual(both, self.succeeds("run", tiny_model(), "-p", "sum up:\n\na text", *tail))

    def test_with_a_prompt_stdin_is_not_waited_for(self):
        reading, writing = os.pipe()  # an open pipe that never says anything
        with subprocess.Popen([BINARY, "run", tiny_model(), "-p", "x", "-n", "2"], stdin=reading,
                              stdout=subprocess.PIPE, env=environment()) as process:
            self.assertEqual(process.wait(60), 0)
        os.close(reading)
        os.close(writing)

    def test_stdout_holds_the_answer_only(self):
        run = ["run", tiny_model(), "-p", "x", "-n", "4", "--temp", "0"]
        quiet = jiang(*run)
        loud = jiang(*run, "--verbose")
        self.assertEqual(quiet.stdout, loud.stdout)
        self.assertEqual(quiet.stderr, b"")
        self.assertRegex(loud.stderr.decode(), r"answer 4 tokens, [\d.]+ tokens/s; first token after")
        self.assertNotIn(b"\x1b", quiet.stdout + loud.stderr)

    def test_stop_strings_are_not_shown(self):
        model = data("weights/stories260K/stories260K-f32.gguf")
        out = self.succeeds("run", model, *STORY, "--stop", "Lily").decode()
        self.assertEqual(out, ", there was a little girl named \n")
