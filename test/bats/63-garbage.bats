#!/usr/bin/env bats
# What a session stored goes with it: CONTRACT 3.7, 11 (storage_garbage), also when storage or a worker fails meanwhile.
load helper
load api

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[server]\nworkers = 2\n[storage]\ntimeout = 10\n' >"$CONF_EXTRA"
	unset S3_ENDPOINT S3_KEY S3_SECRET	# a server of its own, to be stopped
	S3_STORE=bluestore start_stack
}

teardown_file() {
	resume_storage
	stop_stack
}

# Only its gateway stands still, so that calls hang.
gateway() { cut -d' ' -f1 "$STACK/s/s3/pid/radosgw"; }
suspend_storage() { kill -STOP "$(gateway)"; }
resume_storage() { kill -CONT "$(gateway)" 2>/dev/null || true; }

stop_storage() { s3_server down "$STACK/s/s3"; }
start_storage() {
	local port

	port=$(sed -n 's/^S3_ENDPOINT=.*://p' "$STACK/s/s3/env")
	s3_server up "$STACK/s/s3" "$port" bluestore
}
s3_server() { "$TOP/tools/s3" "$@" 3>&- 4>&-; }

keys() { s3 GET "?list-type=2&prefix=${1//\//%2F}" | grep -o '<Key>[^<]*' | cut -c6-; }
no_keys() { [ -z "$(keys "$1")" ]; }
uploads() { s3 GET "?prefix=${1//\//%2F}&uploads=" | grep -o '<UploadId>[^<]*' | cut -c11-; }
rows() { sql "SELECT COUNT(*) FROM storage_garbage WHERE session_id = '$1'${2:+ AND $2}"; }
no_rows() { [ "$(rows "$1" "${2:-}")" = 0 ]; }
some_rows() { [ "$(rows "$1" "$2")" != 0 ]; }
no_container() { [ "$(sql "SELECT COUNT(*) FROM container WHERE session_id = '$1' AND removed_at IS NULL")" = 0 ]; }
code_is() { api POST /sessions "{\"template_id\":\"python-basic\",\"id\":\"$1\"}"; [ "$code" = "$2" ]; }

# objects SESSION N: as if they were files and a log of it
objects() {
	local i

	for ((i = 1; i <= $2; i++)); do s3 PUT "sessions/$1/dir/f$i" -d x; done
	s3 PUT "logs/$1/exec/1/stdout/00000000000000000000" -d x
}

@test "the end of a session empties its prefixes, files that no row knows and unfinished uploads too; others stay" {
	local how
	for how in 'POST /terminate' DELETE; do
		new_session '{"id":"a"}'
		new_session '{"id":"ab"}'
		run_sync a shell 'echo x >made; mkdir -p d/e; echo y >d/e/f; head -c 2000000 /dev/zero | tr "\0" x'
		expect .status completed
		objects a 3
		objects ab 2
		s3 POST 'sessions/a/half?uploads=' >/dev/null
		s3 POST 'sessions/ab/half?uploads=' >/dev/null
		[ "$(uploads sessions/a/ | wc -l)" = 1 ]
		[ "$(keys sessions/a/ | wc -l)" = 5 ]
		[ "$(keys logs/a/ | wc -l)" -ge 2 ]
		api ${how% *} "/sessions/a$([ "$how" = DELETE ] || echo "${how#* }")"
		expect_code 200 204
		poll 15 no_rows a
		no_keys sessions/a/
		no_keys logs/a/
		[ -z "$(uploads sessions/a/)" ]
		[ "$(keys sessions/ab/ | wc -l)" = 2 ]
		[ "$(keys logs/ab/ | wc -l)" = 1 ]
		[ "$(uploads sessions/ab/ | wc -l)" = 1 ]
		poll 20 no_container a
		api DELETE /sessions/ab
		api DELETE /sessions/a
		poll 15 no_rows ab
		poll 20 no_container ab
		no_keys sessions/
		no_keys logs/
	done
}

@test "more objects than a page has, and names of all kinds" {
	new_session '{"id":"many"}'
	run_sync many python "$(cat <<-'P'
		import os
		for i in range(1300):
		    open("f%d" % i, "w").write("x")
		for name in ["a&b", "<x>", "100%", "a b", "ü😀", "a+b", "?q=1", "'\"", "x" * 255]:
		    open(name, "w").write("x")
	P
	)"
	expect .status completed
	[ "$(sql "SELECT COUNT(*) FROM artifact WHERE session_id = 'many'")" = 1000 ]
	[ "$(s3 GET '?list-type=2&prefix=sessions%2Fmany%2F' | grep -o '<IsTruncated>[a-z]*')" = '<IsTruncated>true' ]
	api DELETE /sessions/many
	poll 30 no_rows many
	no_keys sessions/many/
	jq -e 'select(.msg == "garbage.removed" and .key == "sessions/many/") | .objects == 1309' "$LOG/sandbox.log"
}

@test "what a running session has is never deleted, and what has no proper name neither" {
	local bad kind key
	new_session '{"id":"live"}'
	objects live 2
	sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at) VALUES
		('prefix', 'sessions/live/', 'live', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)),
		('object', 'sessions/live/dir/f1', 'live', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
	poll 15 no_rows live
	[ "$(keys sessions/live/ | wc -l)" = 2 ]
	[ "$(grep -c '"garbage.dropped".*"live"' "$LOG/sandbox.log")" = 2 ]
	while read -r kind key; do
		sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at)
			VALUES ('$kind', '$key', 'liv', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
	done <<-END
		prefix sessions/liv
		prefix sessions/live/
		prefix sessions/
		prefix sessions//
		prefix logs/
		prefix /
		object sessions/live/
	END
	bad=7
	[ "$(rows liv)" = $bad ]
	poll 15 no_rows liv 'attempts = 0'
	[ "$(rows liv "last_error LIKE 'this may not be deleted%'")" = $bad ]
	[ "$(keys sessions/live/ | wc -l)" = 2 ]
	[ "$(keys logs/live/ | wc -l)" = 1 ]
	sql "DELETE FROM storage_garbage WHERE session_id = 'liv'"
	# An object of no session, and one of a session that is over: they go.
	s3 PUT layers/x -d x
	s3 PUT sessions/gone/y -d x
	sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at) VALUES
		('object', 'layers/x', NULL, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)),
		('object', 'sessions/gone/y', 'gone', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)),
		('object', 'sessions/gone/never', 'gone', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
	poll 15 eval '[ "$(sql "SELECT COUNT(*) FROM storage_garbage")" = 0 ]'
	no_keys layers/
	no_keys sessions/gone/
	api DELETE /sessions/live
	poll 15 no_rows live
}

@test "storage is stopped when sessions end: calls answer all the same, ids stay taken, all is deleted when it is back" {
	local id
	for id in s1 s2; do
		new_session "{\"id\":\"$id\"}"
		objects $id 2
	done
	stop_storage
	api POST /sessions/s1/terminate
	expect_code 200
	api DELETE /sessions/s1
	expect_code 204
	api DELETE /sessions/s2
	expect_code 204
	poll 20 no_container s1
	poll 20 some_rows s1 'attempts >= 2'
	[ "$(rows s1)" = 2 ]
	poll 20 some_rows s1 "last_error <> '' AND not_before > created_at"
	code_is s1 409
	error Sandbox.Conflict
	expect .retryable true
	[[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
	health_is healthy
	start_storage
	poll 60 no_rows s1
	poll 60 no_rows s2
	no_keys sessions/
	no_keys logs/
	poll 20 no_container s2
	new_session '{"id":"s1"}'
	api DELETE /sessions/s1
	poll 15 no_rows s1
}

health_is() { api GET //health; [ "$(jqb .status)" = "$1" ]; }

@test "attempts are 1, 2, 4 s apart, then more, 300 s at most" {
	local n gap
	stop_storage
	sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at, attempts)
		SELECT 'object', CONCAT('x/', seq), 'pause', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), seq FROM seq_0_to_12"
	poll 30 eval '[ "$(sql "SELECT COUNT(*) FROM storage_garbage WHERE session_id = \"pause\" AND last_error IS NULL")" = 0 ]'
	while read -r n gap; do
		case $n in
		9 | 10 | 11 | 12) [ "$gap" -gt 270 ] && [ "$gap" -le 300 ] ;;
		*) [ "$gap" -le $((1 << n)) ] ;;
		esac || { echo "after $n failures: $gap s" >&2; return 1; }
	done < <(sql "SELECT SUBSTRING(object_key, 3), CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), not_before) / 1000000)
		FROM storage_garbage WHERE session_id = 'pause' AND attempts = SUBSTRING(object_key, 3) + 1")
	start_storage
	sql "UPDATE storage_garbage SET not_before = UTC_TIMESTAMP(3) WHERE session_id = 'pause'"
	poll 30 no_rows pause
}

@test "a worker is killed while it deletes: its lease is respected, then another goes on" {
	local pid
	new_session '{"id":"killed"}'
	objects killed 2
	suspend_storage
	api DELETE /sessions/killed
	expect_code 204
	poll 10 some_rows killed 'lease_owner IS NOT NULL AND lease_until > UTC_TIMESTAMP(3) + INTERVAL 30 SECOND'
	poll 20 no_container killed	# whose removal has a lease of its own
	for pid in $(sql "SELECT DISTINCT SUBSTRING_INDEX(lease_owner, '/', -1) FROM storage_garbage
		WHERE session_id = 'killed' AND lease_owner IS NOT NULL"); do
		kill -9 "$pid"
	done
	resume_storage
	poll 20 health_is healthy
	poll 30 no_rows killed 'lease_owner IS NULL'	# a row that nobody had is taken as ever
	some_rows killed 'lease_until > UTC_TIMESTAMP(3)'
	code_is killed 409
	sql "UPDATE storage_garbage SET lease_until = UTC_TIMESTAMP(3) WHERE session_id = 'killed'"
	poll 20 no_rows killed
	no_keys sessions/killed/
	no_keys logs/killed/
	new_session '{"id":"killed"}'
	api DELETE /sessions/killed
	poll 15 no_rows killed
}

@test "looking whether anything is due reads an index only" {
	local plan
	sql "INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at)
		SELECT 'prefix', CONCAT('sessions/', seq, '/'), seq, UTC_TIMESTAMP(3) + INTERVAL 1 HOUR, UTC_TIMESTAMP(3)
		FROM seq_1_to_5000; ANALYZE TABLE storage_garbage" >/dev/null
	plan=$(sql "EXPLAIN SELECT EXISTS(SELECT 1 FROM storage_garbage WHERE not_before <= UTC_TIMESTAMP(3)
		AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3)))" | grep storage_garbage)
	[[ $plan = *range*due*'Using index'* ]] || { echo "$plan" >&2; return 1; }
	plan=$(sql "EXPLAIN SELECT * FROM storage_garbage WHERE not_before <= UTC_TIMESTAMP(3)
		AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3)) ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED")
	[[ $plan = *range*due* && $plan != *filesort* ]] || { echo "$plan" >&2; return 1; }
	sql 'DELETE FROM storage_garbage'
}

@test "[storage] retention_hours: files stay after the end, go at once with DELETE" {
	printf '[storage]\nretention_hours = 1\n' >>"$CONFIG"
	kill -HUP "$(cut -d' ' -f1 "$STACK/s/pid/fcgi")"
	poll 20 retains
	new_session '{"id":"kept"}'
	objects kept 2
	api POST /sessions/kept/terminate
	[ "$(rows kept 'not_before > UTC_TIMESTAMP(3) + INTERVAL 59 MINUTE')" = 2 ]
	poll 20 no_container kept
	[ "$(rows kept 'attempts = 0 AND lease_epoch = 0')" = 2 ]
	[ "$(keys sessions/kept/ | wc -l)" = 2 ]
	api GET /sessions/kept/files/dir/f1
	expect_code 200
	[ "$body" = x ]
	api DELETE /sessions/kept
	expect_code 204
	poll 15 no_rows kept
	no_keys sessions/kept/
	no_keys logs/kept/
}

# The new workers have taken over: a session that ends has rows for later.
retains() {
	api POST /sessions '{"template_id":"python-basic"}'
	local id
	id=$(jqb .id)
	api POST "/sessions/$id/terminate"
	some_rows "$id" 'not_before > UTC_TIMESTAMP(3) + INTERVAL 59 MINUTE' || return 1
	api DELETE "/sessions/$id"
}
