#!/usr/bin/env bats
# Files between clients and the code of a running session (CONTRACT 6, Writes).
load helper
load api
load files

setup_file() {
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"f"}'
}

teardown_file() { stop_stack; }

setup() {
	printf 'id,name\n1,Ada\n' >"$BATS_TEST_TMPDIR/t.csv"
	csv=$BATS_TEST_TMPDIR/t.csv
}

@test "code sees an upload when it is answered, a deletion and a move, too; clients see what code wrote" {
	put_text f code/in.txt 'from outside'
	run_sync f python $'import os\nprint(open("/workspace/code/in.txt").read(), end="")\nopen("code/out.txt", "w").write("from inside")\nos.makedirs("code/new")'
	expect .stdout 'from outside'
	holds f code/out.txt 'from inside'
	upload f code/in.txt "$csv"
	expect_code 200
	api POST /sessions/f/files/move '{"source":"code/out.txt","destination":"code/new/moved"}'
	expect_code 200
	run_sync f shell 'cat code/in.txt code/new/moved; ls code; echo changed >code/new/moved; rm code/in.txt'
	expect .stdout "$(cat "$csv")"$'\nfrom insidein.txt\nnew\n'
	holds f code/new/moved changed
	get f code/in.txt
	expect_code 404
	api DELETE /sessions/f/files/code/new/moved
	expect_code 204
	run_sync f shell 'ls -A code/new'
	expect .stdout ''
	[ "$(paths f '?path=code')" = "" ]
}

@test "code that runs sees an upload, and what was uploaded while the session was made is there at its start" {
	local s
	new_execution f 'for i in $(seq 600); do [ -e live/now ] && exec cat live/now; sleep 0.1; done' '{"execution_id":"live"}' >/dev/null
	poll 20 execution_is live running
	put_text f live/now 'hello'
	poll 20 execution_ended live
	expect .stdout hello
	api POST /sessions '{"template_id":"python-basic"}'
	s=$(jqb .id)
	put_text "$s" early/1 one
	put_text "$s" early/2 two
	poll 30 session_is "$s" running
	put_text "$s" early/3 three
	run_sync "$s" shell 'cat early/*'
	expect .stdout onetwothree
}

@test "an executor that is silent for 30 s is 504, one that is gone 503; the file is stored" {
	local s pid
	s=$(new_session)
	pid=$(pgrep -f "sandbox-executor" | while read -r p; do ! tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qx "SESSION_ID=$s" || echo "$p"; done)
	[ -n "$pid" ]
	# shellcheck disable=SC2086
	kill -STOP $pid
	put "$s" silent "$csv"
	# shellcheck disable=SC2086
	kill -CONT $pid
	expect_code 504
	error Sandbox.ExecTimeout
	get "$s" silent
	expect_code 200
	# shellcheck disable=SC2086
	kill -KILL $pid
	put "$s" gone "$csv"
	expect_code 409 503	# the control plane may know already
	expect .retryable "$([ "$code" = 503 ] && echo true || echo false)"
}
