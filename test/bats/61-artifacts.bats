#!/usr/bin/env bats
# Artifacts: CONTRACT 4.4, 4.7 (what comes late), 9.
load helper
load api

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[session]\nmax_recoveries = 0\n[storage]\nretention_hours = 1\n[execution]\nmax_artifacts = 150\n' >"$CONF_EXTRA"
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

sum() { printf '%s' "$1" | sha256sum | cut -c1-64; }

# entry PATH [MEMBERS]: one of the list; report EXECUTION ENTRY...: to the API, as session one's executor
entry() { jq -cn --arg path "$1" --argjson x "${2:-{\}}" --arg sum "$(sum x)" '{path: $path, size: 1, checksum: $sum} + $x'; }
report() {
	local x=$1
	shift
	as "${SESSION:-one}" POST "/executions/$x/artifacts" "$(jq -cs '{artifacts: .}' <<<"$*")"
}

result() { jq -cn --argjson x "${1:-{\}}" '{status: "completed", attempt: 1, exit_code: 0, ended_reason: "exited", stdout: "out",
	stderr: "", stdout_bytes: 3, stderr_bytes: 0, started_at: "2026-01-06T10:00:00.000Z", completed_at: "2026-01-06T10:00:01.000Z",
	metrics: {duration_ms: 1000, cpu_time_ms: 5, peak_memory_mb: 1.5, io_read_bytes: 1, io_write_bytes: 2, queue_ms: 3}} + $x'; }

paths() { jqb '[.artifacts[].path] | sort | join(" ")'; }

# ---- of real code ----

@test "what code made is listed, with names of all kinds, and can be downloaded" {
	local url want
	run_sync one python "$(cat <<-'P'
		import os
		os.makedirs("output/deep"); os.makedirs("logs"); os.makedirs(".cache")
		for name, text in {"output/deep/a b+c%20ü😀.png": "one", "logs/x": "two", "run.log": "three", "plain": "",
		                   ".hidden": "no", ".cache/y": "no"}.items():
		    open(name, "w").write(text)
		os.symlink("plain", "link")
	P
	)"
	expect_code 200
	expect .status completed
	expect '[.artifacts[] | [.path, .type, .mime_type, .size]] | sort | tojson' "$(jq -cn '[
		["logs/x", "log", "application/octet-stream", 3], ["output/deep/a b+c%20ü😀.png", "output", "image/png", 3],
		["plain", "artifact", "application/octet-stream", 0], ["run.log", "log", "text/plain", 5]]')"
	expect .artifacts_truncated false
	expect '.artifacts[] | select(.path == "run.log") | .checksum' "$(sum three)"
	expect '[.artifacts[].created_at | test("^[0-9-]{10}T[0-9:.]{12}Z$")] | all' true
	url=$(jqb '.artifacts[] | select(.size == 3 and .type == "output") | .download_url')
	[ "$url" = /api/v1/sessions/one/files/output/deep/a%20b%2Bc%2520%C3%BC%F0%9F%98%80.png ]
	exchange "$URL$url" GET
	expect_code 200
	[ "$body" = one ]
	# The same in every view.
	api GET /sessions/one/executions
	want=$(jqb -S '.items[0].artifacts')
	api GET "/executions/$(jqb '.items[0].id')"
	[ "$(jqb -S .artifacts)" = "$want" ]
	run_sync one shell 'cat run.log; rm run.log'
	expect '[.stdout, (.artifacts | length)] | tojson' '["three",0]'
}

@test "an execution that changes a file of another lists it too, with its own sum" {
	run_sync one shell 'printf 1 >shared'
	local first
	first=$(jqb .id)
	expect .artifacts[0].checksum "$(sum 1)"
	run_sync one shell 'printf 22 >shared'
	expect '.artifacts | map([.path, .size]) | tojson' '[["shared",2]]'
	expect .artifacts[0].checksum "$(sum 22)"
	api GET "/executions/$first"
	expect .artifacts[0].checksum "$(sum 1)"
}

# ---- reports ----

@test "a report is written once for each path, and replaces what it says again" {
	local x
	x=$(unsent one)
	s3 PUT sessions/one/a -d x
	s3 PUT sessions/one/output/b%20c -d x
	report "$x" "$(entry a)" "$(entry 'output/b c' '{"mime_type": "image/x-own"}')"
	expect_code 200
	report "$x" "$(entry a '{"size": 7, "type": "output", "mime_type": "text/x-a"}')"
	expect_code 200
	report "$x" "$(entry a '{"size": 7, "type": "output", "mime_type": "text/x-a"}')"
	expect_code 200
	api GET "/executions/$x"
	expect '[.artifacts[] | [.path, .size, .mime_type, .type]] | tojson' \
		'[["a",7,"text/x-a","artifact"],["output/b c",1,"image/x-own","output"]]'
	report "$x"
	expect_code 200
	api GET "/executions/$x"
	expect '.artifacts | length' 2
}

# objects SESSION FROM TO: n/001 and so on
objects() {
	local i

	for ((i = $2; i <= $3; i++)); do s3 PUT "sessions/$1/n/$(printf '%03d' "$i")" -d x; done
}

@test "what storage does not have is 409, and nothing of the report is written: few and many, wherever it is missing" {
	local x list i missing
	x=$(unsent one)
	objects one 1 70
	report "$x" "$(entry n/001)" "$(entry n/999)"
	expect_code 409
	error Internal.StateConflict n/999
	for missing in n n/000 n/0005 n/035x n/070/y n/071 zzz "$(printf 'ü%.0s' {1..100})"; do
		list=$(for i in {1..70}; do entry "$(printf 'n/%03d' "$i")"; done; entry "$missing")
		report "$x" "$list"
		expect_code 409
		error Internal.StateConflict "$missing"
	done
	api GET "/executions/$x"
	expect '.artifacts | length' 0
	report "$x" "$(for i in {70..1}; do entry "$(printf 'n/%03d' "$i")"; done)"
	expect_code 200
	# Some few among many: they are found without listing all.
	report "$x" "$(for i in {1..70..3}; do entry "$(printf 'n/%03d' "$i")" '{"size": 3}'; done)"
	expect_code 200
	api GET "/executions/$x"
	expect '.artifacts | [length, (map(select(.size == 3)) | length)] | tojson' '[70,24]'
}

@test "another session's token is 403, a bad report 400 or 422, an unknown execution 404" {
	local x path i
	x=$(unsent one)
	SESSION=two report "$x" "$(entry a)"
	expect_code 403
	error Internal.Forbidden
	for path in /etc/passwd ../two/a a/../b a//b ./a a/ 'a\\b' $'a\nb' ..; do
		report "$x" "$(entry "$path")"
		expect_code 400
		error Internal.InvalidParameter
	done
	report "$x" "$(entry a '{"checksum": "xyz"}')"
	expect_code 422
	expect '.detail[0].loc | join(".")' body.artifacts.0.checksum
	report "$x" "$(entry a)" "$(entry a '{"size": -1}')"
	expect_code 422
	report "$x" "$(entry a '{"size": null}')"
	expect_code 422
	report "$x" 5
	expect_code 422
	report "$x" "$(entry "$(printf 'x%.0s' {1..1025})")"
	expect_code 422
	as one POST "/executions/$x/artifacts" '{}'
	expect_code 422
	as one POST "/executions/$x/artifacts" "$(jq -cn --argjson e "$(entry a)" '{artifacts: [range(1001) | $e]}')"
	expect_code 422
	as one POST /executions/none/artifacts '{"artifacts": []}'
	expect_code 404
	api GET "/executions/$x"
	expect '.artifacts | length' 0
}

@test "beyond max_artifacts the rest is left out; lists show a hundred of each, with one query for all" {
	local x i before
	x=$(unsent two)
	objects two 1 160
	SESSION=two report "$x" "$(for i in {1..160}; do entry "$(printf 'n/%03d' "$i")"; done)"
	expect_code 200
	api GET "/executions/$x"
	expect '[(.artifacts | length), .artifacts[149].path, .artifacts_truncated] | tojson' '[150,"n/150",true]'
	as two POST "/executions/$x/result" "$(result)"
	expect_code 201
	api GET "/executions/$x"
	expect .artifacts_truncated true
	for i in {1..25}; do
		x=$(unsent two)
		SESSION=two report "$x" "$(entry n/001)" "$(entry n/002)"
		expect_code 200
	done
	before=$(sql "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'" | cut -f2)
	api GET '/sessions/two/executions'
	[ $(($(sql "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'" | cut -f2) - before)) -lt 20 ]
	expect '[.items[].artifacts | length] | tojson' "[$(printf '2,%.0s' {1..25})100]"
	expect '[.items[].artifacts_truncated] | [.[0], .[-1]] | tojson' '[false,true]'
}

# ---- what may not change any more, and what may come late ----

@test "a recorded result closes the list; an older attempt's is discarded" {
	local x
	x=$(unsent one)
	s3 PUT sessions/one/a -d x
	s3 PUT sessions/one/b -d x
	report "$x" "$(entry a)"
	as one POST "/executions/$x/result" "$(result)"
	expect_code 201
	report "$x" "$(entry b)"
	expect_code 200
	report "$x" "$(entry a '{"size": 9}')"
	expect_code 200
	api GET "/executions/$x"
	expect '[.artifacts[] | [.path, .size]] | tojson' '[["a",1]]'
	x=$(unsent one)
	sql "UPDATE execution SET attempt = 2 WHERE id = '$x'"
	as one POST "/executions/$x/artifacts" "$(jq -cn --argjson e "$(entry a)" '{attempt: 1, artifacts: [$e]}')"
	expect_code 200
	as one POST "/executions/$x/artifacts" "$(jq -cn --argjson e "$(entry b)" '{attempt: 2, artifacts: [$e]}')"
	expect_code 200
	api GET "/executions/$x"
	[ "$(paths)" = b ]
}

@test "an execution that the end of its session ended still gets its artifacts, output and metrics, for 60 s" {
	local x y
	new_session '{"id":"late"}'
	x=$(unsent late)
	y=$(unsent late)
	s3 PUT sessions/late/a -d x
	s3 PUT sessions/late/b -d x
	api POST /sessions/late/terminate
	expect_code 200
	SESSION=late report "$x" "$(entry a)"
	expect_code 200
	SESSION=late report "$x" "$(entry nothing)"
	expect_code 409
	as late POST "/executions/$x/result" "$(result '{"artifacts": ["a"], "return_value": 1}')"
	expect_code 200
	api GET "/executions/$x"
	expect '[.status, .ended_reason, .stdout, .metrics.duration_ms, .return_value, .exit_code] | tojson' \
		'["cancelled","session_ended","out",1000,null,null]'
	[ "$(paths)" = a ]
	# Only once.
	SESSION=late report "$x" "$(entry b)"
	expect_code 200
	as late POST "/executions/$x/result" "$(result '{"stdout": "other", "metrics": {"duration_ms": 5}}')"
	expect_code 200
	api GET "/executions/$x"
	expect '[.stdout, .metrics.duration_ms] | tojson' '["out",1000]'
	[ "$(paths)" = a ]
	sql "UPDATE session SET completed_at = UTC_TIMESTAMP(3) - INTERVAL 61 SECOND WHERE id = 'late'"
	SESSION=late report "$y" "$(entry a)"
	expect_code 401
	api DELETE /sessions/late
	expect_code 204
	api GET "/executions/$x"
	expect_code 404
	[ "$(sql "SELECT COUNT(*) FROM artifact WHERE session_id = 'late'")" = 0 ]
}
