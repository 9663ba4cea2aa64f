"""What the command-line tests share: the binary, a tiny model that it made itself, a pseudo
terminal. Only the standard library."""
import functools
import json
import math
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
import fcntl

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("JIANG_BINARY", str(ROOT / "build/dev/jiang"))
DATA = pathlib.Path(os.environ.get("JIANG_TEST_DATA") or ROOT.parent / "shared/data")
TIMEOUT = 60

scratch = tempfile.mkdtemp(prefix="jiang-cli-")


def environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JIANG_", "LC_", "LANG"))}
    env["JIANG_HOME"] = os.path.join(scratch, "home")
    env["TERM"] = "xterm"
    env.update(extra)
    return env


def jiang(*arguments, stdin=b"", env=None, timeout=TIMEOUT, cwd=None):
    """Runs jiang; returns CompletedProcess with bytes."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True,
                          env=environment(**(env or {})), timeout=timeout, cwd=cwd)


@functools.cache
def tiny_model(arch="qwen2", kind="q8_0"):
    path = os.path.join(scratch, f"tiny-{arch}-{kind}.gguf")
    made = jiang("dev", "make-model", "--arch", arch, "--shape", "tiny", "--type", kind, "-o", path)
    assert made.returncode == 0, made.stderr
    return path


@functools.cache
def tiny_encoder():
    """A BERT folder with random weights, written by hand: 2 layers of 32, 100 words."""
    folder = os.path.join(scratch, "tiny-bert")
    os.makedirs(folder)
    hidden, inner, words = 32, 64, 100
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden,
              "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": inner,
              "vocab_size": words, "max_position_embeddings": 64, "type_vocab_size": 2,
              "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    with open(os.path.join(folder, "vocab.txt"), "w") as file:
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        letters = [chr(c) for c in range(97, 123)]
        vocabulary = specials + letters + ["##" + c for c in letters]
        vocabulary += [f"word{i}" for i in range(words - len(vocabulary))]
        file.write("\n".join(vocabulary) + "\n")
    shapes = {"embeddings.word_embeddings.weight": (words, hidden),
              "embeddings.position_embeddings.weight": (64, hidden),
              "embeddings.token_type_embeddings.weight": (2, hidden)}

    def norm(name):
        shapes[name + ".weight"] = shapes[name + ".bias"] = (hidden,)

    def dense(name, rows, cols):
        shapes[name + ".weight"] = (rows, cols)
        shapes[name + ".bias"] = (rows,)

    norm("embeddings.LayerNorm")
    for i in range(2):
        layer = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            dense(f"{layer}attention.self.{part}", hidden, hidden)
        dense(layer + "attention.output.dense", hidden, hidden)
        norm(layer + "attention.output.LayerNorm")
        dense(layer + "intermediate.dense", inner, hidden)
        dense(layer + "output.dense", hidden, inner)
        norm(layer + "output.LayerNorm")
    rng = random.Random(3)
    header, body = {}, b""
    for name, shape in shapes.items():
        count = math.prod(shape)
        bytes_ = struct.pack(f"<{count}f", *(rng.gauss(1 if "Norm.weight" in name else 0, 0.3)
                                            for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(bytes_)]}
        body += bytes_
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)
    return folder


@functools.cache
def slow_model():
    """Big enough that a prefill of thousands of tokens takes a while, small enough to make."""
    path = os.path.join(scratch, "slow.gguf")
    made = jiang("dev", "make-model", "--arch", "qwen2", "--shape", "0.5b", "--type", "q4_0", "-o", path)
    assert made.returncode == 0, made.stderr
    return path


def data(relative):
    path = DATA / relative
    if not path.exists():
        raise unittest.SkipTest(f"needs {relative} under JIANG_TEST_DATA")
    return str(path)


class Case(unittest.TestCase):
    maxDiff = None

    def succeeds(self, *arguments, **options):
        done = jiang(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def refused(self, *arguments, code=(1, 2), says=(), **options):
        """One sentence on stderr, nothing on stdout, the exit code of a refusal."""
        done = jiang(*arguments, **options)
        message = done.stderr.decode()
        self.assertIn(done.returncode, code if isinstance(code, tuple) else (code,), message)
        self.assertEqual(done.stdout, b"")
        self.one_sentence(message)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, message)
        return message

    def one_sentence(self, message):
        lines = message.strip().splitlines()
        self.assertEqual(len(lines), 1, message)
        self.assertTrue(lines[0].startswith("jiang: "), message)
        self.assertGreater(len(lines[0]), 20, message)
        for word in ("bug in jiang", "terminate", "Aborted", "std::", "what()"):
            self.assertNotIn(word, message)


class Terminal:
    """jiang on a pseudo terminal. `screen` is everything it wrote, stdout and stderr together."""

    def __init__(self, *arguments, env=None, columns=80, rows=24):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BINARY, [BINARY, *map(str, arguments)], environment(**(env or {})))
        self.resize(columns, rows)
        self.screen = ""
        self.seen = 0  # of plain()
        self.code = None

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_more(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:
            chunk = b""
        self.screen += chunk.decode(errors="replace")
        return bool(chunk)

    def plain(self):
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.screen)
        return re.sub(r"\x1b(\[[0-9;?]*)?$", "", text).replace("\r", "")

    def expect(self, text, timeout=TIMEOUT):
        """Waits for `text` after what was expected before."""
        deadline = time.monotonic() + timeout
        while text not in self.plain()[self.seen:]:
            if not self.read_more(max(0, deadline - time.monotonic())):
                raise AssertionError(f"no {text!r} in {self.plain()[self.seen:]!r}")
        self.seen = self.plain().index(text, self.seen) + len(text)

    def prompt(self):
        """Waits until an empty line is being edited."""
        self.expect("Send a message (/? for help)")

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self, timeout=TIMEOUT):
        """Reads to the end; the exit code, or minus the signal."""
        deadline = time.monotonic() + timeout
        while self.read_more(max(0, deadline - time.monotonic())):
            pass
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                os.close(self.fd)
                return self.code
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"did not end: {self.plain()!r}")


def clean_up():
    shutil.rmtree(scratch, ignore_errors=True)
