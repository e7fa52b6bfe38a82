#!/usr/bin/env bats
# Sessions: CONTRACT 1.3, 1.5 and 3, over HTTP.
load helper
load api

setup_file() { start_stack; }
teardown_file() { stop_stack; }

create() { api POST /sessions "$@"; }

# drop SESSION...
drop() {
	local id

	for id; do api DELETE "/sessions/$id"; done
}

# seconds between two times of the API
seconds() { python3 -c 'import sys; from datetime import datetime as d
a, b = (d.fromisoformat(x.replace("Z", "+00:00")) for x in sys.argv[1:]); print(round((b - a).total_seconds(), 3))' "$1" "$2"; }

near() { python3 -c 'import sys; a, b, d = map(float, sys.argv[1:]); sys.exit(abs(a - b) > d)' "$@" || { echo "$1, not $2" >&2; return 1; }; }

# ---- create ----

@test "a session from a template alone: every documented member, the template's defaults" {
	create '{"template_id":"python-basic"}'
	expect_code 201
	local id
	id=$(jqb .id)
	[[ $id =~ ^sess_[a-z0-9]{16}$ ]]
	[ "$(header location)" = "/api/v1/sessions/$id" ]
	[[ $(jqb .status) =~ ^(creating|running)$ ]]
	expect .container_id "$DEPLOYMENT-$id"
	poll 30 session_is "$id" running
	expect 'keys_unsorted | sort | join(" ")' "$(tr ' ' '\n' <<<"completed_at container_id created_at
dependency_install_completed_at dependency_install_error dependency_install_started_at dependency_install_status ended_reason
env_vars error error_message expires_at id installed_dependencies isolation language_runtime last_activity_at network pod_name
python_package_index_url recovery_count requested_dependencies resource_limit resources runtime_node runtime_type session_id
started_at status template_id template_version timeout updated_at workspace_path" | LC_ALL=C sort | paste -sd' ')"
	expect .session_id "$id"
	expect '[.template_id, .template_version, .timeout, .network, .recovery_count] | @json' \
		'["python-basic",1,300,"none",0]'
	expect '.resources | @json' '{"cpu":"1","memory":"512Mi","disk":"1Gi","max_processes":128}'
	expect '.resource_limit == .resources' true
	expect '[.ended_reason, .error, .error_message, .pod_name, .completed_at] | unique | @json' '[null]'
	expect .workspace_path "s3://$BUCKET/sessions/$id/"
	expect .language_runtime python3.11
	expect .runtime_type "$RUNTIME"
	expect '.isolation.checks | length' 12
	expect '[.created_at, .updated_at, .started_at, .last_activity_at, .expires_at]
		| all(test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"))' true
	expect '[.dependency_install_status, .requested_dependencies, .installed_dependencies] | @json' '["completed",[],[]]'
	drop "$id"
}

@test "every field of the request is in force and answered" {
	create '{"id":"My-1.x_Y","template_id":"python-basic","template_version":1,"timeout":77,"cpu":"500m","memory":"256Mi",
		"disk":"536870912","max_processes":64,"env_vars":{"A":"1","EMPTY":""},"network":"none","dependencies":[],
		"install_timeout":30,"fail_on_dependency_error":false,"allow_version_conflicts":true,
		"python_package_index_url":"","unknown":{"x":[1]}}'
	expect_code 201
	expect .id My-1.x_Y
	expect .container_id "$DEPLOYMENT-My-1.x_Y"
	expect '.resources | @json' '{"cpu":"0.5","memory":"256Mi","disk":"536870912","max_processes":64}'
	expect '[.timeout, .env_vars, .template_version] | @json' '[77,{"A":"1","EMPTY":""},1]'
	poll 30 session_is My-1.x_Y running
	near "$(seconds "$(jqb .last_activity_at)" "$(jqb .expires_at)")" 77 0.01
	drop My-1.x_Y
}

@test "resources nested, flat, both and equal; the alias session_id; nulls are absent" {
	create '{"session_id":"nested","template_id":"python-basic","timeout":null,
		"resources":{"cpu":"0.25","memory":"1Gi","disk":"2Gi","max_processes":200}}'
	expect_code 201
	expect .id nested
	expect .timeout 300
	expect '.resources | @json' '{"cpu":"0.25","memory":"1Gi","disk":"2Gi","max_processes":200}'
	create '{"id":"both","session_id":"both","template_id":"python-basic","cpu":"0.5","memory":"1024Mi","max_processes":64,
		"resources":{"cpu":"500m","memory":"1Gi","max_processes":64}}'
	expect_code 201
	expect '.resources | [.cpu, .memory, .max_processes] | @json' '["0.5","1024Mi",64]'
	drop nested both
}

@test "ranges: 400 for what a rule refuses, 422 for what has the wrong form" {
	local t='"template_id":"python-basic"' status member
	while IFS='|' read -r status member; do
		create "{$t,$member}"
		[ "$code" = "$status" ] || { echo "$member: $code, expected $status: $body" >&2; return 1; }
		error Sandbox.InvalidParameter
		case $status in
		422)	expect '.detail[0] | keys | @json' '["input","loc","msg","type"]'
			expect '.detail[0].loc[0]' body ;;
		400)	expect '.detail | type' string ;;
		esac
	done <<-'END'
		400|"cpu":"0.09"
		400|"cpu":"4.1"
		422|"cpu":"abc"
		422|"cpu":1
		400|"memory":"127Mi"
		400|"memory":"9Gi"
		400|"memory":"512M"
		400|"memory":"abc"
		422|"memory":512
		400|"disk":"255Mi"
		400|"disk":"51Gi"
		400|"disk":"1GB"
		400|"max_processes":31
		400|"max_processes":1025
		422|"max_processes":"64"
		422|"timeout":0
		422|"timeout":3601
		422|"timeout":"60"
		422|"timeout":60.5
		422|"network":"host"
		400|"network":"egress"
		400|"template_version":99
		422|"install_timeout":29
		422|"install_timeout":1801
		422|"env_vars":{"A":1}
		422|"env_vars":{"LD_PRELOAD":"x"}
		422|"env_vars":{"SANDBOX_X":"x"}
		422|"env_vars":{"SESSION_ID":"x"}
		422|"env_vars":{"1A":"x"}
		422|"id":"-a"
		422|"id":"a/b"
		422|"id":""
		422|"cpu":"1","resources":{"cpu":"2"}
		422|"fail_on_dependency_error":"yes"
	END
	create '{"template_id":"none-such"}'
	expect_code 400
	create '{}'
	expect_code 422
	expect '.detail[0] | [.type, .loc] | @json' '["missing",["body","template_id"]]'
	create '{"template_id":"nodejs-basic","dependencies":[{"name":"requests"}]}'
	expect_code 400
	api GET /sessions
	expect .total 0
}

@test "the ends of every range are inside" {
	local v
	for v in '"cpu":"0.1"' '"cpu":"4"' '"memory":"128Mi"' '"disk":"256Mi"' '"disk":"50Gi"' '"max_processes":32' \
		'"max_processes":1024' '"timeout":1' '"timeout":3600' '"install_timeout":30' '"install_timeout":1800'; do
		create "{\"template_id\":\"python-basic\",\"id\":\"edge\",$v}"
		[ "$code" = 201 ] || { echo "$v: $code $body" >&2; return 1; }
		drop edge
		poll 20 id_is_free edge
	done
}

@test "wait=N answers when the session runs; wait itself is checked" {
	create '{"template_id":"python-basic"}' --url-query wait=30
	expect_code 201
	expect .status running
	expect '.isolation | type' object
	drop "$(jqb .id)"
	local w
	for w in -1 61 x 1.5 ''; do
		api POST "/sessions?wait=$w" '{"template_id":"python-basic"}'
		expect_code 422
		expect '.detail[0].loc | @json' '["query","wait"]'
	done
}

@test "a container that cannot be made: the row stays failed, the error names it" {
	api POST /templates '{"id":"no-image","name":"no image","image_url":"sandbox/none-such:1","runtime_type":"python3.11"}'
	expect_code 201
	create '{"template_id":"no-image","id":"unmade"}' -H 'Idempotency-Key: unmade'
	expect_code 500 503
	expect .session_id unmade
	expect '.retryable' true
	api GET /sessions/unmade
	expect .status failed
	expect .ended_reason image_missing
	expect '.error == .error_message and (.error | length > 0)' true
	expect .expires_at null
	expect '.completed_at | type' string
	# The key answers for the object that it had made.
	create '{"template_id":"no-image","id":"unmade"}' -H 'Idempotency-Key: unmade'
	expect_code 201
	expect .status failed
	[ "$(header idempotent-replay)" = true ]
	drop unmade
}

@test "20 creations at once: 20 different sessions, all of them run" {
	at_once 20 POST '/sessions?wait=60' '{"template_id":"python-basic"}'
	all_codes 201
	[ "$(answers .id | sort -u | wc -l)" = 20 ]
	[ "$(answers .status | sort -u)" = running ]
	api GET '/sessions?status=running&limit=200'
	expect .total 20
	sql "SELECT COUNT(*), SUM(session_count) FROM runtime_node" | grep -qx $'1\t20'
	local id
	for id in $(answers .id); do api POST "/sessions/$id/terminate"; done
	poll 60 all_removed
	[ "$(sql 'SELECT session_count, allocated_cpu, allocated_memory FROM runtime_node')" = $'0\t0.000\t0' ]
}

all_removed() { [ "$(sql "SELECT COUNT(*) FROM container WHERE removed_at IS NULL")" = 0 ]; }

# ---- ids ----

# hold SESSION: something of it is still to be deleted from storage; free_garbage: no longer
hold() {
	sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at)
		VALUES ('object', 'test/$1', '$1', UTC_TIMESTAMP(3) + INTERVAL 1 DAY, UTC_TIMESTAMP(3))"
}
free_garbage() {
	sql "DELETE FROM storage_garbage WHERE object_key LIKE 'test/%'"
	poll 20 no_garbage
}
no_garbage() { [ "$(sql 'SELECT COUNT(*) FROM storage_garbage')" = 0 ]; }

id_is_free() {
	free_garbage
	create "{\"template_id\":\"python-basic\",\"id\":\"$1\"}"
	[ "$code" = 201 ] || return 1
	drop "$1"
	poll 20 no_container_of "$1"
	free_garbage
}

no_container_of() { [ "$(sql "SELECT COUNT(*) FROM container WHERE session_id = '$1' AND removed_at IS NULL")" = 0 ]; }

@test "a chosen id: taken while the session is there, ended or not; free again when nothing of it is left" {
	local first
	new_session '{"id":"mine"}'
	create '{"template_id":"python-basic","id":"mine"}'
	expect_code 409
	error Sandbox.Conflict
	expect .retryable false
	create '{"template_id":"python-basic","id":"MINE"}'	# case counts
	expect_code 201
	first=$(session_token mine)
	api POST /sessions/mine/terminate
	create '{"template_id":"python-basic","id":"mine"}'
	expect_code 409
	expect .retryable false
	drop mine MINE
	hold mine
	create '{"template_id":"python-basic","id":"mine"}'	# its storage is still queued
	expect_code 409
	error Sandbox.Conflict
	expect .retryable true
	[[ $(header retry-after) =~ ^[0-9]+$ ]]
	poll 20 no_container_of mine
	free_garbage
	new_session '{"id":"mine"}'
	api GET /sessions/mine
	expect .status running
	# The token of its predecessor stays void.
	[ "$(session_token mine)" != "$first" ]
	SANDBOX_KEY="" internal POST /sessions/mine/heartbeat '{"timestamp":"2026-01-06T10:00:00Z","running":[],"queued":[]}' \
		-H "Authorization: Bearer $first"
	expect_code 401
	drop mine
}

# ---- lists ----

@test "lists: filters, order, offset, clamping, an unknown status" {
	local a b c since
	since=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
	a=$(new_session)
	b=$(new_session)
	api POST /sessions '{"template_id":"nodejs-basic"}'
	c=$(jqb .id)
	api POST "/sessions/$a/terminate"
	api GET "/sessions?created_after=$since"
	expect '[.items[].id] | @json' "[\"$c\",\"$b\",\"$a\"]"
	expect '[.total, .limit, .offset, .has_more, .next_cursor] | @json' '[3,50,0,false,null]'
	api GET "/sessions?created_after=$since&status=terminated"
	expect '[.items[].id] | @json' "[\"$a\"]"
	api GET "/sessions?created_after=$since&template_id=nodejs-basic"
	expect '[.items[].id] | @json' "[\"$c\"]"
	api GET "/sessions?created_before=$since&created_after=$since"
	expect .total 0
	api GET '/sessions?status=none-such'
	expect_code 200
	expect '[.items, .total] | @json' '[[],0]'
	api GET "/sessions?created_after=$since&limit=1&offset=1"
	expect '[.items[0].id, .total, .limit, .offset, .has_more] | @json' "[\"$b\",3,1,1,true]"
	api GET '/sessions?limit=0&offset=-7'
	expect '[.limit, .offset] | @json' '[1,0]'
	api GET '/sessions?limit=100000'
	expect .limit 200
	local q
	for q in limit=x limit=1.5 limit= offset=x created_after=yesterday; do
		api GET "/sessions?$q"
		expect_code 422
		expect '.detail[0].loc | @json' "[\"query\",\"${q%%=*}\"]"
	done
	for q in '!!' abc "$(printf '2026-01-06 10:00:00.123\n-a' | base64 -w0)" "$(printf 'x' | base64)"; do
		api GET "/sessions?cursor=$q"
		expect_code 400
		error Sandbox.InvalidParameter
	done
	drop "$b" "$c"
}

@test "a cursor walk sees every row once while others are inserted" {
	local i cursor="" seen="" want
	# Rows only: nothing of a list depends on containers. Many share a created_at.
	for ((i = 0; i < 90; i++)); do
		printf "INSERT INTO session SELECT * FROM seed; UPDATE session SET id = 'walk-%03d', created_at ='2026-01-06 10:00:%02d' WHERE id = 'seed';" $i $((i / 7))
	done >"$BATS_TEST_TMPDIR/rows"
	new_session '{"id":"seed"}'
	api POST /sessions/seed/terminate
	sql "CREATE TABLE seed AS SELECT * FROM session WHERE id = 'seed'; DELETE FROM container WHERE session_id = 'seed';
		DELETE FROM session WHERE id = 'seed'; $(<"$BATS_TEST_TMPDIR/rows")"
	want=$(sql "SELECT id FROM session WHERE id LIKE 'walk-%' ORDER BY created_at DESC, id DESC")
	for ((i = 0; ; i++)); do
		api GET "/sessions?limit=7&status=terminated&created_before=2026-01-06T11:00:00Z&cursor=$cursor"
		expect_code 200
		seen+=$(jqb '.items[].id')$'\n'
		# Newer ones, and one in the middle of what was walked already.
		sql "INSERT INTO session SELECT * FROM seed; UPDATE session SET id = 'new-$i', created_at = '2026-01-06 10:59:00' WHERE id = 'seed'"
		[ "$(jqb .has_more)" = true ] || break
		cursor=$(jqb .next_cursor)
		[ "$i" -lt 30 ]
	done
	[ "$(grep '^walk' <<<"$seen")" = "$want" ]
	[ "$(grep -c . <<<"$seen")" = 90 ]
	# The cursor wins over an offset.
	api GET "/sessions?limit=7&status=terminated&created_before=2026-01-06T10:30:00Z&offset=50"
	expect '.items | length' 7
	sql "DROP TABLE seed; DELETE FROM session WHERE id LIKE 'walk-%' OR id LIKE 'new-%'"
}

# ---- ends ----

@test "terminate: the end is recorded at once; repeating changes nothing" {
	local id first
	id=$(new_session)
	api POST "/sessions/$id/terminate"
	expect_code 200
	expect '[.status, .ended_reason, .expires_at, .error] | @json' '["terminated","user_terminated",null,null]'
	expect '.completed_at | type' string
	first=$body
	api POST "/sessions/$id/terminate"
	expect_code 200
	[ "$body" = "$first" ]
	api GET "/sessions/$id"
	[ "$body" = "$first" ]
	poll 20 no_container_of "$id"
	for path in renew execute execute-sync; do
		api POST "/sessions/$id/$path" '{"code":"true","language":"shell"}'
		expect_code 409
		error Sandbox.SessionNotActive terminated
		expect .detail "Session is not active: $id"
		expect .session_id "$id"
	done
	drop "$id"
}

@test "terminating at once from everywhere is one end" {
	local id
	id=$(new_session)
	at_once 10 POST "/sessions/$id/terminate"
	all_codes 200
	[ "$(answers '[.status, .ended_reason, .completed_at] | @json' | sort -u | wc -l)" = 1 ]
	[ "$(grep -c "\"session.ended\".*\"$id\"" "$LOG/sandbox.log")" = 1 ]
	drop "$id"
}

@test "delete: 204 in every state, then SessionGone on every path of it; its executions are not found" {
	local id x path
	id=$(new_session)
	x=$(new_execution "$id" true)
	poll 10 execution_ended "$x"
	api DELETE "/sessions/$id"
	expect_code 204
	[ -z "$body" ]
	for path in "GET /sessions/$id" "DELETE /sessions/$id" "POST /sessions/$id/terminate" "POST /sessions/$id/renew" \
		"GET /sessions/$id/executions" "GET /executions/sessions/$id/executions"; do
		# shellcheck disable=SC2086 # method and path
		api $path
		expect_code 404
		error Sandbox.SessionGone
	done
	expect '.error_detail | keys | @json' '["deleted_at","ended_at","ended_reason","session_id"]'
	expect '.error_detail | [.session_id, .ended_reason] | @json' "[\"$id\",\"user_deleted\"]"
	expect '.error_detail.deleted_at | test("Z$")' true
	api POST "/sessions/$id/execute" '{"code":"true","language":"shell"}'
	expect_code 404
	error Sandbox.SessionGone
	api GET "/executions/$x"
	expect_code 404
	error Sandbox.ExecutionNotFound
	expect .detail "Execution not found: $x"
	api GET '/sessions?limit=200'
	expect "[.items[] | select(.id == \"$id\")] | length" 0
	# An ended session keeps its reason.
	id=$(new_session)
	api POST "/sessions/$id/terminate"
	api DELETE "/sessions/$id"
	expect_code 204
	api GET "/sessions/$id"
	expect .error_detail.ended_reason user_terminated
	# And a session that is being created.
	create '{"template_id":"python-basic"}'
	id=$(jqb .id)
	api DELETE "/sessions/$id"
	expect_code 204
	poll 30 no_container_of "$id"
	api GET /sessions/never-was
	expect_code 404
	error Sandbox.SessionNotFound
	expect .detail "Session not found: never-was"
}

# ---- clocks ----

@test "renew restarts the idle clock, and sets another time-out" {
	local id before
	id=$(new_session '{"timeout":600}')
	api GET "/sessions/$id"
	before=$(jqb .expires_at)
	near "$(seconds "$(jqb .last_activity_at)" "$before")" 600 0.01
	sql "UPDATE session SET last_activity_at = last_activity_at - INTERVAL 100 SECOND, expires_at = expires_at - INTERVAL 100 SECOND WHERE id = '$id'"
	api POST "/sessions/$id/renew"
	expect_code 200
	[[ ! $(jqb .expires_at) < $before ]]
	near "$(seconds "$(jqb .last_activity_at)" "$(jqb .expires_at)")" 600 0.01
	api POST "/sessions/$id/renew" '{"timeout":60}'
	expect .timeout 60
	near "$(seconds "$(jqb .last_activity_at)" "$(jqb .expires_at)")" 60 0.01
	api POST "/sessions/$id/renew" '{"timeout":3600}'	# capped by idle_threshold, 1800
	expect .timeout 3600
	near "$(seconds "$(jqb .last_activity_at)" "$(jqb .expires_at)")" 1800 0.01
	local t
	for t in 0 3601 '"60"' true; do
		api POST "/sessions/$id/renew" "{\"timeout\":$t}"
		expect_code 422
	done
	drop "$id"
}

@test "expires_at: the idle clock stands still while code runs or waits; reading is no activity" {
	local id x created
	id=$(new_session '{"timeout":60}')
	api GET "/sessions/$id"
	created=$(jqb .created_at)
	local idle
	idle=$(jqb .expires_at)
	api GET "/sessions/$id/executions"
	api GET "/sessions/$id"
	expect .expires_at "$idle"
	x=$(new_execution "$id" 'while [ ! -e /workspace/go ]; do sleep 0.05; done')
	poll 10 execution_is "$x" running
	api GET "/sessions/$id"
	near "$(seconds "$created" "$(jqb .expires_at)")" 21600 0.01	# only max_lifetime runs
	api POST "/sessions/$id/renew"
	near "$(seconds "$created" "$(jqb .expires_at)")" 21600 0.01
	run_sync "$id" shell 'touch /workspace/go'
	poll 10 execution_ended "$x"
	local ended
	ended=$(jqb .completed_at)
	api GET "/sessions/$id"
	near "$(seconds "$(jqb .last_activity_at)" "$(jqb .expires_at)")" 60 0.01
	[[ ! $(jqb .last_activity_at) < $ended ]] || near "$(seconds "$(jqb .last_activity_at)" "$ended")" 0 0.5
	drop "$id"
}

@test "expires_at of a session that is being created is the creating clock" {
	create '{"template_id":"python-basic","timeout":5}'
	expect_code 201
	[ "$(jqb .status)" = creating ] || skip "it was running before the answer"
	near "$(seconds "$(jqb .created_at)" "$(jqb .expires_at)")" 300 0.01
	drop "$(jqb .id)"
}

# ---- environment ----

@test "environment: execution over session over template over built-in" {
	local id
	api POST /templates '{"id":"env","name":"env","image_url":"sandbox/python-basic:latest","runtime_type":"python3.11",
		"env_vars":{"A":"template","B":"template","C":"template","LANG":"C"}}'
	expect_code 201
	id=$(new_session '{"template_id":"env","env_vars":{"B":"session","C":"session","HOME":"/tmp"}}')
	api GET "/sessions/$id"
	expect '.env_vars | [.A, .B, .C, .HOME] | @json' '["template","session","session","/tmp"]'
	run_sync "$id" shell 'echo "$A $B $C $LANG $HOME $USER $SESSION_ID $WORKSPACE_PATH"' '{"env_vars":{"C":"execution"}}'
	expect_code 200
	expect .stdout "template session execution C /tmp sandbox $id /workspace"$'\n'
	run_sync "$id" shell 'echo "$C"'
	expect .stdout $'session\n'
	run_sync "$id" shell true '{"env_vars":{"EXECUTOR_LISTEN":"x"}}'
	expect_code 422
	drop "$id"
}
