"""jiang serve, the real binary: settings, the ready line, models loaded on demand, keys, TLS, and
going down without losing anybody."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import support
from support import BINARY, Case, environment, jiang, tiny_encoder, tiny_model


class Server:
    """A running jiang serve with a home of its own; stderr is kept in .lines."""

    def __init__(self, *arguments, home=None, env=None, wait=True):
        self.home = home or tempfile.mkdtemp(prefix="serve-", dir=support.scratch)
        self.process = subprocess.Popen(
            [BINARY, "serve", *map(str, arguments)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=environment(JIANG_HOME=self.home, **(env or {})))
        self.lines = []
        self.url = None
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if wait:
            assert self.ready.wait(60), self.lines
            assert self.url, self.lines

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                self.url = line.split()[2]
                self.ready.set()
        self.ready.set()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(data), answer
        except ValueError:
            return answer.status, data.decode(), answer

    def stop(self, how=signal.SIGTERM, timeout=40):
        self.process.send_signal(how)
        code = self.process.wait(timeout)
        self.reader.join(10)
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(10)
        self.process.stderr.close()


def chat(text="hi", **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, **more}


class Serve(Case):
    def test_a_model_answers_on_a_free_port_and_sigterm_ends_it_well(self):
        with Server(tiny_model(), "--port", 0) as server:
            self.assertRegex(server.url, r"^http://127\.0\.0\.1:\d+$")
            self.assertEqual(server.ask("GET", "/health")[1], {"status": "ok"})
            status, body, _ = server.ask("POST", "/v1/chat/completions", chat(max_tokens=8))
            self.assertEqual(status, 200, body)
            self.assertEqual(body["usage"]["completion_tokens"], 8)
            again = server.ask("POST", "/v1/chat/completions", chat(max_tokens=8))[1]
            self.assertEqual(again["choices"][0]["message"], body["choices"][0]["message"])
            self.assertGreater(again["usage"]["prompt_tokens_details"]["cached_tokens"], 0)
            self.assertEqual(server.stop(), 0)
            log = [line for line in server.lines if "/v1/chat/completions" in line]
            self.assertEqual(len(log), 2, server.lines)
            self.assertIn(" 200 ", log[0])

    def test_the_load_client_counts_answers_and_refusals_and_keeps_its_connections(self):
        with Server(tiny_model(), "--port", 0, "--parallel", 1, "--queue", 1, "--quiet") as server:
            def load(*flags):
                out = jiang("bench", "serve", server.url, "--prompt-words", 2, "--ignore-eos", "--json", *flags)
                self.assertEqual(out.returncode, 0, out.stderr)
                accepted = int(re.search(r"jiang_connections_total (\d+)", server.ask("GET", "/metrics")[1])[1])
                return json.loads(out.stdout), accepted
            alone, before = load("--clients", 1, "--requests", 6, "--seconds", 60, "-n", 5)
            self.assertEqual((alone["answered"], alone["refused"], alone["failed"]), (6, 0, 0))
            self.assertLessEqual(before, 2)  # of the client, and of /metrics
            beside, after = load("--clients", 4, "--requests", 40, "--seconds", 60, "-n", 20)
            self.assertEqual(beside["answered"] + beside["refused"], 40, beside)
            self.assertGreater(beside["refused"], 0)
            self.assertEqual(beside["refused"], beside["refused_with_retry_after"])
            self.assertLessEqual(after - before, 5)

    def test_models_by_name_are_loaded_on_demand_and_encoders_embed(self):
        with Server(f"small={tiny_model()}", f"bert={tiny_encoder()}", "--port", 0) as server:
            names = [m["id"] for m in server.ask("GET", "/v1/models")[1]["data"]]
            self.assertEqual(names, ["small", "bert", "agent:craftsman", "craftsman"])
            status, body, _ = server.ask("POST", "/v1/embeddings", {"model": "bert", "input": "abc"})
            self.assertEqual(status, 200, body)
            self.assertEqual(len(body["data"][0]["embedding"]), 32)
            self.assertAlmostEqual(sum(x * x for x in body["data"][0]["embedding"]), 1, places=4)
            status, body, _ = server.ask("POST", "/v1/embeddings", {"model": "small", "input": "abc"})
            self.assertEqual(status, 200, body)
            status, body, _ = server.ask("POST", "/v1/chat/completions", chat(model="bert"))
            self.assertEqual(status, 400, body)
            status, body, _ = server.ask("POST", "/v1/chat/completions", chat(model="smal"))
            self.assertEqual((status, body["error"]["code"]), (404, "model_not_found"))
            self.assertIn("did you mean 'small'", body["error"]["message"])
            slots = server.ask("GET", "/slots")[1]
            self.assertEqual({m["model"] for m in slots["models"]}, {"small", "bert"})

    def test_a_draft_guesses_for_the_model_that_is_named(self):
        body = chat(max_tokens=60, temperature=0)
        with Server(tiny_model(), "--port", 0) as server:
            plain = server.ask("POST", "/v1/chat/completions", body)[1]["choices"]
        with Server(tiny_model(), "--port", 0, "--draft", tiny_model(kind="q4_0")) as server:
            self.assertEqual(server.ask("POST", "/v1/chat/completions", body)[1]["choices"], plain)
            metrics = server.ask("GET", "/metrics")[1]
            guessed = [line for line in metrics.splitlines() if line.startswith("jiang_model_guessed_tokens_total")
                       and 'source="draft"' in line]
            self.assertGreater(max(float(line.split()[-1]) for line in guessed), 0, guessed)
        self.refused("serve", tiny_model(), "b=" + tiny_model(), "--draft", tiny_model(), "--port", 0,
                     says="--draft is of one model")
        self.refused("serve", tiny_model(), "--draft", "/nowhere.gguf", "--port", 0, says="/nowhere.gguf")
        with Server(tiny_model(), "--port", 0, "--draft", tiny_model("llama3")) as server:
            status, answer, _ = server.ask("POST", "/v1/chat/completions", body)
            self.assertGreaterEqual(status, 400)
            self.assertIn("another vocabulary", answer["error"]["message"])

    def test_an_idle_model_is_unloaded_and_comes_back(self):
        with Server(tiny_model(), "--port", 0, "--keep-alive", 1) as server:
            body = chat(max_tokens=2)
            first = server.ask("POST", "/v1/chat/completions", body)[1]
            deadline = time.monotonic() + 30
            while server.ask("GET", "/slots")[1]["models"] and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(server.ask("GET", "/slots")[1]["models"], [])
            again = server.ask("POST", "/v1/chat/completions", body)[1]
            self.assertEqual(again["choices"], first["choices"])

    def test_a_budget_that_is_too_small_refuses_with_numbers(self):
        with Server(tiny_model(), "--port", 0, "--memory", 1) as server:
            status, body, _ = server.ask("POST", "/v1/chat/completions", chat())
            self.assertEqual(status, 400, body)
            self.assertRegex(body["error"]["message"], r"\d.*MB|\d.*kB")

    def test_streams_end_well_when_the_server_is_told_to_stop(self):
        with Server(tiny_model(), "--port", 0, "--grace", 1) as server:
            server.ask("POST", "/v1/chat/completions", chat(max_tokens=1))
            begun = threading.Barrier(13)

            def stream(i):
                connection = server.connect()
                connection.request("POST", "/v1/chat/completions", json.dumps(
                    chat(f"count {i}", stream=True, max_tokens=1900)))
                answer = connection.getresponse()
                text = answer.read1(1000)
                begun.wait(60)
                while piece := answer.read1(65536):
                    text += piece
                connection.close()
                return text.decode()

            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                # Six at most run, the others wait in the queue with pings.
                running = [pool.submit(stream, i) for i in range(12)]
                begun.wait(60)
                start = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - start, 30)
                for one in running:
                    text = one.result(60)
                    self.assertIn("data: [DONE]", text)
                    self.assertTrue('"finish_reason":"' in text or '"error"' in text, text[-300:])

    def test_many_clients_that_vanish_leave_nothing_behind(self):
        with Server(tiny_model(), "--port", 0, "--quiet") as server:
            reference = server.ask("POST", "/v1/chat/completions", chat("stay", max_tokens=300))[1]

            def vanish(i):
                connection = server.connect()
                connection.request("POST", "/v1/chat/completions",
                                   json.dumps(chat(f"go {i % 7}", stream=True, max_tokens=1900)))
                if i % 3:
                    connection.getresponse().read1(50 * (i % 5) + 1)
                connection.close()

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                stays = pool.submit(server.ask, "POST", "/v1/chat/completions", chat("stay", max_tokens=300))
                list(pool.map(vanish, range(100)))
                self.assertEqual(stays.result(60)[1]["choices"], reference["choices"])
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                slots = server.ask("GET", "/slots")[1]
                if slots["active"] == 0 and slots["models"][0]["running"] == 0:
                    break
                time.sleep(0.02)
            self.assertEqual((slots["active"], slots["models"][0]["running"],
                              slots["models"][0]["waiting"], slots["models"][0]["queued"]), (0, 0, 0, 0))

    def test_without_descriptors_callers_are_shed_and_the_rest_goes_on(self):
        with Server(tiny_model(), "--port", 0) as server:
            server.ask("POST", "/v1/chat/completions", chat(max_tokens=1))
            pid = server.process.pid
            most = len(os.listdir(f"/proc/{pid}/fd")) + 10
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            callers = [server.connect(timeout=20) for _ in range(40)]
            answered = 0
            for caller in callers:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    caller.request("GET", "/health")
                    answered += caller.getresponse().status == 200
            self.assertGreater(answered, 0)
            self.assertLess(answered, 40)
            for caller in callers:
                caller.close()

            def is_well():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return server.ask("POST", "/v1/chat/completions", chat(max_tokens=4))[0] == 200
                return False

            deadline = time.monotonic() + 30
            while not is_well():
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(server.stop(), 0)

    def test_a_machine_that_sleeps_in_an_answer_goes_on_with_it(self):
        with Server(tiny_model(), "--port", 0) as server:
            body = chat(max_tokens=200)
            alone = server.ask("POST", "/v1/chat/completions", body)[1]["choices"][0]["message"]["content"]
            connection = server.connect()
            connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}))
            answer = connection.getresponse()
            first = answer.readline()
            server.process.send_signal(signal.SIGSTOP)
            while open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
                pass
            server.process.send_signal(signal.SIGCONT)
            lines = (first + answer.read()).decode().splitlines()
            events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
            text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
            self.assertEqual(text, alone)
            self.assertEqual(lines[-2], "data: [DONE]")
            connection.close()

    def test_a_key_closes_the_door_and_opens_it(self):
        with Server(tiny_model(), "--port", 0, "--new-key", "laptop") as server:
            key = next(line.rsplit(" ", 1)[1] for line in server.lines if line.startswith("new key"))
            self.assertEqual(server.ask("GET", "/health")[0], 200)
            for headers in ({}, {"authorization": "Bearer " + key[:-1]}, {"authorization": key}):
                status, body, _ = server.ask("GET", "/v1/models", **headers)
                self.assertEqual(status, 401, body)
            for headers in ({"authorization": "Bearer " + key}, {"x_api_key": key}):
                self.assertEqual(server.ask("GET", "/v1/models", **headers)[0], 200)
            self.assertEqual(server.stop(), 0)
            self.assertFalse([line for line in server.lines if key in line and "new key" not in line])

    def test_other_machines_need_a_flag_and_a_key(self):
        self.refused("serve", "--host", "0.0.0.0", "--port", 0, says="--allow-remote")
        self.refused("serve", "--host", "0.0.0.0", "--port", 0, "--allow-remote", says="--new-key")
        with Server(tiny_model(), "--host", "0.0.0.0", "--port", 0, "--allow-remote", "--new-key", "x") as server:
            self.assertEqual(server.ask("GET", "/v1/models")[0], 401)

    def test_flags_beat_the_environment_and_that_beats_the_file(self):
        home = tempfile.mkdtemp(dir=support.scratch)
        with open(os.path.join(home, "config.toml"), "w") as file:
            file.write('[serve]\nhost = "127.0.0.2"\nport = 0\nbase_path = "/file"\nquiet = true\n'
                       'allow_host = ["a.example", "b.example"]\n')
        with Server(home=home) as server:
            self.assertRegex(server.url, r"^http://127\.0\.0\.2:\d+/file$")
        with Server(home=home, env={"JIANG_BASE_PATH": "/env"}) as server:
            self.assertRegex(server.url, r"/env$")
        with Server("--base-path", "/flag", home=home, env={"JIANG_BASE_PATH": "/env"}) as server:
            self.assertRegex(server.url, r"/flag$")

    def test_mistakes_in_settings_say_where_they_are(self):
        home = tempfile.mkdtemp(dir=support.scratch)
        env = {"JIANG_HOME": home}

        def with_file(text, says):
            with open(os.path.join(home, "config.toml"), "w") as file:
                file.write(text)
            self.refused("serve", env=env, says=says)

        with_file("[serve]\nprot = 1\n", "config.toml:2: prot: no such setting; did you mean port?")
        with_file("[serve]\n\nport = 99999\n", "config.toml:3: port: ")
        with_file("[serve]\nquiet = 3\n", "true or false")
        with_file("[serve\n", "config.toml:1")
        os.remove(os.path.join(home, "config.toml"))
        self.refused("serve", env={**env, "JIANG_PORT": "x"}, says="JIANG_PORT: ")
        self.refused("serve", "--port", "70000", env=env, says="--port")
        self.refused("serve", "no-such-file.gguf", env=env, says="no-such-file.gguf")
        self.refused("serve", "--base-path", "x", env=env, says="--base-path")

    def test_two_servers_cannot_share_a_home_or_a_port(self):
        with Server("--port", 0) as server:
            self.refused("serve", "--port", 0, env={"JIANG_HOME": server.home})
            self.refused("serve", "--port", server.port, env={"JIANG_HOME": server.home + "2"},
                         says="another program has this port")

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl")
    def test_tls(self):
        folder = tempfile.mkdtemp(dir=support.scratch)
        certificate, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                       check=True, capture_output=True)
        self.refused("serve", "--port", 0, "--cert", certificate, says="--key")
        self.refused("serve", "--port", 0, "--cert", key, "--key", certificate, says="--cert")
        with Server("--port", 0, "--cert", certificate, "--key", key) as server:
            self.assertTrue(server.url.startswith("https://127.0.0.1:"))
            trust = ssl.create_default_context(cafile=certificate)
            for _ in range(3):
                connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trust, timeout=30)
                for _ in range(3):
                    connection.request("GET", "/health")
                    self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}')
                connection.close()
            self.assertEqual(server.stop(), 0)

    def test_the_owners_link_works_once(self):
        terminal = support.Terminal("serve", "--port", 0,
                                    env={"JIANG_HOME": tempfile.mkdtemp(dir=support.scratch)})
        terminal.expect("/login?token=")
        screen = terminal.plain().replace("\n", "")
        url = screen.split("open ")[1].split(" ")[0]
        port = int(url.split(":")[2].split("/")[0])
        path = "/" + url.split("/", 3)[3]
        for expected in (303, 401):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, expected)
            if expected == 303:
                self.assertEqual(answer.getheader("location"), "./")
                cookie = answer.getheader("set-cookie")
                self.assertIn("HttpOnly", cookie)
                self.assertIn("SameSite=Strict", cookie)
            connection.close()
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.finish(), 0)


if __name__ == "__main__":
    unittest.main()
