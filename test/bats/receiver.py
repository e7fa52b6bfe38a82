#!/usr/bin/env python3
"""The control plane as an executor sees it: answers its callbacks on a unix socket and writes each one down.

    receiver.py SOCKET DIRECTORY

DIRECTORY/calls      one JSON line per call: {"method", "path", "token", "body", "at"}
DIRECTORY/answers    optional JSON: {"result": 503, "container_ready": 409, "heartbeat": {"cancel": ["id"]}};
                     a number is the status, an object is the body of a 200
"""
import http.server
import json
import os
import socketserver
import sys
import time

SOCKET, DIRECTORY = sys.argv[1:3]


def planned(word):
    try:
        with open(os.path.join(DIRECTORY, "answers"), encoding="utf-8") as f:
            return json.load(f).get(word)
    except (OSError, ValueError):
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
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

    def address_string(self):
        return "executor"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


if os.path.exists(SOCKET):
    os.unlink(SOCKET)
server = Server(SOCKET, Handler)
os.chmod(SOCKET, 0o666)
server.serve_forever()
