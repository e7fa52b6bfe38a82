#!/usr/bin/env bats
# Executions and idempotency: CONTRACT 1.6 and 4 over HTTP, without events, dependencies and retries.
load helper
load api

parallel=4 queue=6

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[execution]\nmax_parallel = %s\nmax_queue = %s\n' $parallel $queue >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one"}'
}

teardown_file() { stop_stack; }

# Code that runs until /workspace/NAME is there, 60 s at most.
until_file() { echo "(for i in \$(seq 1200); do [ ! -e /workspace/$1 ] || exit 0; sleep 0.05; done; exit 1)"; }

# sync_later SESSION BODY [curl arguments...]: execute-sync in the background; its answer in $LATER.{code,body,headers}
sync_later() {
	local session=$1 json=$2
	shift 2
	LATER=$BATS_TEST_TMPDIR/later
	rm -f "$LATER".*
	curl -sS -m 100 -X POST -H 'Content-Type: application/json' --data-binary "$json" -o "$LATER.body" -D "$LATER.headers" \
		-w '%{http_code}' "$@" "$URL/api/v1/sessions/$session/execute-sync" >"$LATER.code" 2>"$LATER.error" 3>&- &
	LATER_PID=$!
}

body_of() { jq -cn --arg code "$1" --argjson x "${2:-{\}}" '{code: $code, language: "shell"} + $x'; }

known() { api GET "/executions/$1"; [ "$code" = 200 ]; }

# ---- the objects ----

@test "an execution: every documented member, before and after its end" {
	local x members="artifacts artifacts_truncated attempt code code_omitted completed_at created_at ended_reason entrypoint
		error error_message event event_omitted execution_id execution_time exit_code id language last_heartbeat_at
		max_retries metrics retry_count retryable return_value return_value_omitted session_id signal started_at status
		stderr stderr_bytes stderr_dropped_bytes stderr_truncated stdout stdout_bytes stdout_dropped_bytes
		stdout_truncated timeout"
	members=$(tr -s ' \n\t' '\n' <<<"$members" | LC_ALL=C sort | grep . | paste -sd' ')
	x=$(new_execution one "$(until_file first)")
	[[ $x =~ ^exec_$(date -u +%Y%m%d)_[a-z0-9]{8}$ ]]
	poll 10 known "$x"
	expect 'keys_unsorted | sort | join(" ")' "$members"
	expect '[.ended_reason, .retryable, .metrics, .exit_code, .completed_at, .return_value, .execution_time] | unique | @json' '[null]'
	[[ $(jqb .status) =~ ^(pending|running)$ ]]
	poll 10 execution_is "$x" running
	run_sync one shell 'touch /workspace/first'
	poll 10 execution_ended "$x"
	api POST /sessions/one/execute-sync '{"code":"import sys\ndef handler(e):\n  print(\"out\")\n  print(\"err\", file=sys.stderr)\n  return {\"a\": e[\"k\"] + 1, \"n\": None}",
		"language":"python","event":{"k":1,"big":12345678901234567890},"timeout":9,"max_retries":0}'
	expect_code 200
	expect 'keys_unsorted | sort | join(" ")' "$members"
	expect '[.status, .ended_reason, .retryable, .exit_code, .signal, .attempt, .retry_count, .max_retries] | @json' \
		'["completed","exited",false,0,null,1,0,0]'
	expect '.return_value | @json' '{"a":2,"n":null}'
	expect '[.stdout, .stderr, .stdout_bytes, .stderr_bytes] | @json' '["out\n","err\n",4,4]'
	expect '[.language, .entrypoint, .timeout, .session_id] | @json' '["python","handler",9,"one"]'
	grep -q '"event":{"k":1,"big":12345678901234567890}' "$BATS_TEST_TMPDIR/body.last"	# to the letter
	expect '.metrics | keys | @json' '["cpu_time_ms","duration_ms","io_read_bytes","io_write_bytes","peak_memory_mb","queue_ms"]'
	expect '.execution_time == .metrics.duration_ms / 1000' true
	expect '[.id, .execution_id] | unique | length' 1
	expect '[.created_at, .started_at, .completed_at] | . == sort' true
	expect '[.error, .error_message] | @json' '[null,null]'
	expect '[.artifacts, .artifacts_truncated] | @json' '[[],false]'
}

@test "execute: 201 with the four members, Location and a status" {
	api POST /sessions/one/execute "$(body_of true)"
	expect_code 201
	expect 'keys | @json' '["created_at","execution_id","session_id","status"]'
	[ "$(header location)" = "/api/v1/executions/$(jqb .execution_id)" ]
	expect .status pending
	poll 10 execution_ended "$(jqb .execution_id)"
}

@test "execute-sync answers 200 however it ended" {
	run_sync one shell 'exit 3'
	expect_code 200
	expect '[.status, .ended_reason, .exit_code, .error.errorType] | @json' '["failed","exited",3,"ExitError"]'
	run_sync one python 'raise ValueError("no")'
	expect_code 200
	expect '[.status, .exit_code, .error.errorType, .error_message] | @json' '["failed",1,"ValueError","ValueError: no"]'
	run_sync one shell 'sleep 100' '{"timeout":1}'
	expect_code 200
	expect '[.status, .ended_reason] | @json' '["timeout","exec_timeout"]'
	run_sync one shell 'kill -9 $$'
	expect '[.status, .ended_reason, .exit_code, .signal] | @json' '["failed","signaled",-1,9]'
}

@test "what execute refuses: 422 by the table, 400 for a language that the image has not" {
	local row
	while IFS='|' read -r status row; do
		api POST /sessions/one/execute "$row"
		[ "$code" = "$status" ] || { echo "$row: $code, expected $status: $body" >&2; return 1; }
		error Sandbox.InvalidParameter
	done <<-'END'
		422|{"language":"shell"}
		422|{"code":"","language":"shell"}
		422|{"code":"true"}
		422|{"code":"true","language":"ruby"}
		422|{"code":"true","language":"shell","timeout":0}
		422|{"code":"true","language":"shell","timeout":3601}
		422|{"code":"true","language":"shell","event":[]}
		422|{"code":"true","language":"shell","entrypoint":"a-b"}
		422|{"code":"true","language":"shell","execution_id":"a/b"}
		422|{"code":"true","language":"shell","max_retries":4}
		422|{"code":"true","language":"shell","stdin":5}
		422|{"code":"true","language":"shell","env_vars":{"SANDBOX_A":"x"}}
		422|{"code":"true","language":"shell","id":"a","execution_id":"b"}
		400|{"code":"1","language":"javascript"}
	END
	local q
	for q in poll_interval=0.05 poll_interval=11 poll_interval=x sync_timeout=9 sync_timeout=3601 sync_timeout=10.5; do
		api POST "/sessions/one/execute-sync?$q" "$(body_of true)"
		expect_code 422
		expect '.detail[0].loc | @json' "[\"query\",\"${q%%=*}\"]"
	done
	api GET /executions/none
	expect_code 404
	expect .detail 'Execution not found: none'
}

@test "lists: newest first, filter, cursor; long members are cut and marked" {
	local id x i text
	id=$(new_session)
	for i in 1 2 3 4 5; do run_sync "$id" shell "exit $((i % 2))" "{\"execution_id\":\"l-$id-$i\"}"; done
	api GET "/sessions/$id/executions"
	expect '[.items[].id] | @json' "[\"l-$id-5\",\"l-$id-4\",\"l-$id-3\",\"l-$id-2\",\"l-$id-1\"]"
	expect '[.total, .limit, .has_more] | @json' '[5,50,false]'
	api GET "/sessions/$id/executions?status=failed"
	expect '[.total, (.items | length)] | @json' '[3,3]'
	api GET "/sessions/$id/executions?status=none-such"
	expect '[.total, .items] | @json' '[0,[]]'
	api GET "/sessions/$id/executions?limit=2"
	expect .has_more true
	api GET "/sessions/$id/executions?limit=2&cursor=$(jqb .next_cursor)"
	expect '[.items[].id] | @json' "[\"l-$id-3\",\"l-$id-2\"]"
	api GET "/sessions/$id/executions?limit=2&cursor=$(jqb .next_cursor)"
	expect '[[.items[].id], .has_more, .next_cursor] | @json' "[[\"l-$id-1\"],false,null]"
	# 16 KiB of code, event and output, 64 KiB of return value are shown; one byte more is not.
	text=$'def handler(e):\n  print("é" * 8192, end=""); return "v" * 65534\n#'
	for x in 16384 16385; do
		printf '%s' "$text" >"$BATS_TEST_TMPDIR/pad"
		head -c $((x - $(wc -c <"$BATS_TEST_TMPDIR/pad"))) /dev/zero | tr '\0' x >>"$BATS_TEST_TMPDIR/pad"
		run_sync "$id" python "$(<"$BATS_TEST_TMPDIR/pad")" "{\"execution_id\":\"c-$id-$x\",\"event\":{\"a\":\"$(head -c $((x - 8)) /dev/zero | tr '\0' y)\"}}"
		expect_code 200
		expect '[.code_omitted, .event_omitted, .return_value_omitted, .stdout_truncated] | @json' '[false,false,false,false]'
		expect '.code | utf8bytelength' $x
		text=${text/65534/65535}
		text=${text/8192/8193}
	done
	api GET "/sessions/$id/executions?limit=2"
	expect '[.items[1] | .code_omitted, .event_omitted, .return_value_omitted, .stdout_truncated] | @json' '[false,false,false,false]'
	expect '.items[1] | [(.code | utf8bytelength), (.return_value | length), (.stdout | utf8bytelength)] | @json' '[16384,65534,16384]'
	expect '[.items[0] | .code_omitted, .event_omitted, .return_value_omitted, .stdout_truncated] | @json' '[true,true,true,true]'
	expect '.items[0] | [.code, .event, .return_value, (.stdout | utf8bytelength)] | @json' '[null,null,null,16384]'
	api DELETE "/sessions/$id"
}

@test "output: from an offset, by range, of either stream, while it runs, and whole when it is long" {
	local id x row
	id=$(new_session)
	run_sync "$id" shell 'printf hello; printf err >&2'
	x=$(jqb .id)
	# query or range | code | body | X-Output-Next | Content-Range
	while IFS='|' read -r row want_code want next range; do
		if [[ $row = bytes* ]]; then api GET "/executions/$x/output" -H "Range: $row"; else api GET "/executions/$x/output$row"; fi
		[[ $code = "$want_code" && $(header x-output-next) = "$next" && $(header content-range) = "$range" ]] &&
			{ [ "$code" = 416 ] || [ "$body" = "$want" ]; } || { echo "$row: $code $headers $body" >&2; return 1; }
	done <<-'END'
		|200|hello|5|
		?stream=stdout&after=2|200|llo|5|
		?after=5|200||5|
		?after=6|416|||bytes */5
		?stream=stderr|200|err|3|
		?stream=stderr&after=3|200||3|
		bytes=1-3|206|ell|4|bytes 1-3/5
		bytes=3-|206|lo|5|bytes 3-4/5
		bytes=-2|206|lo|5|bytes 3-4/5
		bytes=-9|206|hello|5|bytes 0-4/5
		bytes=-0|416|||bytes */5
		bytes=5-|416|||bytes */5
		bytes=9-2|200|hello|5|
		bytes=0-0,2-3|200|hello|5|
	END
	[ "$(header content-type)" = application/octet-stream ]
	expect_header x-output-complete true
	expect_header x-output-dropped 0
	expect_header x-output-attempt 1
	x=$(new_execution "$id" "printf one; $(until_file go); printf two")
	poll 10 output_is "$x" one
	expect_header x-output-complete false
	run_sync "$id" shell 'touch /workspace/go'
	poll 10 execution_ended "$x"
	api GET "/executions/$x/output?after=3"
	[ "$body" = two ]
	expect_header x-output-complete true
	run_sync "$id" shell 'head -c 3000000 /dev/zero | tr "\0" a; echo end'
	x=$(jqb .id)
	expect '[.stdout_bytes, .stdout_truncated, .stdout_dropped_bytes] | @json' '[3000004,true,0]'
	expect '.stdout | utf8bytelength <= 1048576 and endswith("end\n")' true
	api GET "/executions/$x/output"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/body.last")" = 3000004 ]
	api GET "/executions/$x/output" -H 'Range: bytes=2999999-3000001'
	[ "$body" = aen ]
	api DELETE "/sessions/$id"
}

output_is() { api GET "/executions/$1/output"; [ "$body" = "$2" ]; }
expect_header() { [ "$(header "$1")" = "$2" ] || { echo "$1 is '$(header "$1")', not '$2'" >&2; return 1; }; }

# ---- many at once ----

@test "one execution_id 20 times at once: it runs once, all get the same answer" {
	at_once 20 POST /sessions/one/execute-sync \
		'{"execution_id":"once","language":"shell","code":"echo x >>/workspace/once; wc -l </workspace/once"}'
	all_codes 200
	[ "$(answers '[.id, .status, .stdout, .attempt] | @json' | sort -u)" = '["once","completed","1\n",1]' ]
	[ "$(grep -lis '^idempotent-replay: true' "$ONCE"/*.headers | wc -l)" = 19 ]
	run_sync one shell 'cat /workspace/once'
	expect .stdout $'x\n'
	# Later too, and by execute.
	api POST /sessions/one/execute '{"language":"shell","code":"echo x >>/workspace/once; wc -l </workspace/once","id":"once"}'
	expect_code 422		# the alias makes it another body: content counts as it was sent
	api POST /sessions/one/execute '{"language":"shell","code":"echo x >>/workspace/once; wc -l </workspace/once","execution_id":"once"}'
	expect_code 201
	expect .status completed
	[ "$(header idempotent-replay)" = true ]
	# Other content is another thing, and the id belongs to this session.
	api POST /sessions/one/execute '{"language":"shell","code":"true","execution_id":"once"}'
	expect_code 422
	error Sandbox.IdempotencyConflict
	local other
	other=$(new_session)
	api POST "/sessions/$other/execute" '{"language":"shell","code":"echo x >>/workspace/once; wc -l </workspace/once","execution_id":"once"}'
	expect_code 409
	error Sandbox.Conflict
	api DELETE "/sessions/$other"
}

@test "50 sync executions at once over 10 sessions: each gets its own answer" {
	at_once 10 POST '/sessions?wait=60' '{"template_id":"python-basic","id":"p-%D%"}'
	all_codes 201
	at_once 50 POST '/sessions/p-%D%/execute-sync' '{"language":"python","code":"def handler(e): return e","event":{"n":%N%,"s":"p-%D%"}}'
	all_codes 200
	[ "$(answers .status | sort -u)" = completed ]
	[ "$(answers '[.return_value.n, .session_id == .return_value.s] | @json' | sort | uniq | wc -l)" = 50 ]
	[ "$(answers '.return_value.n' | paste -sd' ')" = "$(seq 50 | paste -sd' ')" ]
	for i in {0..9}; do api DELETE "/sessions/p-$i"; done
}

@test "a full queue: 429 with Retry-After, and room again when one ends" {
	local id i x
	id=$(new_session)
	for ((i = 0; i < parallel + queue; i++)); do
		x[i]=$(new_execution "$id" "$(until_file "q$i")")
	done
	api POST "/sessions/$id/execute" "$(body_of true)"
	expect_code 429
	error Sandbox.TooManyRequestsExecution
	[[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
	expect .retryable true
	# Exactly max_parallel of them run, the oldest ones.
	for ((i = 0; i < parallel; i++)); do poll 15 execution_is "${x[i]}" running; done
	execution_is "${x[parallel]}" pending
	[ "$(sql "SELECT COUNT(*) FROM execution WHERE session_id = '$id' AND state = 'running'")" = $parallel ]
	# One that waits can be cancelled, and never starts.
	api POST "/executions/${x[parallel]}/cancel"
	expect_code 200
	expect '[.status, .ended_reason, .exit_code] | @json' '["cancelled","user_cancelled",null]'
	api POST "/sessions/$id/execute" "$(body_of true)"
	expect_code 201
	api DELETE "/sessions/$id"
}

# ---- waiting ----

@test "in a session that is being created an execution waits, and runs when it is there" {
	local id x
	api POST /sessions '{"template_id":"python-basic"}'
	id=$(jqb .id)
	run_sync "$id" shell 'echo early'
	expect_code 200
	expect .stdout $'early\n'
	# The same without luck: the session is put back, and its executor reports again.
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$id'"
	x=$(new_execution "$id" 'echo waited')
	execution_is "$x" pending
	sync_later "$id" "$(body_of 'echo sync')"
	poll 10 two_wait "$id"
	as "$id" POST "/sessions/$id/container_ready" "{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"reduced\"}}"
	expect_code 200
	expect '.layer' null
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 200 ]
	[ "$(jq -r .stdout "$LATER.body")" = sync ]
	poll 10 execution_ended "$x"
	expect .stdout $'waited\n'
	api DELETE "/sessions/$id"
}

two_wait() { [ "$(sql "SELECT COUNT(*) FROM execution WHERE session_id = '$1' AND state = 'pending'")" = 2 ]; }

@test "sync_timeout: 408 with the execution_id, it goes on; the key answers for it, waiting again" {
	local x id
	id=$(new_session)
	sync_later "$id" "$(body_of "$(until_file go); echo done")" -H 'Idempotency-Key: slow' --url-query sync_timeout=10
	poll 10 running_in "$id"
	# While it runs, the key is taken.
	api POST "/sessions/$id/execute-sync" "$(body_of "$(until_file go); echo done")" -H 'Idempotency-Key: slow' --url-query sync_timeout=10
	expect_code 409
	error Sandbox.IdempotencyConflict
	[ "$(header retry-after)" = 1 ]
	expect .retryable true
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 408 ]
	x=$(jq -r .execution_id "$LATER.body")
	[ "$(jq -r .error_code "$LATER.body")" = Sandbox.ExecTimeout ]
	[ "$(jq -r .retryable "$LATER.body")" = true ]
	execution_is "$x" running
	sync_later "$id" "$(body_of "$(until_file go); echo done")" -H 'Idempotency-Key: slow' --url-query sync_timeout=10
	run_sync "$id" shell 'touch /workspace/go'
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 200 ]
	[ "$(jq -r '[.id, .status] | @json' "$LATER.body")" = "[\"$x\",\"completed\"]" ]
	grep -qi '^idempotent-replay: true' "$LATER.headers"
	api GET "/executions/$x"
	expect .status completed
	[ "$(sql "SELECT COUNT(*) FROM execution WHERE session_id = '$id'")" = 2 ]
	api DELETE "/sessions/$id"
}

running_in() { [ "$(sql "SELECT COUNT(*) FROM execution WHERE session_id = '$1' AND state = 'running'")" = 1 ]; }

@test "a client that goes away: the execution goes on, its thread is free" {
	local id
	id=$(new_session)
	sync_later "$id" "$(body_of "$(until_file go); echo done" '{"execution_id":"left"}')"
	poll 10 known left
	kill "$LATER_PID"
	poll 10 grep -q '"path":"/api/v1/sessions/'"$id"'/execute-sync"' "$LOG/sandbox.log"
	api GET /executions/left
	expect .ended_reason null
	run_sync "$id" shell 'touch /workspace/go'
	poll 10 execution_ended left
	expect .stdout $'done\n'
	api DELETE "/sessions/$id"
}

# ---- cancel ----

@test "cancel: running, ended, twice, unknown" {
	local id x first from
	id=$(new_session)
	x=$(new_execution "$id" 'echo begun; sleep 1000')
	poll 10 execution_is "$x" running
	from=${EPOCHREALTIME/./}
	api POST "/executions/$x/cancel"
	expect_code 200
	[ $((${EPOCHREALTIME/./} - from)) -lt 5000000 ]
	expect '[.status, .ended_reason, .retryable, .stdout] | @json' '["cancelled","user_cancelled",false,"begun\n"]'
	first=$body
	api POST "/executions/$x/cancel"
	expect_code 200
	[ "$body" = "$first" ]
	run_sync "$id" shell 'exit 7'
	x=$(jqb .id)
	first=$body
	api POST "/executions/$x/cancel"
	expect_code 200
	[ "$body" = "$first" ]
	expect '[.status, .exit_code] | @json' '["failed",7]'
	api POST /executions/none/cancel
	expect_code 404
	api DELETE "/sessions/$id"
}

@test "cancelling a sync execution: whoever waits for it gets the cancelled execution" {
	local id
	id=$(new_session)
	sync_later "$id" "$(body_of 'sleep 1000' '{"execution_id":"stopped"}')"
	poll 10 known stopped
	api POST /executions/stopped/cancel
	expect_code 200
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 200 ]
	[ "$(jq -r '[.status, .ended_reason] | @json' "$LATER.body")" = '["cancelled","user_cancelled"]' ]
	api DELETE "/sessions/$id"
}

@test "the session ends while code runs: cancelled, session_ended, and its late output is added" {
	local id x
	id=$(new_session)
	x=$(new_execution "$id" 'echo begun; sleep 1000')
	poll 10 execution_is "$x" running
	sync_later "$id" "$(body_of 'sleep 1000')"
	poll 10 two_open "$id"
	api POST "/sessions/$id/terminate"
	expect_code 200
	api GET "/executions/$x"
	expect '[.status, .ended_reason] | @json' '["cancelled","session_ended"]'
	wait "$LATER_PID"
	[ "$(<"$LATER.code")" = 200 ]
	[ "$(jq -r '[.status, .ended_reason] | @json' "$LATER.body")" = '["cancelled","session_ended"]' ]
	poll 20 has_output "$x"
	expect '[.status, .ended_reason, .stdout] | @json' '["cancelled","session_ended","begun\n"]'
	api DELETE "/sessions/$id"
}

two_open() { [ "$(sql "SELECT COUNT(*) FROM execution WHERE session_id = '$1' AND state IN ('pending', 'running')")" = 2 ]; }
has_output() { api GET "/executions/$1"; [ "$(jqb .stdout)" = begun ]; }

# ---- Idempotency-Key ----

@test "Idempotency-Key: the same creation 20 times at once makes one session" {
	at_once 20 POST '/sessions?wait=30' '{"template_id":"python-basic","env_vars":{"K":"v"}}' -H 'Idempotency-Key: create-1'
	local c good=0 first
	for c in "${codes[@]}"; do
		[[ $c = 201 || $c = 409 ]]
		[ "$c" != 201 ] || good=$((good + 1))
	done
	[ $good -ge 1 ]
	[ "$(sql "SELECT COUNT(*) FROM session WHERE env_vars = '{\"K\":\"v\"}'")" = 1 ]
	[ "$(answers 'select(.status == "running") | .id' | sort -u | wc -l)" = 1 ]
	# Afterwards everyone gets the stored answer, whatever the order and the blanks of the body.
	api POST '/sessions?wait=30' '{ "env_vars": {"K": "v"},"template_id":"python-basic"}' -H 'Idempotency-Key: create-1'
	expect_code 201
	[ "$(header idempotent-replay)" = true ]
	first=$(jqb .id)
	[ "$(header location)" = "/api/v1/sessions/$first" ]
	api POST '/sessions?wait=29' '{"template_id":"python-basic","env_vars":{"K":"v"}}' -H 'Idempotency-Key: create-1'
	expect_code 422	# the query counts
	error Sandbox.IdempotencyConflict
	api POST '/sessions?wait=30' '{"template_id":"python-basic"}' -H 'Idempotency-Key: create-1'
	expect_code 422
	api POST '/sessions?wait=30' '{"template_id":"python-basic"}' -H 'Idempotency-Key: create-2'
	expect_code 201
	[ "$(jqb .id)" != "$first" ]
	api DELETE "/sessions/$(jqb .id)"
	api DELETE "/sessions/$first"
}

@test "Idempotency-Key: one execution; refusals are answered again, other routes are apart; bad keys" {
	local x
	api POST /sessions/one/execute-sync "$(body_of 'echo x >>/workspace/key; wc -l </workspace/key')" -H 'Idempotency-Key: k'
	expect_code 200
	expect .stdout $'1\n'
	x=$(jqb .id)
	api POST /sessions/one/execute-sync "$(body_of 'echo x >>/workspace/key; wc -l </workspace/key')" -H 'Idempotency-Key: k'
	expect_code 200
	expect '[.id, .stdout] | @json' "[\"$x\",\"1\\n\"]"
	[ "$(header idempotent-replay)" = true ]
	api POST /sessions/one/execute "$(body_of 'echo x >>/workspace/key')" -H 'Idempotency-Key: k'
	expect_code 201	# another path, another scope
	[ -z "$(header idempotent-replay)" ]
	api POST /sessions/one/execute '{"code":"1","language":"javascript"}' -H 'Idempotency-Key: refused'
	expect_code 400
	api POST /sessions/one/execute '{"code":"1","language":"javascript"}' -H 'Idempotency-Key: refused'
	expect_code 400
	[ "$(header idempotent-replay)" = true ]
	local key
	for key in '' 'a b' 'ä' "$(printf 'k%.0s' {1..256})"; do
		api POST /sessions/one/execute "$(body_of true)" -H "Idempotency-Key;$key" -H "Idempotency-Key: $key"
		expect_code 422
		expect '.detail[0].loc[0]' header
	done
	api POST /sessions/one/execute "$(body_of true)" -H "Idempotency-Key: $(printf 'k%.0s' {1..255})"
	expect_code 201
}

@test "Idempotency-Key: what failed for a passing reason runs again" {
	local id i x
	id=$(new_session)
	for ((i = 0; i < parallel + queue; i++)); do new_execution "$id" "$(until_file go)" >/dev/null; done
	api POST "/sessions/$id/execute" "$(body_of true)" -H 'Idempotency-Key: full'
	expect_code 429
	sql "UPDATE execution SET state = 'cancelled' WHERE session_id = '$id' AND state = 'pending'"
	api POST "/sessions/$id/execute" "$(body_of true)" -H 'Idempotency-Key: full'
	expect_code 201
	[ -z "$(header idempotent-replay)" ]
	api DELETE "/sessions/$id"
}
