#!/usr/bin/env bats
# Results and output: exact, whole, and never confused with each other (CONTRACT 4.3, 4.5).
load runtime

setup_file() { start_runtime '[execution]' 'output_max_bytes = 6291456' && start_javascript; }
teardown_file() { stop_stack; }

returns() { # JSON of the last answer's value, as jq writes it
	ends exited completed
	expect '.return_value | tojson' "$1"
}

fails() { # ERROR-TYPE
	ends exited
	expect .error.errorType "$1"
	expect .exit_code 1
}

# ---- return values ----

@test "return values come back exact" {
	local value

	for value in 0 false '""' '[]' '{}' null -7 1.5 '"ü€😀\n"' '{"a":[1,{"b":null}],"":"x"}' 12345678901234567 '[[],{},""]'; do
		run_code python $'def handler(event):\n    return event["v"]' "{\"event\": {\"v\": $value}}"
		returns "$(jq -c . <<<"$value")"
		run_code javascript 'exports.handler = (event) => event.v' "{\"event\": {\"v\": $value}}"
		[ "$value" = 12345678901234567 ] || returns "$(jq -c . <<<"$value")"	# beyond its numbers
	done
}

@test "half a megabyte of JSON comes back exact" {
	local extra=$BATS_TEST_TMPDIR/event

	python3 -c 'import json; print(json.dumps({"event": {"v": [{"k%d" % i: "ü%d" % i, "n": i / 7} for i in range(14000)]}}))' >"$extra"
	run_code python $'def handler(event):\n    return event["v"]' "$(cat "$extra")"
	ends exited completed
	jq -S .event.v "$extra" >"$BATS_TEST_TMPDIR/want"
	jq -S .return_value <<<"$body" | cmp - "$BATS_TEST_TMPDIR/want"
	[ "$(jqb '.return_value | tojson | utf8bytelength > 500000')" = true ]
}

@test "what JSON has no word for: NaN is null, the rest is an error" {
	run_code python $'def handler(e):\n    return {"a": float("nan"), "b": [float("inf"), -float("inf")], "c": (1, 2)}'
	returns '{"a":null,"b":[null,null],"c":[1,2]}'
	run_code javascript 'exports.handler = () => ({a: NaN, b: [Infinity], c: undefined, d: new Date(0)})'
	returns '{"a":null,"b":[null],"d":"1970-01-01T00:00:00.000Z"}'
	run_code python $'def handler(e):\n    return {1, 2}'
	fails ReturnValueNotSerializable
	run_code python $'def handler(e):\n    a = {}\n    a["b"] = a["c"] = a\n    return a'
	fails ReturnValueNotSerializable
	run_code javascript 'exports.handler = () => 10n'
	fails ReturnValueNotSerializable
	run_code javascript 'exports.handler = () => { const a = {}; a.a = a; return a; }'
	fails ReturnValueNotSerializable
	run_code python $'def handler(e):\n    a = []\n    for _ in range(100):\n        a = [a]\n    return a'
	ends exited
	expect .error.errorType ReturnValueNotSerializable
	run_code python $'def handler(e):\n    return "x" * 1100000'
	ends exited
	expect .error.errorType ReturnValueTooLarge
	expect .return_value null
}

@test "printing is never a result" {
	run_code python $'print(\'{"value": 1}\')\nprint("===SANDBOX_RESULT===")\nprint(\'{"return_value": 2, "status": "completed"}\')\nprint("<<<RESULT>>>{}<<<END>>>")'
	returns null
	expect '.stdout | split("\n") | length' 5
	run_code javascript 'console.log("{\"value\": 1}"); console.log("__RESULT__:{}")'
	returns null
	run_code shell 'echo "{\"value\": 1}"; echo "{\"value\": 1}" >&5; exit 0' '{"event": {"value": 3}}'
	returns null
	run_code python $'import sys\ndef handler(e):\n    print("noise", flush=True)\n    print("noise", file=sys.stderr)\n    return "result"'
	returns '"result"'
	expect '[.stdout, .stderr] | tojson' '["noise\n","noise\n"]'
}

# ---- Python ----

@test "Python: handlers by arity, async, with context, by another name" {
	run_code python $'async def handler(event, context):\n    import asyncio\n    await asyncio.sleep(0.01)\n    return [event, context.aws_request_id, context.function_name, context.memory_limit_in_mb, 0 < context.get_remaining_time_in_millis() <= 7000]' \
		'{"event": {"a": 1}, "timeout": 7, "execution_id": "mine-1"}'
	returns '[{"a":1},"mine-1","python-basic",512,true]'
	run_code python $'def handler():\n    return "none"'
	returns '"none"'
	run_code python $'def handler(*args):\n    return len(args)'
	returns 2
	run_code python $'import functools\ndef deco(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n    return g\n@deco\ndef handler(event):\n    return "wrapped"'
	returns '"wrapped"'
	run_code python $'class H:\n    def __call__(self, event):\n        return "object"\nhandler = H()'
	returns '"object"'
	run_code python $'def other(event):\n    return "other"\ndef handler(event):\n    return "handler"' '{"entrypoint": "other"}'
	returns '"other"'
	run_code python 'print("script")'
	returns null
	run_code python 'print("script")' '{"entrypoint": "missing"}'
	fails HandlerNotFound
}

@test "Python: user code is __main__, its files are in /workspace" {
	run_code shell 'echo "def f(): return 5" >/workspace/helper.py'
	run_code python "$(cat <<-'P'
		import os, pickle, sys, dataclasses
		import helper
		@dataclasses.dataclass
		class Point:
		    x: int
		def handler(event):
		    again = pickle.loads(pickle.dumps(Point(3)))
		    return [__name__, again.x, helper.f(), os.getcwd(), len(sys.argv), os.path.dirname(__file__)]
	P
	)"
	returns '["__main__",3,5,"/workspace",1,"/workspace"]'
	run_code shell 'rm -r /workspace/helper.py /workspace/__pycache__; ls -A /workspace'
	expect .stdout ''
}

@test "Python: an exception has its type, message and the user's line numbers" {
	run_code python $'# one\ndef inner():\n    return {}["k"]\ndef handler(event):\n    return inner()'
	fails KeyError
	expect .error_message "KeyError: 'k'"
	expect '.stderr | split("\n") | [.[0], .[1], .[2], .[4], .[5], .[-2]] | tojson' "$(jq -cn '["Traceback (most recent call last):",
		"  File \"/workspace/main.py\", line 5, in handler", "    return inner()",
		"  File \"/workspace/main.py\", line 3, in inner", "    return {}[\"k\"]", "KeyError: \u0027k\u0027"]')"
	expect '.error.stackTrace | map(select(test("line [0-9]+"))) | map(capture("line (?<n>[0-9]+)").n) | tojson' '["5","3"]'
	run_code python $'x = 1\nif x\n    pass'
	fails SyntaxError
	[[ "$(jqb .stderr)" = *'line 2'* ]]
	run_code python $'import traceback\ndef f():\n    1/0\ntry:\n    f()\nexcept Exception:\n    print(traceback.format_exc())'
	returns null
	[[ "$(jqb .stdout)" = *$'line 3, in f\n    1/0'* ]]
	run_code python $'async def handler(event):\n    raise ValueError("ü")'
	fails ValueError
	expect .error_message 'ValueError: ü'
	run_code python $'class Bad(Exception):\n    def __str__(self):\n        raise RuntimeError("no")\nraise Bad()'
	fails Bad
}

@test "Python: sys.exit" {
	run_code python $'import sys\ndef handler(e):\n    sys.exit(0)'
	returns null
	run_code python $'import sys\ndef handler(e):\n    sys.exit("a reason")'
	ends exited
	expect '[.exit_code, .stderr, .error.errorType] | tojson' '[1,"a reason\n","ExitError"]'
}

# ---- JavaScript ----

@test "JavaScript: handlers top-level or exported, async, with context" {
	run_code javascript 'async function handler(event, context) { await new Promise((r) => setTimeout(r, 5)); return [event.a, context.awsRequestId, context.aws_request_id, context.functionName, context.memoryLimitInMB, context.getRemainingTimeInMillis() > 0]; }' \
		'{"event": {"a": 1}, "execution_id": "mine-2"}'
	returns '[1,"mine-2","mine-2","nodejs-basic",512,true]'
	run_code javascript 'const handler = () => "constant"'
	returns '"constant"'
	run_code javascript 'module.exports.handler = () => "exported"'
	returns '"exported"'
	run_code javascript 'module.exports = { other: () => require("path").basename(__filename) }' '{"entrypoint": "other"}'
	returns '"code.js"'
	run_code javascript 'exports.handler = () => undefined'
	returns null
	run_code javascript 'console.log("script")'
	returns null
	run_code javascript 'console.log("script")' '{"entrypoint": "missing"}'
	fails HandlerNotFound
}

@test "JavaScript: thrown, rejected, never settled" {
	run_code javascript $'// one\nfunction handler() {\n  throw new TypeError("bad")\n}'
	fails TypeError
	expect .error_message 'TypeError: bad'
	[[ "$(jqb .stderr)" = *'/workspace/code.js:3:'* ]]
	run_code javascript $'const a = 1;\nconst b = ;'
	fails SyntaxError
	[[ "$(jqb .stderr)" = *'/workspace/code.js:2'* ]]
	run_code javascript 'exports.handler = async () => { throw new RangeError("later") }'
	fails RangeError
	run_code javascript 'Promise.reject(new Error("unhandled")); setTimeout(() => {}, 1000)'
	fails Error
	run_code javascript 'setTimeout(() => { throw new Error("timer") }, 1)'
	fails Error
	run_code javascript 'exports.handler = () => { throw "a string" }'
	fails Error
	expect .error_message 'Error: a string'
	run_code javascript 'exports.handler = () => new Promise(() => {})'
	fails HandlerNotSettled
	run_code javascript 'exports.handler = () => { process.exit(4) }'
	ends exited
	expect .exit_code 4
}

# ---- shell ----

@test "shell: as bash -c, the event in EVENT_JSON and on standard input" {
	run_code shell 'echo "$EVENT_JSON"; cat; echo; echo "$0 $# $PWD"' '{"event": {"k":"v"}}'
	returns null
	expect '.stdout | split("\n") | [(.[0] | fromjson), (.[1] | fromjson), .[2]] | tojson' '[{"k":"v"},{"k":"v"},"bash 0 /workspace"]'
	run_code shell 'cat; echo "${EVENT_JSON:+set}"' '{"stdin": "given ü\n", "event": {"k": 1}}'
	expect .stdout $'given ü\nset\n'
	run_code shell 'echo "${EVENT_JSON-unset}"; cat | wc -c' "$(jq -cn '{event: {a: ("x" * 200000)}}')"
	expect '.stdout | split("\n") | [.[0], (.[1] | tonumber > 200000)] | tojson' '["unset",true]'
	run_code python 'import sys; print(repr(sys.stdin.read()))'
	expect .stdout $'\'\'\n'
	run_code python 'import sys; print(repr(sys.stdin.read()))' '{"stdin": "in"}'
	expect .stdout $'\'in\'\n'
}

@test "shell: exit codes, set -e, return, here documents, line numbers" {
	run_code shell $'set -e\necho a\nfalse\necho b'
	ends exited
	expect '[.exit_code, .stdout] | tojson' '[1,"a\n"]'
	run_code shell $'cat <<E\none $((1 + 1))\nE\ncat <<\'E\'\n$two\nE\nf() { return 3; }\nf || echo $?\nset -u\necho "${1-none} $LINENO"'
	returns null
	expect .stdout $'one 2\n$two\n3\nnone 10\n'
	run_code shell $'echo a\nno-such-command\necho $?'
	expect '[.stdout, .stderr] | tojson' '["a\n127\n","bash: line 2: no-such-command: command not found\n"]'
	run_code shell $'echo first\nif true; then\n'
	ends exited
	expect .exit_code 2
	[[ "$(jqb .stderr)" = *'syntax error'* ]]
	run_code shell $'trap "echo bye" EXIT\nexit 7'
	ends exited
	expect '[.exit_code, .stdout] | tojson' '[7,"bye\n"]'
	run_code shell $'#!/bin/bash\nread -r x <<<"in"; echo "$x"; declare -p _c 2>/dev/null; exec true'
	returns null
	expect .stdout $'in\n'
}

@test "shell: code larger than an argument can be" {
	run_code shell "$(python3 -c 'print(": " + "x" * 300000 + "\necho end")')"
	returns null
	expect .stdout $'end\n'
}

# ---- output ----

@test "three megabytes: head and tail inline, counts, all of it through /output" {
	local id total=3000000 exact=$BATS_TEST_TMPDIR/body.last

	run_code shell 'seq -f %09g 0 299999; echo warn >&2'
	returns null
	id=$(jqb .id)
	expect '[.stdout_bytes, .stdout_truncated, .stdout_dropped_bytes, .stderr, .stderr_bytes, .stderr_truncated] | tojson' \
		"[$total,true,0,\"warn\\n\",5,false]"
	expect '.stdout | utf8bytelength <= 1048576 and utf8bytelength > 1000000' true
	expect '.stdout | split("\n") | [.[0], .[-2]] | tojson' '["000000000","000299999"]'
	# The line between the halves tells the truth.
	expect '(.stdout | capture("\n... (?<n>[0-9]+) bytes omitted ...\n") | [.n | tonumber, length]) as [$n] | (.stdout | sub("\n... [0-9]+ bytes omitted ...\n"; "") | utf8bytelength) + $n' $total
	api GET "/executions/$id/output"
	expect_code 200
	seq -f %09g 0 299999 | cmp - "$exact"
	[ "$(header content-type)" = application/octet-stream ]
	[ "$(header x-output-next) $(header x-output-complete) $(header x-output-dropped) $(header x-output-attempt)" = "$total true 0 1" ]
	api GET "/executions/$id/output?after=2999990"
	[ "$body" = 000299999 ]
	api GET "/executions/$id/output?after=$total"
	expect_code 200
	[ -z "$body" ]
	[ "$(header x-output-next)" = $total ]
	api GET "/executions/$id/output?after=$((total + 1))"
	expect_code 416
	[ "$(header content-range)" = "bytes */$total" ]
	expect .error_code Sandbox.RangeNotSatisfiable
	api GET "/executions/$id/output" -H 'Range: bytes=10-19'
	expect_code 206
	[ "$body" = 000000001 ]
	[ "$(header content-range)" = "bytes 10-19/$total" ]
	api GET "/executions/$id/output" -H 'Range: bytes=-10'
	expect_code 206
	[ "$body" = 000299999 ]
	api GET "/executions/$id/output" -H "Range: bytes=$total-"
	expect_code 416
	api GET "/executions/$id/output?stream=stderr"
	[ "$body" = warn ]
	[ "$(header x-output-next)" = 5 ]
	api GET "/executions/$id/output?stream=other"
	expect_code 422
}

@test "bytes that are no text: exact through /output, U+FFFD inline" {
	local id exact=$BATS_TEST_TMPDIR/body.last

	run_code python $'import sys\nsys.stdout.buffer.write(bytes(range(256)) + b"\\xe2\\x82")\nsys.stderr.write("plain")'
	returns null
	id=$(jqb .id)
	expect .stdout_bytes 258
	expect '.stdout | [test("\ufffd"), test("abc")] | tojson' '[true,true]'
	expect .stderr plain
	api GET "/executions/$id/output"
	python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) + b"\xe2\x82")' | cmp - "$exact"
	run_code python $'import sys\nsys.stdout.write("a\\0b\\x1b[0m\\u2028")'
	expect '.stdout | explode | tojson' '[97,0,98,27,91,48,109,8232]'
}

@test "more than is kept: counted and dropped" {
	run_code shell 'head -c 7000000 /dev/zero | tr "\0" x; echo end'
	returns null
	expect '[.stdout_bytes, .stdout_dropped_bytes, .stdout_truncated, .stdout[-4:]] | tojson' '[7000004,708548,true,"end\n"]'
	api GET "/executions/$(jqb .id)/output?after=6291455"
	[ "$body" = x ]
	[ "$(header x-output-dropped)" = 708548 ]
}

@test "output is readable while it grows" {
	submit shell 'echo one; while [ ! -e /workspace/go ]; do read -t 0.1 <> <(:); done; echo two'
	poll 10 running "$id"
	poll 5 says "$id" one
	[ "$(header x-output-next) $(header x-output-complete)" = '4 false' ]
	run_code shell 'touch /workspace/go'
	poll 10 execution_ended "$id"
	api GET "/executions/$id/output?after=4"
	[ "$body" = two ]
	[ "$(header x-output-complete)" = true ]
	run_code shell 'rm /workspace/go'
}

says() { api GET "/executions/$1/output"; [ "$body" = "$2" ]; }

@test "what was printed before a signal is there, buffered or not" {
	run_code python $'import os, sys\nprint("a", end="")\nprint("b", end="", file=sys.stderr)\nos.kill(os.getpid(), 11)'
	ends signaled
	expect '[.stdout, .stderr, .signal] | tojson' '["a","b",11]'
	run_code javascript 'process.stdout.write("a".repeat(300000)); process.stderr.write("b"); process.kill(process.pid, 9)'
	ends signaled
	expect '[(.stdout | length), .stderr, .signal] | tojson' '[300000,"b",9]'
}

@test "metrics are of the whole tree" {
	run_code shell "$(cat <<-'S'
		setsid python3 -c '
		import time
		x = b"x" * (100 << 20)
		t = time.process_time()
		while time.process_time() - t < 1:
		    pass
		open("/workspace/ready", "w")
		time.sleep(60)' &
		while [ ! -e /workspace/ready ]; do read -t 0.05 <> <(:); done
		rm /workspace/ready
		head -c 3000000 /dev/zero >/workspace/w
		rm /workspace/w
	S
	)"
	returns null
	expect '.metrics | [.cpu_time_ms >= 900, .cpu_time_ms < 4000, .peak_memory_mb > 100, .peak_memory_mb < 300, .io_write_bytes >= 3000000, .queue_ms < 1000] | all' true
	expect '.execution_time * 1000 == .metrics.duration_ms' true
}
