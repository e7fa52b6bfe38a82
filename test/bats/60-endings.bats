#!/usr/bin/env bats
# Why executions end, told truthfully, and the session goes on after each (CONTRACT 4.7, 4.8).
load runtime

setup_file() {
	SESSION='{"memory": "192Mi", "disk": "256Mi", "max_processes": 48}' start_runtime \
		'[execution]' 'output_max_bytes = 4194304' 'output_limit_action = kill' &&
		SESSION='{"memory": "192Mi"}' start_javascript
}
teardown_file() { stop_stack; }

# Whatever a test did to the session, it must run code afterwards.
teardown() {
	run_sync "$S" shell 'echo fine'
	expect .stdout $'fine\n'
	ends exited completed
}

@test "exited: code 0 is completed, any other failed" {
	run_code shell 'exit 0'
	ends exited completed
	expect '[.exit_code, .signal, .error, .error_message, .retryable] | tojson' '[0,null,null,null,false]'
	run_code shell 'echo out; echo err >&2; exit 42'
	ends exited
	expect '[.exit_code, .signal, .stdout, .stderr, .error.errorType] | tojson' '[42,null,"out\n","err\n","ExitError"]'
	run_code python 'import sys; sys.exit(3)'
	ends exited
	expect .exit_code 3
	run_code javascript 'process.exit(255)'
	ends exited
	expect .exit_code 255
}

@test "signaled: the number, -1, and both streams in full" {
	run_code python "$(cat <<-'P'
		import os, signal, sys
		sys.stdout.write("o" * 200000 + "end")
		sys.stderr.write("e" * 200000 + "end")
		sys.stdout.flush()
		sys.stderr.flush()
		os.kill(os.getpid(), signal.SIGSEGV)
	P
	)"
	ends signaled
	expect '[.exit_code, .signal] | tojson' '[-1,11]'
	expect '[.stdout, .stderr | [length, .[-3:]]] | tojson' '[[200003,"end"],[200003,"end"]]'
	run_code shell 'kill -TERM $$; while :; do :; done'
	ends signaled
	expect .signal 15
	# A shell whose child died of a signal has exited.
	run_code shell 'sh -c "kill -9 \$\$"; exit $?'
	ends exited
	expect .exit_code 137
}

@test "kill -9 -1 ends only its own execution" {
	local other

	submit shell 'echo here; read -r line <"$0.none"; while [ ! -e /workspace/go ]; do :; done; echo still here'
	other=$id
	poll 10 running "$other"
	run_code shell 'kill -9 -1; echo survived'
	expect '.ended_reason | IN("exited", "signaled")' true
	run_code shell 'touch /workspace/go'
	ends exited completed
	poll 10 execution_ended "$other"
	ends exited completed
	expect .stdout $'here\nstill here\n'
	run_code shell 'rm /workspace/go'
}

@test "oom: 64 MiB over the limit, with the peak" {
	run_code python $'print("before", flush=True)\nx = b"x" * (256 << 20)\nprint("after")'
	ends oom
	expect '[.stdout, .retryable, .error.errorType] | tojson' '["before\n",false,"OutOfMemory"]'
	expect '.metrics.peak_memory_mb > 96 and .metrics.peak_memory_mb <= 200' true
	run_code javascript 'const a = []; for (;;) a.push(Buffer.alloc(8 << 20, 1))'
	ends oom
}

@test "a grandchild that is killed for memory does not decide" {
	run_code python "$(cat <<-'P'
		import subprocess, sys
		p = subprocess.run([sys.executable, "-c", "x = b'x' * (256 << 20)"])
		def handler(event):
		    return p.returncode
	P
	)"
	ends exited completed
	expect .return_value -9
	run_code shell 'python3 -c "x = b\"x\" * (256 << 20)"; exit $?'
	ends oom
	expect .exit_code 137
}

# What resists: deaf to signals, detached twice, in sessions of its own, holding the pipes, multiplying.
resisting() {
	cat <<-P
		import os, signal, subprocess
		for s in range(1, 65):
		    try:
		        signal.signal(s, signal.SIG_IGN)
		    except (OSError, ValueError):
		        pass
		subprocess.Popen(["setsid", "bash", "-c", "trap '' TERM HUP INT; while :; do read -t 9 <> <(:); done", "$1"])
		subprocess.Popen(["bash", "-c", "(setsid nohup sleep 3600.$1 &) ; while :; do :; done", "$1"])
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
}

@test "exec_timeout: a tree that resists is gone" {
	local mark=$RANDOM$RANDOM _

	for _ in 1 2 3; do	# a machine under load may be late, not always
		run_code python "$(resisting $mark)" '{"timeout": 2}'
		none_alive "$mark"
		ends exec_timeout timeout
		[ "$(jqb '.execution_time > 2.25')" = true ] || break
	done
	expect '[.stdout, .exit_code, .error.errorType, .retryable] | tojson' '["up\n",-1,"TimeoutError",false]'
	expect '.execution_time >= 2 and .execution_time <= 2.25' true
	expect '((.completed_at | sub("\\..*"; "Z") | fromdate) - (.started_at | sub("\\..*"; "Z") | fromdate)) <= 3' true
}

@test "a normal end takes what is left with it, also what holds the pipes" {
	local mark=$RANDOM$RANDOM

	run_code shell "(setsid bash -c 'trap \"\" TERM HUP; while :; do read -t 9 <> <(:); done' $mark &); sleep 3600.$mark & echo done"
	none_alive "$mark"
	ends exited completed
	expect .stdout $'done\n'
	expect '.execution_time < 2' true
}

@test "user_cancelled: the tree is gone, what it said is kept; a second cancel changes nothing" {
	local mark=$RANDOM$RANDOM first

	submit python "$(resisting $mark)"
	poll 10 running "$id"
	poll 10 said_up "$id"
	api POST "/executions/$id/cancel"
	expect_code 200
	ends user_cancelled cancelled
	none_alive "$mark"
	expect .stdout $'up\n'
	first=$(jqb -c .)
	api POST "/executions/$id/cancel"
	expect_code 200
	[ "$(jqb -c .)" = "$first" ]
}

said_up() { api GET "/executions/$1/output"; [ "$body" = up ]; }

@test "a cancelled execution that waits never runs" {
	local n blockers=() waiting

	for n in {1..10}; do
		submit shell 'while [ ! -e /workspace/never ]; do read -t 1 <> <(:); done'
		blockers+=("$id")
	done
	submit shell 'touch /workspace/ran'
	waiting=$id
	api POST "/executions/$waiting/cancel"
	ends user_cancelled cancelled
	expect '[.started_at, .exit_code] | tojson' '[null,null]'
	for n in "${blockers[@]}"; do
		api POST "/executions/$n/cancel"
		ends user_cancelled cancelled
	done
	run_code shell '[ ! -e /workspace/ran ]'
	ends exited completed
}

@test "output_limit: the log keeps what it may" {
	run_code shell 'yes 0123456'
	ends output_limit
	expect '[.stdout_truncated, .error.errorType, .stdout_bytes > 4194304, .stdout_bytes - .stdout_dropped_bytes] | tojson' \
		'[true,"OutputLimitExceeded",true,4194304]'
	run_code python 'import sys; sys.stderr.write("x" * 5000000)'
	ends output_limit
	expect .stderr_dropped_bytes "$(jqb '.stderr_bytes - 4194304')"
}

@test "pids_limit: a fork bomb that fails for it" {
	run_code python $'import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(60)'
	ends pids_limit
	expect '[.exit_code, .error.errorType] | tojson' '[1,"BlockingIOError"]'
	run_code shell 'bomb() { bomb | bomb & }; bomb; exec false'
	expect '.ended_reason | IN("pids_limit", "exited")' true
}

@test "the process limit reached, and the code copes: exited" {
	run_code python "$(cat <<-'P'
		import os, time
		def handler(event):
		    n = 0
		    try:
		        while True:
		            if os.fork() == 0:
		                time.sleep(60)
		            n += 1
		    except OSError:
		        return n > 10
	P
	)"
	ends exited completed
	expect .return_value true
}

@test "disk_quota: one large file" {
	run_code shell 'head -c 300M /dev/zero >/workspace/big'
	ends disk_quota
	expect .error.errorType DiskQuotaExceeded
	run_code shell 'rm /workspace/big'
}

@test "disk_quota: many files while it runs" {
	run_code python "$(cat <<-'P'
		import time
		block = b"x" * (1 << 20)
		for n in range(100000):
		    with open("/workspace/part%d" % n, "wb") as f:
		        for _ in range(40):
		            f.write(block)
		    time.sleep(0.2)
	P
	)"
	ends disk_quota
	run_sync "$S" shell 'rm /workspace/part*'	# ends disk_quota or not: it was over the quota when it began
}

@test "seccomp: a forbidden call ends it with its name; probing for lesser ones fails only" {
	run_code python $'import ctypes\nprint("before", flush=True)\nctypes.CDLL(None).syscall(169, 0, 0, 0)\nprint("after")'
	ends seccomp
	expect .stdout $'before\n'
	expect '.error | tojson | test("reboot") and test("169")' true
	run_code python "$(cat <<-'P'
		import ctypes
		libc = ctypes.CDLL(None, use_errno=True)
		def handler(event):
		    answers = {}
		    for name, number in {"mount": 165, "unshare": 272, "chroot": 161, "pidfd_getfd": 438}.items():
		        libc.syscall(number, 0, 0, 0, 0, 0)
		        answers[name] = ctypes.get_errno()
		    return answers
	P
	)"
	ends exited completed
	expect '.return_value | to_entries | map(.value) | unique | tojson' '[1]'
}

@test "session_ended: terminating the session ends what runs and what waits" {
	local mine

	mine=$(new_session)
	S=$mine submit shell 'echo begun; while :; do :; done'
	poll 10 running "$id"
	api POST "/sessions/$mine/terminate"
	expect_code 200
	expect .status terminated
	poll 10 execution_ended "$id"
	ends session_ended cancelled
	run_sync "$mine" shell 'echo no'
	expect_code 409
	expect .error_code Sandbox.SessionNotActive
}

# An image whose bwrap starts nothing.
broken_image() {
	local dir=$1 lib

	mkdir -p "$dir"/{usr/bin,usr/lib,etc,proc,dev,tmp,run,workspace,var/lib,opt/sandbox/bin}
	for lib in /bin/bash /bin/false $(ldd /bin/bash /bin/false | grep -o '/[^ )]*' | grep -v ':$' | sort -u); do
		install -D "$lib" "$dir$lib"
	done
	cp "$dir/bin/false" "$dir/usr/bin/bwrap"
	cp "$(built sandbox-executor)" "$dir/opt/sandbox/bin/"
}

@test "isolation_unavailable: with bwrap broken the session fails and nothing runs" {
	local id image=sandbox/broken:latest

	broken_image "$BATS_TEST_TMPDIR/root"
	case $RUNTIME in
	oci)	cp -a "$BATS_TEST_TMPDIR/root" "$STACK/s/images/$image" ;;
	docker)	tar -C "$BATS_TEST_TMPDIR/root" -c . | docker -H "$DOCKER" import -c 'CMD ["/opt/sandbox/bin/sandbox-executor"]' - "$image" ;;
	esac
	api POST /templates "{\"id\": \"broken\", \"name\": \"broken\", \"image_url\": \"$image\", \"runtime_type\": \"python3.11\"}"
	expect_code 201
	api POST /sessions '{"template_id": "broken", "id": "broken"}'
	expect_code 201
	api POST /sessions/broken/execute '{"code": "touch /workspace/ran", "language": "shell", "id": "never"}'
	expect_code 201 409	# it may have failed already
	poll 30 session_is broken failed
	expect .ended_reason isolation_unavailable
	expect .isolation.level none
	api GET /executions/never
	[ "$code" = 404 ] || { ends isolation_unavailable; expect .started_at null; }
	[ -z "$(find "$STACK/s/state" -name ran)" ]
}

# What the executor calls while the platform is away: every call is refused with 503, its first line noted.
listener_down() {
	mv "$CONTROL" "$CONTROL.away"
	socat "UNIX-LISTEN:$CONTROL,fork,mode=0666" \
		SYSTEM:"head -n 1 >>'$BATS_TEST_TMPDIR/seen'; printf 'HTTP/1.0 503 away\r\n\r\n'" 3>&- 2>/dev/null &
	away=$!
}

listener_up() {
	kill "$away"
	wait "$away" || true
	mv "$CONTROL.away" "$CONTROL"
}

spooled() { [ -n "$(find "$STACK/s" -path "*/spool/$1.json" 2>/dev/null)" ]; }
not_spooled() { ! spooled "$1"; }
refused_twice() { [ "$(grep -c "/$1/result" "$BATS_TEST_TMPDIR/seen")" -ge 2 ]; }

@test "a result that cannot be delivered waits in the spool and arrives when the listener is back" {
	submit shell 'sleep 2; echo told'
	poll 10 running "$id"
	listener_down
	run_code shell 'true'	# this one is read, not told, and has no file to store
	ends exited completed
	poll 10 refused_twice "$id"
	spooled "$id"
	api GET "/executions/$id"
	expect .status running
	listener_up
	poll 15 execution_ended "$id"
	ends exited completed
	expect .stdout $'told\n'
	poll 5 not_spooled "$id"
}
