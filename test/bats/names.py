#!/usr/bin/env python3
# names.py URL SESSION: takes files of every allowed kind of name through all calls of CONTRACT 6; tells what went wrong.
import http.client
import json
import re
import sys
from urllib.parse import quote, unquote, urlsplit

URL, SESSION = sys.argv[1:3]
LARGE = b"\0" * 70000  # above the large_file_bytes of the test's stack
NAMES = """a b| blank |"quoted"|it's|100%|%2e%2e|%00|a+b|x#y|x?y=z|a&b=c;d|a:b<c>e*f|$(id)|`id`|-rf|~|...|..a|a..|.hidden/.git
über/größe.txt|u\u0308ber|日本語/ファイル|😀/👩\u200d👧.png|a=b,c@d!e|{x}[y]^z|name; filename="evil"|upload|move|\u00a0|\ufeff""".replace("\n", "|").split("|")
NAMES += ["x" * 255, "ü" * 127 + "/" + "y" * 255, "/".join(["deep"] * 60), "|"]

base = urlsplit(URL)
conn = http.client.HTTPConnection(base.hostname, base.port, timeout=60)
bad = 0


def call(method, path, body=None, headers=None, host=None):
    c = host or conn
    c.request(method, path, body, headers or {})
    r = c.getresponse()
    return r.status, r.headers, r.read()


def api(method, path, *args):
    return call(method, f"/api/v1/sessions/{SESSION}/files{path}", *args)


def check(ok, name, what):
    global bad
    if not ok:
        bad += 1
        print(f"{name!r}: {what}")


def listed(directory):
    return [f["path"] for f in json.loads(api("GET", f"?path={directory}&limit=10000")[2])["files"]]


for name in NAMES:
    path, body = "n/" + name, name.encode()
    status, _, out = api("PUT", "/" + quote(path, safe=""), body)
    check(status == 201 and json.loads(out)["file_path"] == path, name, f"PUT {status} {out}")
    for form in (quote(path, safe=""), quote(path)):  # %2F and a slash
        status, headers, out = api("GET", "/" + form)
        check(status == 200 and out == body, name, f"GET {form} {status}")
    found = re.fullmatch(r'attachment; filename="([^"\\%]*)"; filename\*=UTF-8\'\'([A-Za-z0-9!#$&+.^_`|~%-]+)',
                         headers["Content-Disposition"])
    check(found and found[1].isascii() and unquote(found[2]) == name.rsplit("/")[-1], name, headers["Content-Disposition"])
check(sorted(listed("n")) == sorted("n/" + n for n in NAMES), "n", "the list differs")

for name in NAMES:
    move = json.dumps({"source": "n/" + name, "destination": "m/" + name})
    status, _, out = api("POST", "/move", move, {"Content-Type": "application/json"})
    check(status == 200 and json.loads(out)["file_path"] == "m/" + name, name, f"move {status} {out}")
check(listed("n") == [] and sorted(listed("m")) == sorted("m/" + n for n in NAMES), "m", "the list differs after the moves")

for name in NAMES:
    path = quote("m/" + name, safe="")
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + LARGE + b"\r\n--b--\r\n"
    status, _, out = api("POST", "/upload?path=" + path, form, {"Content-Type": "multipart/form-data; boundary=b"})
    check(status == 200, name, f"upload {status} {out}")
    status, _, out = api("GET", "/" + path)
    check(status == 200 and json.loads(out)["file_path"] == "m/" + name, name, f"presign {status} {out}")
    url = urlsplit(json.loads(out)["presigned_url"])
    s3 = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    status, headers, out = call("GET", url.path + "?" + url.query, None, None, s3)
    check(status == 200 and out == LARGE, name, f"storage {status} {out[:300]}")
    check("attachment;" in headers["Content-Disposition"], name, "storage, disposition")
    s3.close()
    status, _, _ = api("DELETE", "/" + path)
    check(status == 204, name, f"DELETE {status}")
check(listed("m") == [], "m", "not empty at the end")
sys.exit(bad > 0)
