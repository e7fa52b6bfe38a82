#!/usr/bin/env python3
"""Malformed requests, generated: each gets its documented error and never a 5xx (CONTRACT 1-5).

usage: malformed.py BASE_URL        http://host:port of the public listener, [auth] mode = off

Prints TAP; exits 1 when any case failed, 2 when the service could not be used at all. The same cases in the same
order every time. Assumes the default [limits] and [session] bounds and the seeded template python-basic; one session is
really created. A 429 RateLimited is checked, waited for and repeated.
"""
import sys
from urllib.parse import urlsplit

sys.dont_write_bytecode = True          # a test leaves nothing in the tree

from bodies import (bodies, session_rules, V1, NONE, SESSIONS, EXECUTE, PREFIX, SESSION, CODE,
                    TEMPLATE, TEMPLATES, WRITES)
from tables import (BAD_CONTENT_TYPES, BAD_CURSORS, BAD_IDEM_KEYS, BAD_INT_QUERY, BAD_NUM_QUERY,
                    BAD_PATH_IDS, BAD_REQUEST_IDS, BAD_TIMES, FORM, MIB, RANGE, dumps, nest)
from wire import INVALID, Case, Run

# ---- sizes, headers ----

def sizes():
    for method, path, body in WRITES:
        limit = 8 * MIB if "/execute" in path else MIB
        raw = dumps(body)
        yield Case("the body is one byte over the limit", method, path, raw + b" " * (limit + 1 - len(raw)),
                   want=(413,),
                   codes={"Sandbox.PayloadTooLarge"})
        yield Case("the same, chunked", method, path, chunked(raw + b" " * (limit + 1 - len(raw))), want=(413,),
                   codes={"Sandbox.PayloadTooLarge"}, headers=[("Transfer-Encoding", "chunked")])


def chunked(raw, size=65536):
    parts = [raw[i:i + size] for i in range(0, len(raw), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def headers():
    for method, path, body in WRITES:
        for t in BAD_CONTENT_TYPES:
            yield Case("Content-Type: %s" % t, method, path, body, want=(415,),
                       codes={"Sandbox.UnsupportedMediaType"},
                       headers=[("Content-Type", t)])
        if method == "PUT" or path.endswith("/renew"):
            continue
        for what, key, front in BAD_IDEM_KEYS:
            yield Case("Idempotency-Key with %s" % what, method, path, body,
                       loc="header.Idempotency-Key|idempotency_key",
                       headers=[("Idempotency-Key", key)], types=FORM, front=front)
    for rid in BAD_REQUEST_IDS:
        yield Case("X-Request-ID %.20r is replaced" % (rid,), "GET", V1 + "/nope", want=(404,),
                   codes={"Sandbox.NotFound"},
                   headers=[("X-Request-ID", rid)])
    post = ("POST", SESSIONS)
    for what, heads, raw, half in (
            ("Content-Length: abc", [("Content-Length", "abc")], b"{}", False),
            ("Content-Length: -1", [("Content-Length", "-1")], b"{}", False),
            ("Content-Length: 1e3", [("Content-Length", "1e3")], b"{}", False),
            ("two different lengths", [("Content-Length", "2"), ("Content-Length", "3")], b"{} ", False),
            ("a length longer than the body", [("Content-Length", "500")], b"{}", True),
            ("a length shorter than the body", [("Content-Length", "1")], b"{}", False),
            ("a length of 99 GB", [("Content-Length", "99999999999")], b"{}", True),
            ("a bad chunk size", [("Transfer-Encoding", "chunked")], b"zz\r\n{}\r\n0\r\n\r\n", False),
            ("a chunk without an end", [("Transfer-Encoding", "chunked")], b"2\r\n{}\r\n", True),
            ("chunks that are no JSON", [("Transfer-Encoding", "chunked")], b"1\r\n{\r\n0\r\n\r\n", False)):
        yield Case(what, *post, raw, want=(400, 413, 422), codes=INVALID | {"Sandbox.PayloadTooLarge"},
                   headers=heads, front=True,
                   half_close=half)


# ---- paths, methods, queries ----

ROUTES = [("/", "GET"), ("/health", "GET"), ("/openapi.json", "GET"), (V1 + "/health", "GET"),
          (V1 + "/openapi.json", "GET"),
          (SESSIONS, "GET POST"), (SESSIONS + "/{}", "GET DELETE"), (SESSIONS + "/{}/terminate", "POST"),
          (SESSIONS + "/{}/renew", "POST"), (SESSIONS + "/{}/execute", "POST"),
          (SESSIONS + "/{}/execute-sync", "POST"),
          (SESSIONS + "/{}/executions", "GET"), (SESSIONS + "/{}/files", "GET"),
          (SESSIONS + "/{}/files/a/b.txt", "GET PUT DELETE"), (V1 + "/executions/{}", "GET"),
          (V1 + "/executions/{}/cancel", "POST"),
          (V1 + "/executions/{}/output", "GET"), (V1 + "/executions/{}/status", "GET"),
          (V1 + "/executions/{}/result", "GET"),
          (V1 + "/executions/sessions/{}/execute", "POST"), (V1 + "/executions/sessions/{}/execute-sync",
                                                             "POST"),
          (V1 + "/executions/sessions/{}/executions", "GET"), (TEMPLATES, "GET POST"),
          (TEMPLATES + "/{}", "GET PUT DELETE"),
          (TEMPLATES + "/{}/versions", "GET")]
BODIES = {"renew": {}, "execute": CODE, "execute-sync": CODE}


def methods():
    for path, allowed in ROUTES:
        for method in "GET POST PUT DELETE PATCH PROPFIND".split():
            if method not in allowed.split():
                yield Case("wrong method", method, path.format(NONE),
                           {} if method in ("POST", "PUT", "PATCH") else None,
                           want=(405,), codes={"Sandbox.MethodNotAllowed"}, detail="Method Not Allowed")
    for method in ("TRACE", "get", "FOO", "G ET", "\x01GET", "SEARCH"):
        yield Case("a method that is none", method, SESSIONS, want=(400, 405),
                   codes={"Sandbox.MethodNotAllowed"}, front=True)


def paths():
    for p in ("/nope", "/api", "/api/v2/sessions", "/API/v1/sessions", V1 + "/nope", V1 + "/Sessions",
              V1 + "/session",
              V1 + "/sessionsx", SESSIONS + "/a/b", SESSIONS + "/a/b/c/d", SESSIONS + "/a/execute/b",
              V1 + "/executions",
              V1 + "/executions/sessions/a/nope", TEMPLATES + "/a/b", "/internal",
              "/internal/sessions/a/container_ready", V1 + "/internal/sessions/a/container_ready",
              V1 + "/internal/containers/ready",
              "/health/x", "/openapi.json/x", "/.env", "/index.php", "/%E2%80%A6", "/sessions",
              "/" + "a" * 3000,
              SESSIONS + ";x=1", SESSIONS + "%3Flimit=1"):
        yield Case("no such path", "GET", p, want=(404,), codes={"Sandbox.NotFound"}, detail="Not Found")
    for p in ("//api/v1/sessions", "/api//v1/sessions", V1 + "//sessions", V1 + "/./sessions",
              V1 + "/../v1/sessions", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
              V1 + "/x/../sessions",
              "/%00", SESSIONS + "/%00", SESSIONS + "/a%00b", "/%zz", SESSIONS + "/%", SESSIONS + "/%4",
              SESSIONS + "/%zz",
              SESSIONS + "/%u0041", SESSIONS + "/a\x01b", SESSIONS + "/a\tb", SESSIONS + "/a b",
              SESSIONS + "/a\x7fb",
              b"/api/v1/sessions/\xff", b"/api/v1/sessions/\xc3\xa9", SESSIONS + "/a\\b", "/%5C..%5Cetc", "nope", "*", "",
              SESSIONS + "/" + "a" * 20000):
        yield Case("a bad path", "GET", p, want=(400, 404, 414, 422), front=True,
                   codes=INVALID | {"Sandbox.NotFound", "Sandbox.SessionNotFound"})
    for path, allowed in ROUTES:
        if "{}" not in path:
            continue
        kind = "Template" if "templates" in path else "Execution" if "executions/{}" in path else "Session"
        gone = {"Sandbox.%sNotFound" % kind}
        for method in allowed.split():
            body = {} if method == "PUT" else BODIES.get(path.rpartition("/")[2])
            yield Case("unknown id", method, path.format(NONE), body, want=(404,), codes=gone,
                       detail="%s not found: %s" % (kind, NONE))
            for bad in BAD_PATH_IDS:
                yield Case("an id outside the grammar", method, path.format(bad), body, want=(400, 404, 422),
                           loc="path",
                           codes=INVALID | gone | {"Sandbox.NotFound"}, front=bad == "..")


def queries():
    lists = [SESSIONS, TEMPLATES, TEMPLATES + "/python-basic/versions", SESSIONS + "/" + NONE + "/executions",
             V1 + "/executions/sessions/" + NONE + "/executions"]
    ints = {"int_parsing", "int_type", "value_error"}
    nums = {"float_parsing", "int_parsing", "float_type", "int_type", "value_error"} | RANGE
    for path in lists:
        for name in ("limit", "offset"):
            for v in BAD_INT_QUERY:
                yield Case("%s=%s" % (name, v), "GET", "%s?%s=%s" % (path, name, v), loc="query." + name,
                           types=ints)
        for v in BAD_CURSORS if NONE not in path else ():
            yield Case("a damaged cursor", "GET", "%s?cursor=%s" % (path, v), want=(400,))
        for v in ("%FF%FE", "%00", "%zz") if NONE not in path else ():
            yield Case("a damaged cursor", "GET", "%s?cursor=%s" % (path, v), want=(400, 422))
    for name in ("created_after", "created_before"):
        for v in BAD_TIMES:
            yield Case("%s=%s" % (name, v), "GET", "%s?%s=%s" % (SESSIONS, name, v), loc="query." + name,
                       types=FORM)
    for v in BAD_INT_QUERY + ["-1", "61", "99999999999999999999"]:
        yield Case("wait=%s" % v, "POST", SESSIONS + "?wait=" + v, SESSION, loc="query.wait",
                   types=ints | RANGE)
    for p in EXECUTE[1::2]:
        p = V1 + p % NONE
        for v in BAD_NUM_QUERY + ["0", "0.09", "10.1", "-1"]:
            yield Case("poll_interval=%s" % v, "POST", p + "?poll_interval=" + v, CODE,
                       loc="query.poll_interval", types=nums)
        for v in BAD_NUM_QUERY + ["0", "9", "3601", "-300"]:
            yield Case("sync_timeout=%s" % v, "POST", p + "?sync_timeout=" + v, CODE,
                       loc="query.sync_timeout", types=nums)
    out = V1 + "/executions/" + NONE + "/output"
    for v in BAD_INT_QUERY + ["-1"]:
        yield Case("after=%s" % v, "GET", out + "?after=" + v, loc="query.after", types=ints | RANGE)
    for v in ("STDOUT", "both", "1", "stdout%20", "%FF"):
        yield Case("stream=%s" % v, "GET", out + "?stream=" + v, loc="query.stream",
                   types={"literal_error", "value_error"})
    one = TEMPLATES + "/python-basic?version="
    for v in BAD_INT_QUERY:
        yield Case("version=%s" % v, "GET", one + v, loc="query.version", types=ints)
    for v in ("0", "-1", "999999", "9223372036854775807", "9223372036854775808"):
        yield Case("version=%s" % v, "GET", one + v, want=(404, 422),
                   codes=INVALID | {"Sandbox.TemplateNotFound"}, loc="query.version")


# ---- with objects that exist ----

def preconditions():
    path = TEMPLATES + "/" + PREFIX + "-fix"
    for tag in ('"v999"', '"v0"', 'W/"v1"', '"x"', '""'):
        for method, body in (("PUT", {"description": "changed"}), ("DELETE", None)):
            yield Case("If-Match: %s" % tag, method, path, body, want=(412,),
                       codes={"Sandbox.PreconditionFailed"},
                       headers=[("If-Match", tag)])
    for tag in ("v1", '"v1', "v", "\t,", '"v 1"', '"v2","v3', b"\xff", "x" * 2000):
        for method, body in (("PUT", {"description": "changed"}), ("DELETE", None)):
            yield Case("If-Match: %.20r, which is none" % tag, method, path, body, want=(400, 412, 422),
                       loc="header",
                       codes=INVALID | {"Sandbox.PreconditionFailed"}, headers=[("If-Match", tag)])
    yield Case("a template id that is taken", "POST", TEMPLATES,
               {**TEMPLATE, "id": PREFIX + "-fix", "name": PREFIX + " new"},
               want=(409,), codes={"Sandbox.Conflict"})
    yield Case("a template name that is taken", "POST", TEMPLATES, {**TEMPLATE, "name": PREFIX + " fix"},
               want=(409,),
               codes={"Sandbox.Conflict"})
    yield Case("the runtime_type of a template is fixed", "PUT", path, {"runtime_type": "nodejs20"},
               want=(400, 409, 422),
               codes=INVALID | {"Sandbox.Conflict"})
    yield Case("one Idempotency-Key, another body", "POST", TEMPLATES,
               {**TEMPLATE, "id": PREFIX + "-fix", "name": "other"},
               codes={"Sandbox.IdempotencyConflict"}, headers=[("Idempotency-Key", PREFIX)])
    for heads in ([("Authorization", "Bearer aaaa"), ("X-API-Key", "bbbb")],):
        yield Case("two different keys", "GET", SESSIONS + "?limit=x", want=(401, 422),
                   codes=INVALID | {"Sandbox.Unauthorized"},
                   headers=heads)


def live_session(sid, cursor):
    path = SESSIONS + "/" + sid
    yield Case("a session id that is taken", "POST", SESSIONS, {"template_id": "python-basic", "id": sid},
               want=(409,),
               codes={"Sandbox.Conflict"})
    yield Case("one execution_id, other content", "POST", path + "/execute",
               {**CODE, "code": "2", "execution_id": PREFIX + "-e"},
               codes={"Sandbox.IdempotencyConflict"})
    for v in BAD_CURSORS:
        yield Case("a damaged cursor", "GET", path + "/executions?cursor=" + v, want=(400,))
    for bad in (cursor + "!", "!" + cursor, cursor[: len(cursor) // 2], "x" * len(cursor)) if cursor else ():
        yield Case("a cursor that was tampered with", "GET", path + "/executions?cursor=" + bad, want=(400,))
    out = V1 + "/executions/" + PREFIX + "-e/output?after="
    for v in ("1000", "9223372036854775807"):
        yield Case("output beyond the end", "GET", out + v, want=(416,), codes={"Sandbox.RangeNotSatisfiable"})


def ended_session(sid):
    path, gone = SESSIONS + "/" + sid, {"Sandbox.SessionNotActive"}
    what = "Session is not active: " + sid
    for tail, body in (("/renew", {}), ("/execute", CODE), ("/execute-sync", CODE)):
        yield Case("an ended session", "POST", path + tail, body, want=(409,), codes=gone, detail=what)


def deleted_session(sid):
    for path, allowed in ROUTES:
        if "essions/{}" in path:
            for method in allowed.split():
                body = BODIES.get(path.rpartition("/")[2])
                yield Case("a deleted session", method, path.format(sid), body, want=(404,),
                           codes={"Sandbox.SessionGone"})


# ---- running ----

def controls(run):
    """What is well-formed is accepted: else the refusals below would prove nothing."""
    ok = run.positive
    for p in ("/", "/health", V1 + "/health", "/openapi.json", SESSIONS, SESSIONS + "/", TEMPLATES,
              TEMPLATES + "/python-basic"):
        ok("reads", 200, "GET", p)
        ok("the same as HEAD", 200, "HEAD", p, test=lambda a: a.body == b"")
    for p, allowed in ROUTES:
        ok("OPTIONS", 204, "OPTIONS", p.format(NONE),
           test=lambda a,
           w=set(allowed.split()): w <= {m.strip() for m in a.headers.get("allow", "").split(",")})
    for q, limit, offset in (("limit=0", 1, 0), ("limit=-5", 1, 0), ("limit=9999", 200, 0),
                             ("offset=-1", 50, 0),
                             ("limit=7&offset=3", 7, 3)):
        ok("clamps " + q, 200, "GET", SESSIONS + "?" + q,
           test=lambda a, want=(limit, offset): (a.json()["limit"], a.json()["offset"]) == want)
    ok("an unknown status matches nothing", 200, "GET", SESSIONS + "?status=none-such",
       test=lambda a: a.json()["items"] == [])
    ok("times", 200, "GET",
       SESSIONS + "?created_after=2026-01-06T10:00:00Z&created_before=2026-01-06T10:00:00.123Z")
    fix = {**TEMPLATE, "id": PREFIX + "-fix", "name": PREFIX + " fix", "labels": {"k": "v"},
           "env_vars": {"A": "b"}, "unknown": [None]}
    ok("a template", 201, "POST", TEMPLATES, fix, headers=[("Idempotency-Key", PREFIX)],
       test=lambda a: a.headers.get("etag") == '"v1"')
    ok("the same key again", 201, "POST", TEMPLATES, fix, headers=[("Idempotency-Key", PREFIX)],
       test=lambda a: a.headers.get("idempotent-replay") == "true")
    off = {**TEMPLATE, "id": PREFIX + "-off", "name": PREFIX + " off", "is_active": False}
    ok("an inactive template", 201, "POST", TEMPLATES, off,
       headers=[("Content-Type", "application/vnd.x+json; charset=utf-8")])


def session_controls(run):
    """Returns the id of a running session with two executions, and a cursor of theirs."""
    ok = run.positive
    body = (b'{"template_id":"python-basic","timeout":300.0,"network":null,"env_vars":{"A":"\\ud83d\\ude00"},"x":' +
            nest(31, b"[", b"]") + b"}")
    code = {**CODE, "execution_id": PREFIX + "-e", "timeout": 3600, "max_retries": 3}
    s = ok("a session; depth 32, unknown members, null, 300.0", 201, "POST", SESSIONS + "?wait=60", body,
           test=lambda a: a.json()["status"] == "running")
    sid = s.get("id")
    if not sid:
        return None, None
    run.made.append(SESSIONS + "/" + sid)
    path = SESSIONS + "/" + sid
    ok("read it", 200, "GET", path, test=lambda a: a.json()["id"] == sid)
    ok("renew without a body", 200, "POST", path + "/renew")
    ok("renew, chunked", 200, "POST", path + "/renew", chunked(b'{"timeout":600}'),
       headers=[("Transfer-Encoding", "chunked")],
       test=lambda a: a.json()["timeout"] == 600)
    ok("execute-sync at the ends of the ranges", 200, "POST",
       path + "/execute-sync?poll_interval=0.1&sync_timeout=3600",
       code, test=lambda a: a.json()["status"] == "completed")
    ok("the same execution_id again", 200, "POST", path + "/execute-sync", code,
       test=lambda a: a.headers.get("idempotent-replay") == "true")
    ok("execute through the alias", 201, "POST", V1 + "/executions/sessions/%s/execute" % sid,
       {**CODE, "entrypoint": None})
    page = ok("a page of one", 200, "GET", path + "/executions?limit=1",
              test=lambda a: a.json()["has_more"] is True)
    ok("the next page", 200, "GET", path + "/executions?limit=1&cursor=%s" % page.get("next_cursor"),
       test=lambda a: len(a.json()["items"]) == 1)
    return sid, page.get("next_cursor")


def main():
    if len(sys.argv) != 2 or not urlsplit(sys.argv[1]).hostname:
        sys.exit(__doc__)
    run = Run(sys.argv[1])
    run.made += [TEMPLATES + "/" + PREFIX + t for t in ("-fix", "-off", "-t")]
    try:
        controls(run)
        for part in (bodies, sizes, headers, methods, paths, queries, preconditions, session_rules):
            print("# " + part.__name__)
            run.negative(part())
        sid, cursor = session_controls(run)
        if sid:
            run.negative(live_session(sid, cursor))
            run.positive("terminate", 200, "POST", "%s/%s/terminate" % (SESSIONS, sid))
            run.negative(ended_session(sid))
            run.positive("delete", 204, "DELETE", "%s/%s" % (SESSIONS, sid))
            run.negative(deleted_session(sid))
        run.clean()
    except OSError as e:
        print("Bail out! %s" % e)
        sys.exit(2)
    print("1..%d" % run.n)
    print("# %d cases, %d failed" % (run.n, run.failed))
    sys.exit(run.failed > 0)


if __name__ == "__main__":
    main()
