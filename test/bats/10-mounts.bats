#!/usr/bin/env bats
# The same API behind every web server, by the sample configurations of etc/: what a server could spoil. The four
# platforms stand side by side.
load helper
load api

servers=(nginx apache caddy cgi)

setup_file() {
	local s

	LARGE=$BATS_FILE_TMPDIR/large	# as large as an upload may be, [limits] max_upload_bytes
	head -c $((100 << 20)) /dev/urandom >"$LARGE"
	SUM=$(sha256sum <"$LARGE" | cut -d' ' -f1)
	export LARGE SUM
	printf '[storage]\nlarge_file_bytes = 1073741824\n' >"$BATS_FILE_TMPDIR/extra.ini"	# by the API itself
	for s in "${servers[@]}"; do
		AUTH=key SERVER=$s CONF_EXTRA=$BATS_FILE_TMPDIR/extra.ini start_stack || return 1
		SANDBOX_KEY=$(new_key admin)
		declare -p STACK URL CONTROL CONFIG SANDBOX_KEY >"$BATS_FILE_TMPDIR/$s"
	done
}

teardown_file() {
	local s

	for s in "${servers[@]}"; do
		[ ! -e "$BATS_FILE_TMPDIR/$s" ] || . "$BATS_FILE_TMPDIR/$s"
		stop_stack
	done
}

# each CHECK: runs it against every mount, and names those where it fails
each() {
	local s bad=""

	for s in "${servers[@]}"; do
		# Not in a condition: there bash would go on after a failed line.
		set +e
		(set -e; . "$BATS_FILE_TMPDIR/$s"; export SANDBOX_KEY; "$1" "$s")
		# shellcheck disable=SC2181
		[ $? = 0 ] || bad+=" $s"
		set -e
	done
	[ -z "$bad" ] || { echo "fails behind:$bad" >&2; return 1; }
}

# our_error CODE...: the answer is the API's own, not the server's page
our_error() {
	expect_code "$@"
	expect '.error_code | startswith("Sandbox.")' true
	expect .request_id "$(header x-request-id)"
}

plain_answers() {
	api GET //health
	expect_code 200
	expect .status healthy
	[ "$(header content-type)" = application/json ]
	[ "$(header cache-control)" = no-store ]
	[[ "$(header x-process-time)" =~ ^[0-9]+\.[0-9]{3}$ ]]
	api GET //
	expect_code 200
	expect .name sandbox
	api GET //health/
	expect_code 200
	api HEAD //health
	expect_code 200
	[ -z "$body" ] || [[ "$body" = HTTP/* ]]
}

@test "health and root answer, with the headers of the contract" { each plain_answers; }

quick_example() {
	run env "SANDBOX_KEY=$SANDBOX_KEY" "$TOP/tools/example" "$URL"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" = *'"greeting":"Hello, world!"'* ]]
}

@test "the quick example works" { each quick_example; }

exact_result() {
	local id

	id=$(new_session)
	run_sync "$id" python $'import sys\ndef handler(event):\n    sys.stderr.write("warm\\n")\n    print("ü", end="")\n    return event' \
		'{"event": {"text": "ü€😀", "zero": 0, "none": null, "list": []}}'
	expect_code 200
	expect .status completed
	expect '.return_value | tojson' '{"text":"ü€😀","zero":0,"none":null,"list":[]}'
	expect .stdout ü
	expect .stderr $'warm\n'
	run_sync "$id" shell 'echo out; exit 3'
	expect .status failed
	expect .exit_code 3
	api DELETE "/sessions/$id"
	expect_code 200 202 204
}

@test "an execution's result comes back exact" { each exact_result; }

paths_and_queries() {
	api GET '/sessions?limit=1&status=running'
	expect_code 200
	api GET '/sessions?limit=%6e%6F'
	our_error 422
	api GET '/sessions/a%2Fb'
	our_error 404
	api GET '/sessions/no%20such%3Fsession'
	our_error 404 422
	api GET "/sessions/$(printf 'x%.0s' {1..8000})"
	our_error 400 404 422
}

@test "paths and queries arrive as they were sent" { each paths_and_queries; }

methods() {
	api PATCH /sessions '{}'
	our_error 405
	[[ "$(header allow)" = *GET* ]]
	api OPTIONS /sessions
	expect_code 204
	[[ "$(header allow)" = *POST* ]]
}

@test "methods reach the API" { each methods; }

request_id() {
	api GET /sessions/none -H 'X-Request-ID: Of-The_Caller.1'
	our_error 404
	[ "$(header x-request-id)" = Of-The_Caller.1 ]
}

@test "a request id is kept" { each request_id; }

credentials() {
	local key=$SANDBOX_KEY SANDBOX_KEY=

	api GET /sessions
	our_error 401
	api GET /sessions -H "Authorization: Bearer $key"
	expect_code 200
	api GET /sessions -H "Authorization: Bearer x$key"
	our_error 401
}

@test "the Authorization header arrives" { each credentials; }

bodies() {
	local id

	id=$(new_session)
	api POST "/sessions/$id/renew" '{}' -H 'Transfer-Encoding: chunked'
	expect_code 200
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/big"
	api POST /sessions -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/big"
	our_error 413
	api POST /sessions -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary "@$BATS_TEST_TMPDIR/big"
	our_error 413
	# Above every server's own limit, below ours: 1 MB of event, and as much of a result.
	run_sync "$id" python $'def handler(event):\n    return event["a"]' \
		"$(jq -cn '{event: {a: ("x" * 1000000)}}')"
	expect_code 200
	expect '.return_value | length' 1000000
	api DELETE "/sessions/$id"
}

@test "bodies: chunked, too large, large" { each bodies; }

surfaces() {
	local prefix

	for prefix in /internal /api/v1/internal; do
		api POST "/$prefix/executions/x/heartbeat" '{}' -H 'SANDBOX_SURFACE: internal' -H 'Sandbox-Surface: internal'
		our_error 404
	done
	internal POST /executions/x/heartbeat '{}'
	expect_code 401
	expect .error_code Internal.Unauthorized
	[ "$(stat -c %a "$CONTROL")" = 666 ]
}

@test "the internal API is on its own listener only" { each surfaces; }

rude_requests() {
	api GET '/sessions/%00'
	expect_code 400 404 422
	api GET '/sessions/../../x'
	expect_code 400 404
	api GET '/%zz'
	expect_code 400 404
	api GET //health
	expect_code 200
}

@test "malformed paths are refused and harm nothing" { each rude_requests; }

file_names() {
	local id n

	id=$(new_session)
	for n in 'a%2Fb' 'a%25b' 'a%252Fb' 'a%3Fb' 'a%23b' 'a+b%20c' 'x;y=1&z' '%C3%A4%E2%82%AC' "it's"; do
		api PUT "/sessions/$id/files/$n" --data-binary "$n"
		expect_code 201
		api GET "/sessions/$id/files/$n"
		expect_code 200
		[ "$body" = "$n" ]
	done
	api GET "/sessions/$id/files"
	expect '[.files[].name] | join(" ")' "a#b a%2Fb a%b a+b c a/b a?b it's x;y=1&z ä€"
	for n in '%2e%2e%2Fq' '../q' 'a//b' 'a/./b' 'a%5Cb'; do
		api PUT "/sessions/$id/files/$n" --data-binary x
		our_error 400 404	# a server may resolve dots itself: another path then, which has no such method or route
	done
	api DELETE "/sessions/$id"
	expect_code 204
}

@test "names of files arrive as they were sent" { each file_names; }

# served PATH [curl arguments...]: the checksum of what comes
served() { curl -sS -f -m 120 --path-as-is "${@:2}" "$1" | sha256sum | cut -d' ' -f1; }

large_files() {
	local id token p

	id=$(new_session)
	api PUT "/sessions/$id/files/large" -T "$LARGE"
	expect_code 201
	expect .size $((100 << 20))
	expect .checksum "$SUM"
	[ "$(served "$URL/api/v1/sessions/$id/files/large" -H "X-API-Key: $SANDBOX_KEY")" = "$SUM" ]
	api POST "/sessions/$id/files/upload?path=form" -F "file=@$LARGE"
	expect_code 200
	expect .checksum "$SUM"
	# One byte too many is ours to refuse, whether the length is said or not.
	cp "$LARGE" "$BATS_TEST_TMPDIR/more"
	echo >>"$BATS_TEST_TMPDIR/more"
	api PUT "/sessions/$id/files/large" -T "$BATS_TEST_TMPDIR/more"
	our_error 413
	api PUT "/sessions/$id/files/large" -T "$BATS_TEST_TMPDIR/more" -H 'Transfer-Encoding: chunked'
	our_error 413
	# Executors' files have no limit but the disk.
	as "$id" PUT "/sessions/$id/files/large" -T "$BATS_TEST_TMPDIR/more"
	expect_code 200
	token=$(session_token "$id")
	[ "$(served "http://sandbox/internal/sessions/$id/files/form" --unix-socket "$CONTROL" -H "Authorization: Bearer $token")" = "$SUM" ]
	[ "$1" != nginx ] || for p in $(pgrep -P "$(cat "$STACK/s/web/nginx.pid")"); do
		p=$(awk '/^VmHWM/ { print $2 }' "/proc/$p/status")
		[ "$p" -lt 32768 ] || { echo "nginx took $p KiB" >&2; return 1; }
	done
	api DELETE "/sessions/$id"
	expect_code 204
}

@test "files as large as allowed pass, in constant memory" { each large_files; }
