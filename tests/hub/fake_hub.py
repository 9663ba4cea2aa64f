"""A hub for tests: ModelScope's and Hugging Face's file APIs over TLS with a CA of its own, on two
ports (the hub and its file servers), with every fault that a network and a server can have. Only
the standard library; openssl makes the certificates."""
import hashlib
import http.server
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse

CHUNK = 64 * 1024


def make_certificates(folder):
    """ca.pem, and server.pem for localhost and 127.0.0.1 signed by it."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key",
            "-out", "server.csr", "-subj", "/CN=localhost")
    with open(os.path.join(folder, "san"), "w") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", "server.crt", "-extfile", "san")
    with open(os.path.join(folder, "server.pem"), "w") as out:
        for part in ("server.crt", "server.key"):
            with open(os.path.join(folder, part)) as file:
                out.write(file.read())


class Repo:
    def __init__(self, files, revision="0123456789abcdef0123456789abcdef01234567"):
        self.files = dict(files)  # name -> bytes
        self.revision = revision
        self.private = None   # the token that may read it
        self.gated = False
        self.plain = set()    # names that Hugging Face keeps in git itself: no SHA-256 is told
        self.listed = {}      # name -> changes of its entry in the listings
        self.extra = []       # entries of files that are not there

    def sha256(self, name):
        return hashlib.sha256(self.files[name]).hexdigest()


class FakeHub:
    """`faults` is a function (name of the file, number of the request for it, first byte) -> fault
    or None; what faults there are is in FileHandler.send_file."""

    def __init__(self, folder):
        self.folder = folder
        make_certificates(folder)
        self.ca = os.path.join(folder, "ca.pem")
        self.repos = {}
        self.faults = lambda name, number, begin: None
        self.listing_fault = None  # (status, headers, body)
        self.lock = threading.Lock()
        self.reset_counts()
        self.etag_suffix = ""
        self.open_sockets = set()
        self.throttle = 0  # bytes per second of one connection
        self.hub, self.hub_port = self.start(HubHandler)
        self.cdn, self.cdn_port = self.start(FileHandler)
        self.url = f"https://127.0.0.1:{self.hub_port}"

    def reset_counts(self):
        self.requests = []       # (method, path, headers)
        self.file_requests = {}  # name -> how many
        self.bytes_sent = {}     # name -> bytes of bodies
        self.leaked = []         # requests to the file server that carry a token

    def start(self, handler):
        bound = type(handler.__name__, (handler,), {"state": self})
        server = QuietServer(("127.0.0.1", 0), bound)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.folder, "server.pem"))
        server.tls = context
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server, server.server_address[1]

    def close(self):
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    def environment(self, **extra):
        return {"JIANG_MIRROR": self.url, "SSL_CERT_FILE": self.ca, "HF_HOME": self.folder, "no_proxy": "*", **extra}

    def add(self, name, files, **options):
        self.repos[name] = Repo(files, **options)
        return self.repos[name]


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        try:
            request.settimeout(60)
            secure = self.tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return
        try:
            self.RequestHandlerClass(secure, client_address, self)
        except (OSError, ssl.SSLError):
            pass
        finally:
            try:
                secure.close()
            except OSError:
                pass

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", headers=None):
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        with self.state.lock:
            self.state.requests.append((self.command, self.path, dict(self.headers)))


class HubHandler(Handler):
    def do_GET(self):
        self.note()
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(p) for p in url.path.strip("/").split("/")]
        query = dict(urllib.parse.parse_qsl(url.query))
        if parts[:3] == ["api", "v1", "models"] and parts[5:] == ["repo", "files"]:
            return self.modelscope("/".join(parts[3:5]), query)
        if parts[:2] == ["api", "models"] and len(parts) >= 6 and parts[4] == "revision":
            return self.huggingface("/".join(parts[2:4]), "/".join(parts[5:]))
        if parts[0] == "models" and len(parts) > 5 and parts[3] == "resolve":
            return self.resolve("/".join(parts[1:3]), "/".join(parts[5:]))
        if len(parts) > 4 and parts[2] == "resolve":
            return self.resolve("/".join(parts[:2]), "/".join(parts[4:]))
        if parts[0] == "direct" and len(parts) == 4:
            return self.resolve("/".join(parts[1:3]), parts[3])
        self.answer(404, "no such page")

    def may_read(self, repo):
        return not repo.private or self.headers.get("Authorization") == "Bearer " + repo.private

    def modelscope(self, name, query):
        if self.state.listing_fault:
            status, headers, body = self.state.listing_fault
            return self.answer(status, body, headers)
        repo = self.state.repos.get(name)
        if not repo or not self.may_read(repo):
            return self.answer(404, json.dumps({"Code": 10010205001, "Message": "not found", "Success": False}))
        if query.get("Revision") not in ("master", repo.revision):
            return self.answer(404, json.dumps({"Code": 404, "Message": "no revision", "Success": False}))
        files = [{"Name": "docs", "Path": "docs", "Type": "tree", "Size": 0, "Sha256": "", "Revision": repo.revision}]
        for file, content in repo.files.items():
            files.append({"Name": file.split("/")[-1], "Path": file, "Type": "blob", "Size": len(content),
                          "Sha256": repo.sha256(file), "Revision": repo.revision, **repo.listed.get(file, {})})
        body = json.dumps({"Code": 200, "Data": {"Files": files + repo.extra}, "Message": "", "Success": True})
        self.answer(200, body, {"Content-Type": "application/json"})

    def huggingface(self, name, revision):
        if self.state.listing_fault:
            status, headers, body = self.state.listing_fault
            return self.answer(status, body, headers)
        repo = self.state.repos.get(name)
        if not repo or not self.may_read(repo):
            return self.answer(401, '{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", repo.revision):
            return self.answer(404, '{"error":"Revision"}', {"X-Error-Code": "RevisionNotFound"})
        files = []
        for file, content in repo.files.items():
            entry = {"rfilename": file, "size": len(content)}
            if file in repo.plain:
                entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            else:
                entry["blobId"] = "0" * 40
                entry["lfs"] = {"sha256": repo.sha256(file), "size": len(content), "pointerSize": 130}
            entry.update(repo.listed.get(file, {}))
            files.append(entry)
        body = {"id": name, "sha": repo.revision, "siblings": files + repo.extra, "cardData": {"license": "mit"}}
        self.answer(200, json.dumps(body), {"Content-Type": "application/json"})

    def resolve(self, name, file):
        repo = self.state.repos.get(name)
        if repo and repo.gated:
            return self.answer(403, "gated", {"X-Error-Code": "GatedRepo"})
        if not repo or not self.may_read(repo) or file not in repo.files:
            return self.answer(404, "Entry not found", {"X-Error-Code": "EntryNotFound"})
        # Signed and short-lived, at another origin: localhost is not 127.0.0.1.
        expires = time.time() + 60
        location = (f"https://localhost:{self.state.cdn_port}/{name}/{urllib.parse.quote(file)}"
                    f"?expires={expires}&signature=abc")
        self.answer(302, "", {"Location": location, "X-Linked-Etag": f'"{repo.sha256(file)}"'})


class FileHandler(Handler):
    def do_GET(self):
        self.note()
        if "Authorization" in self.headers or "Cookie" in self.headers:
            self.state.leaked.append(self.path)
        url = urllib.parse.urlsplit(self.path)
        org, model, file = url.path.strip("/").split("/", 2)
        file = urllib.parse.unquote(file)
        content = self.state.repos[f"{org}/{model}"].files[file]
        begin, end, status = 0, len(content), 200
        asked = self.headers.get("Range", "")
        etag = '"' + hashlib.sha256(content).hexdigest()[:16] + self.state.etag_suffix + '"'
        if asked.startswith("bytes=") and self.headers.get("If-Range", etag) == etag:
            first, last = asked[6:].split("-")
            begin, end, status = int(first), min(int(last) + 1, len(content)) if last else len(content), 206
        with self.state.lock:
            number = self.state.file_requests.get(file, 0)
            self.state.file_requests[file] = number + 1
        fault = self.state.faults(file, number, begin)
        self.send_file(file, content, begin, end, status, etag, fault)

    def die(self):
        """RST: what is in the buffers is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise OSError("reset")

    def send_file(self, file, content, begin, end, status, etag, fault):
        kind, amount = fault if isinstance(fault, tuple) else (fault, 0)
        if kind == "expired":
            return self.answer(403, "<Error><Code>AccessDenied</Code>Request has expired</Error>")
        if kind == "busy":
            return self.answer(503, "try later", {"Retry-After": str(amount)})
        if kind == "too many":
            return self.answer(429, "slow down", {"Retry-After": str(amount)})
        if kind == "gone":
            return self.answer(404, "not here")
        if kind == "web page":
            return self.answer(200, "<html><body>Please log in</body></html>", {"Content-Type": "text/html"})
        if kind == "empty":
            return self.answer(206 if status == 206 else 200, b"",
                               {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"} if status == 206 else {})
        if kind == "to http":
            return self.answer(302, "", {"Location": "http://127.0.0.1:1/x"})
        if kind in ("no ranges", "no length"):
            begin, end, status = 0, len(content), 200
        body = content[begin:end]
        if kind == "wrong bytes":
            body = bytes([body[0] ^ 1]) + body[1:]
        if kind == "extra bytes":
            body = body + b"more" * 100
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", ("W/" if kind == "weak etag" else "") + etag)
        if status == 206:
            first = begin + 1 if kind == "wrong range" else begin
            total = len(content) + 1 if kind == "wrong total" else len(content)
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{total}")
        if kind != "no length":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        stop_at = amount if kind in ("reset", "stall", "cut") else len(body) + 1
        start = time.monotonic()
        sent = 0
        while sent < len(body):
            piece = body[sent:min(sent + CHUNK, max(stop_at, sent))]
            if not piece:
                if kind == "reset":
                    self.die()
                if kind == "stall":
                    time.sleep(20)
                self.close_connection = True
                return
            self.wfile.write(piece)
            sent += len(piece)
            with self.state.lock:
                self.state.bytes_sent[file] = self.state.bytes_sent.get(file, 0) + len(piece)
            if self.state.throttle:
                time.sleep(max(0, sent / self.state.throttle - (time.monotonic() - start)))


def random_fault(seed, probability):
    """Faults of the kinds that pass, at random: for long runs."""
    rng = random.Random(seed)
    lock = threading.Lock()

    def choose(name, number, begin):
        with lock:
            if rng.random() >= probability:
                return None
            kind = rng.choice(["reset", "cut", "stall", "expired", "busy", "empty", "reset", "cut"])
            amount = rng.randrange(0, 1 << 21) if kind in ("reset", "cut", "stall") else 0
            return (kind, amount)
    return choose
