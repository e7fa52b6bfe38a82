"""Cases, raw HTTP/1.1 over a socket, the check of the error body (CONTRACT 2), and the run that ties them.

Raw, because a decent HTTP library refuses to send most of what is sent here.
"""
import json
import re
import socket
import time
from urllib.parse import urlsplit

IO_TIMEOUT = 30         # s without a byte: longer than any create with wait
MAX_ANSWER = 64 << 20   # bytes read of one answer
TIME_LIMIT = 900        # s for a whole run
INVALID = {"Sandbox.InvalidParameter"}
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

# status -> reason phrases in use (RFC 9110 renamed two)
PHRASES = {
    400: ["Bad Request"], 401: ["Unauthorized"], 403: ["Forbidden"], 404: ["Not Found"],
    405: ["Method Not Allowed"], 408: ["Request Timeout"], 409: ["Conflict"],
    412: ["Precondition Failed"],
    413: ["Content Too Large", "Payload Too Large", "Request Entity Too Large"],
    415: ["Unsupported Media Type"], 416: ["Range Not Satisfiable"],
    422: ["Unprocessable Entity", "Unprocessable Content"], 429: ["Too Many Requests"],
}
# error_code -> (statuses, retryable); None: either
CODES = {
    "Sandbox.InvalidParameter": ({400, 422}, False),
    "Sandbox.Unauthorized": ({401}, False),
    "Sandbox.Forbidden": ({403}, False),
    "Sandbox.NotFound": ({404}, False),
    "Sandbox.MethodNotAllowed": ({405}, False),
    "Sandbox.SessionNotFound": ({404}, False),
    "Sandbox.SessionGone": ({404}, False),
    "Sandbox.ExecutionNotFound": ({404}, False),
    "Sandbox.TemplateNotFound": ({404}, False),
    "Sandbox.Conflict": ({409}, None),
    "Sandbox.SessionNotActive": ({409}, False),
    "Sandbox.TemplateInUse": ({409}, False),
    "Sandbox.IdempotencyConflict": ({409, 422}, None),
    "Sandbox.PreconditionFailed": ({412}, False),
    "Sandbox.PayloadTooLarge": ({413}, False),
    "Sandbox.UnsupportedMediaType": ({415}, False),
    "Sandbox.RangeNotSatisfiable": ({416}, False),
    "Sandbox.RateLimited": ({429}, True),
}
TYPES = set("""missing string_type int_type float_type bool_type dict_type list_type too_short
    string_too_short too_long string_too_long greater_than_equal less_than_equal literal_error
    int_parsing float_parsing value_error json_invalid""".split())
REQUIRED = {"error_code", "description", "solution", "error_detail", "error_link", "request_id",
            "retryable", "detail", "error", "message"}
OPTIONAL = {"session_id", "execution_id"}
LEAK = re.compile(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b|mysql|mariadb|json-c"
                  r"|/(usr|var|home|root|etc)/|\.c:\d+", re.I)


class Case:
    """One request, and the answers that the contract allows for it."""

    def __init__(self, what, method, path, body=None, want=(422,), codes=INVALID, loc=None, types=None,
                 headers=(), detail=None, front=False, half_close=False):
        self.what, self.method, self.path = what, method, path
        self.body = json.dumps(body, ensure_ascii=False).encode() if isinstance(body, (dict, list)) else body
        self.want, self.codes, self.loc, self.types, self.headers = set(want), codes, loc, types, list(headers)
        self.detail = detail
        self.front = front              # the web server may refuse it by itself, in its own words
        self.half_close = half_close    # there may be no answer at all


class Answer:
    def __init__(self, status=0, headers=None, body=b""):
        self.status, self.headers, self.body = status, headers or {}, body

    def json(self):
        try:
            return json.loads(self.body.decode("utf-8"))
        except ValueError:
            return None

    def __str__(self):
        return "%s %s" % (self.status or "no answer", self.body[:300].decode("utf-8", "replace"))


def request_bytes(case, host, rid):
    """The bytes of a case: everything that it does not say itself is the decent default."""
    raw = lambda s: s if isinstance(s, bytes) else s.encode("latin-1")
    names = {k.lower() for k, _ in case.headers}
    head = [raw(case.method) + b" " + raw(case.path) + b" HTTP/1.1", b"Host: " + host.encode(),
            b"Connection: close"]
    if "x-request-id" not in names:
        head.append(b"X-Request-ID: " + rid.encode())
    if case.body is not None and "content-type" not in names:
        head.append(b"Content-Type: application/json")
    if case.body is not None and not names & {"content-length", "transfer-encoding"}:
        head.append(b"Content-Length: %d" % len(case.body))
    head += [raw(k) + b": " + raw(v) for k, v in case.headers if v is not None]
    return b"\r\n".join(head) + b"\r\n\r\n" + (case.body or b"")


def dechunk(data):
    out = b""
    while data:
        line, _, data = data.partition(b"\r\n")
        try:
            n = int(line.split(b";")[0], 16)
        except ValueError:
            break
        if n == 0:
            break
        out, data = out + data[:n], data[n + 2:]
    return out


def parse(data, head_only):
    while True:
        head, sep, body = data.partition(b"\r\n\r\n")
        m = re.match(rb"HTTP/1\.[01] (\d{3})", head)
        if not sep or not m:
            return Answer()
        if m[1] != b"100":
            break
        data = body
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        k, _, v = line.decode("latin-1").partition(":")
        headers[k.strip().lower()] = v.strip()
    if "chunked" in headers.get("transfer-encoding", ""):
        body = dechunk(body)
    return Answer(int(m[1]), headers, b"" if head_only else body)


def exchange(addr, data, head_only=False, half_close=False):
    """Sends the bytes, reads to the end. A server that answers early and closes is in its right."""
    got = b""
    with socket.create_connection(addr, timeout=IO_TIMEOUT) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        end = time.monotonic() + 2 * IO_TIMEOUT
        try:
            while len(got) < MAX_ANSWER and time.monotonic() < end:
                part = s.recv(1 << 16)
                if not part:
                    break
                got += part
        except (ConnectionResetError, socket.timeout):
            pass
    return parse(got, head_only)


def check_items(items, case):
    """The array of a 422 schema error."""
    if not isinstance(items, list) or not items:
        return "detail is not a list of violations"
    for e in items:
        if not isinstance(e, dict) or set(e) != {"type", "loc", "msg", "input"}:
            return "a violation has other members: %r" % (e,)
        if e["type"] not in TYPES:
            return "type %r is not in the catalogue" % (e["type"],)
        loc = e["loc"]
        if not isinstance(loc, list) or not loc or loc[0] not in ("body", "query", "path", "header"):
            return "loc %r" % (loc,)
        if not all(type(x) in (str, int) for x in loc):
            return "loc %r" % (loc,)
        if not isinstance(e["msg"], str) or not e["msg"]:
            return "no msg"
        shown = e["input"] if isinstance(e["input"], str) else json.dumps(e["input"], ensure_ascii=False)
        if len(shown.encode("utf-8", "surrogatepass")) > 256 + 64:      # 64: our own spacing
            return "input is not cut"
    hit = [e for e in items if not case.loc or in_loc(e["loc"], case.loc)]
    if not hit:
        return "no violation at %s, but at %s" % (case.loc, [e["loc"] for e in items])
    if case.types and not any(e["type"] in case.types for e in hit):
        return "type %s, not one of %s" % ([e["type"] for e in hit], sorted(case.types))
    return None


def in_loc(loc, want):
    """want: "body.a|b.c": a path prefix, with alternatives (aliases) at a step."""
    steps = want.split(".")
    return len(loc) >= len(steps) and all(
        str(x).lower() in s.lower().split("|") for x, s in zip(loc, steps))


def check_error(a, case, rid, fixed):
    """None, or what is wrong. `fixed`: (code, status) -> texts that the catalogue fixes."""
    b = a.json()
    if not isinstance(b, dict):
        return "the body is no JSON object"
    if not REQUIRED <= set(b) or set(b) - REQUIRED - OPTIONAL:
        return "members: %s" % sorted(set(b) ^ REQUIRED)
    code = b["error_code"]
    if code not in CODES or a.status not in CODES[code][0]:
        return "code %r with %d" % (code, a.status)
    if case.codes and code not in case.codes:
        return "code %s, not one of %s" % (code, sorted(case.codes))
    for k in ("description", "solution", "error", "message", "error_link", "request_id"):
        if not isinstance(b[k], str) or not b[k]:
            return "%s is %r" % (k, b[k])
    if fixed.setdefault((code, a.status, b["retryable"]), (b["description"], b["solution"])) != (
            b["description"], b["solution"]):
        return "description or solution differs between two answers"
    if type(b["retryable"]) is not bool or CODES[code][1] not in (None, b["retryable"]):
        return "retryable is %r" % (b["retryable"],)
    if b["error"] not in PHRASES.get(a.status, []):
        return "error %r is not the reason phrase" % (b["error"],)
    if not b["error_link"].endswith("#" + code):
        return "error_link %r" % (b["error_link"],)
    if b["request_id"] != rid:
        return "request_id %r" % (b["request_id"],)
    if isinstance(b["error_detail"], dict) != (code == "Sandbox.SessionGone"):
        return "error_detail is %r" % (b["error_detail"],)
    if not isinstance(b["error_detail"], (str, dict)) or not b["error_detail"]:
        return "error_detail is %r" % (b["error_detail"],)
    if a.status == 422 and code == "Sandbox.InvalidParameter":
        why = check_items(b["detail"], case)
        if why:
            return why
    elif not isinstance(b["detail"], str) or not b["detail"]:
        return "detail is %r" % (b["detail"],)
    if case.detail and b["detail"] != case.detail:
        return "detail %r" % (b["detail"],)
    texts = " ".join(str(b[k]) for k in ("description", "solution", "error_detail", "message"))
    sent = case.path if isinstance(case.path, str) else case.path.decode("latin-1")
    leak = LEAK.search(texts.replace("/docs", ""))
    if leak and leak[0] not in sent and leak[0].encode() not in (case.body or b""):
        return "a text shows %r" % leak[0]
    return None


def check_headers(a, case, rid):
    sent = dict((k.lower(), v) for k, v in case.headers).get("x-request-id")
    got = a.headers.get("x-request-id", "")
    if sent is None and got != rid:
        return "X-Request-ID %r is not echoed" % got
    if sent is not None and not UUID4.fullmatch(got):
        return "X-Request-ID %r is no generated one" % got
    if not re.fullmatch(r"\d+\.\d{3}", a.headers.get("x-process-time", "")):
        return "X-Process-Time %r" % a.headers.get("x-process-time")
    need = {405: "allow", 401: "www-authenticate", 429: "retry-after", 503: "retry-after"}
    if a.status in need and need[a.status] not in a.headers:
        return "no %s header" % need[a.status]
    if a.status >= 400 and "no-store" not in a.headers.get("cache-control", ""):
        return "Cache-Control %r" % a.headers.get("cache-control")
    if a.status >= 400 and not a.headers.get("content-type", "").startswith("application/json"):
        return "Content-Type %r" % a.headers.get("content-type")
    return None


class Run:
    def __init__(self, base):
        url = urlsplit(base)
        self.addr, self.host = (url.hostname, url.port or 80), url.netloc
        self.n = self.failed = 0
        self.fixed, self.made = {}, []
        self.end = time.monotonic() + TIME_LIMIT

    def say(self, good, what, why=""):
        self.n += 1
        self.failed += not good
        line = "%s %d - %s" % ("ok" if good else "not ok", self.n, what if good else "%s: %s" % (what, why))
        print(line.encode("unicode_escape").decode(), flush=not good)

    def send(self, case, rid):
        """The answer; a rate limit is waited for."""
        while True:
            a = exchange(self.addr, request_bytes(case, self.host, rid), case.method == "HEAD",
                         case.half_close)
            if a.status != 429 or time.monotonic() > self.end:
                return a
            time.sleep(min(10, int(a.headers.get("retry-after", 0) or 1)))

    def judge(self, case, a, rid):
        """None, or what is wrong with the answer."""
        if a.status == 0:
            return None if case.half_close else "no answer"
        if case.front and 400 <= a.status < 500 and a.json() is None:
            return None                 # the web server's own page
        if a.status not in case.want:
            return "status is not one of %s" % sorted(case.want)
        sent = dict((k.lower(), v) for k, v in case.headers).get("x-request-id")
        shown = rid if sent is None else a.headers.get("x-request-id")
        return check_headers(a, case, rid) or check_error(a, case, shown, self.fixed)

    def negative(self, cases):
        for case in cases:
            rid = "malformed-%d" % (self.n + 1)
            a = self.send(case, rid)
            why = self.judge(case, a, rid)
            path = case.path if isinstance(case.path, str) else case.path.decode("latin-1")
            self.say(not why, "%s %.80s: %s" % (case.method, path, case.what),
                     "%s; got %s" % (why, a))
            if a.status == 201:         # a failure already; leave nothing behind
                self.made.append(a.headers.get("location", ""))

    def positive(self, what, want, method, path, body=None, headers=(), test=lambda a: True):
        case = Case(what, method, path, body, headers=headers)
        rid = "control-%d" % (self.n + 1)
        a = self.send(case, rid)
        try:
            good = a.status == want and test(a)
        except (KeyError, TypeError):
            good = False
        why = check_headers(a, case, rid) if good else "got %s" % a
        self.say(not why, "control: %s %s: %s" % (method, path[:80], what), why)
        return a.json() if isinstance(a.json(), dict) else {}

    def clean(self):
        for path in self.made:
            if path.startswith("/"):
                self.send(Case("", "DELETE", path), "clean")
