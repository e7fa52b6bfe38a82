#!/usr/bin/env bats
# What holds for every route: HTTP (CONTRACT 1.2), keys and roles (1.4), error bodies (2). With API keys, and CORS on.
load helper
load api

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[server]\ncors_origins = https://app.example, http://localhost:3000\n' >"$CONF_EXTRA"
	AUTH=key start_stack || return 1
	ADMIN=$(new_key admin) USER_KEY=$(new_key user) READER=$(new_key readonly)
	export ADMIN USER_KEY READER SANDBOX_KEY=$ADMIN
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one"}' || return 1
}

teardown_file() { stop_stack; }

# ctl_key ROLE [argument...]: a key as an operator makes it; $key and $key_id
ctl_key() {
	local out role=$1
	shift

	out=$(sandboxctl key create test --role "$role" "$@" 2>&1) || { echo "$out" >&2; return 1; }
	key=$(grep -oE 'sbx_[0-9A-Za-z]{40}' <<<"$out")
	key_id=$(grep -oE 'key_[0-9A-Za-z]{12}' <<<"$out")
}

# ---- keys ----

@test "without a good key: 401 with WWW-Authenticate, everywhere but on the public routes" {
	local SANDBOX_KEY="" path
	for path in /sessions /sessions/one /templates /executions/x; do
		api GET "$path"
		expect_code 401
		error Sandbox.Unauthorized
		[[ $(header www-authenticate) = Bearer* ]]
		api GET "$path" -H 'X-API-Key: sbx_wrong'
		expect_code 401
		api GET "$path" -H 'Authorization: Bearer sbx_wrong'
		expect_code 401
		api GET "$path" -H 'Authorization: Basic YTpi'
		expect_code 401
		api GET "$path?api_key=$ADMIN"
		expect_code 401
	done
	for path in // //health //openapi.json /health /openapi.json; do
		api GET "$path"
		expect_code 200
	done
	api OPTIONS /sessions
	expect_code 204
	# The path comes before the key.
	api GET /nope
	expect_code 404
	api PUT /sessions
	expect_code 405
}

@test "both headers: the same key is fine, two different ones are 401" {
	local SANDBOX_KEY=""
	api GET /sessions -H "Authorization: Bearer $ADMIN" -H "X-API-Key: $ADMIN"
	expect_code 200
	api GET /sessions -H "Authorization: Bearer $ADMIN"
	expect_code 200
	api GET /sessions -H "authorization: bearer $ADMIN"
	expect_code 200
	api GET /sessions -H "Authorization: Bearer $ADMIN" -H "X-API-Key: $USER_KEY"
	expect_code 401
	error Sandbox.Unauthorized differ
}

@test "sandboxctl key: create, use, revoke; expiry; only the hash is kept" {
	local key key_id
	ctl_key user
	SANDBOX_KEY=$key api GET /sessions
	expect_code 200
	[ "$(sql "SELECT COUNT(*) FROM api_key WHERE key_hash = SHA2('$key', 256)")" = 1 ]
	[ "$(sql "SELECT COUNT(*) FROM api_key WHERE CONCAT_WS(' ', id, name, prefix, key_hash) LIKE '%$key%'")" = 0 ]
	[ "$(sandboxctl key list | grep -c "$key_id")" = 1 ]
	run ! grep -q "$key" <(sandboxctl key list)
	sandboxctl key revoke "$key_id"
	SANDBOX_KEY=$key api GET /sessions
	expect_code 401
	ctl_key readonly --expires 1
	SANDBOX_KEY=$key api GET /sessions
	expect_code 200
	sql "UPDATE api_key SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE id = '$key_id'"
	SANDBOX_KEY=$key api GET /sessions
	expect_code 401
}

@test "roles: who may do what" {
	local who method path json want
	while read -r method path json want; do
		for who in readonly user admin; do
			case $who in readonly) SANDBOX_KEY=$READER ;; user) SANDBOX_KEY=$USER_KEY ;; admin) SANDBOX_KEY=$ADMIN ;; esac
			[ "$json" != - ] || json=""
			api "$method" "$path" ${json:+"$json"}
			if [[ " $want " = *" $who "* ]]; then
				[[ $code != 401 && $code != 403 ]] || { echo "$who $method $path: $code" >&2; return 1; }
			else
				[ "$code" = 403 ] || { echo "$who $method $path: $code, not 403" >&2; return 1; }
				error Sandbox.Forbidden
			fi
		done
	done <<-'END'
		GET /sessions - readonly user admin
		HEAD /sessions - user admin readonly
		GET /sessions/one - readonly user admin
		GET /sessions/one/executions - readonly user admin
		GET /executions/none - readonly user admin
		GET /executions/none/output - readonly user admin
		GET /templates - readonly user admin
		GET /templates/python-basic/versions - readonly user admin
		POST /sessions {} user admin
		POST /sessions/one/renew - user admin
		POST /sessions/one/execute {} user admin
		POST /sessions/one/execute-sync {} user admin
		POST /executions/sessions/one/execute {} user admin
		POST /executions/none/cancel - user admin
		POST /sessions/none/terminate - user admin
		DELETE /sessions/none - user admin
		POST /templates {} admin
		PUT /templates/none {} admin
		DELETE /templates/none - admin
	END
	SANDBOX_KEY=$ADMIN
}

@test "a session remembers nothing of the key but its id, and no log has a key" {
	run ! grep -qF "$ADMIN" <(tr -d '\n' <"$LOG/sandbox.log" | sed 's/"key_id":"[^"]*"//g')
	[ "$(sql "SELECT created_by FROM session WHERE id = 'one'")" = "$ADMIN" ]	# new_key's ids are their keys
}

# ---- HTTP ----

@test "HEAD wherever GET is, OPTIONS with Allow, 405 with Allow" {
	local path
	for path in // //health /sessions /sessions/one /sessions/one/executions /templates /templates/python-basic; do
		api HEAD "$path"
		expect_code 200
		[ -z "$(header content-length)" ] || [ "$(header content-length)" -gt 2 ]
		api OPTIONS "$path"
		expect_code 204
		[[ $(header allow) = *GET,\ HEAD* ]]
		api PATCH "$path" '{}'
		expect_code 405
		error Sandbox.MethodNotAllowed
		expect .detail 'Method Not Allowed'
		[[ $(header allow) = *GET,\ HEAD*OPTIONS* ]]
	done
	api OPTIONS /nope
	expect_code 404
	api DELETE /sessions
	[ "$(header allow)" = "POST, GET, HEAD, OPTIONS" ]
}

@test "a slash at the end, and the aliases: the same handler, no redirect" {
	local x a b
	api GET /sessions/one/
	expect_code 200
	expect .id one
	api GET //health/
	expect_code 200
	api POST /executions/sessions/one/execute-sync/ '{"code":"echo hi","language":"shell"}'
	expect_code 200
	x=$(jqb .id)
	for path in "/executions/$x" "/executions/$x/status" "/executions/$x/result"; do
		api GET "$path"
		expect_code 200
		expect .stdout $'hi\n'
	done
	api GET /sessions/one/executions
	a=$body
	api GET /executions/sessions/one/executions
	b=$body
	[ "$a" = "$b" ]
	# One scope of idempotency, whichever path.
	api POST /executions/sessions/one/execute '{"code":"true","language":"shell"}' -H 'Idempotency-Key: alias'
	expect_code 201
	x=$(jqb .execution_id)
	api POST /sessions/one/execute '{"language":"shell","code":"true"}' -H 'Idempotency-Key: alias'
	expect_code 201
	expect .execution_id "$x"
	[ "$(header idempotent-replay)" = true ]
}

@test "X-Request-ID: taken when well-formed, else made; in header, body and log. X-Process-Time always" {
	api GET /sessions/none -H 'X-Request-ID: My.req_1-x'
	[ "$(header x-request-id)" = My.req_1-x ]
	expect .request_id My.req_1-x
	[ "$(jq -r 'select(.request_id == "My.req_1-x" and .msg == "request") |
		[.surface, .method, .route, .path, .status, .key_id, .role, .error_code] | @json' "$LOG/sandbox.log")" = \
		"[\"public\",\"GET\",\"/api/v1/sessions/{id}\",\"/api/v1/sessions/none\",404,\"$ADMIN\",\"admin\",\"Sandbox.SessionNotFound\"]" ]
	local id
	for id in 'a b' "$(printf 'x%.0s' {1..129})" 'ä' '"'; do
		api GET /sessions/none -H "X-Request-ID: $id"
		[[ $(header x-request-id) =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
		expect .request_id "$(header x-request-id)"
	done
	for path in //health /sessions /nope /sessions/none; do
		api GET "$path"
		[[ $(header x-process-time) =~ ^[0-9]+\.[0-9]{3}$ ]]
		[ "$(header cache-control)" = no-store ]
		[ "$(header content-type)" = application/json ]
	done
	api OPTIONS /sessions
	[[ $(header x-process-time) =~ ^[0-9]+\.[0-9]{3}$ ]]
}

@test "every error has the one body" {
	local want='["description","detail","error","error_code","error_detail","error_link","message","request_id","retryable","solution"]'
	api GET /sessions/none
	expect 'keys | @json' "$want"
	expect '[.error, .error_code, .retryable, .detail] | @json' \
		'["Not Found","Sandbox.SessionNotFound",false,"Session not found: none"]'
	expect .error_link /docs#Sandbox.SessionNotFound
	api GET /nope
	expect '[.error_code, .detail, .error] | @json' '["Sandbox.NotFound","Not Found","Not Found"]'
	api POST /sessions '{"template_id":5,"timeout":"x"}'
	expect_code 422
	expect 'keys | @json' "$want"
	expect '.detail | length' 2
	expect '.detail[0] | [.type, .loc, .input] | @json' '["string_type",["body","template_id"],5]'
	expect .error 'Unprocessable Entity'
	api POST /sessions 'nonsense'
	expect_code 422
	expect '.detail[0].type' json_invalid
	api POST /sessions --data-binary '{}' -H 'Content-Type: text/plain'
	expect_code 415
	error Sandbox.UnsupportedMediaType
	head -c 1048577 /dev/zero >"$BATS_TEST_TMPDIR/big"
	api POST /sessions --data-binary "@$BATS_TEST_TMPDIR/big" -H 'Content-Type: application/json'
	expect_code 413
	error Sandbox.PayloadTooLarge
}

# ---- CORS ----

@test "CORS: only configured origins; preflight; our headers are exposed" {
	local origin
	for origin in https://app.example http://localhost:3000; do
		api OPTIONS /sessions -H "Origin: $origin" -H 'Access-Control-Request-Method: POST'
		expect_code 204
		[ "$(header access-control-allow-origin)" = "$origin" ]
		[ "$(header access-control-max-age)" = 600 ]
		[[ $(header access-control-allow-headers) = *Idempotency-Key* ]]
		[[ $(header vary) = *Origin* ]]
		api GET /sessions -H "Origin: $origin"
		[ "$(header access-control-allow-origin)" = "$origin" ]
		[[ $(header access-control-expose-headers) = *X-Request-ID*X-Process-Time*Idempotent-Replay* ]]
		api GET /sessions/none -H "Origin: $origin"
		[ "$(header access-control-allow-origin)" = "$origin" ]
	done
	for origin in https://evil.example https://app.example.evil.example http://app.example null; do
		api OPTIONS /sessions -H "Origin: $origin" -H 'Access-Control-Request-Method: POST'
		expect_code 204
		[ -z "$(header access-control-allow-origin)" ]
		api GET /sessions -H "Origin: $origin"
		[ -z "$(header access-control-allow-origin)" ]
	done
	api GET /sessions
	[ -z "$(header access-control-allow-origin)" ]
}
