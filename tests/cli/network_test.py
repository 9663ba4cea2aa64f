"""Nothing leaves the machine that nobody asked for: the real binary in a network namespace where
every IPv4 address is local, so that each attempt to go anywhere is one that the kernel counts."""
import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import support
from serve_test import Server
from support import BINARY, jiang, tiny_model

INSIDE = "PRIVATE_NETWORK" in os.environ  # not JIANG_: run.py's own variables would be dropped


def own_all_addresses():
    """lo holds 128.0.0.0/1, 64.0.0.0/2 and so on to 1.0.0.0/8, and what is in its networks is its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x8 | 0x40))  # SIOCSIFFLAGS
        for prefix in range(1, 9):
            for request, address in ((0x8916, (1 << 32 - prefix) + 1), (0x891C, (1 << 32) - (1 << 32 - prefix))):
                packed = struct.pack("16sHH4s8x", f"lo:{prefix}".encode(), socket.AF_INET, 0, address.to_bytes(4, "big"))
                fcntl.ioctl(handle, request, packed)  # SIOCSIFADDR, SIOCSIFNETMASK


def counted():
    """(connections that were opened, datagrams that were sent) in this namespace."""
    rows = {}
    for line in pathlib.Path("/proc/self/net/snmp").read_text().splitlines():
        name, values = line.split(": ")
        if name not in rows:
            rows[name] = values.split()
        else:
            rows[name] = dict(zip(rows[name], map(int, values.split())))
    return rows["Tcp"]["ActiveOpens"], rows["Udp"]["OutDatagrams"]


class PrivateNetwork(unittest.TestCase):
    def test_all_of_it_in_a_namespace(self):
        words = ["unshare", "--map-root-user", "--net", "--"]
        if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
            self.skipTest("this machine allows no network namespace")
        run = pathlib.Path(__file__).with_name("run.py")
        done = subprocess.run([*words, sys.executable, str(run), BINARY, "network_test.Inside"], text=True,
                              env={**os.environ, "PRIVATE_NETWORK": "1"}, capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        if "skipped" in done.stderr:
            self.skipTest("this machine's namespaces give no addresses of their own")
        self.assertIn("Ran 3 tests", done.stderr)


@unittest.skipUnless(INSIDE, "run by PrivateNetwork")
class Inside(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            own_all_addresses()
        except OSError as error:
            raise unittest.SkipTest(f"no addresses of its own: {error}")
        cls.home = tempfile.mkdtemp(dir=support.scratch)
        for folder in ("models", "agents"):
            os.makedirs(os.path.join(cls.home, folder))
        shutil.copy(tiny_model(), os.path.join(cls.home, "models", "tiny.gguf"))
        with open(os.path.join(cls.home, "agents", "homebody.toml"), "w") as file:
            file.write('name = "homebody"\nmodel = "tiny"\ncode = true\n[parameters]\nmax_tokens = 4\n')
        cls.env = {"JIANG_HOME": cls.home}

    def test_what_is_asked_for_is_counted(self):
        """Without this, the zeros below would mean nothing."""
        before = counted()
        done = jiang("pull", "hf:someone/model", env={**self.env, "HF_ENDPOINT": "http://1.2.3.4"})
        self.assertEqual(done.returncode, 1)
        self.assertGreater(counted()[0], before[0])
        before = counted()
        jiang("pull", "ms:someone/model", env=self.env)
        self.assertGreater(sum(counted()), sum(before))

    def test_commands_open_nothing(self):
        before = counted()
        for words in (["run", "tiny", "-p", "hello", "-n", "4"], ["run", "agent:homebody", "open http://example.com/"],
                      ["list"], ["doctor"], ["--help"], ["--version"]):
            done = jiang(*words, env=self.env)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(counted(), before)

    def test_the_server_opens_nothing_without_the_web_ability(self):
        before = counted()
        server = Server("--port", "0", home=self.home)
        asked = 0
        for path in ("/", "/health", "/v1/models", "/api/tags", "/api/version"):
            server.ask("GET", path)
            asked += 1
        for model in ("tiny", "agent:homebody"):
            body = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "open http://example.com/"}]}
            status, answer = server.ask("POST", "/v1/chat/completions", body)[:2]
            self.assertEqual(status, 200, json.dumps(str(answer)))
            asked += 1
        server.stop()
        # Ours to it, each a connection, and none of its own.
        self.assertEqual(counted(), (before[0] + asked, before[1]))
