#!/usr/bin/env python3
"""What the server must hold under load, measured on the real binary:

    python3 tests/load/bars.py BINARY [BAR...] [--shape 0.5b] [--minutes 5] [--disconnects 2000] [--idle 1000]

Bars: equal, idle, overload, disconnects, fair, stop, throughput. Each prints what it saw and what it
should be; the exit code is 0 when all hold. The model is made here: random weights in a real shape.
"""
import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

failures = []


def verdict(name, holds, text):
    print(f"{'ok  ' if holds else 'MISS'} {name}: {text}", flush=True)
    if not holds:
        failures.append(name)


def percentile(values, p):
    values = sorted(values)
    return values[round(p / 100 * (len(values) - 1))] if values else 0.0


class Server:
    def __init__(self, binary, model, *flags):
        self.home = tempfile.mkdtemp(prefix="jiang-load-")
        self.binary = binary
        env = {k: v for k, v in os.environ.items() if not k.startswith("JIANG_")}
        self.process = subprocess.Popen(
            [binary, "serve", "m=" + model, "--port", "0", "--quiet", *map(str, flags)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**env, "JIANG_HOME": self.home})
        for line in self.process.stderr:
            if line.startswith("listening on "):
                self.url = line.split()[2]
                self.port = int(self.url.rsplit(":", 1)[1])
                break
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        self.ask("/v1/chat/completions", chat("warm", max_tokens=1))

    def ask(self, path, body=None, timeout=300, source=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=source)
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        data = json.loads(answer.read())
        connection.close()
        return answer.status, data

    def memory(self):
        """Bytes that are its own: RssAnon + VmSwap."""
        with open(f"/proc/{self.process.pid}/status") as file:
            text = file.read()
        return sum(int(re.search(key + r":\s+(\d+)", text)[1]) * 1024 for key in ("RssAnon", "VmSwap"))

    def idle(self, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            slots = self.ask("/slots")[1]
            model = slots["models"][0]
            if slots["active"] == 0 and model["running"] + model["waiting"] + model["queued"] == 0:
                return True
            time.sleep(0.01)
        return False

    def bench(self, *flags):
        done = subprocess.run([self.binary, "bench", "serve", self.url, "--json", *map(str, flags)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def chat(text, **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, **more}


def text_of(answer):
    return answer[1]["choices"][0]["message"]["content"]


def stream(server, body, source=None):
    """Seconds to the first token, the status and the whole text of the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600, source_address=source)
    start = time.monotonic()
    connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}))
    answer = connection.getresponse()
    first, text = None, b""
    while piece := answer.read1(65536):
        text += piece
        if first is None and b'"delta":{"content":"' in text.replace(b'"content":""', b""):
            first = time.monotonic() - start
    connection.close()
    return first, answer.status, text.decode(errors="replace")


def equal(args):
    server = Server(args.binary, args.model)
    bodies = [chat(f"number {i} of sixteen", max_tokens=32) for i in range(16)]
    solo = [text_of(server.ask("/v1/chat/completions", body)) for body in bodies]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda body: text_of(server.ask("/v1/chat/completions", body)), bodies))
    verdict("equal", solo == together, f"{sum(a == b for a, b in zip(solo, together))} of 16 as alone")
    server.stop()


def raw_post(body):
    text = json.dumps(body)
    return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(text)}\r\n\r\n"
            f"{text}").encode()


def idle(args):
    n = args.idle
    server = Server(args.binary, args.model, "--max-connections", 4 * n + 100, "--max-connections-per-address",
                    4 * n + 100, "--queue", 2 * n, "--parallel", 1)
    before = server.memory()
    def block():
        with contextlib.suppress(OSError, http.client.HTTPException):  # the server ends under it
            server.ask("/v1/chat/completions", chat("block", max_tokens=1500, ignore_eos=True))

    blockers = [threading.Thread(target=block, daemon=True) for _ in range(2)]
    for blocker in blockers:
        blocker.start()
    sockets = []
    for i in range(2 * n):
        one = socket.create_connection(("127.0.0.1", server.port))
        one.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" if i % 2 else
                    raw_post(chat("wait", stream=True, max_tokens=1)))
        sockets.append(one)
    time.sleep(2.5)
    each = (server.memory() - before) / (2 * n)
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(200):
        start = time.monotonic()
        connection.request("GET", "/health")
        connection.getresponse().read()
        times.append(time.monotonic() - start)
    # The last of them have waited longest; a fast model may have answered even these.
    texts = [one.recv(65536) for one in sockets[-20::2]]
    pinged = sum(b"ping" in text or b"data: " in text for text in texts)
    verdict("idle", each <= 65536 and percentile(times, 99) < 0.05 and pinged == 10,
            f"{n} streams and {n} keep-alive connections: {each / 1024:.1f} KiB each (at most 64), /health p99 "
            f"{percentile(times, 99) * 1000:.1f} ms (under 50), {pinged} of 10 streams pinged or answered")
    for one in sockets:
        one.close()
    server.process.kill()


def overload(args):
    server = Server(args.binary, args.model, "--queue", 16)
    peak = server.bench("--clients", 8, "--seconds", 15, "-n", 32)
    rate = peak["requests_per_second"]
    before = server.memory()
    load = server.bench("--rate", 10 * rate, "--seconds", args.minutes * 60, "-n", 32)
    grown = server.memory() - before
    good = load["requests_per_second"] / rate
    verdict("overload", good >= 0.9 and load["failed"] == 0 and load["refusal_ms"]["p99"] < 50
            and load["refused"] == load["refused_with_retry_after"],
            f"10 x {rate:.1f}/s for {args.minutes} min: {100 * good:.0f} % of peak (at least 90), "
            f"{load['refused']} refused, p99 {load['refusal_ms']['p99']:.1f} ms (under 50), "
            f"{load['failed']} failed, memory {grown / 1e6:+.1f} MB")
    server.stop()


def disconnects(args):
    server = Server(args.binary, args.model)
    body = chat("the one who stays", max_tokens=400)
    reference = text_of(server.ask("/v1/chat/completions", body))
    before = server.memory()
    rng = random.Random(5)
    stays = []

    def stay():
        while not done.is_set():
            stays.append(text_of(server.ask("/v1/chat/completions", body)))

    done = threading.Event()
    keeper = threading.Thread(target=stay)
    keeper.start()

    def vanish(seed):
        r = random.Random(seed)
        one = socket.create_connection(("127.0.0.1", server.port))
        request = raw_post(chat(f"vanish {seed} " + "word " * r.randrange(200), stream=True, max_tokens=200))
        one.sendall(request[:r.randrange(1, len(request))] if r.random() < 0.1 else request)
        time.sleep(r.random() ** 3)
        if r.random() < 0.5:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(vanish, [rng.random() for _ in range(args.disconnects)]))
    done.set()
    keeper.join()
    start = time.monotonic()
    is_idle = server.idle()
    verdict("disconnects", is_idle and all(text == reference for text in stays),
            f"{args.disconnects} at random moments: idle after {time.monotonic() - start:.2f} s, "
            f"{sum(t == reference for t in stays)} of {len(stays)} answers beside them as alone, memory "
            f"{(server.memory() - before) / 1e6:+.1f} MB")
    server.stop()


def fair(args):
    """Alone and beside the heavy one in turn, five times; the median ratio. The heavy load is a process of its
    own: threads here would make the light one's clock wait for them."""
    server = Server(args.binary, args.model)
    light = ("127.0.0.2", 0)

    def ask_light(round_, i):
        return stream(server, chat(f"light {round_} {i} " + "word " * 40, max_tokens=8), light)[0]

    ratios, alone, beside = [], [], []
    for round_ in range(5):
        alone.append(percentile([ask_light(round_, i) for i in range(40)], 95))
        heavy = subprocess.Popen([args.binary, "bench", "serve", server.url, "--clients", "40", "--seconds", "600",
                                  "-n", "100", "--prompt-words", "100"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.ask("/slots")[1]["models"][0]["running"] < 8:
            time.sleep(0.05)
        beside.append(percentile([ask_light(round_, 100 + i) for i in range(40)], 95))
        heavy.kill()
        heavy.wait()
        server.idle()
        ratios.append(beside[-1] / alone[-1])
    ratio = statistics.median(ratios)
    verdict("fair", ratio <= 2,
            f"a light user's first token, p95: {statistics.median(alone) * 1000:.1f} ms alone, "
            f"{statistics.median(beside) * 1000:.1f} ms beside 40 heavy requests: {ratio:.2f} x (at most 2)")
    server.process.kill()


def stop(args):
    server = Server(args.binary, args.model)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        running = [pool.submit(stream, server, chat(f"stream {i}", max_tokens=2000)) for i in range(50)]
        time.sleep(3)
        start = time.monotonic()
        code = server.stop()
        seconds = time.monotonic() - start
        texts = [one.result()[2] for one in running]
    whole = sum(("[DONE]" in t) and ('"error"' in t or '"finish_reason":"' in t) for t in texts)
    verdict("stop", code == 0 and seconds < 30 and whole == 50,
            f"SIGTERM under 50 streams: exit {code} after {seconds:.1f} s (under 30), {whole} of 50 ended with a "
            "finish or an error")


def throughput(args):
    """Eight answers of 256 tokens and their prompts, on both sides: the engine's time is that of its benchmarks of
    reading so much in one go and of a batch of eight after such prompts. In turn, five times; the median ratio."""
    n = 256
    ratios, served, alone = [], [], []
    server = Server(args.binary, args.model)
    like = chat("Request 1: river stone walk quick", max_tokens=1)  # as bench serve's with four words
    prompt = server.ask("/v1/chat/completions", like)[1]["usage"]["prompt_tokens"]
    for _ in range(5):
        load = server.bench("--clients", 8, "--seconds", 12, "-n", n, "--ignore-eos", "--prompt-words", 4)
        read, write = (json.loads(subprocess.run([args.binary, "bench", args.model, "--json", *map(str, flags)],
                                                 capture_output=True, text=True, check=True).stdout)[part]
                       for part, flags in (("prefill", ["-p", 8 * prompt, "-n", 0]),
                                           ("decode", ["-p", 0, "-n", n, "--batch", 8, "-d", prompt])))
        seconds = 8 * prompt / read["tokens_per_second"] + 8 * n / write["tokens_per_second"]
        served.append(load["tokens_per_second"])
        alone.append(8 * n / seconds)
        ratios.append(served[-1] / alone[-1])
    server.stop()
    ratio = statistics.median(ratios)
    verdict("throughput", ratio >= 0.9,
            f"8 clients: {statistics.median(served):.1f} tokens/s, the engine with 8 such prompts of {prompt}: "
            f"{statistics.median(alone):.1f} ({100 * ratio:.0f} %, at least 90; of each pair "
            f"{' '.join(f'{100 * r:.0f}' for r in ratios)})")


BARS = {"equal": equal, "idle": idle, "overload": overload, "disconnects": disconnects, "fair": fair,
        "stop": stop, "throughput": throughput}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("bars", nargs="*", metavar="BAR", help=", ".join(BARS))
    parser.add_argument("--shape", default="0.5b", help="of the random model (default 0.5b)")
    parser.add_argument("--model", help="this one instead")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--disconnects", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=1000)
    args = parser.parse_intermixed_args()
    for bar in args.bars:
        if bar not in BARS:
            sys.exit(f"no bar {bar}; there are {', '.join(BARS)}")
    with tempfile.TemporaryDirectory() as folder:
        if not args.model:
            args.model = os.path.join(folder, "model.gguf")
            subprocess.run([args.binary, "dev", "make-model", "--arch", "qwen2", "--shape", args.shape, "--type",
                            "q4_0", "-o", args.model], check=True, stderr=subprocess.DEVNULL)
        for bar in args.bars or BARS:
            BARS[bar](args)
    sys.exit(len(failures) > 0)
