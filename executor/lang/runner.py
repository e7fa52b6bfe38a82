# Runs one execution: code on descriptor 3, event on 4, result to 5. Each import costs milliseconds of every execution:
# json and inspect stay out of the common path.
def _sandbox_run():
    import sys
    import os

    def read(fd):
        parts = []
        while True:
            part = os.read(fd, 1 << 20)
            if not part:
                break
            parts.append(part)
        os.close(fd)
        return b"".join(parts)

    name = "/workspace/main.py"
    main = sys.modules["__main__"]
    os.set_inheritable(5, False)
    os.set_inheritable(4, False)
    text = read(3).decode("utf-8")
    sys.argv = [name]
    sys.path[0] = "/workspace"
    space = main.__dict__
    for key in [k for k in space if not (k.startswith("__") and k.endswith("__"))]:
        del space[key]

    class Loader:
        # Where tracebacks find the lines of the code: no file holds them.
        def get_source(self, _):
            return text

    space["__file__"] = name
    space["__loader__"] = Loader()
    env = os.environ
    entry, explicit = env.pop("SANDBOX_ENTRYPOINT"), env.pop("SANDBOX_ENTRYPOINT_GIVEN") == "1"
    facts = env.pop("SANDBOX_CONTEXT")

    def parse(data):
        if data == "{}":
            return {}
        try:
            import _json

            class Rules:
                strict, object_hook, object_pairs_hook, parse_float, parse_int, memo = True, None, None, float, int, {}
                parse_constant = None
            value, _ = _json.make_scanner(Rules)(data.strip(), 0)
            return value
        except ImportError:
            import json
            return json.loads(data)

    def serialise(value):
        def unknown(thing):
            raise TypeError("Object of type %s is not JSON serializable" % type(thing).__name__)
        try:
            import _json
            encode = _json.make_encoder({}, unknown, _json.encode_basestring_ascii, None, ":", ",", False, False, False)
            return "".join(encode(value, 0)).encode()
        except ImportError:
            import json
            return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()

    def send(data):
        view = memoryview(data)
        while view:
            view = view[os.write(5, view):]

    def flush():
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass

    def fail(kind, message, stack):
        flush()
        send(b'{"error":' + serialise({"errorType": kind, "errorMessage": message, "stackTrace": stack}) + b"}")
        os._exit(1)

    def crash(error):
        import traceback
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != name:
            trace = trace.tb_next
        error.__traceback__ = trace or (None if isinstance(error, SyntaxError) else error.__traceback__)
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        flush()
        try:
            sys.stderr.write("".join(lines))
        except Exception:
            pass
        try:
            message = str(error)
        except Exception:
            message = ""
        stack = [line for part in lines for line in part.rstrip("\n").split("\n")]
        fail(type(error).__name__, message, stack[-200:])

    def clean(value):
        # What JSON has no number for becomes null.
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            return None
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(v) for v in value]
        return value

    def deliver(value):
        try:
            try:
                body = serialise(value)
            except ValueError as error:
                if "ircular" in str(error):
                    raise
                body = serialise(clean(value))
        except RecursionError:
            return fail("ReturnValueNotSerializable", "the return value is nested too deeply", [])
        except (TypeError, ValueError) as error:
            return fail("ReturnValueNotSerializable", str(error), [])
        flush()
        send(b'{"value":' + body + b"}")

    def wants_context(handler):
        code = getattr(handler, "__code__", None)
        if code is not None and not hasattr(handler, "__wrapped__"):
            return 2 if code.co_flags & 4 else code.co_argcount
        import inspect
        try:
            kinds = [p.kind for p in inspect.signature(handler).parameters.values()]
        except (TypeError, ValueError):
            return 1
        if inspect.Parameter.VAR_POSITIONAL in kinds:
            return 2
        return sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds)

    def call(handler):
        import time
        event = parse(read(4).decode("utf-8"))
        about = parse(facts)
        started = time.monotonic()

        class Context:
            aws_request_id = about["id"]
            function_name = about["name"]
            memory_limit_in_mb = about["memory"]

            def get_remaining_time_in_millis(self):
                return max(0, int(about["timeout"] * 1000 - (time.monotonic() - started) * 1000))

        value = handler(*(event, Context())[:wants_context(handler)])
        if hasattr(type(value), "__await__"):
            import asyncio

            async def wait():
                return await value
            value = asyncio.run(wait())
        return value

    try:
        exec(compile(text, name, "exec", dont_inherit=True), space)
        handler = space.get(entry)
        if handler is not None and callable(handler):
            deliver(call(handler))
        elif explicit:
            fail("HandlerNotFound", "the code has no top-level function named " + entry, [])
    except SystemExit:
        raise
    except BaseException as error:
        crash(error)


_sandbox_run()
