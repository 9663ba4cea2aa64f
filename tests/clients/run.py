"""Runs the unmodified npm clients against the real binary: python3 run.py BINARY NODE [FILE...].

The models are made here (random weights, a chat template, a tokenizer), one of them comes from the
fake hub of tests/hub. Only the standard library."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
os.environ["JIANG_BINARY"] = sys.argv[1]
sys.path[:0] = [str(HERE.parent / "cli"), str(HERE.parent / "hub")]
import support  # noqa: E402
from fake_hub import FakeHub  # noqa: E402


def main(node, files):
    hub = FakeHub(tempfile.mkdtemp(dir=support.scratch))
    model = support.tiny_model()
    hub.add("org/pulled", {"pulled-q8_0.gguf": pathlib.Path(model).read_bytes()})
    home = tempfile.mkdtemp(dir=support.scratch)
    command = [sys.argv[1], "serve", "--port", "0", "--new-key", "clients", "--quiet",
               f"chat={model}", f"encoder={support.tiny_encoder()}"]
    server = subprocess.Popen(command, env=support.environment(**hub.environment(JIANG_HOME=home)),
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        url = key = None
        said = ""
        for line in server.stderr:
            said += line
            if line.startswith("new key "):
                key = line.split()[-1]
            if line.startswith("listening on "):
                url = line.split()[2]
                break
        if not url or not key:
            print("the server did not come up: " + said, file=sys.stderr)
            return 1
        tests = files or sorted(str(path) for path in HERE.glob("*.test.mjs"))
        done = subprocess.run([node, "--test", "--test-concurrency=1", *tests], cwd=HERE, timeout=300,
                              env={**os.environ, "JIANG_URL": url, "JIANG_KEY": key,
                                   "JIANG_PULL": "ms:org/pulled"})
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        if code != 0:
            print(f"the server ended with {code}", file=sys.stderr)
        return done.returncode or code
    finally:
        if server.poll() is None:
            server.kill()
        sys.stderr.write(server.stderr.read())
        hub.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], sys.argv[3:]))
