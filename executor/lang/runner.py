# Runs one execution: code on descriptor 3, event on 4, result to 5. Modules are imported only when they are needed.
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

    name = "<code>"
    main = sys.modules["__main__"]
    os.set_inheritable(5, False)
    os.set_inheritable(4, False)
    text = read(3).decode("utf-8")
    sys.argv = [name]
    sys.path[0] = "/workspace"
    space = main.__dict__
    for key in [k for k in space if not (k.startswith("__") and k.endswith("__"))]:
        del space[key]
    space["__file__"] = name
    env = os.environ
    entry, explicit = env.pop("SANDBOX_ENTRYPOINT"), env.pop("SANDBOX_ENTRYPOINT_GIVEN") == "1"
    facts = env.pop("SANDBOX_CONTEXT")

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
        import json
        flush()
        send(b'{"error":' + json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": stack}).encode() + b"}")
        os._exit(1)

    def show_source():
        import linecache
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)

    def crash(error):
        import traceback
        show_source()
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

    def clean(value, depth=0):
        # What JSON has no number for becomes null.
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            return None
        if depth > 200:
            return value
        if isinstance(value, dict):
            return {(k if isinstance(k, str) else k): clean(v, depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(v, depth + 1) for v in value]
        return value

    def deliver(value):
        if value is None:
            body = b"null"
        else:
            import json
            try:
                try:
                    body = json.dumps(value, allow_nan=False).encode()
                except ValueError:
                    body = json.dumps(clean(value), allow_nan=False).encode()
            except RecursionError:
                return fail("ReturnValueNotSerializable", "the return value is nested too deeply", [])
            except (TypeError, ValueError, UnicodeError) as error:
                return fail("ReturnValueNotSerializable", str(error), [])
        flush()
        send(b'{"value":' + body + b"}")

    def call(handler):
        import json
        import inspect
        import time
        event = json.loads(read(4))
        f = json.loads(facts)
        started = time.monotonic()

        class Context:
            aws_request_id = f["id"]
            function_name = f["name"]
            memory_limit_in_mb = f["memory"]

            def get_remaining_time_in_millis(self):
                return max(0, int(f["timeout"] * 1000 - (time.monotonic() - started) * 1000))

        try:
            kinds = inspect.Parameter
            positional = [p for p in inspect.signature(handler).parameters.values()
                          if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL)]
            wide = any(p.kind == kinds.VAR_POSITIONAL for p in positional) or len(positional) >= 2
            args = (event, Context()) if wide else (event,) if positional else ()
        except (TypeError, ValueError):
            args = (event,)
        value = handler(*args)
        if inspect.isawaitable(value):
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
