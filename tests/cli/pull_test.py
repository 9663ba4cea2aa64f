"""jiang pull and the store, against a fake hub over TLS. The rows E1 to E19 are the faults that
docs/checks.md lists under Fetching."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from support import BINARY, Case, data, environment, jiang, scratch, tiny_model

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "hub"))
from fake_hub import FakeHub, random_fault  # noqa: E402

QUICK = ("--retry-wait", "0.01", "--timeout", "1")


def folder_files(folder):
    files = {}
    for path in pathlib.Path(folder).iterdir():
        files[path.name] = path.read_bytes()
    return files


class PullCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=scratch)
        cls.hub = FakeHub(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.hub.close()

    def setUp(self):
        self.home = tempfile.mkdtemp(dir=scratch)
        self.hub.repos.clear()
        self.hub.faults = lambda name, number, begin: None
        self.hub.listing_fault = None
        self.hub.etag_suffix = ""
        self.hub.throttle = 0
        self.hub.reset_counts()
        self.gguf = pathlib.Path(tiny_model()).read_bytes()

    def tearDown(self):
        self.assertEqual(self.hub.leaked, [])
        self.no_unverified_names()

    def env(self, **extra):
        return self.hub.environment(JIANG_HOME=self.home, **extra)

    def blobs(self):
        folder = pathlib.Path(self.home, "models", "blobs")
        return sorted(folder.iterdir()) if folder.exists() else []

    def no_unverified_names(self):
        for blob in self.blobs():
            if blob.name.startswith("sha256-") and "." not in blob.name:
                self.assertEqual(hashlib.sha256(blob.read_bytes()).hexdigest(), blob.name[7:])

    def add_gguf(self, name="org/tiny", file="tiny-q8_0.gguf", **options):
        return self.hub.add(name, {file: self.gguf, "README.md": b"# tiny"}, **options)

    def pulls(self, *arguments, env=None):
        return self.succeeds("pull", *arguments, *QUICK, env=env or self.env())

    def fails(self, *arguments, says=(), env=None, code=1):
        done = jiang("pull", *arguments, *QUICK, env=env or self.env())
        self.assertEqual(done.returncode, code, done.stderr.decode() + done.stdout.decode())
        last = done.stderr.decode().strip().splitlines()[-1]
        self.one_sentence(last)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, last)
        return last

    def installed(self, name="org/tiny"):
        listed = json.loads(self.succeeds("list", "--json", env=self.env()))
        return next((m for m in listed if m["name"] == name), None)

    def is_whole(self, name="org/tiny"):
        model = self.installed(name)
        self.assertIsNotNone(model)
        self.assertEqual(pathlib.Path(model["path"]).read_bytes(), self.gguf)
        self.succeeds("verify", name, env=self.env())


class CoursePath(PullCase):
    def test_fetches_quantises_and_runs_and_then_needs_no_network(self):
        self.hub.add("x/tinystories", folder_files(data("weights/tinystories-656k")))
        prompt = ("run", "ms:x/tinystories", "-p", "Once upon a time", "--raw", "--temp", "0", "-n", "8")
        first = jiang(*prompt, env=self.env())
        self.assertEqual(first.returncode, 0, first.stderr.decode())
        self.assertIn("as q4_k_m", first.stderr.decode())
        self.hub.reset_counts()
        second = jiang(*prompt, env=self.env())
        self.assertEqual(second.stdout, first.stdout)
        self.assertEqual(self.hub.requests, [])
        offline = jiang("run", "x/tinystories", *prompt[2:], env=self.env(JIANG_OFFLINE="1"))
        self.assertEqual(offline.stdout, first.stdout)
        self.succeeds("verify", env=self.env())
        # One flipped byte is found.
        path = pathlib.Path(self.installed("x/tinystories")["path"])
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        os.chmod(path, 0o644)
        path.write_bytes(content)
        damaged = jiang("verify", env=self.env())
        self.assertEqual(damaged.returncode, 1)
        self.assertIn("has the SHA-256", damaged.stdout.decode())
        self.succeeds("rm", "x/tinystories", env=self.env())
        self.pulls("ms:x/tinystories")  # mended

    def test_the_result_is_what_quantize_makes(self):
        folder = data("weights/tinystories-656k")
        self.hub.add("x/tinystories-656k", folder_files(folder))
        self.pulls("hf:x/tinystories-656k", "--quant", "q8_0")
        by_hand = os.path.join(self.home, "by-hand.gguf")
        self.succeeds("quantize", folder, by_hand, "--type", "q8_0")
        made = pathlib.Path(self.installed("x/tinystories-656k")["path"])
        self.assertEqual(made.read_bytes(), pathlib.Path(by_hand).read_bytes())
        # The originals are gone; with --keep-originals they stay.
        self.assertEqual([b.name for b in self.blobs()],
                         ["sha256-" + hashlib.sha256(made.read_bytes()).hexdigest()])
        self.hub.reset_counts()
        self.pulls("hf:x/tinystories-656k", "--quant", "q8_0")  # up to date: the listing alone
        self.assertEqual(len(self.hub.requests), 1)
        self.pulls("hf:x/tinystories-656k:q8_0", "--keep-originals")
        self.assertGreater(len(self.blobs()), 3)
        self.succeeds("rm", "x/tinystories-656k:q8_0", env=self.env())
        self.assertEqual(len(self.blobs()), 1)

    def test_none_keeps_the_folder(self):
        self.hub.add("x/tinystories", folder_files(data("weights/tinystories-656k")))
        self.pulls("x/tinystories", "--quant", "none")
        path = self.installed("x/tinystories")["path"]
        self.assertTrue(os.path.isdir(path))
        self.succeeds("run", "x/tinystories", "-p", "One day", "--raw", "-n", "2", env=self.env())

    def test_quantising_begins_before_the_last_byte(self):
        self.hub.add("x/tinystories", folder_files(data("weights/tinystories-656k")))
        self.hub.throttle = 400_000
        done = self.pulls("x/tinystories", "--json", "--connections", "1")
        phases = [json.loads(line) for line in done.splitlines()]
        first = next(i for i, e in enumerate(phases) if e["phase"] == "quantising")
        self.assertTrue(any(e["phase"] == "fetching" and e["file"] == "model.safetensors" and e["done"] < e["total"]
                            for e in phases[first:]))
        # Progress never runs backwards.
        shown = [e["all_done"] for e in phases if "all_done" in e]
        self.assertEqual(shown, sorted(shown))

    def test_names_that_are_not_there(self):
        self.fails("org/absent", says=["ModelScope", "Hugging Face"])
        self.fails("hf:org/absent", says="HF_TOKEN")
        self.fails("no-such-short-name", says="catalogue")
        self.fails("ms:x", says="org/model", code=2)
        self.add_gguf()
        self.fails("hf:org/tiny@nowhere", says="revision")
        self.fails("org/tiny:tiny-q9.gguf", says="tiny-q8_0.gguf")
        self.fails("org/tiny:q4_0", says="tiny-q8_0.gguf")
        self.pulls("hf:org/tiny@" + self.hub.repos["org/tiny"].revision + ":q8_0")

    def test_a_url_of_a_gguf(self):
        self.add_gguf()
        self.pulls(f"{self.hub.url}/direct/org/tiny/tiny-q8_0.gguf")
        self.is_whole("tiny-q8_0")

    def test_run_asks_before_it_fetches(self):
        self.add_gguf()
        done = jiang("run", "org/tiny", "-p", "x", "--raw", "-n", "1", env=self.env())
        self.assertEqual(done.returncode, 1)
        self.assertIn("jiang pull org/tiny", done.stderr.decode())
        self.assertEqual(self.hub.requests, [])
        self.succeeds("run", "org/tiny", "--yes", "-p", "x", "--raw", "-n", "1", env=self.env())

    def test_offline_forbids_every_request(self):
        self.add_gguf()
        self.fails("org/tiny", says="JIANG_OFFLINE", env=self.env(JIANG_OFFLINE="1"))
        self.assertEqual(self.hub.requests, [])


class Faults(PullCase):
    """hardening: the fault, and what must come of it."""

    def once(self, kind, amount=0, times=1):
        self.hub.faults = lambda name, number, begin: (kind, amount) if number < times else None

    def test_e01_names_that_leave_their_folder_are_refused_before_anything_is_made(self):
        for name in ["../../evil.gguf", "/etc/evil.gguf", "a\\b.gguf", "..%2fevil.gguf", "evil.gguf.", "-rf.gguf",
                     "n" * 4096 + ".gguf", "a/../../b.gguf", "nul\x00.gguf", "TINY-Q8_0.GGUF"]:
            for hub in ("ms", "hf"):
                repo = self.add_gguf()
                key = {"ms": {"Name": "x", "Path": name, "Type": "blob", "Size": 1, "Sha256": "0" * 64},
                       "hf": {"rfilename": name, "size": 1, "lfs": {"sha256": "0" * 64, "size": 1}}}[hub]
                repo.extra = [key]
                self.fails(f"{hub}:org/tiny", says="refused")
        repo = self.add_gguf()
        repo.listed["tiny-q8_0.gguf"] = {"Sha256": "../../../evil"}
        self.fails("ms:org/tiny", says="SHA-256")
        self.assertEqual(self.blobs(), [])

    def test_e02_a_planted_link_is_not_followed(self):
        repo = self.add_gguf()
        victim = pathlib.Path(self.home, "victim")
        victim.write_bytes(b"precious")
        blobs = pathlib.Path(self.home, "models", "blobs")
        blobs.mkdir(parents=True)
        for end in (".part", ""):
            link = blobs / ("sha256-" + repo.sha256("tiny-q8_0.gguf") + end)
            link.symlink_to(victim)
            self.fails("org/tiny")
            link.unlink()
        self.assertEqual(victim.read_bytes(), b"precious")

    def test_e03_archives_are_not_taken(self):
        self.hub.add("org/tiny", {"model.zip": b"PK", "model.tar.gz": b"x"})
        self.fails("org/tiny", says="neither safetensors nor a GGUF")

    def test_e04_hostile_listings_are_bounded(self):
        self.add_gguf()
        self.hub.listing_fault = (200, {}, b'{"Data":{"Files":[' + b" " * (9 << 20))
        self.fails("ms:org/tiny", says="longer than")
        self.hub.listing_fault = (200, {}, b"[" * 100000)
        self.fails("ms:org/tiny")
        self.hub.listing_fault = (200, {}, json.dumps({"Code": 200, "Data": {"Files": [
            {"Name": "a", "Path": "a%d" % i, "Type": "blob", "Size": 1, "Sha256": ""} for i in range(10001)]}}))
        self.fails("ms:org/tiny", says="10000")
        self.hub.listing_fault = (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08" + b"\0" * 1000)
        self.fails("ms:org/tiny")
        self.hub.listing_fault = None
        self.hub.repos["org/tiny"].listed["tiny-q8_0.gguf"] = {"Size": -5}
        self.fails("ms:org/tiny", says="size")

    def test_e05_missing_and_empty_fields_are_errors(self):
        self.add_gguf()
        for body in ["{}", "null", "[]", '{"Data":null}', '{"Data":{"Files":[]}}', '{"Data":{"Files":[{}]}}',
                     '{"Data":{"Files":[{"Path":"a.gguf"}]}}', '{"Data":{"Files":[null]}}', '{"sha":"a"}',
                     '{"sha":1,"siblings":[]}', '{"sha":"a","siblings":[{"rfilename":1}]}', ""]:
            for hub in ("ms", "hf"):
                self.hub.listing_fault = (200, {}, body)
                self.fails(f"{hub}:org/tiny")

    def test_e06_right_size_wrong_bytes(self):
        self.add_gguf()
        self.hub.faults = lambda name, number, begin: "wrong bytes"
        self.fails("org/tiny", says="SHA-256")
        self.assertEqual([b for b in self.blobs() if "." not in b.name], [])
        self.hub.faults = lambda name, number, begin: "wrong bytes" if begin == 0 and number < 1 else None
        self.hub.reset_counts()
        self.pulls("org/tiny")  # once is mended by another try
        self.is_whole()

    def test_e07_without_a_hash_the_git_id_or_the_size_is_checked_and_told(self):
        repo = self.add_gguf()
        repo.plain.add("tiny-q8_0.gguf")
        self.pulls("hf:org/tiny")
        self.is_whole()
        self.succeeds("rm", "org/tiny", env=self.env())
        repo.listed["tiny-q8_0.gguf"] = {"blobId": "f" * 40}
        self.fails("hf:org/tiny", says="git's id")
        self.pulls(f"{self.hub.url}/direct/org/tiny/tiny-q8_0.gguf")
        self.assertIn("no hash", self.succeeds("verify", env=self.env()).decode())

    def test_e08_answers_to_ranges_that_are_not_what_was_asked(self):
        for kind in ["no ranges", "wrong range", "extra bytes", "weak etag", "no length"]:
            with self.subTest(kind):
                self.add_gguf()
                self.hub.reset_counts()
                self.once(kind, times=2)
                self.pulls("org/tiny")
                self.is_whole()
                self.succeeds("rm", "org/tiny", env=self.env())
        self.hub.faults = lambda name, number, begin: "wrong total"
        self.fails("org/tiny", says="lists")

    def test_e08_a_changed_etag_begins_anew_where_no_hash_is_known(self):
        self.gguf = pathlib.Path(tiny_model(kind="f32")).read_bytes()  # six ranges
        self.add_gguf()
        other = bytes(reversed(self.gguf))
        url = f"{self.hub.url}/direct/org/tiny/tiny-q8_0.gguf"

        def change(name, number, begin):
            if number == 3:  # one probe and two ranges of the old file have gone out
                self.hub.repos["org/tiny"].files["tiny-q8_0.gguf"] = self.gguf
            return None
        self.hub.repos["org/tiny"].files["tiny-q8_0.gguf"] = other
        self.hub.faults = change
        self.pulls(url)
        self.is_whole("tiny-q8_0")

    def test_e09_an_empty_body_is_tried_again_and_then_an_error(self):
        self.add_gguf()
        self.once("empty", times=3)
        self.pulls("org/tiny")
        self.is_whole()
        self.succeeds("rm", "org/tiny", env=self.env())
        self.hub.faults = lambda name, number, begin: "empty"
        self.fails("org/tiny", says="empty")
        self.hub.add("x/empty", {**folder_files(data("weights/tinystories-656k")), "config.json": b""})
        self.fails("x/empty", says="empty")

    def test_e10_what_passes_is_waited_for(self):
        for kind, amount in [("reset", 100_000), ("stall", 100_000), ("cut", 300_000), ("expired", 0), ("busy", 0),
                             ("too many", 1)]:
            with self.subTest(kind):
                self.add_gguf()
                self.hub.reset_counts()
                self.once(kind, amount, times=2)
                self.pulls("org/tiny")
                self.is_whole()
                # Nothing that was there came twice, but for what an RST lost on its way.
                self.assertLessEqual(self.hub.bytes_sent["tiny-q8_0.gguf"] - len(self.gguf), 2 * (1 << 20))
                self.succeeds("rm", "org/tiny", env=self.env())
        self.hub.faults = lambda name, number, begin: ("busy", 0)
        self.fails("org/tiny", says="503")
        self.fails("ms:org/tiny", says="cannot be found",
                   env=self.env(JIANG_MIRROR="https://no-such-host.invalid"))

    def test_e11_after_kill_9_it_goes_on_where_it_was(self):
        self.add_gguf()
        self.hub.throttle = 1_000_000
        process = subprocess.Popen([BINARY, "pull", "org/tiny", "--connections", "2", *QUICK],
                                   env=environment(**self.env()), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        while self.hub.bytes_sent.get("tiny-q8_0.gguf", 0) < len(self.gguf) * 2 // 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = self.hub.bytes_sent["tiny-q8_0.gguf"]
        self.assertIsNone(self.installed())
        self.hub.throttle = 0
        self.pulls("org/tiny")
        self.is_whole()
        self.assertLessEqual(self.hub.bytes_sent["tiny-q8_0.gguf"], len(self.gguf) + (8 << 20))
        self.assertGreater(before, 0)

    def test_e12_two_processes_fetch_once(self):
        self.add_gguf()
        self.hub.throttle = 2_000_000
        processes = [subprocess.Popen([BINARY, "pull", "org/tiny", *QUICK], env=environment(**self.env()),
                                      stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors.decode())
        self.is_whole()
        self.assertEqual(self.hub.bytes_sent["tiny-q8_0.gguf"], len(self.gguf))

    def on_small_disk(self, size, command, options=""):
        """Runs a shell command with JIANG_HOME on a file system of that size."""
        mount = f"mount -t tmpfs -o size={size}{options} none {self.home}"
        probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("needs unshare and mount")
        return subprocess.run(["unshare", "-rm", "sh", "-c", f"{mount} && {command}"], capture_output=True,
                              env=environment(**self.env(HOME_DIR=self.home, JIANG=BINARY)), timeout=60)

    def test_e13_a_full_or_read_only_disk_is_an_error_beforehand(self):
        self.add_gguf()
        done = self.on_small_disk("1m", "$JIANG pull org/tiny")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("are free there", done.stderr.decode())
        self.assertEqual(self.hub.bytes_sent, {})
        done = self.on_small_disk("64m", "$JIANG pull org/tiny", ",ro")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Read-only", done.stderr.decode())

    def test_e13_a_disk_that_fills_while_fetching_keeps_what_came(self):
        # Of unknown size, so that nothing can be reserved beforehand.
        self.hub.add("org/tiny", {"tiny-q8_0.gguf": self.gguf})
        self.hub.faults = lambda name, number, begin: "no length"
        url = f"{self.hub.url}/direct/org/tiny/tiny-q8_0.gguf"
        done = self.on_small_disk("500k", f"$JIANG pull {url} --retry-wait 0.01; ls $HOME_DIR/models/blobs")
        self.assertIn("disk is full", done.stderr.decode())
        self.assertIn(".part", done.stdout.decode())

    def test_e14_tokens_stay_at_their_host_and_redirects_at_https(self):
        repo = self.add_gguf()
        repo.private = "hf_secret"
        self.fails("hf:org/tiny", says="HF_TOKEN")
        self.pulls("hf:org/tiny", env=self.env(HF_TOKEN="hf_secret"))
        self.assertTrue(any(h.get("Authorization") == "Bearer hf_secret" for _, _, h in self.hub.requests))
        self.assertEqual(self.hub.leaked, [])  # and tearDown looks again
        self.succeeds("rm", "org/tiny", env=self.env())
        self.hub.faults = lambda name, number, begin: "to http"
        self.fails("hf:org/tiny", says="https", env=self.env(HF_TOKEN="hf_secret"))

    def test_e14_a_gated_model_says_what_to_do(self):
        self.add_gguf().gated = True
        self.fails("hf:org/tiny", says=["accepted", "HF_TOKEN"])

    def test_e15_a_certificate_that_nobody_signed_is_refused(self):
        self.add_gguf()
        env = self.env()
        env["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
        if not os.path.exists(env["SSL_CERT_FILE"]):
            del env["SSL_CERT_FILE"]
        self.fails("ms:org/tiny", says="certificate", env=env)
        self.assertEqual(self.hub.requests, [])

    def test_e16_the_revision_is_fixed_at_the_start(self):
        files = folder_files(data("weights/tinystories-656k"))
        repo = self.hub.add("x/tinystories", files)
        self.pulls("hf:x/tinystories")
        paths = [p for _, p, _ in self.hub.requests if "/resolve/" in p]
        self.assertTrue(paths)
        self.assertTrue(all(f"/resolve/{repo.revision}/" in p for p in paths))
        # A hub that serves something else all the same is found out.
        self.succeeds("rm", "x/tinystories", env=self.env())
        changed = dict(files, **{"tokenizer.json": files["tokenizer.json"] + b" "})

        def push(name, number, begin):
            repo.files = changed
            return None
        self.hub.faults = push
        self.fails("hf:x/tinystories")
        self.assertIsNone(self.installed("x/tinystories"))

    def test_e17_a_web_page_is_not_a_model(self):
        self.add_gguf()
        self.hub.faults = lambda name, number, begin: "web page"
        self.fails("org/tiny", says="Please log in")
        self.hub.faults = lambda name, number, begin: None
        self.hub.listing_fault = (200, {"Content-Type": "text/html"}, "<html>Please log in</html>")
        self.fails("ms:org/tiny", says="Please log in")

    def test_e18_bit_rot_is_found(self):
        self.add_gguf()
        self.pulls("org/tiny")
        blob = self.blobs()[0]
        content = bytearray(blob.read_bytes())
        content[1000] ^= 4
        os.chmod(blob, 0o644)
        blob.write_bytes(content)
        done = jiang("verify", "org/tiny", "--json", env=self.env())
        self.assertEqual(done.returncode, 1)
        self.assertFalse(json.loads(done.stdout)[0]["good"])
        blob.unlink()
        self.assertIn("is missing", jiang("verify", env=self.env()).stdout.decode())
        shutil.rmtree(os.path.join(self.home, "models", "views"))

    def test_e19_a_model_in_use_can_be_removed(self):
        self.add_gguf()
        self.pulls("org/tiny")
        process = subprocess.Popen([BINARY, "run", "org/tiny", "--raw", "-n", "5"], env=environment(**self.env()),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.succeeds("rm", "org/tiny", env=self.env())
        process.communicate(b"hello", timeout=60)
        self.assertIn(process.returncode, (0, 1))  # not there yet, or there till its end
        self.assertEqual(self.blobs(), [])

    def test_e19_removing_while_it_is_fetched_anew_leaves_it_whole(self):
        self.add_gguf()
        self.pulls("org/tiny")
        self.succeeds("cp", "org/tiny", "mine", env=self.env())
        self.add_gguf("org/other")
        self.hub.repos["org/other"].files["tiny-q8_0.gguf"] = self.gguf
        self.succeeds("rm", "org/tiny", env=self.env())
        self.is_whole("mine")
        self.pulls("org/other")  # the same content: nothing is fetched
        self.assertEqual(self.hub.bytes_sent["tiny-q8_0.gguf"], len(self.gguf))
        self.succeeds("rm", "mine", "org/other", env=self.env())
        self.assertEqual(self.blobs(), [])


class StoreCommands(PullCase):
    def test_list_cp_rm_gc_du(self):
        self.add_gguf()
        self.pulls("org/tiny")
        text = self.succeeds("ls", env=self.env()).decode()
        self.assertIn(self.installed()["id"][:12], text)
        self.succeeds("cp", "org/tiny", "mine:v1", env=self.env())
        use = json.loads(self.succeeds("du", "--json", env=self.env()))
        self.assertLess(use["models"], 2 * len(self.gguf))  # shared files once
        self.refused("rm", "mine:v1", "absent", says="absent", env=self.env())
        self.assertIsNotNone(self.installed("mine:v1"))
        self.refused("cp", "absent", "x", says="absent", env=self.env())
        self.refused("cp", "mine:v1", "../x", says="name", env=self.env())
        self.succeeds("rm", "mine:v1", env=self.env())
        blobs = pathlib.Path(self.home, "models", "blobs")
        (blobs / ("sha256-" + "0" * 64)).write_bytes(b"")
        (blobs / ("sha256-" + "1" * 64 + ".part")).write_bytes(b"x")
        self.succeeds("gc", env=self.env())
        self.assertEqual(len(self.blobs()), 2)
        self.succeeds("gc", "--partial", env=self.env())
        self.assertEqual(len(self.blobs()), 1)

    def test_create_and_show_modelfile_round_trip(self):
        self.add_gguf()
        self.pulls("org/tiny")
        modelfile = os.path.join(self.home, "Modelfile")
        with open(modelfile, "w") as file:
            file.write('FROM org/tiny\nSYSTEM """Answer\nbriefly."""\nPARAMETER num_predict 3\n'
                       'PARAMETER temperature 0\nMESSAGE user hi\nMESSAGE assistant hello\n')
        self.succeeds("create", "brief", "-f", modelfile, env=self.env())
        shown = self.succeeds("show", "brief", "--modelfile", env=self.env())
        again = os.path.join(self.home, "again")
        pathlib.Path(again).write_bytes(shown)
        self.succeeds("create", "brief2", "-f", again, env=self.env())
        self.assertEqual(self.installed("brief")["id"], self.installed("brief2")["id"])
        self.assertNotEqual(self.installed("brief")["id"], self.installed()["id"])
        # The settings are taken: three tokens at most, and always the same ones.
        run = ("run", "brief", "-p", "x", "--raw")
        first = self.succeeds(*run, env=self.env())
        self.assertEqual(first, self.succeeds(*run, env=self.env()))
        self.assertEqual(first, self.succeeds("run", "org/tiny", "-p", "x", "--raw", "--temp", "0", "-n", "3",
                                              "-s", "Answer\nbriefly.", env=self.env()))
        toml = os.path.join(self.home, "m.toml")
        with open(toml, "w") as file:
            file.write(f'from = "{tiny_model()}"\nsystem = "s"\n[parameters]\ntop_k = 5\n')
        self.succeeds("create", "from-file", "-f", toml, env=self.env())
        self.assertIn("PARAMETER top_k 5", self.succeeds("show", "from-file", "--modelfile", env=self.env()).decode())
        self.assertEqual(len(self.blobs()), 1)  # the same content
        self.refused("create", "x", "-f", os.path.join(self.home, "absent"), env=self.env())
        pathlib.Path(modelfile).write_text("FROM absent-model\n")
        self.refused("create", "x", "-f", modelfile, says="jiang pull", env=self.env())

    def test_create_makes_agents_too(self):
        file = os.path.join(self.home, "poet.toml")
        pathlib.Path(file).write_text('name = "诗人"\ninstructions = "You write poems."\nopening = "Hello."\n')
        self.succeeds("create", "poet", "-f", file, env=self.env())
        made = pathlib.Path(self.home, "agents", "poet.toml").read_text()
        self.assertIn("诗人", made)
        self.assertIn("You write poems.", made)
        self.refused("create", "../poet", "-f", file, env=self.env())
        self.assertFalse(pathlib.Path(self.home, "poet.toml.toml").exists())
        pathlib.Path(file).write_text('name = "x"\nwhatever = [\n')
        self.refused("create", "poet", "-f", file, says="poet.toml", env=self.env())
        self.assertIn("诗人", pathlib.Path(self.home, "agents", "poet.toml").read_text())

    def test_a_damaged_manifest_takes_nothing_away(self):
        self.add_gguf()
        self.pulls("org/tiny")
        manifest = next(pathlib.Path(self.home, "models", "manifests").iterdir())
        manifest.write_text(manifest.read_text().replace('"hub": "', '"hub": "x'))
        self.refused("gc", says="checksum", env=self.env())
        self.assertEqual(jiang("verify", env=self.env()).returncode, 1)
        self.assertEqual(len(self.blobs()), 1)


class Interruptions(PullCase):
    """The long run: `./test --fetch` does 500 of these, ./test a few."""

    def test_random_interruptions_never_change_the_result(self):
        wanted = int(os.environ.get("JIANG_TEST_INTERRUPTIONS", "20"))
        content = self.gguf = pathlib.Path(tiny_model(kind="f32")).read_bytes()
        seed = int(os.environ.get("JIANG_TEST_SEED", "1"))
        rng = random.Random(seed)
        interruptions = pulls = 0
        most = 0
        while interruptions < wanted:
            pulls += 1
            self.add_gguf()
            self.hub.reset_counts()
            counted = []
            inner = random_fault(rng.randrange(1 << 30), 0.5)

            def faults(name, number, begin):
                fault = inner(name, number, begin)
                if fault:
                    counted.append(fault)
                return fault if len(counted) < 12 else None
            self.hub.faults = faults
            self.hub.throttle = rng.choice([0, 0, 2_000_000])
            kills = 0
            while True:
                process = subprocess.Popen(
                    [BINARY, "pull", "org/tiny", "--retry-wait", "0.005", "--timeout", "0.3"],
                    env=environment(**self.env()), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
                if kills < 4 and rng.random() < 0.5:
                    time.sleep(rng.random() * 0.4)
                    if process.poll() is None:
                        process.send_signal(signal.SIGKILL)
                        process.communicate()
                        kills += 1
                        self.no_unverified_names()
                        continue
                _, errors = process.communicate(timeout=60)
                if process.returncode == 0:
                    break
                self.assertIn("tiny-q8_0.gguf", errors.decode())
                counted.append("given up")
            happened = kills + len(counted)
            interruptions += happened
            self.is_whole()
            refetched = self.hub.bytes_sent["tiny-q8_0.gguf"] - len(content)
            self.assertLessEqual(refetched, max(happened, 1) * (8 << 20))
            most = max(most, refetched / max(happened, 1))
            self.succeeds("rm", "org/tiny", env=self.env())
        if wanted > 20:
            print(f"{interruptions} interruptions of {pulls} pulls of {len(content)} bytes (seed {seed}): every "
                  f"SHA-256 equal, at most {most / 1e6:.2f} MB fetched twice per interruption", file=sys.stderr)
