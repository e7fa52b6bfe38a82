#!/usr/bin/env python3
"""A random history of one session's files; at its end the workspace and storage hold the same.

    syncmodel.py DIRECTORY TOKEN SEED STEPS

DIRECTORY is $EX of executor.bash. Code writes, renames, links and deletes, clients upload and delete, several at once,
while calls fail in every way that receiver.py knows. After each 50 steps one last execution, and the comparison.
"""
import hashlib
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

EX, TOKEN, SEED, STEPS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
WAIT_S = 60  # for one result: the longest pause is 10 s
NAMES = ["a", "b", "c", ".h", "ü x", "d/a", "d/b", "d/e/a", "d/e/f/g", "k/a", "k/b", "a/x", "d/e/x"]
FAULTS = [
    {"method": "PUT", "do": "status", "status": 503, "p": 0.5},
    {"method": "PUT", "do": "early", "status": 503, "p": 0.5},
    {"method": "PUT", "do": "cut", "p": 0.5},
    {"method": "PUT", "do": "lost", "p": 0.5},
    {"method": "PUT", "do": "slow", "s": 0.3},
    {"method": "PUT", "do": "late", "s": 0.3},
    {"method": "DELETE", "do": "status", "status": 500, "p": 0.5},
    {"method": "DELETE", "do": "lost", "p": 0.5},
    {"method": "DELETE", "do": "slow", "s": 0.3},
    {"method": "DELETE", "do": "late", "s": 0.3},
    {"method": "GET", "do": "half", "p": 0.5},
    {"method": "GET", "do": "lost", "p": 0.5},
    {"method": "GET", "do": "slow", "s": 0.3},
    {"method": "GET", "do": "late", "s": 0.3},
]
rng = random.Random(SEED)
wrong = []


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT_S)
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(self.socket_path)


def call(path, method, url, body=None, headers=None):
    c = Connection(os.path.join(EX, path))
    try:
        c.request(method, url, body, headers or {})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def executor(method, url, body=None):
    text = None if body is None else json.dumps(body)
    return call("run/executor.sock", method, url, text, {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"})


def storage(method, name, body=None):
    url = "/internal/sessions/sess_test/files/" + urllib.parse.quote(name)
    return call("control/control.sock", method, url, body, {"X-Client": "1"})[0]


def told(word):
    wrong.append(word)
    print("#", word, flush=True)


# ---- what happens ----

def content():
    n = rng.choice([0, 3, 3, 3, 200, 100000])
    return ("%06d" % rng.randrange(1000000) * (n // 6 + 1))[:n]


def code():
    """A few commands; whichever fails, the next one goes on."""
    lines = []
    for _ in range(rng.randrange(1, 7)):
        p, q = (rng.choice(NAMES) for _ in range(2))
        make = "mkdir -p \"$(dirname '%s')\"; [ ! -p '%s' ] || rm '%s'; " % (p, p, p)  # a FIFO would hold the shell
        lines.append(rng.choice([
            make + "printf %%s '%s' >'%s'" % (content(), p),
            make + "printf %%s '%s' >'%s'" % (content(), p),
            make + "printf %%s '%s' >>'%s'" % (content(), p),
            make + "printf %%s '%s' >'%s'; touch -d 2020-01-01 '%s'" % (content(), p, p),
            make + "mv -f '%s' '%s'" % (q, p),
            make + "ln -f '%s' '%s'" % (q, p),
            make + "ln -sfn '%s' '%s'" % (q, p),
            make + "mkfifo '%s'" % p,
            "rm -rf '%s'" % p,
            "rm -rf '%s'" % p,
            "rm -rf '%s'" % p.split("/")[0],
            "mv -f '%s' '%s'" % (p.split("/")[0], q.split("/")[0]),
            make + "truncate -s %d '%s'" % (rng.randrange(9), p),
            "sleep 0.%d" % rng.randrange(1, 4),
        ]))
    return "{\n" + "\n".join(lines) + "\n} 2>/dev/null; true"


def execute(number, text):
    name = "m%d_%d" % (SEED, number)
    body = {"execution_id": name, "session_id": "sess_test", "code": text, "language": "shell", "timeout": 20}
    end = time.monotonic() + WAIT_S
    status = executor("POST", "/executions", body)[0]
    while status == 503 and time.monotonic() < end:
        time.sleep(0.05)
        status = executor("POST", "/executions", body)[0]
    while time.monotonic() < end:
        answer = json.loads(executor("GET", "/executions/%s?wait=5" % name)[1])
        if answer["status"] != "running" and answer["status"] != "pending":
            if answer["status"] != "completed":
                told("%s: %s %s" % (name, answer["status"], answer.get("error_message")))
            executor("DELETE", "/executions/" + name)
            return
    told("%s: no result" % name)


def client(name, body):
    """The control plane tells the executor until it obeys."""
    if body is None:
        storage("DELETE", name)
    elif storage("PUT", name, body.encode()) == 409:
        return
    end = time.monotonic() + WAIT_S
    while executor("POST", "/workspace/pull", {"paths": [name]})[0] != 200:
        if time.monotonic() > end:
            told("pull of %s failed" % name)
            return
        time.sleep(0.05)


def faults(rules):
    tmp = os.path.join(EX, "calls.d", "answers.new")
    with open(tmp, "w", encoding="utf-8") as f:
        json.dump({"faults": rules}, f)
    os.rename(tmp, os.path.join(EX, "calls.d", "answers"))


# ---- the end ----

def workspace():
    found = {}
    root = os.path.join(EX, "ws")
    for where, _, files in os.walk(root):
        for name in files:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, root)] = f.read()
    return found


def kept():
    found = {}
    root = os.path.join(EX, "calls.d", "files")
    for name in os.listdir(root):
        full = os.path.join(root, name[:-5])
        if name.endswith(".name") and os.path.exists(full):
            with open(os.path.join(root, name), encoding="utf-8") as n, open(full, "rb") as f:
                found[n.read()] = f.read()
    return found


def short(text):
    return "nothing" if text is None else "%d bytes %s" % (len(text), hashlib.md5(text).hexdigest()[:6])


def calls(name):
    with open(os.path.join(EX, "calls.d", "calls"), encoding="utf-8") as f:
        all_ = [json.loads(line) for line in f]
    about = [c for c in all_ if urllib.parse.unquote(c["path"]).endswith("/files/" + name)]
    for c in about[-12:]:
        print("# %.3f %s %d%s" % (c["at"] % 1000, c["method"], c["status"], "" if c["token"] else " client"))


def compare():
    here, there = workspace(), kept()
    for name in sorted(set(here) | set(there)):
        if here.get(name) != there.get(name):
            told("%s: here %s, in storage %s" % (name, short(here.get(name)), short(there.get(name))))
            calls(name)


def start(threads, slots, fn, *args):
    def run():
        try:
            fn(*args)
        except (OSError, ValueError, http.client.HTTPException) as e:
            told("%s%r: %r" % (fn.__name__, args[:1], e))
        finally:
            slots.release()

    slots.acquire()
    threads.append(threading.Thread(target=run, daemon=True))
    threads[-1].start()


def history(first, steps):
    threads, slots = [], threading.Semaphore(8)
    for step in range(first, first + steps):
        what = rng.random()
        if what < 0.40:
            start(threads, slots, execute, step, code())
        elif what < 0.70:
            start(threads, slots, client, rng.choice(NAMES), content())
        elif what < 0.85:
            start(threads, slots, client, rng.choice(NAMES), None)
        elif what < 0.90:
            faults(rng.sample(FAULTS, rng.randrange(0, 5)))
        else:
            time.sleep(rng.random() / 5)
    faults([])
    for t in threads:
        t.join(2 * WAIT_S)
        if t.is_alive():
            told("something never ended")


def main():
    for first in range(0, STEPS, 50):
        history(first, 50)
        execute(STEPS + first, "true")
        compare()
        if wrong:
            print("# between steps %d and %d" % (first, first + 50))
            break
    sys.exit(1 if wrong else 0)


main()
