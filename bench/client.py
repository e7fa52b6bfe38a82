"""client.py: latencies of single calls, measured from outside.

    client.py submit URL SESSION N          execute, answered at once
    client.py sync URL SESSION LANG CODE N CONTROL...
    client.py create URL TEMPLATE N CONTROL...

The last two interleave each call with a run of the CONTROL command and print the median of both in milliseconds.
"""
import http.client
import json
import statistics
import subprocess
import sys
import time
from urllib.parse import urlparse


class Api:
    def __init__(self, url):
        self.host = urlparse(url).netloc
        self.conn = http.client.HTTPConnection(self.host, timeout=120)

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        try:
            self.conn.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = self.conn.getresponse()
        except (http.client.HTTPException, OSError):
            self.conn.close()
            self.conn.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = self.conn.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None


def timed(fn):
    start = time.perf_counter()
    fn()
    return (time.perf_counter() - start) * 1000


def control(command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def show(*lists):
    for values in lists:
        values.sort()
        print(f"{statistics.median(values):.1f} {values[int(len(values) * 0.95)]:.1f}", end=" ")
    print()


def submit(api, session, n):
    body = {"language": "shell", "code": ":"}
    path = f"/api/v1/sessions/{session}"
    times = []
    for _ in range(n):
        begun = {}
        times.append(timed(lambda: begun.update(api.call("POST", path + "/execute", body))))
        while api.call("GET", "/api/v1/executions/" + begun["execution_id"])["ended_reason"] is None:
            time.sleep(0.02)
    show(times)


def sync(api, session, language, code, n, command):
    path = f"/api/v1/sessions/{session}/execute-sync"
    body = {"language": language, "code": code}
    api.call("POST", path, body)
    control(command)
    ours, theirs = [], []
    for _ in range(n):
        theirs.append(timed(lambda: control(command)))
        ours.append(timed(lambda: api.call("POST", path, body)))
    show(ours, theirs)


def create(api, template, n, command):
    ours, theirs = [], []
    for i in range(n + 1):
        theirs.append(timed(lambda: control(command)))
        made = {}
        ours.append(timed(lambda: made.update(api.call("POST", "/api/v1/sessions?wait=60", {"template_id": template}))))
        if made["status"] != "running":
            sys.exit(f"the session is {made['status']}: {made['error_message']}")
        api.call("DELETE", "/api/v1/sessions/" + made["id"])
        time.sleep(0.3)  # its container is removed after the answer: not part of the next figure
        if i == 0:
            ours, theirs = [], []  # the first pair warms the caches
    show(ours, theirs)


def main(argv):
    api = Api(argv[2])
    if argv[1] == "submit":
        submit(api, argv[3], int(argv[4]))
    elif argv[1] == "sync":
        sync(api, argv[3], argv[4], argv[5], int(argv[6]), argv[7:])
    else:
        create(api, argv[3], int(argv[4]), argv[5:])


if __name__ == "__main__":
    main(sys.argv)
