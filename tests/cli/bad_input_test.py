"""Whatever the outside world does: one sentence, exit code 1 or 2, nothing half-written."""
import json
import os
import shutil
import signal
import subprocess
import time

from support import (BINARY, Case, Terminal, environment, jiang, scratch, slow_model, tiny_model)


class Arguments(Case):
    def test_impossible_flags(self):
        model = tiny_model()
        for flag, value, says in (("--temp", "-1", "--temp"), ("--temp", "nan", "--temp"),
                                  ("--top-p", "2", "--top-p"), ("-n", "many", "--max-tokens"),
                                  ("-t", "0", "--threads"), ("-c", "0", "--ctx"),
                                  ("-c", "99999999", "2048"), ("--seed", "-4", "--seed"),
                                  ("--repeat-penalty", "0", "--repeat-penalty")):
            with self.subTest(flag=flag, value=value):
                self.refused("run", model, "-p", "x", flag, value, code=2, says=says)
        self.refused("run", model, "-p", code=2, says="needs a value")
        self.refused("run", model, "-p", "", code=2, says="empty")
        self.refused("logits", model, code=2, says="--ids")
        self.refused("quantize", model, code=2, says="OUT")
        self.refused("bench", model, "-p", "0", "-n", "0", code=2, says="nothing to measure")
        for option in ("-p", "-n", "--batch", "-d"):
            self.refused("bench", model, "--suite", option, "8", code=2, says=("--suite", option))
        self.refused("bench", model, "--suite", "--draft", model, code=2, says=("--suite", "--draft"))
        self.refused("bench", model, "--quick", code=2, says=("--quick", "--suite"))
        self.refused("bench", model, "--out", "x", code=2, says=("--out", "--suite"))
        self.refused("bench", model, "other.gguf", code=2, says=("other.gguf", "--suite"))
        self.refused("bench", model, "/no/such.gguf", "--suite", "--out", scratch, says="/no/such.gguf")
        self.refused("bench", model, "--suite", "--out", os.path.join(model, "x"), says="--out")
        self.refused("run", model, "-p", "x", env={"JIANG_ISA": "sse9"}, code=2, says="sse9")
        if "avxvnni" not in json.loads(jiang("doctor", "--json").stdout)["isa"]["found"]:
            self.refused("run", model, "-p", "x", env={"JIANG_ISA": "avxvnni"}, code=2, says="no such instructions")

    def test_no_model_is_one_helpful_sentence(self):
        # A binary alone, without the models that lie beside its sources.
        alone = os.path.join(scratch, "jiang-alone")
        shutil.copy(BINARY, alone)
        done = subprocess.run([alone, "run"], stdin=subprocess.DEVNULL, capture_output=True, env=environment())
        self.assertEqual(done.returncode, 2)
        self.assertIn("jiang run MODEL", done.stderr.decode())
        self.refused("run", "", "-p", "x", code=2)


class Models(Case):
    def path(self, name):
        return os.path.join(scratch, name)

    def test_missing_files(self):
        self.refused("run", "/no/such/model.gguf", "-p", "x", says="/no/such/model.gguf")
        self.refused("run", "/no/such/model.gguf", says="/no/such/model.gguf")  # and no prompt
        self.refused("run", "no-such-model", "-p", "x", says="jiang list")
        self.refused("run", tiny_model()[:-1], "-p", "x", says="did you mean")
        self.refused("perplexity", tiny_model(), "/no/such/text", says="/no/such/text")
        self.refused("template", tiny_model(), "--context", "/no/such.json", says="/no/such.json")

    def test_folder_without_config(self):
        folder = self.path("folder")
        os.makedirs(folder, exist_ok=True)
        self.refused("run", folder, "-p", "x", says="config.json")

    def test_truncated_at_every_scale(self):
        whole = open(tiny_model(), "rb").read()
        for length in (0, 1, 4, 23, 24, 1000, len(whole) // 2, len(whole) - 1):
            with self.subTest(length=length):
                path = self.path("cut.gguf")
                with open(path, "wb") as file:
                    file.write(whole[:length])
                self.refused("run", path, "-p", "x", says="cut.gguf")

    def test_other_files_and_things_that_are_no_files(self):
        text = self.path("text.gguf")
        with open(text, "w") as file:
            file.write("this is no model\n" * 100)
        self.refused("run", text, "-p", "x", says="text.gguf")
        fifo = self.path("fifo.gguf")
        if not os.path.exists(fifo):
            os.mkfifo(fifo)
        self.refused("run", fifo, "-p", "x", says="fifo.gguf", timeout=10)
        self.refused("run", "/dev/zero", "-p", "x", says="/dev/zero", timeout=10)
        loop = self.path("loop.gguf")
        if not os.path.lexists(loop):
            os.symlink(loop, loop)
        self.refused("run", loop, "-p", "x", says="loop.gguf")

    def test_unknown_tensor_type_is_named(self):
        data = bytearray(open(tiny_model(), "rb").read())
        # In the tensor table the type follows the name, the number of dimensions and the dimensions.
        at = data.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight") + 4 + 2 * 8
        data[at:at + 4] = (16).to_bytes(4, "little")  # IQ2_XXS
        path = self.path("type.gguf")
        with open(path, "wb") as file:
            file.write(data)
        message = self.refused("run", path, "-p", "x", says="attn_q")
        self.assertIn("iq2_xxs", message.lower())

    def test_prompt_beyond_the_context(self):
        self.refused("run", tiny_model(), "-p", "hello world " * 300, "-c", "64", "--raw", says="64")

    def test_context_runs_full_without_a_crash(self):
        done = jiang("run", tiny_model(), "-p", "hello", "-c", "32", "--temp", "0", "--raw")
        self.assertEqual(done.returncode, 0, done.stderr)


class Outputs(Case):
    def test_full_disk_under_stdout(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("needs /dev/full")
        for arguments in (["--version"], ["help"], ["run", tiny_model(), "-p", "x", "-n", "4"],
                          ["tokenize", tiny_model(), "--json"], ["show", tiny_model()]):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                done = subprocess.run([BINARY, *arguments], stdout=full, stderr=subprocess.PIPE,
                                      stdin=subprocess.DEVNULL, env=environment(), timeout=60)
                self.assertEqual(done.returncode, 1)
                self.one_sentence(done.stderr.decode())

    def test_closed_stdout_does_not_write_into_a_file(self):
        out = os.path.join(scratch, "closed.gguf")
        done = subprocess.run(["sh", "-c", f'"{BINARY}" dev make-model --shape tiny --type q8_0 -o "{out}" >&-'],
                              env=environment(), capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        with open(out, "rb") as made, open(tiny_model(), "rb") as wanted:
            self.assertEqual(made.read(), wanted.read())

    def test_closed_pipe(self):
        process = subprocess.Popen([BINARY, "run", tiny_model(), "-p", "x", "-n", "500", "--temp", "0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        process.stdout.close()
        message = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(60), 1)
        self.one_sentence(message)
        self.assertIn("closed", message)

    def test_full_disk_under_a_model_leaves_nothing(self):
        folder = os.path.join(scratch, "small-disk")
        os.makedirs(folder, exist_ok=True)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder],
                                               capture_output=True).returncode != 0:
            self.skipTest("needs to mount a small tmpfs")
        try:
            out = os.path.join(folder, "m.gguf")
            self.refused("dev", "make-model", "--shape", "tiny", "--type", "q8_0", "-o", out, says="m.gguf")
            self.assertEqual(os.listdir(folder), [])
            self.refused("quantize", tiny_model("qwen2", "f16"), out, "--type", "q8_0", says="m.gguf")
            self.assertEqual(os.listdir(folder), [])
        finally:
            subprocess.run(["umount", folder])

    def test_quantise_never_overwrites_its_input(self):
        copy = os.path.join(scratch, "copy.gguf")
        shutil.copy(tiny_model("qwen2", "f16"), copy)
        self.refused("quantize", copy, copy, "--type", "q4_0", code=2, says="IN itself")
        self.refused("quantize", copy, "/no/folder/x.gguf", "--type", "q4_0", says="/no/folder")
        self.refused("quantize", copy, os.path.join(scratch, "x.gguf"), "--type", "q4_9", code=2)


class Interrupts(Case):
    def interrupt(self, arguments, until, sends=signal.SIGINT):
        """Starts jiang, waits for until(process), interrupts; returns (code, stderr)."""
        process = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment())
        self.wait_for_handler(process)
        until(process)
        process.send_signal(sends)
        started = time.monotonic()
        _, errors = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - started, 20)
        return process.returncode, errors.decode()

    def wait_for_handler(self, process):
        """Before main() runs, no program can say a sentence."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(f"/proc/{process.pid}/status") as status:
                caught = int(status.read().split("SigCgt:")[1].split()[0], 16)
            if caught >> (signal.SIGINT - 1) & 1:
                return
            time.sleep(0.001)

    def sleep(self, seconds):
        return lambda process: time.sleep(seconds)

    def test_at_any_moment_of_a_run(self):
        # Through the load, the prefill and the decode: whichever it hits, the end is the same.
        arguments = ["run", slow_model(), "-p", "word " * 3000, "--raw", "-n", "500"]
        for seconds in (0.02, 0.1, 0.3, 0.6, 1.0, 2.0):
            with self.subTest(seconds=seconds):
                code, errors = self.interrupt(arguments, self.sleep(seconds))
                self.assertEqual(code, 1, errors)
                self.one_sentence(errors)
                self.assertIn("interrupted", errors)

    def test_in_the_answer(self):
        arguments = ["run", slow_model(), "-p", "x", "--raw", "-n", "2000", "--temp", "1"]
        code, errors = self.interrupt(arguments, lambda process: process.stdout.read(1))
        self.assertEqual(code, 1, errors)
        self.one_sentence(errors)

    def test_while_a_model_is_written(self):
        folder = os.path.join(scratch, "interrupted")
        os.makedirs(folder, exist_ok=True)
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            code, errors = self.interrupt(
                ["dev", "make-model", "--shape", "7b", "--type", "q4_0", "-o", os.path.join(folder, "m.gguf")],
                self.sleep(0.3), signal_number)
            self.assertEqual(code, 1, errors)
            self.assertEqual(os.listdir(folder), [])


    def test_while_a_model_is_quantised(self):
        folder = os.path.join(scratch, "interrupted-too")
        os.makedirs(folder, exist_ok=True)
        out = os.path.join(folder, "m.gguf")
        code, errors = self.interrupt(["quantize", slow_model(), out, "--type", "q3_k", "--allow-requantize"],
                                      self.sleep(0.5))
        self.assertEqual(code, 1, errors)
        self.one_sentence(errors)
        self.assertEqual(os.listdir(folder), [])


class Shouting(Case):
    def test_no_escape_reaches_a_pipe(self):
        done = jiang("quantize", tiny_model("qwen2", "f16"), os.path.join(scratch, "quiet.gguf"), "--type", "q8_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"\x1b", done.stdout + done.stderr)
        self.assertNotIn(b"\r", done.stdout + done.stderr)

    def test_a_terminal_that_goes_away_ends_the_chat(self):
        terminal = Terminal("run", tiny_model())
        terminal.prompt()
        os.close(terminal.fd)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status = os.waitpid(terminal.pid, os.WNOHANG)
            if pid:
                self.assertIn(os.waitstatus_to_exitcode(status), (0, 1))
                return
            time.sleep(0.02)
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
        self.fail("still there without its terminal")
