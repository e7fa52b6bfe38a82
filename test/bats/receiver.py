#!/usr/bin/env python3
"""The control plane as an executor sees it: answers its callbacks on a unix socket and writes each one down.

    receiver.py SOCKET DIRECTORY

DIRECTORY/files/     what the session's storage holds; file routes read and write it
DIRECTORY/logs/      long logs, as ID.STREAM
DIRECTORY/calls      one JSON line per call: {"method", "path", "token", "body", "at"}
DIRECTORY/answers    optional JSON: {"result": 503, "container_ready": 409, "heartbeat": {"cancel": ["id"]}};
                     a number is the status, an object is the body of a 200
                     "faults": [{"method", "path", "do", "s", "status", "p"}]: the first whose regular expressions
                     match decides, with probability p, how a file call goes wrong. do:
                       status  answers that without doing anything, s seconds later
                       early   the same before it has read the body, and closes
                       cut     closes when half of the body has come
                       lost    does it, but does not answer
                       half    answers with half of the body it announced
                       slow    does it s seconds later
                       late    does it, and answers s seconds later
                     A call with the header X-Client is no executor's: nothing goes wrong with it.
                     Several small files in one POST count as a PUT of each; they share what goes wrong.
"""
import hashlib
import http.server
import json
import os
import random
import re
import socketserver
import sys
import threading
import time
import urllib.parse

SOCKET, DIRECTORY = sys.argv[1:3]


def planned(word):
    try:
        with open(os.path.join(DIRECTORY, "answers"), encoding="utf-8") as f:
            return json.load(f).get(word)
    except (OSError, ValueError):
        return None


def fault(method, path):
    for rule in planned("faults") or []:
        if re.search(rule.get("method", ""), method) and re.search(rule.get("path", ""), urllib.parse.unquote(path)):
            return rule if random.random() < rule.get("p", 1) else {}
    return {}


def place(name):
    """Where a file is kept: any name fits; beside it, with ".name", its own."""
    return os.path.join(DIRECTORY, "files", hashlib.sha1(name.encode()).hexdigest())


def etag(name):
    with open(place(name), "rb") as f:
        return hashlib.md5(f.read()).hexdigest()


def names():
    for entry in os.scandir(os.path.join(DIRECTORY, "files")):
        if entry.name.endswith(".name") and os.path.exists(entry.path[:-5]):
            with open(entry.path, encoding="utf-8") as f:
                yield f.read()


BELOW = {}  # directory: the names that were ever stored below it


def taken(name):
    """A file stands where the name needs a directory, or the other way round."""
    above = [name[:i] for i, c in enumerate(name) if c == "/"]
    for directory in above:
        BELOW.setdefault(directory, set()).add(name)
    return any(os.path.exists(place(n)) for n in above) or any(os.path.exists(place(n)) for n in BELOW.get(name, ()))


def store(name, raw):
    full = place(name)
    with open(full + ".part", "wb") as f:
        f.write(raw)
    with open(full + ".name", "w", encoding="utf-8") as f:
        f.write(name)
    os.rename(full + ".part", full)
    return {"path": name, "etag": etag(name), "checksum": hashlib.sha256(raw).hexdigest(), "size": len(raw)}


def records(raw):
    """Of a batch: {"path":…,"size":N}, a newline, N bytes; and the next."""
    while raw:
        head, _, raw = raw.partition(b"\n")
        head = json.loads(head)
        yield head["path"], raw[:head["size"]]
        raw = raw[head["size"]:]


LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def batch(self, raw):
        files = list(records(raw))
        plan = planned("files")
        with LOCK:
            if isinstance(plan, int):
                status, body = plan, {}
            elif any(taken(name) for name, _ in files):
                status, body = 409, {}
            else:
                status, body = 200, {"files": [store(name, data) for name, data in files]}
        base, self.command = self.path, "PUT"
        for name, data in files:
            self.path = base + "/" + urllib.parse.quote(name)
            self.note(201 if status == 200 else status, len(data))
        return status, body

    def batch_call(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        rules = [fault("PUT", self.path + "/" + urllib.parse.quote(name)) for name, _ in records(raw)]
        rule = next((r for r in rules if r), {})
        do = rule.get("do")
        if do in ("status", "early"):
            time.sleep(rule.get("s", 0))
            for name, data in records(raw):
                self.note(rule["status"], len(data))
            self.answer(rule["status"], {})
            return
        if do == "cut":
            return
        if do == "slow":
            self.note(0, len(raw))
            time.sleep(rule["s"])
        answer = self.batch(raw)
        if do == "late":
            time.sleep(rule["s"])
        if do != "lost":
            self.answer(*answer)

    def do_POST(self):
        if self.path.endswith("/files"):
            try:
                self.batch_call()
            except OSError:
                self.close_connection = True
            return
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        word = self.path.rsplit("/", 1)[-1]
        plan = planned(word)
        status = plan if isinstance(plan, int) else 201 if word == "result" else 200
        body = plan if isinstance(plan, dict) else {"message": "noted", "layer": None, "cancel": [], "forget": []}
        line = json.dumps({"method": self.command, "path": self.path, "at": time.time(), "status": status,
                           "token": self.headers.get("Authorization"), "body": json.loads(raw or b"null")})
        with open(os.path.join(DIRECTORY, "calls"), "a", encoding="utf-8") as f:
            f.write(line + "\n")
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answer(self, status, body, headers=()):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def note(self, status, size):
        line = json.dumps({"method": self.command, "path": self.path, "at": time.time(), "status": status,
                           "token": self.headers.get("Authorization"), "body": {"size": size}})
        with open(os.path.join(DIRECTORY, "calls"), "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def files(self, raw):
        """The file routes and long logs; None: no such path."""
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if self.command == "PUT" and path.endswith("/output"):
            name = os.path.join(DIRECTORY, "logs", path.split("/")[3] + "." + query["stream"])
            end = os.path.getsize(name) if os.path.exists(name) else 0
            if end != int(query["after"]):
                return 409, {"next": end}
            with open(name, "ab") as f:
                f.write(raw)
            return 200, {"next": end + len(raw)}
        if "/files" not in path:
            return None
        name = urllib.parse.unquote(path.partition("/files")[2][1:])
        full = place(name)
        plan = planned("files")
        if isinstance(plan, int):
            return plan, {}
        if not name:
            all_ = sorted(names())
            after = query.get("after", "")
            page = [n for n in all_ if n > after]
            page, more = page[:int(query["limit"])], len(page) > int(query["limit"])
            return 200, {"files": [{"path": n, "etag": etag(n)} for n in page], "has_more": more}
        if self.command == "GET":
            if not os.path.exists(full):
                return 404, {}
            with open(full, "rb") as f:
                return 200, f.read(), [("ETag", '"' + etag(name) + '"')]
        if self.command == "DELETE":
            match = self.headers.get("If-Match")
            if match and os.path.exists(full) and match != '"' + etag(name) + '"':
                return 412, {}
            if os.path.exists(full):
                os.unlink(full)
            return 204, b""
        if taken(name):
            return 409, {}
        new = not os.path.exists(full)
        return 201 if new else 200, store(name, raw)

    def answer_half(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:len(body) // 2])

    def file_call(self):
        rule = {} if self.headers.get("X-Client") else fault(self.command, self.path)
        do, size = rule.get("do"), int(self.headers.get("Content-Length", 0))
        if do in ("status", "early"):
            if do == "status":
                self.rfile.read(size)
            self.note(rule["status"], size)
            time.sleep(rule.get("s", 0))
            self.answer(rule["status"], {})
            return
        raw = self.rfile.read(size // 2 if do == "cut" else size)
        if do == "cut" or len(raw) < size:
            self.note(0, size)
            return
        if do == "slow":
            self.note(0, size)
            time.sleep(rule["s"])
        with LOCK:
            answer = self.files(raw) or (404, {})
        self.note(answer[0], size)
        if do == "late":
            time.sleep(rule["s"])
        if do == "half" and isinstance(answer[1], bytes) and len(answer[1]) > 1:
            self.answer_half(*answer)
        elif do != "lost":
            self.answer(*answer)

    def do_PUT(self):
        try:
            self.file_call()
        except OSError:
            self.close_connection = True  # the executor has hung up

    do_GET = do_DELETE = do_PUT

    def address_string(self):
        return "executor"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


for directory in ("files", "logs"):
    os.makedirs(os.path.join(DIRECTORY, directory), exist_ok=True)
if os.path.exists(SOCKET):
    os.unlink(SOCKET)
server = Server(SOCKET, Handler)
os.chmod(SOCKET, 0o666)
server.serve_forever()
