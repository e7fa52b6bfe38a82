#!/usr/bin/env bats
# What happens to requests when a part of the platform is killed, restarted, stopped or reloaded.
load helper
load api

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[server]\nworkers = 2\nshutdown_grace = 20\n[database]\nconnect_timeout = 2\n' >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one"}'
}

teardown_file() { stop_stack; }

pid_of() { cut -d' ' -f1 "$STACK/s/pid/$1"; }
workers() { pgrep -P "$(pid_of fcgi)" | sort -n; }
two_workers() { [ "$(workers | wc -l)" = 2 ]; }

# program NAME: how the stack started it, to start it again so
program() { mapfile -d '' -t command <"/proc/$(pid_of "$1")/cmdline"; }

# start NAME: what program() remembered, as tools/stack does it
start() {
	setsid "${command[@]}" >>"$LOG/$1.log" 2>&1 </dev/null 3>&- 4>&- &
	echo "$! $(cut -d' ' -f22 "/proc/$!/stat")" >"$STACK/s/pid/$1"
	disown
}

gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
answers_ok() { api GET /sessions; [ "$code" = 200 ]; }

# later BODY: execute-sync in session one, in the background
later() {
	LATER=$BATS_TEST_TMPDIR/later
	curl -sS -m 60 -X POST -H 'Content-Type: application/json' --data-binary "$1" -o "$LATER.body" -w '%{http_code}' \
		"$URL/api/v1/sessions/one/execute-sync" >"$LATER.code" 2>"$LATER.error" 3>&- &
	LATER_PID=$!
}

until_file() { echo "(for i in \$(seq 1200); do [ ! -e /workspace/$1 ] || exit 0; sleep 0.05; done; exit 1); echo done"; }
code_of() { jq -cn --arg code "$(until_file "$1")" --arg id "$1" '{code: $code, language: "shell", execution_id: $id}'; }
known() { api GET "/executions/$1"; [ "$code" = 200 ]; }

@test "a worker that is killed during a sync execution: an error of the web server, the result comes, others go on" {
	local pid
	later "$(code_of killed)"
	poll 10 execution_is killed running
	pid=$(jq -r 'select(.msg == "execution.submitted" and .execution_id == "killed") | .pid' "$LOG/sandbox.log")
	[ -n "$pid" ]
	kill -9 "$pid"
	wait "$LATER_PID"
	[[ $(<"$LATER.code") = 50[24] ]] || { cat "$LATER.code" "$LATER.body" >&2; return 1; }
	run_sync one shell 'touch /workspace/killed'	# the other worker, or the new one
	expect_code 200
	poll 15 execution_ended killed
	expect '[.status, .stdout, .attempt] | @json' '["completed","done\n",1]'
	poll 5 two_workers
	run ! grep -q "^$pid\$" <(workers)
	# The same id again is answered, not run again.
	api POST /sessions/one/execute-sync "$(code_of killed)"
	expect_code 200
	[ "$(header idempotent-replay)" = true ]
}

@test "a worker that is killed in the middle of 40 requests: only its own are lost, all that come after are answered" {
	local pid n
	pid=$(workers | head -n 1)
	kill -9 "$pid"
	at_once 40 GET /sessions/one
	for n in "${codes[@]}"; do [[ $n = 200 || $n = 502 ]]; done
	poll 5 two_workers
	at_once 40 GET /sessions/one
	all_codes 200
}

@test "an Idempotency-Key whose worker died after the commit answers for its session" {
	api POST /sessions '{"template_id":"python-basic","id":"orphan"}' -H 'Idempotency-Key: orphan'
	expect_code 201
	# As if the worker had died between its commit and its answer, a lease ago.
	sql "UPDATE idempotency_key SET state = 'running', response = NULL, http_status = NULL, lease_owner = 'dead',
		lease_until = UTC_TIMESTAMP(3) + INTERVAL 30 SECOND WHERE idem_key = 'orphan'"
	api POST /sessions '{"template_id":"python-basic","id":"orphan"}' -H 'Idempotency-Key: orphan'
	expect_code 409
	sql "UPDATE idempotency_key SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE idem_key = 'orphan'"
	api POST /sessions '{"template_id":"python-basic","id":"orphan"}' -H 'Idempotency-Key: orphan'
	expect_code 201
	expect .id orphan
	[ "$(header idempotent-replay)" = true ]
	api DELETE /sessions/orphan
}

db_down() { api GET /sessions; [ "$code" = 503 ]; }
health_is() { api GET //health; [ "$(jqb .status)" = "$1" ]; }

@test "the database goes away and comes back: 503 DatabaseUnavailable meanwhile, then all is as before" {
	local pid x
	x=$(new_execution one "$(until_file db)")
	poll 10 execution_is "$x" running
	later "$(code_of db2)"
	poll 10 execution_is db2 running
	program mariadb
	pid=$(pid_of mariadb)
	kill -9 "$pid"
	poll 10 gone "$pid"
	poll 10 db_down
	error Sandbox.DatabaseUnavailable
	expect .retryable true
	[[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
	api POST /sessions '{"template_id":"python-basic"}'
	expect_code 503
	error Sandbox.DatabaseUnavailable
	run ! grep -iE 'mysql|mariadb|/run/|SELECT' <<<"$body"
	poll 10 health_is unhealthy
	start mariadb
	poll 30 answers_ok
	poll 15 health_is healthy
	# What ran, ran on; both results arrive.
	run_sync one shell 'touch /workspace/db /workspace/db2'
	expect_code 200
	poll 20 execution_ended "$x"
	expect '[.status, .stdout] | @json' '["completed","done\n"]'
	poll 20 execution_ended db2
	expect '[.status, .stdout] | @json' '["completed","done\n"]'
	wait "$LATER_PID"
	[[ $(<"$LATER.code") = 200 || $(<"$LATER.code") = 503 ]]
	new_session '{"id":"after"}'
	api DELETE /sessions/after
}

@test "SIGHUP: new workers, the new configuration, and not one request is lost" {
	local old
	old=$(workers)
	later "$(code_of hup)"
	poll 10 execution_is hup running
	printf '[execution]\ndefault_timeout = 33\n' >>"$CONFIG"
	for _ in 1 2 3; do
		kill -HUP "$(pid_of fcgi)"
		at_once 40 GET /sessions/one
		all_codes 200
	done
	run_sync one shell 'touch /workspace/hup'
	expect_code 200
	expect .timeout 33
	wait "$LATER_PID"
	poll 10 other_workers "$old"	# one of the old ones had stayed for it
	[ "$(<"$LATER.code")" = 200 ]
	[ "$(jq -r .status "$LATER.body")" = completed ]
	# A configuration that is wrong changes nothing.
	cp "$CONFIG" "$BATS_TEST_TMPDIR/good"
	echo 'nonsense = 1' >>"$CONFIG"
	old=$(workers)
	kill -HUP "$(pid_of fcgi)"
	poll 5 grep -q pool.reload_refused "$LOG/sandbox.log"
	cat "$BATS_TEST_TMPDIR/good" >"$CONFIG"
	[ "$(workers)" = "$old" ]
	answers_ok
}

other_workers() { [ "$(workers | wc -l)" -ge 2 ] && [ -z "$(comm -12 <(echo "$1") <(workers))" ]; }

@test "SIGTERM: what is being answered is answered, then the program ends" {
	local pid
	program fcgi
	pid=$(pid_of fcgi)
	# It changes no file: nobody would be left to store that, and its result would wait until the program is back.
	later '{"execution_id": "term", "language": "shell", "code": "sleep 3571.25; echo done"}'
	poll 10 execution_is term running
	poll 10 pgrep -fx 'sleep 3571.25'
	kill -TERM "$pid"
	poll 5 grep -q pool.stopping "$LOG/sandbox.log"
	kill -KILL "$(pgrep -fx 'sleep 3571.25')"
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 200 ] || { cat "$LATER.code" "$LATER.body" >&2; return 1; }
	[ "$(jq -r '[.status, .stdout] | @json' "$LATER.body")" = '["completed","done\n"]' ]
	poll 10 gone "$pid"
	start fcgi
	poll 10 answers_ok
	run_sync one shell true
	expect_code 200
}
