"""JSON bodies with one thing wrong: fields times values, for every route that takes a body."""
import time

from tables import (BAD_CPU, BAD_CPU_RANGE, BAD_DISK, BAD_DOCUMENTS, BAD_ENTRYPOINTS, BAD_ENV,
                    BAD_IDS, BAD_IMAGES, BAD_MEMORY, FORM, HIGH, HUGE, LOW, MIB, RANGE, TYPE_OF, VALUES)
from wire import Case

V1 = "/api/v1"
NONE = "none-such"                      # a well-formed id that nothing has
SESSIONS, TEMPLATES = V1 + "/sessions", V1 + "/templates"
EXECUTE = ["/sessions/%s/execute", "/sessions/%s/execute-sync", "/executions/sessions/%s/execute",
           "/executions/sessions/%s/execute-sync"]
FORM_OR_TYPE = FORM | {"string_type", "less_than_equal", "greater_than_equal"}
PREFIX = "malf%x" % (int(time.time()) & 0xffffff)       # ids of this run

# what is accepted, and so what a wrong member is put into; no session comes of it: nothing has the template
SESSION = {"template_id": NONE}
CODE = {"code": "1", "language": "python"}
TEMPLATE = {"id": PREFIX + "-t", "name": PREFIX + " t", "image_url": "example/image:1",
            "runtime_type": "python3.11"}


def wrong_types(method, path, base, fields, required=()):
    for name, kind, alias in fields:
        loc = "body." + ".".join("|".join([n] + ([alias] if alias and i == name.count(".") else []))
                                 for i, n in enumerate(name.split(".")))
        for what, value, ok in VALUES:
            if kind in ok:
                continue
            types = TYPE_OF[kind] | ({"literal_error"} if kind == "str" else set())
            yield Case("%s is %s" % (name, what), method, path, put(base, name, value), loc=loc, types=types)
    for name in required:
        for what, body in (("absent", {k: v for k, v in base.items() if k != name}),
                           ("null", put(base, name, None))):
            yield Case("%s is %s" % (name, what), method, path, body, loc="body." + name + aliases(name),
                       types={"missing"})


def aliases(name):
    return {"image_url": "|image"}.get(name, "")


def put(base, name, value):
    head, _, rest = name.partition(".")
    return {**base, head: put({}, rest, value) if rest else value}


def bad_values(method, path, base, name, values, types=FORM_OR_TYPE, want=(422,), loc=None):
    for v in values:
        yield Case("%s is %.40r" % (name, v), method, path, put(base, name, v), want=want,
                   loc=loc or "body." + name.split(".")[0], types=types)


def bad_env(method, path, base, name="env_vars", alias="env_vars"):
    for what, env in BAD_ENV:
        yield Case("%s has %s" % (name, what), method, path, {**base, name: env},
                   loc="body.%s|%s" % (name, alias),
                   types=FORM_OR_TYPE)


def bad_documents(method, path, optional=False):
    for what, raw, types in BAD_DOCUMENTS:
        if optional and raw.strip() in (b"", b"null"):
            continue                    # absent, or the same as absent
        yield Case("the body is %s" % what, method, path, raw, loc="body", types=types)


def session_bodies():
    a = ("POST", SESSIONS)
    yield from wrong_types(*a, SESSION, [
        ("id", "str", "session_id"), ("session_id", "str", "id"), ("template_id", "str", None),
        ("template_version", "int", None),
        ("timeout", "int", None), ("cpu", "str", None), ("memory", "str", None), ("disk", "str", None),
        ("max_processes", "int", None), ("resources", "dict", None), ("env_vars", "dict", None),
        ("network", "str", None),
        ("dependencies", "list", None), ("install_timeout", "int", None),
        ("fail_on_dependency_error", "bool", None),
        ("allow_version_conflicts", "bool", None), ("python_package_index_url", "str", None),
        ("resources.cpu", "str", None),
        ("resources.memory", "str", None), ("resources.disk", "str", None),
        ("resources.max_processes", "int", None)],
        required=["template_id"])
    yield from bad_values(*a, SESSION, "id", BAD_IDS, loc="body.id|session_id")
    yield from bad_values(*a, SESSION, "session_id", BAD_IDS, loc="body.id|session_id")
    yield from bad_values(*a, {}, "template_id", BAD_IDS, want=(400, 422))
    yield from bad_values(*a, SESSION, "timeout", [0, -1, 3601] + HUGE, RANGE | {"int_type"})
    yield from bad_values(*a, SESSION, "install_timeout", [29, 1801, 0, -1] + HUGE, RANGE | {"int_type"})
    yield from bad_values(*a, SESSION, "network", ["None", "host", "bridge", "egress ", "EGRESS", "none\u0000"],
                          {"literal_error", "string_type", "value_error"})
    yield from bad_values(*a, SESSION, "cpu", BAD_CPU)
    yield from bad_values(*a, SESSION, "resources.cpu", BAD_CPU)
    yield from bad_values(*a, SESSION, "dependencies", [[{"name": "p%d" % i} for i in range(51)]], {"too_long"})
    yield from bad_env(*a, SESSION)
    for what, body in (("id and session_id differ", {"id": "a", "session_id": "b"}),
                       ("cpu differs", {"cpu": "1", "resources": {"cpu": "2"}}),
                       ("memory differs", {"memory": "512Mi", "resources": {"memory": "1Gi"}}),
                       ("disk differs", {"disk": "1Gi", "resources": {"disk": "2Gi"}}),
                       ("max_processes differs", {"max_processes": 64, "resources": {"max_processes": 65}})):
        yield Case(what, *a, {**SESSION, **body}, loc="body")


def session_rules():
    """400: refused by a rule. The template exists, so that nothing else can be the reason."""
    a, base = ("POST", SESSIONS), {"template_id": "python-basic"}
    for name, values in (("cpu", BAD_CPU_RANGE), ("memory", BAD_MEMORY), ("disk", BAD_DISK),
                         ("max_processes", [0, -1, 31, 1025])):
        yield from bad_values(*a, base, name, values, want=(400,))
        yield from bad_values(*a, base, "resources." + name, values[:4], want=(400,))
    for name in ("memory", "disk"):
        yield from bad_values(*a, base, name, [""], want=(400, 422))
    yield from bad_values(*a, base, "max_processes", HUGE, want=(400, 422), types=None)
    yield from bad_values(*a, base, "template_version", [999999], want=(400,))
    yield from bad_values(*a, base, "template_version", [0, -1] + HUGE, want=(400, 422), types=None)
    yield from bad_values(*a, {}, "template_id", [NONE, "PYTHON-BASIC", "sess_0000000000000000"], want=(400,))
    yield from bad_values(*a, {}, "template_id", [PREFIX + "-off"], want=(400,))
    yield Case("egress, which the template does not allow", *a,
               {"template_id": PREFIX + "-fix", "network": "egress"}, want=(400,))


def execute_bodies(path):
    a = ("POST", path)
    yield from wrong_types(*a, CODE, [
        ("code", "str", None), ("language", "str", None), ("timeout", "int", None), ("event", "dict", None),
        ("stdin", "str", None),
        ("env_vars", "dict", None), ("entrypoint", "str", None), ("execution_id", "str", "id"),
        ("id", "str", "execution_id"),
        ("max_retries", "int", None), ("retry_on_crash", "bool", None)], required=["code", "language"])
    yield from bad_values(*a, CODE, "code", [""])
    yield from bad_values(*a, CODE, "language", ["Python", "python3", "py", "", "node", "bash", "ruby",
                                                 "python ", "shell\n"],
                          {"literal_error", "value_error"})
    yield from bad_values(*a, CODE, "timeout", [0, -1, 3601] + HUGE, RANGE | {"int_type"})
    yield from bad_values(*a, CODE, "max_retries", [-1, 4] + HUGE, RANGE | {"int_type"})
    yield from bad_values(*a, CODE, "entrypoint", BAD_ENTRYPOINTS)
    yield from bad_values(*a, CODE, "execution_id", BAD_IDS, loc="body.execution_id|id")
    yield from bad_values(*a, CODE, "id", BAD_IDS[:4], loc="body.execution_id|id")
    yield from bad_env(*a, CODE)


def execute_sizes(path):
    for name, body in (("code", {**CODE, "code": "#" * (MIB + 1)}),
                       ("event", {**CODE, "event": {"a": "x" * MIB}}),
                       ("stdin", {**CODE, "stdin": "x" * (MIB + 1)})):
        yield Case("%s is larger than 1 MiB" % name, "POST", path, body, loc="body." + name, types=FORM)


def template_bodies(method, path, base):
    a = (method, path)
    required = ["id", "name", "image_url", "runtime_type"] if method == "POST" else []
    fields = [("name", "str", None), ("description", "str", None), ("runtime_type", "str", None),
              ("default_cpu_cores", "num", "default_resources"),
              ("default_memory_mb", "int", "default_resources"),
              ("default_disk_mb", "int", "default_resources"),
              ("default_timeout", "int", "default_timeout_sec"),
              ("default_timeout_sec", "int", "default_timeout"), ("max_processes", "int", "default_resources"),
              ("default_resources", "dict", None), ("env_vars", "dict", "default_env_vars"),
              ("default_env_vars", "dict", "env_vars"),
              ("network", "str", None), ("security", "dict", "security_context"),
              ("security_context", "dict", "security"),
              ("dependencies", "list", "pre_installed_packages"),
              ("pre_installed_packages", "list", "dependencies"),
              ("labels", "dict", None), ("is_active", "bool", None)]
    yield from wrong_types(*a, base, fields + ([("id", "str", None)] if method == "POST" else []), required)
    no_image = {k: v for k, v in base.items() if k != "image_url"}
    for name in ("image_url", "image"):
        yield from wrong_types(*a, no_image, [(name, "str", "image|image_url")])
        yield from bad_values(*a, no_image, name, BAD_IMAGES, loc="body.image_url|image")
    if method == "POST":
        yield from bad_values(*a, base, "id", BAD_IDS)
    yield from bad_values(*a, base, "name", ["", "n" * 256, "n\u0000"])
    yield from bad_values(*a, base, "description", ["d" * 4097])
    yield from bad_values(*a, base, "runtime_type", ["", "python", "python3.12", "PYTHON3.11", "java"],
                          {"literal_error", "value_error"})
    yield from bad_values(*a, base, "network", ["host", "", "NONE"], {"literal_error", "value_error"})
    for name, low, high in (("default_cpu_cores", 0.05, 4.1), ("default_memory_mb", 127, 8193),
                            ("default_disk_mb", 255, 51201),
                            ("default_timeout", 59, 3601), ("default_timeout_sec", 59, 3601),
                            ("max_processes", 31, 1025)):
        loc = "body.%s|default_timeout|default_timeout_sec|default_resources" % name
        yield from bad_values(*a, base, name, [low, 0, -1], LOW | {"value_error"}, loc=loc)
        yield from bad_values(*a, base, name, [high, 2 ** 31], HIGH | {"value_error"}, loc=loc)
        yield from bad_values(*a, base, name, [10 ** 30, 2 ** 63], HIGH | {"int_type", "value_error"}, loc=loc)
    yield Case("the two time-outs differ", *a, {**base, "default_timeout": 300, "default_timeout_sec": 301},
               loc="body")
    yield from bad_values(*a, base, "default_resources", [{"cpu": 1}, {"cpu": "abc"}, {"memory": 512},
                                                          {"disk": True},
                                                          {"max_processes": "64"}], types=None,
                          loc="body.default_resources|default_cpu_cores|default_memory_mb|default_disk_mb|max_processes")
    yield from bad_values(*a, base, "default_resources", [{"memory": "abc"}, {"disk": "1Zi"}], types=None,
                          want=(400, 422))
    for key in ("security", "security_context"):
        yield from bad_values(*a, base, key,
                              [{"run_as_user": v} for v in (0, 999, 65534, -1, "1000", 1000.5, True)] +
                              [{"read_only_root": v} for v in ("true", 1, [])], types=None,
                              loc="body.security|security_context")
    yield from bad_values(*a, base, "labels", [{"l%d" % i: "v" for i in range(33)}, {"k" * 64: "v"},
                                               {"k": "v" * 256},
                                               {"k": 1}, {"k": True}, {"k": {}}], FORM_OR_TYPE)
    yield from bad_values(*a, base, "dependencies", [[{"name": "p%d" % i} for i in range(51)]], {"too_long"},
                          loc="body.dependencies|pre_installed_packages")
    yield from bad_env(*a, base, "env_vars", "default_env_vars")
    yield from bad_env(*a, base, "default_env_vars", "env_vars")


WRITES = [("POST", SESSIONS, SESSION), ("POST", SESSIONS + "/none-such/renew", {}),
          ("POST", TEMPLATES, TEMPLATE),
          ("PUT", TEMPLATES + "/" + NONE, {"name": "x"})] + [("POST", V1 + p % NONE, CODE) for p in EXECUTE]


def bodies():
    yield from session_bodies()
    for p in EXECUTE[:2]:
        yield from execute_bodies(V1 + p % NONE)
    yield from execute_sizes(V1 + EXECUTE[0] % NONE)
    yield from template_bodies("POST", TEMPLATES, TEMPLATE)
    yield from template_bodies("PUT", TEMPLATES + "/" + NONE, {})
    yield from wrong_types("POST", SESSIONS + "/none-such/renew", {}, [("timeout", "int", None)])
    yield from bad_values("POST", SESSIONS + "/none-such/renew", {}, "timeout", [0, -1, 3601] + HUGE,
                          RANGE | {"int_type"})
    for method, path, _ in WRITES:
        yield from bad_documents(method, path, optional=path.endswith("/renew"))
    for p in EXECUTE:                   # an alias refuses what its route refuses
        yield from bad_values("POST", V1 + p % NONE, CODE, "language", ["cobol"],
                              {"literal_error", "value_error"})
