"""What is wrong with a value, a document, a name: the tables that malformed.py multiplies.

Each row: (what it is, the value, the `type`s that may name it).
"""
import json

MIB = 1 << 20

# one value of every JSON type, and the field types that it satisfies
VALUES = [
    ("a string", "x", {"str"}), ("a numeric string", "300", {"str"}), ("an empty string", "", {"str"}),
    ("an integer", 7, {"int", "num"}), ("a fraction", 1.5, {"num"}), ("true", True, {"bool"}),
    ("a list", [1], {"list"}), ("an empty list", [], {"list"}),
    ("an object", {"a": "b"}, {"dict"}), ("an empty object", {}, {"dict"}),
]
TYPE_OF = {"str": {"string_type"}, "int": {"int_type", "int_parsing"}, "num": {"float_type"},
           "bool": {"bool_type"}, "dict": {"dict_type"}, "list": {"list_type"}}
LOW, HIGH = {"greater_than_equal", "value_error"}, {"less_than_equal", "value_error"}
RANGE = LOW | HIGH
FORM = {"value_error", "string_too_short", "too_short", "string_too_long", "too_long", "literal_error"}
HUGE = [2 ** 31, 2 ** 63, -2 ** 63, -2 ** 63 - 1, 10 ** 30]

BAD_IDS = ["", "-a", ".a", "_a", "a b", "a/b", "a\\b", "a\u0000b", "\u00e9", "a" * 65, "a\n", "..", "a:b",
           " a", "a ", "a*", "\u65e5\u672c", "a%2Fb", "a\u007f", "a" * 5000]
BAD_PATH_IDS = ["-a", ".a", "_a", "a%20b", "a%5Cb", "%C3%A9", "a" * 65, "a%0A", "..", "%2e%2e", "a:b",
                "a%2Fb", "%FF", "a%01b", "a%25", "a*b"]

BAD_ENV_KEYS = ["", "1A", "A-B", "A B", "A=B", "\u00e9", "a.b", "A" * 129, "A\u0001", " A", "A\n", "A$",
                "SANDBOX_", "SANDBOX_X", "EXECUTOR_URL", "EXECUTOR_", "LD_PRELOAD", "LD_LIBRARY_PATH",
                "SESSION_ID", "WORKSPACE_PATH", "CONTROL_PLANE_URL", "INTERNAL_API_TOKEN",
                "INTERNAL_API_TOKEN_FILE", "CONTAINER_ID", "POD_NAME", "EVENT_JSON"]
BAD_ENV = [("name %r" % k[:20], {k: "v"}) for k in BAD_ENV_KEYS] + [
    ("a NUL in a value", {"A": "a\u0000b"}), ("a value of 32 KiB + 1", {"A": "v" * 32769}),
    ("101 variables", {"A%d" % i: "v" for i in range(101)}),
    ("more than 64 KiB in all", {"A": "v" * 30000, "B": "v" * 30000, "C": "v" * 30000}),
] + [("a value that is %s" % what, {"A": v}) for what, v, ok in VALUES if "str" not in ok]

BAD_INT_QUERY = ["abc", "1.5", "1e2", "0x10", "%205", "5%20", "--1", "true", "NaN", "%C3%A9", "%FF", "5,6",
                 "%zz",
                 "%31%00", "1_000"]
BAD_NUM_QUERY = ["abc", "nan", "NaN", "inf", "-inf", "1e400", "0x1", "1%2C5", "true", "%205", "1.2.3", "%FF",
                 "1s"]
BAD_TIMES = ["yesterday", "2026-13-01T00:00:00Z", "2026-01-06", "2026-02-30T00:00:00Z", "2026-01-06T25:00:00Z",
             "1736157600", "2026-01-06T10:00:00", "T", "2026-01-06T10:00:00%2B99:99", "%FF", "%00",
             "2026-01-06T10:00:00.Z", "2026-01-06T10:00:00Zjunk", "0000-00-00T00:00:00Z", "2026-1-6T1:0:0Z"]
BAD_CURSORS = ["!!!", "AAAA", "a" * 2000, "bm90IGEgY3Vyc29y", "e30", "bnVsbA", "%7B%7D", "0", "-1", "null",
               "../..",
               "'%20OR%201=1", "eyJhIjoxfQ==", "MjAyNnxh"]

BAD_CPU = ["abc", "", "m", "0x1", "nan", "inf", " 1", "1 ", "1,5", "500M", "1c", "1.2.3", "1/2", "\u0661"]
BAD_CPU_RANGE = ["0", "0.05", "4.5", "99999", "4001m", "50m", "0m"]
BAD_SIZE = ["abc", "512MB", "512mi", "-1", "1.5Gi", "512 Mi", "Mi", "1Ti", "0x10", "+512Mi", "512Mib", "1e9",
            " 512Mi",
            "512Mi ", "99999999999999999999", "99999999999Gi", "0", "1"]
BAD_MEMORY, BAD_DISK = BAD_SIZE + ["9Gi", "64Mi"], BAD_SIZE + ["255Mi", "51Gi"]

BAD_ENTRYPOINTS = ["", "1a", "a-b", "a b", "a.b", "a()", "a" * 129, "a\n", "a;b", "a/b", "__import__('os')",
                   "a\u0000"]
BAD_IMAGES = ["", "a b", "http://x/y", "img:t:t", "@sha256:" + "a" * 64, "img@sha256:xyz", "img@md5:abc",
              "/img", "img/",
              "a//b", ":tag", "img\n", "a" * 513, "\u00e9", "img:", "img@", "img:a/", "img@sha256:" + "a" * 63]
BAD_CONTENT_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                     "application/jsonx", "text/json", "application/octet-stream", "json", "application/xml",
                     "application/vnd.x+xml", "*/*", "application/json-patch", "application"]
# the third member: the web server may refuse it by itself
BAD_IDEM_KEYS = [("256 characters", "k" * 256, False), ("a blank inside", "a b", False),
                 ("a tab inside", "a\tb", False), ("Latin-1", b"a\xe9", False),
                 ("UTF-8", "\u00e9".encode(), False), ("DEL", b"a\x7f", True),
                 ("a control character", b"a\x01b", True),
                 ("NUL", b"a\x00b", True)]
BAD_REQUEST_IDS = ["a b", b"\xc3\xa9", "a" * 129, "a/b", "<script>", "a;b", "'", "a,b"]


def nest(n, open_, close, leaf=b"1"):
    """An object whose member x brings the document to a depth of n."""
    return b'{"x":' + open_ * (n - 1) + leaf + close * (n - 1) + b"}"


NOT_JSON = {"json_invalid"}
REFUSED_JSON = {"json_invalid", "value_error"}
NOT_OBJECT = {"dict_type", "json_invalid", "missing", "value_error"}
BAD_DOCUMENTS = [
    ("nothing", b"", NOT_OBJECT), ("blanks", b"  \n", NOT_OBJECT), ("null", b"null", NOT_OBJECT),
    ("a list", b"[]", NOT_OBJECT), ("a list of an object", b"[{}]", NOT_OBJECT), ("true", b"true", NOT_OBJECT),
    ("a number", b"1", NOT_OBJECT), ("a string", b'"s"', NOT_OBJECT),
    ("an open brace", b"{", NOT_JSON), ("a closing brace", b"}", NOT_JSON), ("an open bracket", b"[", NOT_JSON),
    ("a cut word", b"nul", NOT_JSON), ("a trailing letter", b"{}x", NOT_JSON),
    ("two documents", b"{}{}", NOT_JSON),
    ("a trailing NUL", b"{}\0", NOT_JSON), ("a trailing comma", b'{"x":1,}', NOT_JSON),
    ("a trailing comma in a list", b'{"x":[1,]}', NOT_JSON), ("single quotes", b"{'x':1}", NOT_JSON),
    ("a bare name", b"{x:1}", NOT_JSON), ("no colon", b'{"x" 1}', NOT_JSON),
    ("no comma", b'{"x":1 "y":2}', NOT_JSON),
    ("only a comma", b"{,}", NOT_JSON), ("no value", b'{"x":}', NOT_JSON),
    ("two commas", b'{"x":1,,"y":2}', NOT_JSON),
    ("a number as a name", b"{1:1}", NOT_JSON), ("an open string", b'{"x":"abc', NOT_JSON),
    ("an open list", b'{"x":[1', NOT_JSON), ("crossed brackets", b'{"x":[1}]', NOT_JSON),
    ("a line comment", b'{"x":1} // no', NOT_JSON), ("a block comment", b'{/* no */"x":1}', NOT_JSON),
    ("a form feed", b'{\x0c"x":1}', NOT_JSON), ("a vertical tab", b'{\x0b"x":1}', NOT_JSON),
    ("a no-break space", b'{\xc2\xa0"x":1}', NOT_JSON), ("a byte order mark", b'\xef\xbb\xbf{"x":1}', NOT_JSON),
    ("UTF-16LE", '{"x":1}'.encode("utf-16-le"), NOT_JSON),
    ("UTF-16BE", '{"x":1}'.encode("utf-16-be"), NOT_JSON),
    ("UTF-32", '{"x":1}'.encode("utf-32"), NOT_JSON), ("gzip's magic", b"\x1f\x8b\x08\0\0\0", NOT_JSON),
] + [("the number %s" % n.decode(), b'{"x":' + n + b"}", NOT_JSON) for n in (
    b"NaN", b"Infinity", b"-Infinity", b"01", b"-01", b"+1", b".5", b"1.", b"1e", b"1e+", b"0x10", b"-",
    b"--1", b"1_0",
    b"True", b"TRUE", b"undefined", b"None")
] + [("%s in a string" % what, b'{"x":"' + s + b'"}', REFUSED_JSON) for what, s in (
    ("byte FF", b"\xff"), ("an overlong NUL", b"\xc0\x80"), ("an overlong slash", b"\xe0\x80\xaf"),
    ("an encoded surrogate", b"\xed\xa0\x80"), ("a code point above 10FFFF", b"\xf4\x90\x80\x80"),
    ("a cut character", b"\xe2\x82"), ("a stray continuation byte", b"a\x80"),
    ("a lone high surrogate", b"\\ud800"),
    ("a lone low surrogate", b"\\udc00"), ("a high surrogate before a letter", b"\\ud800\\u0041"),
    ("swapped surrogates", b"\\udc00\\ud800"), ("a raw NUL", b"a\0b"), ("a raw control character", b"\x01"),
    ("a raw line feed", b"a\nb"), ("a raw tab", b"a\tb"), ("escape x", b"\\x41"), ("a short escape", b"\\u12"),
    ("a braced escape", b"\\u{41}"), ("a last backslash", b"\\"))
] + [
    ("an invalid byte in a name", b'{"\xff":1}', REFUSED_JSON),
    ("a lone surrogate in a name", b'{"\\ud800":1}', REFUSED_JSON),
    ("a name twice", b'{"x":1,"x":1}', REFUSED_JSON), ("a name twice below", b'{"x":{"y":1,"y":2}}',
                                                       REFUSED_JSON),
    ("a name twice in a list", b'{"x":[{"y":1,"y":2}]}', REFUSED_JSON),
    ("a name twice, once escaped", b'{"x":1,"\\u0078":2}', REFUSED_JSON),
    ("a known name twice", b'{"timeout":60,"timeout":61}', REFUSED_JSON),
    ("depth 33 of lists", nest(33, b"[", b"]"), REFUSED_JSON),
    ("depth 33 of objects", nest(33, b'{"x":', b"}"), REFUSED_JSON),
    ("depth 100000", nest(100000, b"[", b"]"), REFUSED_JSON),
    ("depth 100000, never closed", b'{"x":' + b"[" * 100000, REFUSED_JSON),
]


def dumps(v):
    return json.dumps(v, ensure_ascii=False).encode()
