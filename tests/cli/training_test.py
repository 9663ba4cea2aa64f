"""Training end to end on small data: every stage, killed and gone on with, and what it writes runs."""
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import time

from serve_test import Server, chat
from support import BINARY, Case, environment, jiang, scratch

WORDS = "red green blue one two three cat dog sings runs sleeps 红 绿 蓝 猫 狗 唱歌 跑步".split()


def path(*parts):
    return os.path.join(scratch, "training", *parts)


def write(name, text):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return path(name)


def sentences(seed, n):
    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(6)) + "." for _ in range(n)]


MODEL = """
[model]
tokenizer = "tokenizer"
hidden_size = 64
intermediate_size = 128
num_hidden_layers = 2
num_attention_heads = 4
num_key_value_heads = 2
max_position_embeddings = 256
"""


def pretrain_recipe(out, more=""):
    return write(f"{out}.toml", MODEL + f"""
[data]
train = ["text/*.jsonl"]
held_out = ["held.txt"]
[train]
out = "{out}"
sequence_length = 64
tokens_per_batch = 128
tokens_per_step = 256
learning_rate = 3e-3
steps = 30
evaluate_every = 10
seed = 7
{more}
""")


def tuning_recipe(kind, base, out, data, more="", epochs=4):
    return write(f"{out}.toml", f"""
[model]
path = "{base}"
[data]
train = ["{data}"]
held_out = ["{data}"]
[train]
out = "{out}"
sequence_length = 128
tokens_per_batch = 256
tokens_per_step = 512
learning_rate = {"1e-2" if kind == "lora" else "1e-3"}
epochs = {epochs}
{more}
""")


def log_of(out):
    with open(path(out, "log.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def weights_of(out, name="model.safetensors"):
    with open(path(out, name), "rb") as file:
        return file.read()


class Training(Case):
    @classmethod
    def setUpClass(cls):
        lines = [json.dumps({"text": " ".join(sentences(i, 12))}, ensure_ascii=False)
                 for i in range(60)]
        write("text/a.jsonl", "\n".join(lines[:30]) + "\n")
        write("text/b.jsonl", "\n".join(lines[30:] + ['{"text": 3}', "not json"]) + "\n")
        write("held.txt", " ".join(sentences(999, 20)))
        done = jiang("train", "tokenizer", path("tokenizer"), path("text/*.jsonl"),
                     "--vocab-size", "320")
        assert done.returncode == 0, done.stderr
        cls.tokenizer_said = done.stderr.decode()
        done = jiang("train", "pretrain", pretrain_recipe("base"))
        assert done.returncode == 0, done.stderr
        cls.pretrain_said = done.stderr.decode()
        rng = random.Random(5)
        chats, pairs = [], []
        for _ in range(40):
            animal, deed = rng.choice(["cat", "dog", "猫", "狗"]), rng.choice(["sings", "runs"])
            chats.append({"messages": [{"role": "user", "content": f"What of the {animal}?"},
                                       {"role": "assistant", "content": f"The {animal} {deed}."}]})
            pairs.append({"prompt": f"What of the {animal}?", "chosen": f"The {animal} sings.",
                          "rejected": f"The {animal} sleeps."})
        chats.append({"instruction": "Say red.", "input": "", "output": "red"})
        chats.append({"conversations": [{"from": "human", "value": "Say blue."},
                                        {"from": "gpt", "value": "blue"}]})
        chats.append({"messages": [{"role": "user", "content": "no answer"}]})
        for word in ("blue", "green"):
            write(f"{word}.jsonl", "".join(
                json.dumps({"messages": [{"role": "user", "content": c["messages"][0]["content"]},
                                         {"role": "assistant", "content": f"{word} {word} {word}"}]})
                + "\n" for c in chats[:40]))
        write("chats.jsonl", "".join(json.dumps(c, ensure_ascii=False) + "\n" for c in chats))
        write("pairs.jsonl", "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in pairs))
        done = jiang("train", "sft", tuning_recipe("sft", "base", "sft", "chats.jsonl"))
        assert done.returncode == 0, done.stderr
        cls.sft_said = done.stderr.decode()

    def test_tokenizer_gives_text_back_and_names_bad_lines(self):
        self.assertIn("b.jsonl:31", self.tokenizer_said)
        self.assertIn("b.jsonl:32", self.tokenizer_said)
        with open(path("tokenizer", "tokenizer.json"), encoding="utf-8") as file:
            tokenizer = json.load(file)
        self.assertEqual(len(tokenizer["model"]["vocab"]) + len(tokenizer["added_tokens"]), 320)
        text = "cat sings. 猫 唱歌 \U0001f600"
        ids = self.succeeds("tokenize", path("tokenizer"), "--json", stdin=text.encode())
        self.assertLess(len(json.loads(ids)), 12)
        back = self.succeeds("tokenize", path("tokenizer"), "--decode", stdin=ids)
        self.assertEqual(back.decode(), text)

    def test_pretraining_learns_logs_and_writes_a_model_that_runs(self):
        log = log_of("base")
        self.assertEqual([entry["step"] for entry in log], list(range(1, 31)))
        self.assertLess(log[-1]["loss"], log[0]["loss"] - 1)
        self.assertLess(log[-1]["held_out_loss"], log[9]["held_out_loss"])
        self.assertIn("<svg", open(path("base", "loss.svg"), encoding="utf-8").read())
        self.assertIn("b.jsonl:31", self.pretrain_said)
        shown = json.loads(self.succeeds("show", path("base"), "--json"))
        self.assertEqual(shown["architecture"], "Qwen2ForCausalLM")
        # The engine's loss over the held-out text is the trainer's, up to where the text is cut.
        self.succeeds("quantize", path("base"), path("base.gguf"), "--type", "f32")
        self.succeeds("run", path("base.gguf"), "-p", "red", "-n", "4", "--temp", "0")

    def test_a_killed_run_goes_on_to_the_same_bytes(self):
        recipe = pretrain_recipe("killed", "checkpoint_minutes = 0")
        kills = 0
        for kill_at in (2, 6, 11):
            running = subprocess.Popen([BINARY, "train", "pretrain", recipe], env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while running.poll() is None and time.monotonic() < deadline:
                try:
                    if len(log_of("killed")) >= kill_at:
                        break
                except (OSError, ValueError):
                    pass
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
            running.wait()
            kills += running.returncode == -signal.SIGKILL
        self.assertGreater(kills, 0)
        said = self.succeeds("train", "pretrain", recipe).decode()
        self.assertIn("went on from step", said)
        self.assertEqual(weights_of("killed"), weights_of("base"))
        keep = ("step", "loss", "learning_rate", "gradient_norm", "tokens", "held_out_loss")
        strip = [[{k: e.get(k) for k in keep} for e in log_of(run)] for run in ("killed", "base")]
        self.assertEqual(*strip)
        self.assertFalse([f for f in os.listdir(path("killed")) if ".part-" in f])

    def test_another_recipe_does_not_go_on_from_a_checkpoint(self):
        recipe = pretrain_recipe("base", "clip = 0.5")
        done = jiang("train", "pretrain", recipe)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--restart", done.stderr.decode())
        pretrain_recipe("base")

    def test_recipes_are_read_strictly(self):
        self.refused("train", "pretrain", pretrain_recipe("bad", "lerning_rate = 1"), code=2,
                     says="did you mean learning_rate")
        self.refused("train", "pretrain", pretrain_recipe("bad", "clip = -1"), code=2,
                     says="bad.toml:23")
        self.refused("train", "pretrain", pretrain_recipe("bad", 'compute = "f16"'), code=2,
                     says='train.compute must be "auto", "f32" or "bf16"')
        self.refused("train", "sft", tuning_recipe("sft", "base", "bad", "nothing.jsonl"), code=1,
                     says="no such file")

    def test_products_in_bf16_learn_as_those_in_f32_do(self):
        for compute in ("f32", "bf16"):
            done = jiang("train", "pretrain", pretrain_recipe(compute, f'compute = "{compute}"'))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"matrix products in {compute}", done.stderr.decode())
        f32, bf16 = log_of("f32"), log_of("bf16")
        self.assertNotEqual(f32[-1]["loss"], bf16[-1]["loss"])
        # 2^-8 of the loss per step would be noise of one sign; what is left of it is far below.
        self.assertAlmostEqual(f32[0]["loss"], bf16[0]["loss"], delta=0.01)
        self.assertAlmostEqual(f32[-1]["held_out_loss"], bf16[-1]["held_out_loss"], delta=0.05)

    def test_memory_that_will_not_suffice_is_refused_with_numbers(self):
        recipe = write("huge.toml", MODEL.replace("hidden_size = 64", "hidden_size = 65536")
                       .replace("max_position_embeddings = 256", "max_position_embeddings = 65536")
                       + '[data]\ntrain = ["held.txt"]\n[train]\nout = "huge"\n'
                       + 'sequence_length = 65536\n')
        self.refused("train", "pretrain", recipe, code=1, says="free")

    def test_sft_learns_the_answers_and_names_what_it_left_out(self):
        log = log_of("sft")
        self.assertLess(log[-1]["loss"], log[0]["loss"] - 0.5)
        self.assertIn("chats.jsonl:43: no turn of the assistant", self.sft_said)

    def test_dpo_ranks_the_chosen_answers_higher(self):
        self.succeeds("train", "dpo", tuning_recipe("dpo", "sft", "dpo", "pairs.jsonl"))
        log = log_of("dpo")
        self.assertAlmostEqual(log[0]["loss"], 0.6931, places=3)  # the reference is the model
        self.assertLess(log[-1]["loss"], 0.6)
        self.assertGreater(log[-1]["accuracy"], 0.9)

    def test_lora_over_a_quantised_model_lowers_its_loss(self):
        self.succeeds("quantize", path("base"), path("frozen.gguf"), "--type", "q8_0")
        before = open(path("frozen.gguf"), "rb").read()
        self.succeeds("train", "lora", tuning_recipe(
            "lora", "frozen.gguf", "lora", "chats.jsonl", "evaluate_every = 1\n[lora]\nrank = 4\n"
            "dropout = 0.1\n"))
        log = log_of("lora")
        self.assertLess(log[-1]["held_out_loss"], log[0]["held_out_loss"] - 0.3)
        self.assertEqual(open(path("frozen.gguf"), "rb").read(), before)
        config = json.load(open(path("lora", "adapter_config.json"), encoding="utf-8"))
        self.assertEqual((config["peft_type"], config["r"]), ("LORA", 4))
        self.assertTrue(os.path.exists(path("lora", "adapter_model.safetensors")))
        self.assertTrue(os.path.exists(path("lora", "adapter.gguf")))

    def adapter_that_says(self, word):
        """The folder of an adapter over whole.gguf; made once."""
        if not os.path.exists(path("whole.gguf")):
            self.succeeds("quantize", path("sft"), path("whole.gguf"), "--type", "f32")
        if not os.path.exists(path(word, "adapter.gguf")):
            self.succeeds("train", "lora", tuning_recipe(
                "lora", "whole.gguf", word, f"{word}.jsonl", "[lora]\nrank = 4\n", epochs=40))
        return path(word)

    def test_a_request_chooses_its_adapters_over_http(self):
        names = [self.adapter_that_says("blue"), self.adapter_that_says("green")]
        flags = [flag for name in names for flag in ("--lora", name)]
        with Server(path("whole.gguf"), *flags, "--port", 0) as server:
            def answer(mix):
                status, body, _ = server.ask("POST", "/v1/chat/completions",
                                             chat("What of the cat?", max_tokens=8, lora=mix))
                self.assertEqual(status, 200, body)
                return body["choices"][0]["message"]["content"]

            mixes = [[{"id": 0}], [{"id": 1}], [], [{"id": 0, "scale": 0}]]
            alone = [answer(mix) for mix in mixes]
            self.assertIn("blue", alone[0])
            self.assertNotIn("green", alone[0])
            self.assertIn("green", alone[1])
            self.assertNotIn("blue", alone[1])
            self.assertNotIn("blue", alone[2])
            self.assertNotIn("green", alone[2])
            self.assertEqual(alone[3], alone[2])
            # In turn and at once, in one batch: each request has its own.
            with concurrent.futures.ThreadPoolExecutor(8) as many:
                self.assertEqual(list(many.map(answer, mixes * 3)), alone * 3)
            status, body, _ = server.ask("POST", "/v1/chat/completions",
                                         chat("hi", max_tokens=2, lora=[{"id": 2}]))
            self.assertEqual(status, 400)
            self.assertIn("there is no adapter 2; 0 to 1 are loaded", body["error"]["message"])
            status, body, _ = server.ask("POST", "/v1/chat/completions",
                                         chat("hi", max_tokens=2, lora=[{"name": "blue"}]))
            self.assertEqual(status, 400)
            self.assertIn("lora", body["error"]["message"])

    def test_adapters_run_switch_and_merge(self):
        self.adapter_that_says("blue")

        def answer(*arguments):
            return self.succeeds("run", *arguments, "-p", "What of the cat?", "-n", "8",
                                 "--temp", "0").decode()
        plain = answer(path("whole.gguf"))
        adapted = answer(path("whole.gguf"), "--lora", path("blue"))
        self.assertIn("blue", adapted)
        self.assertNotEqual(plain, adapted)
        gguf = path("blue", "adapter.gguf")
        self.assertEqual(answer(path("whole.gguf"), "--lora", gguf), adapted)
        self.assertEqual(answer(path("whole.gguf"), "--lora", gguf + ":0"), plain)
        self.succeeds("merge", path("whole.gguf"), path("merged.gguf"), "--lora", gguf,
                      "--type", "f32")
        self.assertEqual(answer(path("merged.gguf")), adapted)
        self.succeeds("merge", path("sft"), path("merged"), "--lora", path("blue"))
        self.assertEqual(answer(path("merged")), adapted)
        self.refused("merge", path("whole.gguf"), path("x.gguf"), code=2, says="--lora")
        self.refused("run", path("whole.gguf"), "--lora", path("nowhere"), "-p", "x", code=1,
                     says="no such adapter")
