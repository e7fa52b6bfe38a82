#!/usr/bin/env python3
"""faulty.py PORT UPSTREAM_PORT MODE LOG: stands before an S3 server and spoils what MODE names; the rest passes.

  refuse-twice     the first two requests get 503
  complete-error   completing a multipart upload gets 200 with an <Error>, and is not done
  complete-lost    the first answer to completing is lost, though it was done
  cut              bodies of answers to GET end after half of their bytes
  lose-first       the connection of the first PUT is closed when its request has been read
  stall            bodies of answers to GET stop after half of their bytes, and the connection stays

Each request's first line is a line of LOG, with the number of its body's bytes.
"""
import socket
import socketserver
import sys
import threading
import time

PORT, UPSTREAM, MODE, LOG = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
lock, seen = threading.Lock(), {}

ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>'


def count(what):
    with lock:
        seen[what] = seen.get(what, 0) + 1
        return seen[what]


def message(stream):
    """Head and body of the next message; empty at the end."""
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        line = stream.readline()
        if not line:
            return b'', b''
        head += line
    return head, stream.read(length(head))


def length(head):
    for line in head.lower().split(b'\r\n'):
        if line.startswith(b'content-length:'):
            return int(line.split(b':')[1])
    return 0


def answer(status, body):
    return b'HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n' % (status, len(body)), body


def pass_on(head, body):
    with socket.create_connection(('127.0.0.1', UPSTREAM)) as up:
        up.sendall(head + body)
        stream = up.makefile('rb')
        if not head.startswith(b'HEAD '):
            return message(stream)
        got = b''
        while not got.endswith(b'\r\n\r\n'):
            got += stream.readline()
        return got, b''


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head, body = message(self.rfile)
            if not head or not self.one(head, body):
                return

    def one(self, head, body):
        """False: the connection ends."""
        first = head.split(b'\r\n')[0]
        with lock, open(LOG, 'a', encoding='latin-1') as log:
            log.write('%s %d\n' % (first.decode('latin-1'), len(body)))
        completing = first.startswith(b'POST ') and b'uploadId=' in first
        if MODE == 'refuse-twice' and count('all') <= 2:
            out, rest = answer(b'503 Slow Down', ERROR.replace(b'InternalError', b'SlowDown'))
        elif MODE == 'lose-first' and first.startswith(b'PUT ') and count('put') == 1:
            return False
        elif MODE == 'complete-error' and completing:
            out, rest = answer(b'200 OK', ERROR)
        else:
            out, rest = pass_on(head, body)
        if MODE == 'complete-lost' and completing and count('completing') == 1:
            return False
        if MODE in ('cut', 'stall') and first.startswith(b'GET '):
            self.wfile.write(out + rest[:len(rest) // 2])
            self.wfile.flush()
            if MODE == 'stall':
                time.sleep(30)
            return False
        self.wfile.write(out + rest)
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server(('127.0.0.1', PORT), Handler) as server:
    server.serve_forever()
