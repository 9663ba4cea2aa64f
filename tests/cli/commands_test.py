"""Each command does what its help says, on a tiny model and on real data where there is some."""
import json
import math
import os
import random
import xml.etree.ElementTree

from support import DATA, Case, data, jiang, scratch, slow_model, tiny_encoder, tiny_model


class Frame(Case):
    def test_help_lists_every_command_and_each_explains_itself(self):
        text = self.succeeds("help").decode()
        listed = text[text.index("commands:"):].splitlines()[1:]
        names = [line[2:].split("  ")[0] for line in listed if line.startswith("  ")]
        self.assertIn("run", names)
        self.assertEqual(self.succeeds("--help").decode(), text)
        for name in names:
            shown = self.succeeds("help", *name.split()).decode()
            self.assertIn(f"usage: jiang {name}", shown)
            self.assertIn("examples:", shown)
            self.assertEqual(self.succeeds(*name.split(), "--help").decode(), shown)

    def test_version(self):
        self.assertRegex(self.succeeds("--version").decode(), r"^jiang \d+\.\d+\.\d+\n$")

    def test_slips_are_recognised(self):
        self.refused("rnu", code=2, says="did you mean 'run'?")
        self.refused("dev", "make-modl", code=2, says="did you mean 'dev make-model'?")
        self.refused("show", tiny_model(), "--jsno", code=2, says="did you mean '--json'?")
        self.refused("run", tiny_model(), "--temprature", "1", code=2, says="--temp")

    def test_chinese_users_read_chinese(self):
        for env in ({"LANG": "zh_CN.UTF-8"}, {"LC_ALL": "zh_TW", "LANG": "en_US.UTF-8"}):
            done = jiang("rnu", env=env)
            self.assertEqual(done.returncode, 2)
            self.assertIn("您是想用 “run” 吗", done.stderr.decode())
            self.assertIn("与模型对话", jiang("help", env=env).stdout.decode())
        self.assertIn("did you mean", jiang("rnu", env={"LANG": "C"}).stderr.decode())

    def test_completion_scripts_offer_the_commands(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.succeeds("completion", shell).decode()
            self.assertIn("tokenize", script)
            self.assertIn("make-model", script)
        options = self.succeeds("run", "--list-options").decode().split()
        self.assertIn("--temp", options)


class Tokenize(Case):
    def test_every_byte_of_stdin_comes_back(self):
        rng = random.Random(1)
        texts = [b"", b"\n", b"  two  spaces \n\n", b"a\tb\r\nc", b"\x00\x01", "你好 🙂".encode(),
                 "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x4e00, 0x9fff),
                                         rng.randrange(0x1f600, 0x1f64f)]))
                         for _ in range(2000)).encode()]
        for text in texts:
            ids = self.succeeds("tokenize", tiny_model(), "--json", stdin=text)
            self.assertEqual(ids, json.dumps(json.loads(ids), separators=(",", ":")).encode() + b"\n")
            self.assertEqual(self.succeeds("tokenize", tiny_model(), "--decode", stdin=ids), text)
            plain = self.succeeds("tokenize", tiny_model(), stdin=text)
            self.assertEqual([int(w) for w in plain.split()], json.loads(ids))

    def test_specials_are_text_unless_asked_for(self):
        text = b"<|im_start|>user"
        plain = json.loads(self.succeeds("tokenize", tiny_model(), "--json", stdin=text))
        special = json.loads(self.succeeds("tokenize", tiny_model(), "--json", "--specials", stdin=text))
        self.assertLess(len(special), len(plain))
        back = self.succeeds("tokenize", tiny_model(), "--decode", stdin=json.dumps(special).encode())
        self.assertEqual(back, b"user")
        back = self.succeeds("tokenize", tiny_model(), "--decode", "--specials",
                             stdin=json.dumps(special).encode())
        self.assertEqual(back, text)

    def test_ids_of_published_vocabularies(self):
        folder = DATA / "tokenizers/ggml-vocab"
        data("tokenizers/ggml-vocab")
        elsewhere = {"qwen2": "tokenizers/qwen2-0.5b", "llama-bpe": "tokenizers/llama-3-8b"}
        for inputs in sorted(folder.glob("*.gguf.inp")):
            name = inputs.name[len("ggml-vocab-"):-len(".gguf.inp")]
            vocabulary = data(elsewhere[name]) if name in elsewhere else str(inputs)[:-len(".inp")]
            texts = inputs.read_bytes().split(b"\n__ggml_vocab_test__\n")
            wanted = inputs.with_suffix(".out").read_text().splitlines()
            # One text of each vocabulary: the whole set is checked in process by another suite.
            index = max(range(len(wanted)), key=lambda i: len(wanted[i]))
            with self.subTest(name):
                ids = self.succeeds("tokenize", vocabulary, stdin=texts[index])
                self.assertEqual(ids.split(), wanted[index].encode().split())

    def test_bad_ids_are_refused(self):
        self.refused("tokenize", tiny_model(), "--decode", code=2, stdin=b"1 x", says="'x'")
        self.refused("tokenize", tiny_model(), "--decode", code=2, stdin=b"100000", says="100000")
        self.refused("tokenize", tiny_model(), "--decode", code=2, stdin=b"[-1]", says="-1")


class Template(Case):
    def context(self, value):
        path = os.path.join(scratch, "context.json")
        with open(path, "w") as file:
            json.dump(value, file)
        return path

    def test_the_prompt_is_exact(self):
        context = self.context({"messages": [{"role": "user", "content": " Hi \n"}],
                                "add_generation_prompt": True})
        wanted = b"<|im_start|>user\n Hi \n<|im_end|>\n<|im_start|>assistant\n"
        self.assertEqual(self.succeeds("template", tiny_model(), "--context", context), wanted)
        path = os.path.join(scratch, "one.jinja")
        with open(path, "w") as file:
            file.write("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}")
        self.assertEqual(self.succeeds("template", path, "--context", context), b"[Hi]")
        with open(context, "rb") as file:
            self.assertEqual(self.succeeds("template", path, "--context", "-", stdin=file.read()), b"[Hi]")

    def test_errors_name_the_line(self):
        path = os.path.join(scratch, "bad.jinja")
        with open(path, "w") as file:
            file.write("one\n{% if %}")
        self.refused("template", path, "--context", self.context({}), says="2")


class Measures(Case):
    def test_logits_name_every_position(self):
        report = json.loads(self.succeeds("logits", tiny_model(), "--ids", "1,2,3", "--top", "4", "--json"))
        self.assertEqual(len(report["positions"]), 3)
        for position in report["positions"]:
            self.assertEqual(len(position["top"]), 4)
            values = [logit for _, logit in position["top"]]
            self.assertEqual(values, sorted(values, reverse=True))
        self.refused("logits", tiny_model(), "--ids", "1,x", code=2, says="x")
        self.refused("logits", tiny_model(), "--ids", "1,999999", code=2, says="999999")

    def test_logits_agree_with_the_reference(self):
        reference = json.load(open(data("weights/stories260K/stories260K-f32.json")))
        ids = ",".join(map(str, reference["prompt_ids"]))
        report = json.loads(self.succeeds("logits", data("weights/stories260K/stories260K-f32.gguf"),
                                          "--ids", ids, "--top", "512", "--json"))
        ours = dict(report["positions"][-1]["top"])
        shift = math.log(sum(math.exp(v) for v in ours.values()))
        # The reference has logits; only differences between them are comparable.
        top = reference["steps"][0]["top5"]
        for token, logit in top:
            self.assertAlmostEqual((ours[token] - shift) - (ours[top[0][0]] - shift),
                                   logit - top[0][1], delta=1e-2)

    def test_show_adds_up(self):
        report = json.loads(self.succeeds("show", tiny_model("llama3", "q4_0"), "--json", "-c", "100"))
        self.assertAlmostEqual(sum(t["share"] for t in report["types"]), 1)
        self.assertEqual(sum(t["bytes"] for t in report["types"]), report["bytes"])
        memory = report["memory"]
        self.assertEqual(memory["context"], 100)
        # 2 layers, K and V, 2 heads of 64, f16
        self.assertEqual(memory["kv_bytes"], 100 * 2 * 2 * 2 * 64 * 2)
        text = self.succeeds("show", tiny_model("llama3", "q4_0")).decode()
        for word in ("q4_0", "q6_k", "layers", "chat template", "licence"):
            self.assertIn(word, text)

    def test_embeddings_have_length_one_when_asked(self):
        out = self.succeeds("embed", tiny_model(), "--normalize", stdin="a cat\n狗\n".encode())
        vectors = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([len(v) for v in vectors], [256, 256])
        for vector in vectors:
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
        document = json.loads(self.succeeds("embed", tiny_model(), "--normalize", "--json",
                                            stdin="a cat\n狗\n".encode()))
        self.assertEqual(document["embeddings"], vectors)

    def test_encoders_embed_and_do_nothing_else(self):
        def vectors(*options):
            out = self.succeeds("embed", tiny_encoder(), *options, stdin=b"a cat\na dog\n")
            return [json.loads(line) for line in out.splitlines()]

        mean = vectors()
        self.assertEqual([len(v) for v in mean], [32, 32])
        for vector in mean:
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
        self.assertNotEqual(mean[0], mean[1])
        self.assertNotEqual(vectors("--pool", "cls"), mean)
        free = vectors("--no-normalize")[0]
        length = math.sqrt(sum(x * x for x in free))
        for x, y in zip(free, mean[0]):
            self.assertAlmostEqual(x / length, y, places=5)
        for command in (["run", "-p", "x"], ["logits", "--ids", "1"], ["bench"]):
            self.refused(command[0], tiny_encoder(), *command[1:], says="jiang embed")

    def test_perplexity_against_itself_is_no_divergence(self):
        path = os.path.join(scratch, "text.txt")
        with open(path, "w") as file:
            file.write("the quick brown fox jumps over the lazy dog\n" * 40)
        report = json.loads(self.succeeds("perplexity", tiny_model(), path, "-c", "64", "--chunks", "3",
                                          "--against", tiny_model(), "--json"))
        self.assertEqual(report["chunks"], 3)
        self.assertEqual(report["scored_tokens"], 3 * 31)
        self.assertAlmostEqual(report["mean_kl_divergence"], 0, places=9)
        self.assertEqual(report["top1_agreement"], 1)
        self.assertGreater(report["perplexity"], 1)
        coarse = json.loads(self.succeeds("perplexity", tiny_model("qwen2", "q4_0"), path, "-c", "64",
                                          "--chunks", "3", "--against", tiny_model(), "--json"))
        self.assertGreater(coarse["mean_kl_divergence"], 1e-4)

    def test_perplexity_is_what_the_logits_say(self):
        path = os.path.join(scratch, "short.txt")
        with open(path, "w") as file:
            file.write("a slow green turtle walks under the busy bee and sleeps")
        n = 16
        report = json.loads(self.succeeds("perplexity", tiny_model("llama3"), path, "-c", n, "--chunks", "1",
                                          "--json"))
        with open(path, "rb") as file:
            ids = json.loads(self.succeeds("tokenize", tiny_model("llama3"), "--json", "--add-specials",
                                           stdin=file.read()))[:n]
        logits = json.loads(self.succeeds("logits", tiny_model("llama3"), "--ids", ",".join(map(str, ids)),
                                          "--top", "512", "--json"))["positions"]
        total = 0
        scored = range(n // 2, n - 1)  # the second half; the last token predicts nothing that is known
        for position in scored:
            row = dict(logits[position]["top"])
            total += math.log(sum(math.exp(x) for x in row.values())) - row[ids[position + 1]]
        self.assertEqual(report["scored_tokens"], len(scored))
        self.assertAlmostEqual(report["perplexity"] / math.exp(total / len(scored)), 1, places=4)

    def test_bench_counts_what_it_says(self):
        report = json.loads(self.succeeds("bench", tiny_model(), "-p", "32", "-n", "8", "-r", "1",
                                          "-t", "1", "--json"))
        self.assertEqual(report["threads"], 1)
        self.assertIn(report["isa"], ("scalar", "avx2", "avxvnni", "avx512", "amx"))
        for phase, tokens in (("prefill", 32), ("decode", 8)):
            self.assertEqual(report[phase]["tokens"], tokens)
            self.assertGreater(report[phase]["tokens_per_second"], 0)
            self.assertGreater(report[phase]["fraction_of_limit"], 0)
        self.assertGreater(report["machine"]["read_gb_per_s"], 0)
        self.assertGreater(report["machine"]["dot_gop_per_s"], 0)
        self.assertGreater(report["decode"]["bytes_per_token"], 0)

    def test_bench_suite_writes_a_table_json_and_a_roofline(self):
        folder = os.path.join(scratch, "suite", "new")
        done = jiang("bench", tiny_model(), tiny_model("qwen2", "q4_0"), "--suite", "--quick", "-r", "2", "-t", "2",
                     "--out", folder)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        table = done.stdout.decode()
        self.assertIn("% of dot products", table)
        self.assertIn("16 answers", table)
        self.assertIn("prefill of 2048 tokens: it needs a context of 2049, the model was trained for 2048", table)
        self.assertIn("about ", done.stderr.decode())
        with open(os.path.join(folder, "suite.json")) as file:
            report = json.load(file)
        self.assertEqual([os.path.basename(model["model"]) for model in report["models"]],
                         ["tiny-qwen2-q8_0.gguf", "tiny-qwen2-q4_0.gguf"])
        self.assertGreater(report["machine"]["dot_gop_per_s"], report["machine"]["one_thread"]["dot_gop_per_s"] / 2)
        model = report["models"][0]
        cells = {cell["name"]: cell for cell in model["cells"]}
        self.assertEqual(len(cells), 2 + 5 + 1 + 1)
        for cell in cells.values():
            self.assertEqual(len(cell["runs"]), 2, cell)
            self.assertGreater(cell["fraction_of_limit"], 0, cell)
        self.assertEqual(cells["decode at a context of 2048"]["context"], 2048)
        self.assertEqual(cells["prefill of 512 tokens on 1 thread"]["threads"], 1)
        self.assertIn("prefill of 8192 tokens", [one["name"] for one in model["left_out"]])
        memory = model["memory"][0]
        self.assertEqual(memory["peak_bytes"],
                         memory["weight_bytes"] + memory["kv_bytes"] + memory["extra_bytes"])
        svg = xml.etree.ElementTree.parse(os.path.join(folder, "roofline.svg")).getroot()
        self.assertEqual(svg.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertNotIn("{http://www.w3.org/2000/svg}script", [element.tag for element in svg.iter()])
        self.assertEqual(len(svg.findall("{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}title")), 2 * 8)

    def test_bench_suite_is_json_too(self):
        folder = os.path.join(scratch, "suite-json")
        os.makedirs(folder)
        printed = self.succeeds("bench", tiny_model(), "--suite", "--quick", "-r", "1", "-t", "1", "--json", cwd=folder)
        with open(os.path.join(folder, "jiang-bench", "suite.json")) as file:
            self.assertEqual(json.loads(printed), json.load(file))
        self.assertIn("prefill of 512 tokens on 1 thread",
                      [one["name"] for one in json.loads(printed)["models"][0]["left_out"]])

    def test_doctor_knows_the_machine(self):
        report = json.loads(self.succeeds("doctor", "--json"))
        self.assertIn("scalar", report["isa"]["found"])
        self.assertIn(report["isa"]["chosen"], report["isa"]["found"])
        self.assertGreaterEqual(report["logical_cpus"], 1)
        self.assertTrue(report["models"])
        self.assertIn("tokens/s", self.succeeds("doctor").decode())


class Files(Case):
    def test_quantise_then_run(self):
        out = os.path.join(scratch, "out.gguf")
        report = json.loads(self.succeeds("quantize", tiny_model("qwen2", "f16"), out, "--type", "q4_0",
                                          "--json"))
        self.assertLess(report["bytes_out"], report["bytes_in"] / 2)
        types = json.loads(self.succeeds("show", out, "--json"))["types"]
        self.assertIn("q4_0", [t["type"] for t in types])
        self.succeeds("run", out, "-p", "hello", "-n", "4", "--temp", "0")
        unasked = json.loads(self.succeeds("quantize", tiny_model("qwen2", "f16"), out, "--json"))
        self.assertEqual(unasked["type"], "q4_k_m")
        self.assertIn("sym_int4", self.succeeds("quantize", "--list-types").decode().split())

    def test_a_folder_becomes_a_file_that_says_the_same(self):
        folder = data("weights/tinystories-656k")
        out = os.path.join(scratch, "folder.gguf")
        self.succeeds("quantize", folder, out, "--type", "f32")
        story = ["-p", "Once upon a time", "--raw", "--temp", "0", "-n", "40"]
        self.assertEqual(self.succeeds("run", out, *story), self.succeeds("run", folder, *story))

    def test_importance_matrix_is_read_by_quantise(self):
        text = os.path.join(scratch, "calibration.txt")
        with open(text, "w") as file:
            file.write("a text about cats and dogs\n" * 200)
        matrix = os.path.join(scratch, "m.imatrix")
        self.succeeds("imatrix", tiny_model("qwen2", "f16"), text, "-o", matrix, "-c", "64", "--chunks", "4")
        out = os.path.join(scratch, "with-matrix.gguf")
        self.succeeds("quantize", tiny_model("qwen2", "f16"), out, "--type", "q4_k", "--imatrix", matrix)
        self.succeeds("run", out, "-p", "hello", "-n", "4", "--temp", "0")

    def test_a_mixture_holds_its_budget(self):
        text = os.path.join(scratch, "mixture.txt")
        with open(text, "w") as file:
            file.write("a text about cats and dogs\n" * 200)
        model = tiny_model("qwen2", "f16")
        plain, full = os.path.join(scratch, "plain.imatrix"), os.path.join(scratch, "full.imatrix")
        self.succeeds("imatrix", model, text, "-o", plain, "-c", "64", "--chunks", "4")
        self.succeeds("imatrix", model, text, "-o", full, "-c", "64", "--chunks", "4", "--full")
        out = os.path.join(scratch, "mixture.gguf")
        report = json.loads(self.succeeds("quantize", model, out, "--bits", "4.5", "--imatrix", full, "--json"))
        tensors = report["tensors"]
        bits = 8 * sum(t["bytes"] for t in tensors) / sum(t["weights"] for t in tensors)
        self.assertLessEqual(bits, 4.5)
        self.assertGreater(bits, 4.0)
        self.assertGreater(sum(t["expected_divergence"] for t in tensors), 0)
        self.succeeds("run", out, "-p", "hello", "-n", "4", "--temp", "0")
        said = self.succeeds("quantize", model, out, "--type", "q4_0", "--imatrix", full).decode()
        self.assertIn("expected divergence", said)
        self.refused("quantize", model, out, "--bits", "4.5", code=2, says="imatrix --full")
        self.refused("quantize", model, out, "--bits", "4.5", "--imatrix", plain, code=2, says="imatrix --full")
        self.refused("quantize", model, out, "--bits", "4.5", "--imatrix", full, "--type", "q4_0", code=2, says="--type")
        self.refused("quantize", model, out, "--bits", "4.5", "--imatrix", full, "--pure", code=2, says="--pure")
        self.refused("quantize", model, out, "--bits", "1", "--imatrix", full, code=2, says="--bits")

    def test_packed_weights_are_kept_when_asked_for(self):
        out = os.path.join(scratch, "packed.gguf")
        # Nearly all is q4_0 already: its blocks are copied, so this is quick.
        report = json.loads(self.succeeds("quantize", slow_model(), out, "--type", "q4_0", "--pure", "--allow-requantize",
                                          "--packed", "--json"))
        path = report["packed"]["path"]
        self.assertTrue(path.startswith(os.path.join(scratch, "home", "cache", "packed")), path)
        before = os.stat(path)
        self.assertEqual(before.st_size, report["packed"]["bytes"])
        self.succeeds("run", out, "-p", "hello", "-n", "1", "--raw")
        after = os.stat(path)  # packing again would have put another file in its place
        self.assertEqual((after.st_ino, after.st_mtime_ns), (before.st_ino, before.st_mtime_ns))

    def test_packed_weights_that_cannot_be_kept_are_an_error(self):
        out = os.path.join(scratch, "small.gguf")
        self.refused("quantize", tiny_model("qwen2", "f16"), out, "--type", "q4_0", "--packed", code=2,
                     says="models under 67 MB are packed sooner than a file is opened")
        self.succeeds("run", out, "-p", "hello", "-n", "1")  # the file itself is whole
        home = os.path.join(scratch, "no-room")
        os.makedirs(home)
        with open(os.path.join(home, "cache"), "w") as file:
            file.write("in the way")
        self.refused("quantize", slow_model(), out, "--type", "q4_0", "--pure", "--allow-requantize", "--packed", says="no-room",
                     env={"JIANG_HOME": home})

    def test_quantisation_errors_are_tabled(self):
        table = json.loads(self.succeeds("dev", "quant-error", tiny_model("qwen2", "f16"), "--type", "q4_0",
                                         "--type", "q8_0", "--json"))
        self.assertEqual([row["type"] for row in table], ["q4_0", "q8_0"])
        self.assertGreater(table[0]["ours"], table[1]["ours"])
        reference = data("weights/tiny-qwen2/tiny-qwen2-f16.gguf")
        theirs = data("weights/tiny-qwen2/tiny-qwen2-Q4_0.gguf")
        for row in json.loads(self.succeeds("dev", "quant-error", reference, theirs, "--json")):
            self.assertLessEqual(row["ours"], row["candidate"] * 1.001, row)

    def test_installed_models_are_found_by_name(self):
        home = os.path.join(scratch, "a-home")
        os.makedirs(os.path.join(home, "models"), exist_ok=True)
        link = os.path.join(home, "models", "my-tiny.gguf")
        if not os.path.exists(link):
            os.link(tiny_model(), link)
        env = {"JIANG_HOME": home}
        listed = json.loads(self.succeeds("list", "--json", env=env))
        self.assertEqual([m["name"] for m in listed], ["my-tiny"])
        self.assertIn("my-tiny", self.succeeds("list", env=env).decode())
        self.succeeds("run", "my-tiny", "-p", "x", "-n", "2", env=env)
        self.refused("run", "my-tinny", "-p", "x", env=env, says="did you mean 'my-tiny'?")
