#!/usr/bin/env bats
# The internal API: CONTRACT 9, and who may call it (1.4).
load helper
load api

now=2026-01-06T10:00:00.000Z

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[session]\nmax_recoveries = 0\n' >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one"}'
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"two"}'
}

teardown_file() { stop_stack; }

# unsent SESSION: an execution that no executor knows: the session was held back while it was submitted
unsent() {
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$1'"
	new_execution "$1" 'echo never'
	sql "UPDATE session SET state = 'running' WHERE id = '$1'"
}

result() { jq -cn --argjson x "${1:-{\}}" '{status: "completed", attempt: 1, exit_code: 0, ended_reason: "exited", stdout: "out",
	stderr: "", stdout_bytes: 3, stderr_bytes: 0, started_at: "2026-01-06T10:00:00.000Z", completed_at: "2026-01-06T10:00:01.000Z",
	metrics: {duration_ms: 1000, cpu_time_ms: 5, peak_memory_mb: 1.5, io_read_bytes: 1, io_write_bytes: 2, queue_ms: 3}} + $x'; }

# ---- who may call ----

@test "the public surface has no internal paths, whatever the client says" {
	local p
	for p in //internal/sessions/one/heartbeat /internal/sessions/one/heartbeat //internal/containers/ready; do
		api POST "$p" '{}' -H "Authorization: Bearer $(session_token one)" -H 'SANDBOX_SURFACE: internal' \
			-H 'Sandbox-Surface: internal'
		expect_code 404
		error Sandbox.NotFound
	done
	internal GET /sessions
	expect_code 404
	exchange http://sandbox/api/v1/sessions GET --unix-socket "$CONTROL"
	expect_code 404
}

@test "missing and wrong tokens are 401, another session's object 403" {
	local x token other
	x=$(unsent one)
	token=$(session_token one) other=$(session_token two)
	internal POST /sessions/one/heartbeat "{\"timestamp\":\"$now\"}"
	expect_code 401
	error Internal.Unauthorized
	[[ $(header www-authenticate) = Bearer* ]]
	internal POST /sessions/one/heartbeat "{\"timestamp\":\"$now\"}" -H 'Authorization: Bearer nonsense'
	expect_code 401
	internal POST /sessions/one/heartbeat "{\"timestamp\":\"$now\"}" -H "Authorization: Bearer ${token%?}"
	expect_code 401
	internal POST /sessions/one/heartbeat "{\"timestamp\":\"$now\"}" -H "X-API-Key: $token"
	expect_code 401
	local path json
	while read -r path json; do
		internal POST "$path" "$json" -H "Authorization: Bearer $other"
		expect_code 403
		error Internal.Forbidden
	done <<-END
		/sessions/one/heartbeat {"timestamp":"$now"}
		/sessions/one/container_ready {"container_id":"$DEPLOYMENT-one"}
		/sessions/one/container_exited {"exit_code":0,"exited_at":"$now"}
		/containers/exited {"container_id":"$DEPLOYMENT-one","exit_code":0,"exited_at":"$now"}
		/executions/$x/heartbeat {"timestamp":"$now"}
		/executions/$x/status {"status":"running"}
		/executions/$x/result $(result)
	END
	execution_is "$x" pending
	session_is one running
	as one POST "/sessions/one/heartbeat" "{\"timestamp\":\"$now\",\"running\":[],\"queued\":[]}"
	expect_code 200
	exchange http://sandbox/api/v1/internal/sessions/one/heartbeat POST "{\"timestamp\":\"$now\"}" --unix-socket "$CONTROL" \
		-H "Authorization: Bearer $token"
	expect_code 200
	as one POST "/executions/$x/result" "$(result)"
	expect_code 201
}

@test "unknown objects are 404, bad reports 400 and 422" {
	as one POST /executions/none/result "$(result)"
	expect_code 404
	error Internal.InvalidExecution
	as one POST /sessions/none/heartbeat "{\"timestamp\":\"$now\"}"
	expect_code 404
	as one POST /containers/exited "{\"container_id\":\"none\",\"exit_code\":0,\"exited_at\":\"$now\"}"
	expect_code 404
	local x r
	x=$(unsent one)
	for r in '{"status":"bogus"}' '{"status":"running"}' '{"status":"completed","ended_reason":"oom"}'; do
		as one POST "/executions/$x/result" "$(result "$r")"
		expect_code 400
		error Internal.InvalidParameter
	done
	as one POST "/executions/$x/result" '{"status":"completed","attempt":1}'
	expect_code 422
	as one POST "/executions/$x/status" '{"status":"bogus"}'
	expect_code 422
	as one POST /sessions/one/container_exited "{\"exited_at\":\"$now\"}"
	expect_code 422
	as one POST "/executions/$x/result" "$(result '{"status":"success"}')"
	expect_code 201
	execution_is "$x" completed
}

# ---- reports ----

@test "a result is recorded once: 201, then 200, and nothing of it changes" {
	local x first
	x=$(unsent one)
	as one POST "/executions/$x/result" "$(result '{"stdout":"AP8K","stdout_encoding":"base64","return_value":{"b":[0,null]}}')"
	expect_code 201
	api GET "/executions/$x"
	first=$body
	expect '[.status, .exit_code, .execution_time, .return_value, .metrics.peak_memory_mb] | @json' \
		'["completed",0,1,{"b":[0,null]},1.5]'
	expect '.stdout | @json' '"\u0000�\n"'
	expect '[.started_at, .completed_at] | @json' '["2026-01-06T10:00:00.000Z","2026-01-06T10:00:01.000Z"]'
	as one POST "/executions/$x/result" "$(result '{"stdout":"other","exit_code":9,"status":"failed","ended_reason":"exited"}')"
	expect_code 200
	as one POST "/executions/$x/status" '{"status":"running"}'
	expect_code 409
	error Internal.StateConflict
	as one POST "/executions/$x/heartbeat" "{\"timestamp\":\"$now\",\"attempt\":1}"
	expect_code 200
	api GET "/executions/$x"
	[ "$body" = "$first" ]
}

@test "20 reports of one result at once: one is recorded" {
	local x i pids=()
	x=$(unsent one)
	result >"$BATS_TEST_TMPDIR/result"
	for ((i = 0; i < 20; i++)); do
		curl -sS -o /dev/null -w '%{http_code}\n' -X POST --unix-socket "$CONTROL" -H 'Content-Type: application/json' \
			-H "Authorization: Bearer $(session_token one)" --data-binary "@$BATS_TEST_TMPDIR/result" \
			"http://sandbox/internal/executions/$x/result" >"$BATS_TEST_TMPDIR/r.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"	# of a bare wait, bats' own time-out would be part
	[ "$(cat "$BATS_TEST_TMPDIR"/r.* | sort | uniq -c | tr -s ' ' | paste -sd,)" = ' 19 200, 1 201' ]
}

@test "a late result adds only what is missing; an older attempt is discarded" {
	local x
	x=$(unsent one)
	api POST "/executions/$x/cancel"
	expect .status cancelled
	as one POST "/executions/$x/result" "$(result '{"attempt":2,"stdout":"not this"}')"
	expect_code 200
	as one POST "/executions/$x/result" "$(result)"
	expect_code 200
	api GET "/executions/$x"
	expect '[.status, .ended_reason, .exit_code, .stdout, .metrics.duration_ms] | @json' '["cancelled","user_cancelled",null,"out",1000]'
	as one POST "/executions/$x/result" "$(result '{"stdout":"more"}')"
	expect_code 200
	api GET "/executions/$x"
	expect .stdout out
}

@test "status and heartbeats: pending becomes running; what is unknown or over is named back" {
	local x y
	x=$(unsent one)
	as one POST "/executions/$x/status" "{\"status\":\"running\",\"attempt\":1,\"started_at\":\"$now\"}"
	expect_code 200
	api GET "/executions/$x"
	expect '[.status, .started_at] | @json' "[\"running\",\"$now\"]"
	expect '.last_heartbeat_at | type' string
	as one POST "/executions/$x/status" "{\"status\":\"running\",\"attempt\":1,\"started_at\":\"$now\"}"
	expect_code 200
	as one POST "/executions/$x/status" '{"status":"timeout","attempt":1}'
	expect_code 200
	execution_is "$x" running
	as one POST "/executions/$x/status" '{"status":"running","attempt":2}'
	expect_code 409
	y=$(unsent one)
	api POST "/executions/$y/cancel"
	as one POST /sessions/one/heartbeat "{\"timestamp\":\"$now\",\"running\":[{\"id\":\"$x\",\"attempt\":1},{\"id\":\"$y\",\"attempt\":1},
		{\"id\":\"never\",\"attempt\":1}],\"queued\":[],\"usage\":{\"cpu_ms\":7,\"memory_bytes\":8,\"disk_bytes\":9}}"
	expect_code 200
	expect '[.cancel, .forget] | @json' "[[\"$y\"],[\"never\"]]"
	[ "$(sql "SELECT usage_cpu_ms, usage_memory_bytes, usage_disk_bytes FROM container WHERE session_id = 'one'")" = $'7\t8\t9' ]
	as one POST "/executions/$x/result" "$(result)"
	expect_code 201
}

@test "container_ready: repeating is fine, another container is refused, an ended session stays ended" {
	local id before
	id=$(new_session)
	api GET "/sessions/$id"
	before=$body
	as "$id" POST "/sessions/$id/container_ready" "{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"strict\"}}"
	expect_code 200
	expect 'has("layer") and has("message")' true
	as "$id" POST /containers/ready "{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"strict\"}}"
	expect_code 200
	api GET "/sessions/$id"
	[ "$body" = "$before" ]
	as "$id" POST "/sessions/$id/container_ready" '{"container_id":"other","isolation":{"level":"strict"}}'
	expect_code 409
	error Internal.StateConflict
	api POST "/sessions/$id/terminate"
	as "$id" POST "/sessions/$id/container_ready" "{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"strict\"}}"
	expect_code 409
	session_is "$id" terminated
	# A minute after the end the token is void.
	sql "UPDATE session SET completed_at = completed_at - INTERVAL 61 SECOND WHERE id = '$id'"
	as "$id" POST "/sessions/$id/container_exited" "{\"exit_code\":0,\"exited_at\":\"$now\"}"
	expect_code 401
	api DELETE "/sessions/$id"
}

@test "no proof of isolation: the session fails, its executions too" {
	local id x
	id=$(new_session)
	x=$(unsent "$id")
	sql "UPDATE session SET state = 'creating' WHERE id = '$id'"
	as "$id" POST "/sessions/$id/container_ready" "{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"none\"}}"
	expect_code 409
	api GET "/sessions/$id"
	expect '[.status, .ended_reason, .isolation.level] | @json' '["failed","isolation_unavailable","none"]'
	expect '.error | length > 0' true
	api GET "/executions/$x"
	expect '[.status, .ended_reason] | @json' '["failed","isolation_unavailable"]'
	api DELETE "/sessions/$id"
}

@test "container_exited ends the session: 0 completed, else failed, out of memory is named; repeating changes nothing" {
	local id x first json status reason xreason
	while IFS='|' read -r json status reason xreason; do
		id=$(new_session)
		x=$(new_execution "$id" 'sleep 1000')
		poll 10 execution_is "$x" running
		as "$id" POST "/sessions/$id/container_exited" "$json"
		expect_code 200
		api GET "/sessions/$id"
		expect '[.status, .ended_reason, .expires_at] | @json' "[\"$status\",\"$reason\",null]"
		first=$body
		api GET "/executions/$x"
		expect '[.status, .ended_reason] | @json' "[\"crashed\",\"$xreason\"]"
		as "$id" POST "/sessions/$id/container_exited" "$json"
		expect_code 200
		api GET "/sessions/$id"
		[ "$body" = "$first" ]
		api DELETE "/sessions/$id"
	done <<-END
		{"exit_code":0,"exited_at":"$now","exit_reason":"normal"}|completed|container_exited|session_ended
		{"exit_code":1,"exited_at":"$now","exit_reason":"error"}|failed|container_exited|session_ended
		{"exit_code":137,"exited_at":"$now","exit_reason":"oom_killed"}|failed|oom|oom
	END
}

@test "a session that becomes ready is told once whether files changed meanwhile, and again when it asks again" {
	local id ready
	id=$(new_session)
	ready="{\"container_id\":\"$DEPLOYMENT-$id\",\"isolation\":{\"level\":\"strict\"}}"
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$id'"
	as "$id" POST "/sessions/$id/container_ready" "$ready"
	expect_code 200
	expect '[.pull, .layer] | tojson' '[false,null]'
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$id'"
	api PUT "/sessions/$id/files/early" --data-binary x
	expect_code 201
	as "$id" POST "/sessions/$id/container_ready" "$ready"
	expect .pull true
	as "$id" POST "/sessions/$id/container_ready" "$ready"	# the first answer may be lost
	expect .pull true
	sql "UPDATE session SET state = 'creating', creating_since = UTC_TIMESTAMP(3) WHERE id = '$id'"
	as "$id" POST "/sessions/$id/container_ready" "$ready"
	expect .pull false
	api DELETE "/sessions/$id"
}
