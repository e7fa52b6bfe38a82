"""files.py: what the way through the service costs, beside the store alone.

    files.py transfer URL SESSION            100 MiB, and 1,000 files of 10 kB: up and down
    files.py push URL SESSION N              an execution that changes 0, 1, 100 of 10,000 files

The store is $S3_ENDPOINT with $S3_KEY and $S3_SECRET, bucket $S3_BUCKET. One connection each, kept open. Prints rows
"what|ours|control|ratio".
"""
import hashlib
import hmac
import http.client
import os
import statistics
import sys
import time
import urllib.parse

from client import Api

LARGE = 100 << 20
SMALL, COUNT = 10_000, 1000


class Store:
    """The S3 API with nothing in between: Signature Version 4, header form."""

    def __init__(self):
        url = urllib.parse.urlparse(os.environ["S3_ENDPOINT"])
        self.host = url.netloc
        self.bucket = os.environ["S3_BUCKET"]
        self.key, self.secret = os.environ["S3_KEY"], os.environ["S3_SECRET"]
        self.conn = http.client.HTTPConnection(self.host, timeout=300)

    def call(self, method, key, body=b""):
        day = time.strftime("%Y%m%d", time.gmtime())
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = f"/{self.bucket}/{key}"
        body = body or b""
        sha = hashlib.sha256(body).hexdigest()
        head = f"host:{self.host}\nx-amz-content-sha256:{sha}\nx-amz-date:{now}\n"
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = f"{method}\n{path}\n\n{head}\n{names}\n{sha}"
        scope = f"{day}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        k = ("AWS4" + self.secret).encode()
        for word in (day, "us-east-1", "s3", "aws4_request"):
            k = hmac.new(k, word.encode(), hashlib.sha256).digest()
        sign = hmac.new(k, text.encode(), hashlib.sha256).hexdigest()
        self.conn.request(method, path, body, {
            "x-amz-date": now, "x-amz-content-sha256": sha,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={sign}"})
        answer = self.conn.getresponse()
        data = answer.read()
        if answer.status >= 300:
            sys.exit(f"store: {method} {key}: {answer.status} {data[:300]!r}")
        return data


class Files:
    def __init__(self, url, session):
        self.conn = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=300)
        self.base = f"/api/v1/sessions/{session}/files/"

    def call(self, method, name, body=None):
        try:
            self.conn.request(method, self.base + name, body)
            answer = self.conn.getresponse()
        except (http.client.HTTPException, OSError):
            # A web server ends a connection after so many requests.
            self.conn.close()
            self.conn.request(method, self.base + name, body)
            answer = self.conn.getresponse()
        data = answer.read()
        if answer.status == 307:
            # A large file comes from the store itself.
            url = urllib.parse.urlparse(answer.getheader("Location"))
            direct = http.client.HTTPConnection(url.netloc, timeout=300)
            direct.request("GET", f"{url.path}?{url.query}")
            answer = direct.getresponse()
            data = answer.read()
            direct.close()
        if answer.status >= 300:
            sys.exit(f"{method} {name}: {answer.status} {data[:300]!r}")
        return data


def seconds(fn):
    start = time.perf_counter()
    fn()
    return time.perf_counter() - start


def pair(what, ours, control, unit):
    """Three times each, in turns; the medians."""
    a, b = [], []
    for _ in range(3):
        a.append(seconds(ours))
        b.append(seconds(control))
    x, y = statistics.median(a), statistics.median(b)
    print(f"{what}|{unit(x)}|raw S3 {unit(y)}|{x / y:.2f}")


def transfer(url, session):
    files, store = Files(url, session), Store()
    data = os.urandom(LARGE)

    def rate(s):
        return f"{LARGE / (1 << 20) / s:.0f} MiB/s"

    def each(s):
        return f"{s / COUNT * 1000:.2f} ms each"

    def small(target, method, prefix, body=None):
        for i in range(COUNT):
            target.call(method, f"{prefix}{i}", body)

    pair("100 MiB up", lambda: files.call("PUT", "large", data), lambda: store.call("PUT", "bench/large", data), rate)
    pair("100 MiB down", lambda: files.call("GET", "large?redirect=1"), lambda: store.call("GET", "bench/large"), rate)
    pair("1,000 x 10 kB up", lambda: small(files, "PUT", "s", data[:SMALL]),
         lambda: small(store, "PUT", "bench/s", data[:SMALL]), each)
    pair("1,000 x 10 kB down", lambda: small(files, "GET", "s"), lambda: small(store, "GET", "bench/s"), each)


def push(url, session, n):
    api = Api(url)

    def run(code):
        got = api.call("POST", f"/api/v1/sessions/{session}/execute-sync", {"language": "shell", "code": code, "timeout": 300})
        if got["status"] != "completed":
            sys.exit(f"{code}: {got['status']} {got['error_message']}")

    def median(code):
        return statistics.median(seconds(lambda: run(code)) for _ in range(n)) * 1000

    nothing = median(":")
    run("for d in $(seq 100); do mkdir -p d$d; for f in $(seq 100); do echo $d.$f >d$d/f$f; done; done")
    for count in (0, 1, 100):
        code = f"for f in $(seq {count}); do echo $RANDOM >d1/f$f; done"
        took = median(code)
        print(f"execution that changes {count} of 10,000 files|{took:.1f} ms|in an empty workspace {nothing:.1f} ms"
              f"|+{took - nothing:.1f} ms{f', {(took - nothing) / count:.1f} each' if count else ''}")


if __name__ == "__main__":
    if sys.argv[1] == "transfer":
        transfer(sys.argv[2], sys.argv[3])
    else:
        push(sys.argv[2], sys.argv[3], int(sys.argv[4]))
