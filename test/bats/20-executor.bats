#!/usr/bin/env bats
# The executor by itself: a real one, real bwrap, curl as the control plane's hand and receiver.py as its ear.

load executor

setup_file() {
	export MEMORY=402653184 PIDS=200
	ex_up
	export EX_SHARED=$EX
}

# A test that starts an executor of its own leaves none behind, also when it fails.
teardown() { [ "${EX:-}" = "$EX_SHARED" ] || ex_down; }

teardown_file() { ex_down; }

# ---- who may ask, and what ----

@test "every call needs the session's token" {
	EX_TOKEN=wrong ex GET /
	expect_code 401
	expect .error_code Executor.Unauthorized
	EX_TOKEN=wrong ex GET /no/such/path
	expect_code 401
	ex GET /
	expect_code 200
	expect .service sandbox-executor
	expect .protocol 1
}

@test "an unknown path and an unknown execution are 404" {
	ex GET /nothing
	expect_code 404
	ex GET /executions/nobody
	expect_code 404
	expect .error_code Executor.ExecutionNotFound
	expect .retryable false
	ex POST /workspace/nothing "{}"
	expect_code 404
}

@test "health tells languages and isolation" {
	ex GET /health
	expect_code 200
	expect .status healthy
	expect '.isolation.checks | [.user_ns, .pid_ns, .mount_ns, .ipc_ns, .net_ns, .seccomp, .no_new_privs, .caps_dropped] | all' true
	expect '.isolation.checks | length' 12
	expect '.isolation.level | IN("strict", "reduced")' true
	expect '.languages | has("python") and has("javascript") and has("shell")' true
	expect '[.active_executions, .queued_executions] | add' 0
}

@test "it has told the control plane that it is ready, with its token, and goes on telling that it lives" {
	poll 5 called container_ready
	[ "$(calls container_ready .token | head -1)" = "\"Bearer $TOKEN\"" ]
	[ "$(calls container_ready '[.path, .body.container_id, .body.isolation.level != "none", (.body.languages.python | type)]' | head -1)" = \
		'["/internal/sessions/sess_test/container_ready","sandbox-sess_test",true,"string"]' ]
	poll 5 called heartbeat
	[ "$(calls heartbeat '[.body.running, .body.queued, (.body.usage | keys)] | tostring' | head -1 | jq -r .)" = \
		'[[],[],["cpu_ms","disk_bytes","memory_bytes"]]' ]
}

@test "what is not an execution is refused with its reason" {
	local bodies=('{}' '{"execution_id":"a","language":"python"}' 'no json' '[]'
		'{"execution_id":"../../etc","session_id":"s","attempt":1,"code":"1","language":"python"}'
		'{"execution_id":"a1","session_id":"s","attempt":1,"code":"1","language":"cobol"}'
		'{"execution_id":"a1","session_id":"s","attempt":1,"code":"","language":"python"}'
		'{"execution_id":"a1","session_id":"s","attempt":"1","code":"1","language":"python"}'
		'{"execution_id":"a1","session_id":"s","attempt":1,"code":"1","language":"python","timeout":0}'
		'{"execution_id":"a1","session_id":"s","attempt":1,"code":"1","language":"python","env_vars":{"A":1}}'
		'{"execution_id":"a1","session_id":"s","attempt":1,"code":"1","language":"python","entrypoint":"a b"}')
	for b in "${bodies[@]}"; do
		ex POST /executions "$b"
		expect_code 400
		expect .error_code Executor.ValidationError
	done
}

# ---- values ----

@test "return values come back exact in Python" {
	local v
	for v in 0 false '""' '[]' '{}' null true -1.5 '"ä€😀\u0000\"\\"' '[1,[2,{"a":null}]]' 1e300 '{"b":1,"a":2}'; do
		run_code python 'def handler(event): return event["v"]' "{\"event\":{\"v\":$v}}"
		expect .status completed
		expect .ended_reason exited
		expect .exit_code 0
		[ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["return_value"] == json.loads(sys.argv[2]))' \
			"$BATS_TEST_TMPDIR/body" "$v")" = True ] || { echo "$v: $body"; false; }
		grep -q '"return_value"' "$BATS_TEST_TMPDIR/body"
	done
}

@test "return values come back exact in JavaScript" {
	local v
	for v in 0 false '""' '[]' '{}' null '"ä€😀"' '[1,[2,{"a":null}]]'; do
		run_code javascript 'exports.handler = async (event) => event.v' "{\"event\":{\"v\":$v}}"
		expect .status completed
		[ "$(jqb '.return_value | tojson')" = "$v" ] || { echo "$v: $body"; false; }
	done
}

@test "numbers keep every digit" {
	run_code python 'def handler(e): return [12345678901234567890123, 0.1, 1e22, -0.0]'
	grep -q '"return_value": *\[12345678901234567890123, *0.1, *1e+22, *-0.0\]' "$BATS_TEST_TMPDIR/body"
}

@test "half a megabyte of JSON comes back exact" {
	run_code python 'def handler(e): return [{"n": i, "t": "x" * 40, "f": i / 3} for i in range(6000)]'
	expect .status completed
	[ "$(jqb '.return_value | length')" = 6000 ]
	python3 - "$BATS_TEST_TMPDIR/body" <<-'P'
	import json, sys
	text = open(sys.argv[1]).read()
	want = [{"n": i, "t": "x" * 40, "f": i / 3} for i in range(6000)]
	assert json.loads(text)["return_value"] == want
	assert len(text) > 400000
	P
}

@test "what JSON does not know: NaN is null, an object is an error, too much is an error" {
	run_code python 'def handler(e): return {"a": float("nan"), "b": [float("inf"), -float("inf")], "c": 1.5, 1: 2}'
	expect '.return_value | tojson' '{"a":null,"b":[null,null],"c":1.5,"1":2}'
	run_code javascript 'exports.handler = () => ({a: NaN, b: [Infinity], c: undefined})'
	expect '.return_value | tojson' '{"a":null,"b":[null]}'
	for c in 'object()' '{1, 2}' 'b"x"' '"\ud800"' '(lambda a: (a.append(a), a)[1])([])' '{1: 1, "1": 2}'; do
		run_code python "def handler(e): return $c"
		expect .status failed
		expect .ended_reason exited
		expect .error.errorType ReturnValueNotSerializable
		expect .return_value null
	done
	run_code javascript 'exports.handler = () => 10n'
	expect .error.errorType ReturnValueNotSerializable
	run_code python 'def handler(e): return "x" * (1 << 20)'
	expect .status failed
	expect .error.errorType ReturnValueTooLarge
}

@test "a value nested deeper than a result can be is an error, not a lost result" {
	run_code python $'def handler(e):\n v = 1\n for _ in range(100): v = [v]\n return v'
	expect .status failed
	expect .error.errorType ReturnValueNotSerializable
}

@test "printing is never a result" {
	run_code python 'print("{\"value\": 1}"); print("===RESULT==="); print("R 1\n1")'
	expect .status completed
	expect .return_value null
	run_code python $'import sys\nsys.stderr.write("{\\"error\\": 1}")\ndef handler(e):\n print("{\\"value\\": 7}")\n return 3'
	expect .return_value 3
}

# ---- programs ----

@test "Python code is the module __main__: pickle, dataclasses, the guard" {
	run_code python "$(cat <<-'P'
	import pickle
	from dataclasses import dataclass

	@dataclass
	class Point:
	    x: int

	def handler(event):
	    return [pickle.loads(pickle.dumps(Point(4))).x, __name__, guard]

	if __name__ == "__main__":
	    guard = True
	P
	)"
	expect '.return_value | tojson' '[4,"__main__",true]'
}

@test "handlers: sync or async, with context or without, named otherwise" {
	run_code python 'async def handler(event, context): return [event["a"], context.aws_request_id, context.function_name, context.memory_limit_in_mb, 15000 < context.get_remaining_time_in_millis() <= 20000]' '{"event":{"a":5}}'
	expect '.return_value | tojson' "[5,\"$id\",\"python-basic\",384,true]"
	run_code python 'def other(event): return "other"' '{"entrypoint":"other"}'
	expect .return_value other
	run_code python 'handler = 5'
	expect .status completed
	expect .return_value null
	run_code python 'class H:
	def __call__(self, event, context): return "called"
handler = H()'
	expect .return_value called
	run_code python 'def handler(event, *, b=1): return "one"'
	expect .return_value one
	run_code python 'x = 1' '{"entrypoint":"missing"}'
	expect .status failed
	expect .error.errorType HandlerNotFound
}

@test "JavaScript: CommonJS, the handler at the top or exported, context in both spellings" {
	run_code javascript 'const path = require("path"); async function handler(event, context) { return [event.a, context.awsRequestId === context.aws_request_id, context.memoryLimitInMB, context.getRemainingTimeInMillis() > 15000, path.basename("/a/b"), typeof module, require.main === module] }' '{"event":{"a":5}}'
	expect '.return_value | tojson' '[5,true,384,true,"b","object",true]'
	run_code javascript 'module.exports = { handler: (e) => new Promise((r) => setTimeout(() => r("late"), 50)) }'
	expect .return_value late
	run_code javascript 'setTimeout(() => console.log("end"), 20)'
	expect .status completed
	expect .stdout $'end\n'
	expect .return_value null
	run_code javascript '1' '{"entrypoint":"missing"}'
	expect .error.errorType HandlerNotFound
	run_code javascript 'exports.handler = (e) => new Promise(() => {})'
	expect .status failed
	run_code javascript 'process.exit(4)'
	expect .status failed
	expect .exit_code 4
	expect .error.errorType ExitError
}

@test "the shell runs as bash -c, with the event in EVENT_JSON and on standard input" {
	run_code shell $'echo "$EVENT_JSON"; cat; echo; echo "$HOME $USER $LANG $WORKSPACE_PATH $SESSION_ID $PWD"; [[ -z $UNSET ]] && echo $0' '{"event":{"k": "v"}}'
	expect .status completed
	expect .stdout $'{"k":"v"}\n{"k":"v"}\n/workspace sandbox C.UTF-8 /workspace sess_test /workspace\nbash\n'
	run_code shell 'cat' '{"stdin":"given ä"}'
	expect .stdout 'given ä'
	run_code shell 'exit 7'
	expect .status failed
	expect .exit_code 7
	expect .error.errorType ExitError
	run_code shell $'f() { echo f; }\ncat <<X\nhere\nX\nf # end'
	expect .stdout $'here\nf\n'
	run_code shell 'if'
	expect .status failed
	expect .exit_code 2
	jq -cn '{event: {a: ("x" * 120000)}}' >"$BATS_TEST_TMPDIR/big"
	run_code shell 'echo "${EVENT_JSON-unset}"; wc -c' "$(cat "$BATS_TEST_TMPDIR/big")"
	expect .stdout $'unset\n120008\n'
}

@test "standard input is what was given, else empty" {
	run_code python 'import sys; print(repr(sys.stdin.read()))' '{"stdin":"a\nb"}'
	expect .stdout "'a\\nb'"$'\n'
	run_code python 'import sys; print(repr(sys.stdin.read()))'
	expect .stdout "''"$'\n'
	run_code javascript 'process.stdout.write(JSON.stringify(require("fs").readFileSync(0, "utf8")))' '{"stdin":"abc"}'
	expect .stdout '"abc"'
}

@test "an uncaught exception: traceback, code 1, the lines of the user's code" {
	run_code python $'import os\n\ndef inner(x):\n    raise ValueError("no " + x)\n\ndef handler(event):\n    inner("way")\n'
	expect .status failed
	expect .ended_reason exited
	expect .exit_code 1
	expect .error.errorType ValueError
	expect .error.errorMessage "no way"
	expect .error_message "ValueError: no way"
	expect '.error.stackTrace | join("\n") | test("line 7, in handler") and test("line 4, in inner")' true
	[[ $(jqb .stderr) = "Traceback (most recent call last):"*'line 7, in handler'*'inner("way")'*'line 4, in inner'*'raise ValueError'*'ValueError: no way'* ]]
	[[ $(jqb .stderr) != *runner* ]]
	run_code python $'x = 1\nif x\n'
	expect .error.errorType SyntaxError
	[[ $(jqb .stderr) = *'line 2'* ]]
	run_code python $'import traceback\ndef f():\n    1/0\ntry:\n    f()\nexcept Exception:\n    print(traceback.format_exc())'
	[[ $(jqb .stdout) = *'line 3, in f'*'1/0'* ]]
}

@test "an uncaught error in JavaScript, thrown or rejected" {
	run_code javascript $'\nfunction inner() {\n  throw new TypeError("bad");\n}\nexports.handler = async () => { inner(); };'
	expect .status failed
	expect .exit_code 1
	expect .error.errorType TypeError
	expect .error.errorMessage bad
	expect '.error.stackTrace | join("\n") | test(":3:9")' true
	[[ $(jqb .stderr) = *'TypeError: bad'*':3:9'* ]]
	run_code javascript 'Promise.reject(new RangeError("r"))'
	expect .exit_code 1
	expect .error.errorType RangeError
	run_code javascript 'let x ='
	expect .error.errorType SyntaxError
	run_code javascript 'setTimeout(() => { throw new Error("later") }, 10)'
	expect .error.errorMessage later
}

@test "exit codes of Python's own" {
	run_code python 'import sys; sys.exit(3)'
	expect .exit_code 3
	expect .error.errorType ExitError
	run_code python 'import sys; sys.exit()'
	expect .status completed
	run_code python 'import os; print("out", flush=True); os._exit(5)'
	expect .exit_code 5
	expect .stdout $'out\n'
}

# ---- ends ----

@test "a signal that ends the main process is told, with all output before it" {
	run_code python $'import os, sys\nprint("a", end="")\nprint("b", end="", file=sys.stderr)\nos.kill(os.getpid(), 11)'
	expect .status failed
	expect .ended_reason signaled
	expect .exit_code -1
	expect .signal 11
	expect .stdout a
	expect .stderr b
	run_code shell 'echo x; kill -TERM $$'
	expect .signal 15
	expect .stdout $'x\n'
	run_code python 'import ctypes; ctypes.string_at(0)'
	expect .signal 11
	run_code shell 'sh -c "kill -9 \$\$"; exit 137'
	expect .ended_reason exited
	expect .exit_code 137
	expect .signal null
}

@test "at the deadline the whole tree is gone: detached, deaf and multiplying processes too" {
	local t0 t1 mark=sleep.9$RANDOM
	t0=$(now_ms)
	run_code python "$(cat <<-P
	import os, signal, subprocess, sys
	for s in range(1, 32):
	    if s not in (9, 19):
	        signal.signal(s, signal.SIG_IGN)
	subprocess.Popen(["setsid", "bash", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done", "$mark"])
	subprocess.Popen(["nohup", "bash", "-c", "(setsid sleep 999 &) ; while :; do :; done", "$mark"])
	if os.fork() == 0:
	    os.setsid()
	    if os.fork() == 0:
	        while True:
	            try:
	                os.fork()
	            except OSError:
	                pass
	    os._exit(0)
	print("up", flush=True)
	while True:
	    pass
	P
	)" '{"timeout":2}'
	t1=$(now_ms)
	sleep 0.25
	[ "$(alive "$mark")" = 0 ]
	[ $((t1 - t0)) -lt 2400 ]
	expect .status timeout
	expect .ended_reason exec_timeout
	expect .exit_code -1
	expect .stdout $'up\n'
	expect '.metrics.duration_ms >= 2000 and .metrics.duration_ms < 2250' true
	run_code shell 'echo fine'
	expect .stdout $'fine\n'
}

@test "a normal end takes what is left behind with it, at once, also what holds the pipes" {
	local t0 mark=left.$RANDOM
	t0=$(now_ms)
	run_code shell "setsid bash -c 'trap \"\" TERM; sleep 300; : $mark' & disown; (sleep 300 &); echo done"
	[ $(($(now_ms) - t0)) -lt 1000 ]
	expect .status completed
	expect .stdout $'done\n'
	sleep 0.25
	[ "$(alive "$mark")" = 0 ]
}

@test "kill -9 -1 harms only the execution itself" {
	submit shell 'sleep 1; echo other'
	other=$id
	run_code shell 'trap "" TERM; kill -9 -1; echo still'
	expect '.ended_reason | IN("exited", "signaled")' true
	ex GET "/executions/$other?wait=10"
	expect .stdout $'other\n'
}

@test "cancel ends a running execution and a waiting one" {
	local t0
	submit python 'import time; print("on", flush=True); time.sleep(60)'
	poll 5 running "$id"
	ex GET "/executions/$id/output?wait=5"
	t0=$(now_ms)
	ex POST "/executions/$id/cancel" '{}'
	expect_code 200
	[ $(($(now_ms) - t0)) -lt 1000 ]
	expect .status cancelled
	expect .ended_reason user_cancelled
	expect .stdout $'on\n'
	run_code shell 'echo done'
	ex POST "/executions/$id/cancel" '{}'
	expect_code 200
	expect .status completed
	ex POST /executions/nobody/cancel '{}'
	expect_code 404
}

@test "out of memory: failed, oom, with the peak, and the next one runs" {
	run_code python $'print("before", flush=True)\nx = []\nwhile True: x.append(bytearray(16 << 20))'
	expect .status failed
	expect .ended_reason oom
	expect .stdout $'before\n'
	expect '.metrics.peak_memory_mb > 250' true
	run_code python 'def handler(e): return 1'
	expect .return_value 1
}

@test "a grandchild that is killed for memory does not decide when the main process goes on" {
	run_code shell $'python3 -c "x = []\nwhile True: x.append(bytearray(16 << 20))" 2>/dev/null; echo went on; exit 0'
	expect .status completed
	expect .ended_reason exited
	expect .stdout $'went on\n'
	run_code shell 'kill -9 $$'
	expect .ended_reason signaled
	expect .signal 9
}

@test "too many processes: pids_limit when it fails for that" {
	run_code python $'import os, time\nfor _ in range(1000):\n    if os.fork() == 0:\n        time.sleep(60)'
	expect .status failed
	expect .ended_reason pids_limit
	run_code shell 'echo again'
	expect .stdout $'again\n'
}

@test "forbidden system calls: probing fails, attacking ends with its name" {
	run_code python $'import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint("x", flush=True)\nprint(libc.syscall(101, 0, 0, 0, 0))'
	expect .status failed
	expect .ended_reason seccomp
	expect .stdout $'x\n'
	expect '.error.errorMessage | test("101") and test("ptrace")' true
	run_code python $'import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.unshare(0x10000000), ctypes.get_errno())\nprint(libc.mount(b"a", b"/tmp", b"tmpfs", 0, None), ctypes.get_errno())'
	expect .status completed
	expect .stdout $'-1 1\n-1 1\n'
	run_code shell 'unshare -U true; echo $?'
	expect .stdout $'1\n'
}

# ---- output ----

@test "three megabytes of output: head and tail inline, counts, all of it at /output" {
	echo '{"result":503}' >"$EX/calls.d/answers"	# until it is delivered
	run_code python $'import sys\nfor i in range(300000): sys.stdout.write("%09d\\n" % i)\nprint("err", file=sys.stderr)'
	expect .stdout_bytes 3000000
	expect .stdout_truncated true
	expect .stdout_dropped_bytes 0
	expect .stderr $'err\n'
	expect '.stdout | utf8bytelength <= 1048576' true
	expect '.stdout | startswith("000000000\n") and endswith("000299999\n")' true
	# The line between names what is left out, exactly.
	python3 - "$BATS_TEST_TMPDIR/body" <<-'P'
	import json, re, sys
	text = json.load(open(sys.argv[1]))["stdout"]
	m = re.search(r"\n[^\n]*?(\d+) bytes[^\n]*\n", text)
	assert m, "no line"
	whole = "".join("%09d\n" % i for i in range(300000))
	head, tail = text[:m.start()], text[m.end():]
	assert whole.startswith(head), head[-30:]
	assert whole.endswith(tail), tail[:30]
	assert len(head) + len(tail) + int(m.group(1)) == len(whole), (len(head), len(tail), m.group(0))
	assert min(len(head), len(tail)) > 500000
	P
	ex GET "/executions/$id/output?stream=stdout"
	expect_code 200
	[ "$(header X-Output-Next)" = 3000000 ]
	[ "$(header X-Output-Complete)" = true ]
	[ "$(header X-Output-Dropped)" = 0 ]
	[ "$(header X-Output-Attempt)" = 1 ]
	[ "$(python3 -c 'import sys; sys.stdout.write("".join("%09d\n" % i for i in range(300000)))' | sha256sum)" = \
		"$(sha256sum <"$BATS_TEST_TMPDIR/body")" ]
	ex GET "/executions/$id/output?stream=stdout&after=2999990"
	[ "$body" = 000299999 ]
	ex GET "/executions/$id/output?stream=stdout&after=3000000"
	expect_code 200
	[ -z "$body" ]
	ex GET "/executions/$id/output?stream=stdout&after=3000001"
	expect_code 416
	ex GET "/executions/$id/output?stream=nothing"
	expect_code 400
	rm "$EX/calls.d/answers"
}

@test "bytes that are no text are exact, inline and at /output" {
	run_code python 'import sys; sys.stdout.buffer.write(bytes(range(256)))'
	expect .stdout_encoding base64
	[ "$(jqb .stdout | base64 -d | sha256sum)" = "$(python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)))' | sha256sum)" ]
	ex GET "/executions/$id/output?stream=stdout"
	[ "$(sha256sum <"$BATS_TEST_TMPDIR/body")" = "$(python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)))' | sha256sum)" ]
	run_code shell 'printf "a\0b"'
	expect '(if .stdout_encoding == "base64" then .stdout | @base64d else .stdout end) | explode | tojson' '[97,0,98]'
}

@test "output is readable while it grows" {
	local t0
	submit shell 'echo one; sleep 1; echo two; sleep 30'
	t0=$(now_ms)
	ex GET "/executions/$id/output?stream=stdout&after=0&wait=10"
	[ "$body" = one ]
	[ "$(header X-Output-Complete)" = false ]
	ex GET "/executions/$id/output?stream=stdout&after=4&wait=10"
	[ "$body" = two ]
	[ $(($(now_ms) - t0)) -lt 3000 ]
	ex POST "/executions/$id/cancel" '{}'
	ex GET "/executions/$id/output?stream=stdout&after=8&wait=10"
	[ "$(header X-Output-Complete)" = true ]
}

@test "output above the limit is counted and dropped, or ends the execution" {
	run_code shell 'head -c 200000 /dev/zero | tr "\0" x; echo END' '{"output_max_bytes":100000,"output_inline_bytes":2000}'
	expect .status completed
	expect .stdout_bytes 200004
	expect .stdout_dropped_bytes 100004
	expect .stdout_truncated true
	expect '.stdout | endswith("xEND\n") and (utf8bytelength <= 2000)' true
	ex GET "/executions/$id/output?stream=stdout"
	[ "$(header X-Output-Dropped)" = 100004 ]
	[ "$(header X-Output-Next)" = 100000 ]
	run_code shell 'yes; sleep 30' '{"output_max_bytes":100000,"output_limit_action":"kill"}'
	expect .status failed
	expect .ended_reason output_limit
}

# ---- what code can see ----

@test "inside: no rights, no network, nothing of the executor" {
	run_code shell "$(cat <<-S
	id -u
	grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'
	cat /proc/net/dev | grep -c : 
	ls -d $EX/state $EX/run $EX/bin /run/sandbox /opt/sandbox 2>/dev/null
	cat /proc/1/environ /proc/1/maps /proc/1/mem 2>/dev/null
	ls /proc/1/fd /proc/1/root /proc/1/cwd 2>/dev/null
	ls /proc | grep -c '^[0-9]'
	hostname
	env | grep -E '^SANDBOX|^EXECUTOR|TOKEN|CONTROL|CONTAINER'
	touch /usr/x /etc/x /x /dev/x /proc/x 2>/dev/null && echo wrote
	stat -fc %b /tmp >/dev/null && touch /tmp/y /workspace/z && rm /workspace/z && echo ok
	ulimit -n -c | tr -s ' ' | cut -d')' -f2
	cat /proc/kcore /proc/keys /proc/timer_list /proc/sysrq-trigger 2>/dev/null | wc -c
	cat /proc/self/oom_score_adj
	grep -E ' /tmp ' /proc/self/mounts | cut -d' ' -f3,4 | grep -o 'tmpfs\|nosuid\|nodev\|size=524288k'
	S
	)"
	expect .stdout "$(cat <<-'S'
	1000
	CapInh:0000000000000000
	CapPrm:0000000000000000
	CapEff:0000000000000000
	CapBnd:0000000000000000
	CapAmb:0000000000000000
	NoNewPrivs:1
	Seccomp:2
	1
	4
	sandbox
	ok
	 1024
	 0
	0
	1000
	tmpfs
	nosuid
	nodev
	size=524288k
	S
	)"$'\n'
}

@test "inside: descriptors are the three streams and nothing that tells of others" {
	run_code shell 'ls /proc/$$/fd'
	expect .stdout $'0\n1\n2\n'
	run_code python $'import os\nprint(sorted(int(f) for f in os.listdir("/proc/self/fd"))[:3])\nimport subprocess\nprint(subprocess.run(["bash", "-c", "ls /proc/$$/fd | tr \'\\\\n\' \' \'"], capture_output=True, text=True).stdout)'
	[[ "$(jqb .stdout)" = $'[0, 1, 2]\n0 1 2 '* ]]
	[[ "$(jqb .stdout)" != *' 5 '* ]]
	ps_out=$(ps -eo args | grep -c 'secret-env-value' || true)
	submit shell 'sleep 3 # secret-code-text' '{"env_vars":{"K":"secret-env-value"}}'
	poll 5 running "$id"
	run ! grep -lE 'secret-(code|env)' /proc/[0-9]*/cmdline
	ex POST "/executions/$id/cancel" '{}'
}

@test "environment of the execution: built-in, overridden, PYTHONPATH behind the packages" {
	run_code python 'import os; print(os.environ["HOME"], os.environ["A"], os.environ["PYTHONPATH"], sorted(k for k in os.environ if k.startswith("SANDBOX")))' \
		'{"env_vars":{"HOME":"/tmp","A":"ä b","PYTHONPATH":"/workspace/lib"}}'
	[[ "$(jqb .stdout)" = '/tmp ä b '*'/workspace/lib []' ]]
	run_code python 'import os; print(sorted(os.environ))'
	expect .stdout "['HOME', 'LANG', 'PATH', 'PWD', 'PYTHONPATH', 'SESSION_ID', 'TMPDIR', 'USER', 'WORKSPACE_PATH']"$'\n'
}

@test "the workspace is shared, writable, and holds nothing of ours" {
	run_code shell 'ls -A /workspace | wc -l; echo data >f; ln -s f l'
	expect .stdout $'0\n'
	run_code python 'print(open("f").read(), end="")'
	expect .stdout $'data\n'
	[ "$(ls -A "$EX/ws" | tr '\n' ' ')" = 'f l ' ]
	rm -f "$EX"/ws/*
}

# ---- figures ----

@test "metrics are of the whole tree, killed grandchildren included" {
	run_code shell $'setsid python3 -c "\nimport time\nx = bytearray(100 << 20)\nt = time.process_time()\nwhile time.process_time() - t < 1: pass\nprint(1, flush=True)\ntime.sleep(99)" & sleep 1.6; head -c 3000000 /dev/zero >/workspace/w; sync w; rm w'
	expect '.metrics | [has("duration_ms", "cpu_time_ms", "peak_memory_mb", "io_read_bytes", "io_write_bytes", "queue_ms")] | all' true
	expect '.metrics.cpu_time_ms > 900 and .metrics.cpu_time_ms < 2500' true
	expect '.metrics.peak_memory_mb > 100 and .metrics.peak_memory_mb < 200' true
	expect '.metrics.duration_ms >= 1600 and .metrics.duration_ms < 4000' true
	expect '.metrics.queue_ms >= 0 and .metrics.queue_ms < 1000' true
	expect '(.started_at | test("^20..-..-..T..:..:..\\....Z$")) and (.completed_at >= .started_at)' true
	expect '[.artifacts, .artifacts_truncated] | tojson' '[[],false]'
}

# ---- once, and only once ----

@test "the same id sent twenty times at once runs once" {
	local i
	id=same$RANDOM
	for i in {1..20}; do
		curl -sS -o "$BATS_TEST_TMPDIR/o$i" -w '%{http_code}\n' --unix-socket "$EX/run/executor.sock" -H "Authorization: Bearer $TOKEN" \
			-d "{\"execution_id\":\"$id\",\"session_id\":\"sess_test\",\"attempt\":1,\"code\":\"echo x >>runs; sleep 0.3\",\"language\":\"shell\"}" \
			-H 'Content-Type: application/json' http://executor/executions >>"$BATS_TEST_TMPDIR/codes" 3>&- &
	done
	poll 5 sh -c "[ \$(wc -l <'$BATS_TEST_TMPDIR/codes') = 20 ]"
	[ "$(sort "$BATS_TEST_TMPDIR/codes" | uniq -c | tr -s ' \n' ' ')" = ' 19 200 1 201 ' ]
	ex GET "/executions/$id?wait=10"
	expect .status completed
	[ "$(cat "$EX/ws/runs")" = x ]
	rm "$EX/ws/runs"
}

@test "acknowledging: not while it runs; afterwards the id is still known" {
	submit shell 'sleep 0.5; echo hi'
	ex DELETE "/executions/$id"
	expect_code 409
	expect .error_code Executor.StateConflict
	ex GET "/executions/$id?wait=10"
	expect .stdout $'hi\n'
	ex DELETE "/executions/$id"
	expect_code 204
	ex GET "/executions/$id"
	expect_code 200
	expect .status completed
	expect 'has("stdout")' false
	ex DELETE "/executions/$id"
	expect_code 204
	ex POST /executions "{\"execution_id\":\"$id\",\"session_id\":\"sess_test\",\"attempt\":1,\"code\":\"echo again >/workspace/again\",\"language\":\"shell\"}"
	expect_code 200
	expect .status completed
	[ ! -e "$EX/ws/again" ]
}

@test "a higher attempt is adopted while the older one runs" {
	submit shell 'sleep 0.7; echo x >>runs'
	ex POST /executions "$(jq '.attempt = 2' "$BATS_TEST_TMPDIR/submission")"
	expect_code 200
	ex GET "/executions/$id?wait=10"
	expect .attempt 2
	[ "$(cat "$EX/ws/runs")" = x ]
	rm "$EX/ws/runs"
}

@test "more than run at once wait in order" {
	local all=() i
	for i in {1..13}; do
		submit shell "while [ ! -e /workspace/go ]; do sleep 0.1; done; echo $i >>/workspace/order" '{"timeout":60}'
		all+=("$id")
	done
	ex GET /health
	expect .active_executions 10
	expect .queued_executions 3
	ex GET "/executions/${all[12]}"
	expect .status pending
	ex POST "/executions/${all[12]}/cancel" '{}'
	expect .status cancelled
	expect .ended_reason user_cancelled
	expect .exit_code null
	expect .started_at null
	expect '[.stdout, .stderr, .stdout_bytes] | tojson' '["","",0]'
	for i in {0..8}; do ex POST "/executions/${all[i]}/cancel" '{}'; done
	poll 5 running "${all[11]}"
	touch "$EX/ws/go"
	for i in 9 10 11; do
		ex GET "/executions/${all[i]}?wait=10"
		expect .status completed
	done
	expect '.metrics.queue_ms > 100' true
	rm "$EX"/ws/*
}

@test "a full queue refuses" {
	local i
	unset EX
	ex_up SANDBOX_EXECUTION_MAX_PARALLEL=1 SANDBOX_EXECUTION_MAX_QUEUE=2
	for i in 1 2 3; do
		submit shell 'sleep 30'
		expect_code 201
	done
	submit shell 'sleep 30'
	expect_code 503
	expect .error_code Executor.QueueFull
	expect .retryable true
	ex_down
}

@test "nothing is left behind by a hundred executions" {
	local before after i
	before=$(ls /proc/"$(cat "$EX/pid")"/fd | wc -l)
	for i in {1..100}; do
		run_code shell 'echo x' >/dev/null
		ex DELETE "/executions/$id"
	done
	after=$(ls /proc/"$(cat "$EX/pid")"/fd | wc -l)
	[ $((after - before)) -le 1 ]
	ex GET /health
	expect .active_executions 0
	[ "$(find "$EX/state" -name "$id*" | wc -l)" = 0 ]
}

# ---- telling the control plane ----

@test "a result that no reader took is told within seconds, once" {
	submit shell 'echo told'
	poll 5 called result "select(.path == \"/internal/executions/$id/result\")"
	sleep 1.5
	[ "$(calls result "select(.path == \"/internal/executions/$id/result\") | [.body.status, .body.stdout, .body.exit_code, .body.attempt] | tojson" | wc -l)" = 1 ]
	ex GET "/executions/$id"
	expect .status completed
}

@test "a result that a reader took and acknowledged is not told again" {
	run_code shell 'echo taken'
	ex DELETE "/executions/$id"
	sleep 2
	! called result "select(.path == \"/internal/executions/$id/result\")"
}

@test "a long execution is reported as running" {
	submit shell 'sleep 20'
	poll 5 called heartbeat "select(.body.running | any(.id == \"$id\" and .attempt == 1))"
	echo "{\"heartbeat\":{\"cancel\":[\"$id\"],\"forget\":[]}}" >"$EX/calls.d/answers"
	poll 5 ended "$id"
	rm "$EX/calls.d/answers"
	expect .status cancelled
	echo "{\"heartbeat\":{\"cancel\":[],\"forget\":[\"$id\"]}}" >"$EX/calls.d/answers"
	poll 5 eval "ex GET /executions/$id; [ \$(jqb 'has(\"stdout\")') = false ]"
	rm "$EX/calls.d/answers"
}

@test "the control plane was away: results are told when it is back" {
	receiver_down
	submit python 'print("kept")'
	sleep 2.5
	receiver_up
	poll 12 called result "select(.path == \"/internal/executions/$id/result\" and .body.stdout == \"kept\\n\")"
	echo '{"result":503}' >"$EX/calls.d/answers"
	submit python 'print("again")'
	poll 6 called result "select(.path == \"/internal/executions/$id/result\" and .status == 503)"
	rm "$EX/calls.d/answers"
	poll 12 called result "select(.path == \"/internal/executions/$id/result\" and .status == 201)"
}

# ---- lives and deaths of the executor ----

@test "killed and started again: the results of the earlier life are collectable and told" {
	unset EX
	ex_up
	receiver_down
	run_code python 'def handler(e): return "first life"'
	one=$id
	submit shell 'sleep 30'
	ex_stop KILL
	poll 2 not called nothing
	ex_launch
	poll 10 ex_listens
	ex GET "/executions/$one"
	expect .status completed
	expect .return_value "first life"
	receiver_up
	poll 12 called result "select(.path == \"/internal/executions/$one/result\" and .body.return_value == \"first life\")"
	ex_down
}

@test "SIGTERM: what runs ends crashed, is told, then the exit; within ten seconds" {
	local t0
	unset EX
	ex_up
	poll 5 called container_ready
	submit shell 'trap "" TERM; echo on; sleep 60'
	poll 5 running "$id"
	ex GET "/executions/$id/output?wait=5"
	t0=$(now_ms)
	ex_stop TERM
	[ $(($(now_ms) - t0)) -lt 10000 ]
	[ "$ex_exit" = 143 ]
	called result "select(.path == \"/internal/executions/$id/result\" and .body.status == \"crashed\" and .body.ended_reason == \"session_ended\" and .body.stdout == \"on\\n\")"
	[ "$(calls container_exited '[.path, .body.exit_code, .body.exit_reason, (.body.exited_at | type)]')" = \
		'["/internal/sessions/sess_test/container_exited",143,"sigterm","string"]' ]
	ex_down
}

@test "with bwrap broken it says so and runs nothing" {
	unset EX
	export EX_BEFORE='unshare -m sh -c '"'mount --bind /bin/false /usr/bin/bwrap && exec \"\$@\"'"' sh'
	ex_up
	poll 5 called container_ready
	[ "$(calls container_ready .body.isolation.level)" = '"none"' ]
	[ "$(calls container_ready '.body.isolation.failures | length > 0')" = true ]
	ex GET /health
	expect_code 503
	ex POST /executions '{"execution_id":"n1","session_id":"sess_test","attempt":1,"code":"echo x >/workspace/x","language":"shell"}'
	expect_code 503
	expect .error_code Executor.IsolationUnavailable
	[ ! -e "$EX/ws/x" ]
	unset EX_BEFORE
	ex_down
}

@test "a session that has ended sends the executor away" {
	unset EX
	ex_up
	ex_stop KILL
	echo '{"container_ready":409}' >"$EX/calls.d/answers"
	ex_launch
	poll 5 not kill -0 "$(cat "$EX/pid")"
	ex_down
}

@test "the disk quota holds: one large file, and many small ones while it runs" {
	unset EX
	ex_up SANDBOX_EXECUTOR_DISK_BYTES=20971520
	run_code shell 'head -c 30000000 /dev/zero >/workspace/big; echo "code $?"'
	expect .status failed
	expect .ended_reason disk_quota
	run_code shell 'rm -f /workspace/big; echo ok'
	expect .status completed
	run_code python $'for i in range(10): open("f%d" % i, "wb").write(b"x" * 4000000)\nimport time\ntime.sleep(15)'
	expect .ended_reason disk_quota
	expect '.metrics.duration_ms < 10000' true
	run_code shell 'rm -f /workspace/f*'
	run_code python 'def handler(e): return "fits"'
	expect .return_value fits
	ex_down
}

@test "at rest it takes less than 2 MiB" {
	local kb
	unset EX
	ex_up
	sleep 0.5
	kb=$(awk '/^Pss:/ { print $2 }' "/proc/$(cat "$EX/pid")/smaps_rollup")
	echo "PSS $kb KiB"
	[ -n "${SAN:-}" ] || [ "$kb" -lt 2048 ]
	ex_down
}
