#!/usr/bin/env bats
# Long logs in storage: CONTRACT 4.5, 9.
load helper
load api

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[server]\nworkers = 1\n[session]\nmax_recoveries = 0\n[storage]\nretention_hours = 1\n' >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one"}'
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"two"}'
	python3 - >"$BATS_FILE_TMPDIR/log" <<-'P'
		import sys
		for i in range(300000):
		    sys.stdout.write("%09d\n" % i)
	P
}

teardown_file() { stop_stack; }

# unsent SESSION: an execution that no executor knows: the session was held back while it was submitted
unsent() {
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$1'"
	new_execution "$1" 'echo never'
	sql "UPDATE session SET state = 'running' WHERE id = '$1'"
}

# put SESSION EXECUTION STREAM AFTER FILE [QUERY] [curl arguments...]
put() {
	local path="/executions/$2/output?stream=$3&after=$4${6:-}"
	as "$1" PUT "$path" --data-binary "@$5" -H 'Content-Type: application/octet-stream' "${@:7}"
}

# piece FROM COUNT: a piece of the log of this file, in a file
piece() { tail -c +$(($1 + 1)) "$BATS_FILE_TMPDIR/log" | head -c "$2" >"$BATS_TEST_TMPDIR/piece"; echo "$BATS_TEST_TMPDIR/piece"; }

# closes SESSION EXECUTION [MEMBERS]: its result, with a log of 3,000,000 bytes that is not in it
closes() {
	as "$1" POST "/executions/$2/result" "$(jq -cn --argjson x "${3:-{\}}" '{status: "completed", attempt: 1, exit_code: 0,
		ended_reason: "exited", stdout: "head and tail", stderr: "short", stdout_bytes: 3000000, stderr_bytes: 5,
		stdout_truncated: true, stdout_dropped_bytes: 0} + $x')"
}

# is FROM COUNT: the last answer's body is just that of the log
is() { cmp "$BATS_TEST_TMPDIR/body.last" <(tail -c +$(($1 + 1)) "$BATS_FILE_TMPDIR/log" | head -c "$2"); }

keys() { s3 GET "?list-type=2&prefix=${1//\//%2F}" | grep -o '<Key>[^<]*' | cut -c6-; }

@test "pieces: each begins where the last one ended, or is answered with the end" {
	local x
	x=$(unsent one)
	put one "$x" stdout 5 "$(piece 0 5)"
	expect_code 409
	error Internal.StateConflict
	expect .next 0
	[ "$(sql "SELECT log_prefix FROM execution WHERE id = '$x'")" = NULL ]
	put one "$x" stdout 0 "$(piece 0 1000000)"
	expect_code 200
	expect .next 1000000
	put one "$x" stdout 0 "$(piece 0 1000000)"
	expect_code 409
	expect .next 1000000
	put one "$x" stdout 1000001 "$(piece 1000000 5)"
	expect_code 409
	expect .next 1000000
	put one "$x" stderr 0 "$(piece 0 7)"	# the other stream has an end of its own
	expect_code 200
	expect .next 7
	put one "$x" stdout 1000000 "$(piece 1000000 1)" '' -H 'Transfer-Encoding: chunked'
	expect_code 200
	expect .next 1000001
	put one "$x" stdout 1000001 "$(piece 1000001 1999999)"
	expect .next 3000000
	put one "$x" stdout 3000000 /dev/null	# nothing more
	expect_code 200
	expect .next 3000000
	printf "logs/one/$x/1/%s/%020d\n" stderr 0 stdout 0 stdout 1000000 stdout 1000001 | diff - <(keys "logs/one/$x/")
}

@test "what is asked wrongly is 422, too much 413, another session's 403, an attempt to come 409" {
	local x q
	x=$(unsent one)
	for q in 'stream=stdout' 'after=0' 'stream=stdin&after=0' 'stream=stdout&after=-1' 'stream=stdout&after=x' \
		'stream=stdout&after=0&attempt=0'; do
		as one PUT "/executions/$x/output?$q" --data-binary x
		expect_code 422
		error Internal.InvalidParameter
	done
	put one "$x" stdout 0 "$(piece 0 5)" '&attempt=2'
	expect_code 409
	put two "$x" stdout 0 "$(piece 0 5)"
	expect_code 403
	put one none stdout 0 "$(piece 0 5)"
	expect_code 404
	head -c 33554433 /dev/zero >"$BATS_TEST_TMPDIR/large"
	put one "$x" stdout 0 "$BATS_TEST_TMPDIR/large"
	expect_code 413
	put one "$x" stdout 0 "$BATS_TEST_TMPDIR/large" '' -H 'Transfer-Encoding: chunked'
	expect_code 413
	[ -z "$(keys "logs/one/$x/")" ]
	head -c 33554432 /dev/zero >"$BATS_TEST_TMPDIR/large"
	put one "$x" stdout 0 "$BATS_TEST_TMPDIR/large"
	expect_code 200
	expect .next 33554432
}

@test "a log in pieces reads as one: whole, from an offset, in ranges across pieces" {
	local x at range want
	x=$(unsent one)
	for at in 0 700000 1400000 2100000 2800000; do
		put one "$x" stdout $at "$(piece $at 700000)"
		expect_code 200
	done
	closes one "$x"
	expect_code 201
	api GET "/executions/$x"
	expect '[.stdout, .stdout_truncated, .stdout_bytes] | tojson' '["head and tail",true,3000000]'
	api GET "/executions/$x/output"
	expect_code 200
	is 0 3000000
	[ "$(header content-length)" = 3000000 ]
	[ "$(header x-output-next) $(header x-output-complete) $(header x-output-dropped) $(header x-output-attempt)" = '3000000 true 0 1' ]
	for at in 1 699999 700000 700001 2999999; do
		api GET "/executions/$x/output?after=$at"
		expect_code 200
		is $at 3000000
	done
	api GET "/executions/$x/output?after=3000000"
	expect_code 200
	[ ! -s "$BATS_TEST_TMPDIR/body.last" ]
	api GET "/executions/$x/output?after=3000001"
	expect_code 416
	[ "$(header content-range)" = 'bytes */3000000' ]
	while read -r range at want; do
		api GET "/executions/$x/output" -H "Range: bytes=$range"
		expect_code 206
		is "$at" "$want"
		[ "$(header content-range)" = "bytes $at-$((at + want - 1))/3000000" ]
	done <<-END
		0-0 0 1
		699999-700000 699999 2
		600000-2200000 600000 1600001
		1400000-2099999 1400000 700000
		-10 2999990 10
		2999999-9999999 2999999 1
	END
	api GET "/executions/$x/output" -H 'Range: bytes=3000000-'
	expect_code 416
	api HEAD "/executions/$x/output"
	expect_code 200
	[ "$(header content-length)" = 3000000 ]
	api GET "/executions/$x/output?stream=stderr"	# the short one is the row's
	expect_code 200
	[ "$body" = short ]
}

@test "a piece that is lost ends the log where it was, and is stored again" {
	local x
	x=$(unsent one)
	put one "$x" stdout 0 "$(piece 0 1000)"
	put one "$x" stdout 1000 "$(piece 1000 1000)"
	put one "$x" stdout 2000 "$(piece 2000 1000)"
	s3 DELETE "logs/one/$x/1/stdout/00000000000000001000"
	put one "$x" stdout 3000 "$(piece 3000 1000)"
	expect_code 409
	expect .next 1000
	put one "$x" stdout 1000 "$(piece 1000 1500)"	# longer than it was: it overlaps the next
	expect_code 200
	put one "$x" stdout 3000 "$(piece 3000 2997000)"
	expect_code 200
	expect .next 3000000
	closes one "$x"
	api GET "/executions/$x/output"
	is 0 3000000
}

@test "attempts do not mix: what an older one still sends is taken and forgotten" {
	local x
	x=$(unsent one)
	put one "$x" stdout 0 "$(piece 5 500)"
	expect_code 200
	sql "UPDATE execution SET attempt = 2 WHERE id = '$x'"
	put one "$x" stdout 500 "$(piece 0 600)" '&attempt=1'
	expect_code 200
	expect .next 1100
	put one "$x" stdout 0 "$(piece 0 1500000)"	# the current one begins anew
	expect_code 200
	put one "$x" stdout 1500000 "$(piece 1500000 1500000)" '&attempt=2'
	expect_code 200
	closes one "$x" '{"attempt": 2}'
	expect_code 201
	api GET "/executions/$x/output"
	is 0 3000000
	[ "$(header x-output-attempt)" = 2 ]
	[ "$(keys "logs/one/$x/1/")" = "logs/one/$x/1/stdout/00000000000000000000" ]
}

# ---- real code ----

spool() { echo "$STACK/s/state/$DEPLOYMENT-$1/state/spool"; }
none_spooled() { [ -z "$(find "$(spool "$1")" -name "$2*")" ]; }

@test "long output of real code: stored before its result is seen, forgotten by the executor, gone with the session" {
	local x
	new_session '{"id":"real"}'
	run_sync real python $'import sys\nfor i in range(300000):\n    sys.stdout.write("%09d\\n" % i)\nsys.stderr.write("e" * 1500000)'
	expect_code 200
	expect '[.status, .stdout_truncated, .stderr_truncated, .stdout_bytes] | tojson' '["completed",true,true,3000000]'
	x=$(jqb .id)
	keys "logs/real/$x/1/stdout/" | grep -q .
	[ -d "$(spool real)" ]
	poll 10 none_spooled real "$x"
	api GET "/executions/$x/output"
	is 0 3000000
	api GET "/executions/$x/output?stream=stderr&after=1000000"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/body.last")" = 500000 ]
	run_sync real shell 'echo short'
	keys logs/real/ | grep -qv "/$(jqb .id)/"
	api POST /sessions/real/terminate
	expect_code 200
	api GET "/executions/$x/output" -H 'Range: bytes=2999990-'	# kept for [storage] retention_hours
	expect_code 206
	is 2999990 10
	[ "$(sql "SELECT COUNT(*) FROM storage_garbage WHERE session_id = 'real' AND not_before > UTC_TIMESTAMP(3) + INTERVAL 59 MINUTE")" = 2 ]
	sql "UPDATE storage_garbage SET not_before = UTC_TIMESTAMP(3) WHERE session_id = 'real'"
	poll 20 no_keys logs/real/
	api GET "/executions/$x/output"
	expect_code 404
	error Sandbox.FileNotFound
	api GET "/executions/$x"	# the execution stays
	expect '[.status, .stdout_bytes] | tojson' '["completed",3000000]'
	api DELETE /sessions/real
	api GET "/executions/$x/output"
	expect_code 404
	error Sandbox.ExecutionNotFound
}

no_keys() { [ -z "$(keys "$1")" ]; }

@test "after the result a log can be completed, not made longer" {
	local x
	x=$(unsent one)
	put one "$x" stdout 0 "$(piece 0 1000000)"
	closes one "$x"
	put one "$x" stdout 1000000 "$(piece 0 2000001)"
	expect .message discarded
	put one "$x" stdout 1000000 "$(piece 1000000 2000000)" '' -H 'Transfer-Encoding: chunked'
	expect .message discarded
	put one "$x" stderr 0 "$(piece 0 6)"
	expect .message discarded
	put one "$x" stdout 1000000 "$(piece 1000000 2000000)"
	expect_code 200
	expect '[.message, .next] | tojson' '["stored",3000000]'
	put one "$x" stdout 3000000 "$(piece 0 5)"
	expect_code 200
	expect .message discarded
	api GET "/executions/$x/output"
	is 0 3000000
	[ -z "$(keys "logs/one/$x/1/stderr/")" ]
}

@test "a log that comes in the 60 s after the end is kept as long as the files, and never longer" {
	local x
	new_session '{"id":"late"}'
	x=$(unsent late)
	put late "$x" stdout 0 "$(piece 0 1000000)"
	expect_code 200
	api POST /sessions/late/terminate
	put late "$x" stdout 1000000 "$(piece 1000000 2000000)"
	expect_code 200
	expect .next 3000000
	closes late "$x"
	expect_code 200
	api GET "/executions/$x"
	expect '[.status, .stdout, .stdout_truncated] | tojson' '["cancelled","head and tail",true]'
	api GET "/executions/$x/output"
	is 0 3000000
	sql "UPDATE storage_garbage SET not_before = UTC_TIMESTAMP(3) WHERE session_id = 'late'"
	poll 20 no_garbage late
	put late "$x" stdout 0 "$(piece 0 1000)"
	expect_code 200
	expect '[.message, .next] | tojson' '["discarded",1000]'
	put late "$x" stdout 1000 "$(piece 1000 2000)"
	expect .next 3000
	no_keys logs/late/
	no_garbage late
	api GET "/executions/$x/output"
	expect_code 404
	sql "UPDATE session SET completed_at = UTC_TIMESTAMP(3) - INTERVAL 61 SECOND WHERE id = 'late'"
	put late "$x" stdout 3000 "$(piece 3000 5)"
	expect_code 401
	api DELETE /sessions/late
}

no_garbage() { [ "$(sql "SELECT COUNT(*) FROM storage_garbage WHERE session_id = '$1'")" = 0 ]; }

# ---- memory ----

worker() { pgrep -P "$(cut -d' ' -f1 "$STACK/s/pid/fcgi")"; }
peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$(worker)/status"; }

@test "60 MiB go in and out in flat memory" {
	local x at before after
	x=$(unsent one)
	head -c 20971520 /dev/urandom >"$BATS_TEST_TMPDIR/part"
	put one "$x" stderr 0 "$BATS_TEST_TMPDIR/part"	# what it needs for any
	api GET "/executions/$x"
	echo 5 >"/proc/$(worker)/clear_refs"
	before=$(peak_kib)
	for at in 0 20971520 41943040; do
		put one "$x" stdout $at "$BATS_TEST_TMPDIR/part"
		expect_code 200
	done
	closes one "$x" '{"stdout_bytes": 62914560}'
	expect_code 201
	curl -sS -m 100 "$URL/api/v1/executions/$x/output" | sha256sum >"$BATS_TEST_TMPDIR/got"
	after=$(peak_kib)
	cat "$BATS_TEST_TMPDIR"/part{,,} | sha256sum | cmp - "$BATS_TEST_TMPDIR/got"
	echo "# worker: $before KiB before, at most $after KiB" >&3
	[ $((after - before)) -lt 8192 ] || { echo "$before KiB before, $after KiB after" >&2; return 1; }
}
