#!/usr/bin/env bats
# The executor's copy of its files in storage under random histories (syncmodel.py), and the histories that once broke it.
#
# shellcheck disable=SC2030,SC2031

load executor

setup() {
	ex_up SANDBOX_EXECUTOR_PULL=1 SANDBOX_EXECUTION_MAX_PARALLEL=6
}
teardown() { ex_down; }

model() {
	echo "# seed $1" >&3
	python3 "$BATS_TEST_DIRNAME/syncmodel.py" "$EX" "$TOKEN" "$1" "$2" >&2 || { tail -n 40 "$EX/log" >&2; return 1; }
	kill -0 "$(cat "$EX/pid")"
}

@test "a random history ends with the same files here and in storage" {
	for seed in ${SEED:-1 2}; do
		model "$seed" "${STEPS:-200}"
	done
}

# ---- words ----

faults() { printf '{"result": 503, "faults": [%s]}' "$1" >"$EX/calls.d/answers.new"; mv "$EX/calls.d/answers.new" "$EX/calls.d/answers"; }
kept() { printf '%s/calls.d/files/%s' "$EX" "$(printf '%s' "$1" | sha1sum | cut -d' ' -f1)"; }
stored() { cat "$(kept "$1")"; }
in_storage() { [ -e "$(kept "$1")" ]; }
client() { curl -sS -m 20 -o /dev/null -H 'X-Client: 1' --unix-socket "$EX/control/control.sock" "$@"; }
put() { client -X PUT --data-binary "$2" "http://c/internal/sessions/sess_test/files/$1"; }
delete() { client -X DELETE "http://c/internal/sessions/sess_test/files/$1"; }
pull() { ex POST /workspace/pull "$(jq -cn '{paths: $ARGS.positional}' --args "$@")"; }
# in_background COMMAND...: its process in $job; ends before the test does
in_background() { BATS_TEST_TMPDIR=$(mktemp -d "$BATS_TEST_TMPDIR/b-XXXXXX") "$@" 3>&- & job=$!; }
result() { ex GET "/executions/$1?wait=30"; expect .status "${2:-completed}"; }

# ---- results wait for what they tell of ----

@test "a file that changes while it is being stored is stored again before the result" {
	faults '{"method": "PUT", "path": "/f$", "do": "slow", "s": 1}'
	submit shell 'echo one >f'
	poll 5 called f 'select(.method == "PUT")'
	run_code shell 'echo two-two >f'
	expect .status completed
	expect '.artifacts | join(" ")' f
	[ "$(stored f)" = two-two ]
}

@test "a file that is deleted while it is being stored is gone before the result" {
	faults '{"path": "/f$", "do": "slow", "s": 1}'
	submit shell 'echo one >f'
	poll 5 called f 'select(.method == "PUT")'
	run_code shell 'rm f'
	expect .status completed
	! in_storage f || false
}

@test "a file that comes back while its deletion fails is stored" {
	run_code shell 'echo one >f'
	faults '{"method": "DELETE", "path": "/f$", "do": "status", "status": 503, "s": 1}'
	submit shell 'rm f'
	poll 5 called f 'select(.method == "DELETE")'
	submit shell 'echo two >f'
	faults ''
	result "$id"
	[ "$(stored f)" = two ]
}

@test "a file that was stored without an answer and then deleted is deleted there too" {
	run_code shell 'echo old >g'
	faults '{"method": "PUT", "do": "lost"}'
	submit shell 'echo one >f; echo new >g'
	poll 5 called f 'select(.method == "PUT")'
	poll 5 called g 'select(.method == "PUT")'
	submit shell 'rm f g'
	poll 5 test ! -e "$EX/ws/f"
	faults ''
	result "$id"
	! in_storage f || false
	! in_storage g || false
	[ ! -e "$EX/ws/g" ]
}

@test "a refusal that comes before the body was taken is one" {
	faults '{"method": "PUT", "path": "/big$", "do": "early", "status": 413}'
	run_code shell 'head -c 20000000 /dev/zero >big; echo x >small'
	expect .error.errorType FilesNotStored
	[[ $(jqb .error_message) == *"'big' (the session's disk is full)"* ]]
	[ "$(calls big 'select(.method == "PUT")' | wc -l)" = 1 ]
	in_storage small
}

@test "a deletion of what storage has not is done" {
	run_code shell 'echo 1 >f; echo 2 >g'
	faults '{"method": "DELETE", "path": "/f$", "do": "status", "status": 404}'
	run_code shell 'rm f; echo 3 >g'
	[ "$(stored g)" = 3 ]
	run_code shell 'echo 4 >g'
	[ "$(stored g)" = 4 ]
}

# ---- one path, several calls ----

@test "an older answer does not replace a newer file" {
	put f first
	faults '{"method": "GET", "path": "/f$", "do": "late", "s": 2}'
	in_background pull f
	poll 5 called f 'select(.method == "GET")'
	faults ''
	put f second
	pull f
	expect_code 200
	[ "$(cat "$EX/ws/f")" = second ]
	wait "$job"
	[ "$(cat "$EX/ws/f")" = second ]
}

@test "what comes from storage while code's version goes there is what storage has in the end" {
	put f client
	faults '{"method": "GET", "path": "/f$", "do": "late", "s": 2}'
	in_background pull f
	poll 5 called f 'select(.method == "GET")'
	faults ''
	run_code shell 'echo code >f'
	[ "$(stored f)" = code ]
	wait "$job"
	[ "$(cat "$EX/ws/f")" = "$(stored f)" ]
}

@test "a deletion that is told while code's version is stored leaves both sides equal" {
	faults '{"method": "GET", "path": "/f$", "do": "late", "s": 2}'
	in_background pull f
	poll 5 called f 'select(.method == "GET")'
	faults ''
	run_code shell 'echo code >f'
	wait "$job"
	[ "$(cat "$EX/ws/f")" = "$(stored f)" ]
}

@test "an upload into a directory that code removes meanwhile arrives" {
	run_code shell 'mkdir d; echo x >d/x'
	put d/f upload
	faults '{"method": "GET", "path": "/d/f$", "do": "late", "s": 1}'
	in_background pull d/f
	poll 5 called f 'select(.method == "GET")'
	faults ''
	run_code shell 'rm -r d'
	wait "$job"
	[ "$(cat "$EX/ws/d/f")" = upload ]
}

# ---- the executor itself ----

@test "with no descriptors left nothing is taken for deleted" {
	local holder
	ex_stop KILL
	EX_BEFORE='prlimit --nofile=128:' ex_launch
	poll 10 ex_listens
	run_code shell 'for i in $(seq 20); do echo one >f$i; done'
	expect '.artifacts | length' 20
	faults '{"method": "PUT", "do": "slow", "s": 0.5}'
	submit shell 'sleep 1; for i in $(seq 20); do echo two >f$i; done'
	# Each silent connection holds a descriptor of the executor's; it is left about as many as four calls need.
	python3 - "$EX/run/executor.sock" "/proc/$(cat "$EX/pid")/fd" 3>&- <<'EOF' &
import os, socket, sys, time
held = []
while len(os.listdir(sys.argv[2])) < 124:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
    time.sleep(0.005)
time.sleep(2.5)
EOF
	holder=$!
	wait "$holder"
	result "$id"
	expect '.artifacts | length' 20
	[ -z "$(jq -c 'select(.method == "DELETE")' "$EX/calls.d/calls")" ]
	for i in $(seq 20); do [ "$(stored "f$i")" = two ] || return 1; done
}

@test "SIGTERM while everything is still being pulled" {
	ex_stop KILL
	faults '{"method": "GET", "do": "status", "status": 503}'
	ex_launch SANDBOX_EXECUTOR_PULL=1
	poll 5 ex_listens
	ex_stop
	[ "$ex_exit" = 143 ] || { cat "$EX/log" >&2; return 1; }
}

@test "SIGTERM while the control plane is silent: the end comes in time" {
	local from
	run_code shell 'true'
	kill -STOP "$(cat "$EX/receiver.pid")"
	submit shell 'echo x >x; sleep 20'
	from=$(now_ms)
	ex_stop
	kill -CONT "$(cat "$EX/receiver.pid")"
	[ "$ex_exit" = 143 ] || { cat "$EX/log" >&2; return 1; }
	[ $(($(now_ms) - from)) -lt 10000 ]
	[ -n "$(ls "$EX/state/spool")" ]
}

@test "a closed directory hides its own files, not the deletion of others" {
	run_code shell 'mkdir d; echo 1 >d/f; echo 2 >g'
	run_code shell 'rm g; chmod 0 d; true'
	! in_storage g || false
	[ "$(stored d/f)" = 1 ]
	run_code shell 'chmod 700 d; rm -r d'
	! in_storage d/f || false
}

@test "what is written through a mapping is stored" {
	submit python '
import mmap, time, os
with open("m", "wb") as f: f.write(b"\0" * 8192)
f = open("m", "r+b"); m = mmap.mmap(f.fileno(), 0)
m[0] = 65
open("ready", "w").close()
while not os.path.exists("go"): time.sleep(0.02)
m[1] = 66; m[5000] = 67
os._exit(0)'
	slow=$id
	poll 10 test -e "$EX/ws/ready"
	run_code shell 'true'
	[ "$(head -c 1 "$(kept m)")" = A ]
	run_code shell 'sleep 0.1; touch go'
	result "$slow"
	cmp "$EX/ws/m" "$(kept m)"
}
