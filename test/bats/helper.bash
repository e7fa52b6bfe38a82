# helper.bash: a whole platform for a file of tests, and words to talk to it. `load helper` in each file.
#
#	setup_file() { start_stack; }		# options: SERVER=caddy start_stack; see tools/stack
#	teardown_file() { stop_stack; }
#
# api and internal never fail by themselves: they set $code, $headers (names in lower case) and $body. With AUTH=key
# export SANDBOX_KEY=$(new_key admin) first.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PATH=$TOP/tools:$PATH

free_port() {
	local p

	for _ in {1..200}; do
		p=$((10000 + RANDOM % 10000))	# below the kernel's own range, apart from the one of tools/stack
		(exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo $p; return; }
	done
	return 1
}

# A directory of its own for this file's stack: short (socket addresses), and open to the database's user.
start_stack() {
	local name value tmp=${TMPDIR:-/tmp}

	STACK=$(mktemp -d "$tmp/st-XXXXXX")
	chmod 711 "$STACK"
	export STACK
	PORT=${STACK_PORT:-$(free_port)} stack up "$STACK/s" || { stack_logs >&2; stop_stack; return 1; }
	while IFS='=' read -r name value; do
		export "$name=$value"
	done <"$STACK/s/env"
	[ ! -e "$tmp/deployments" ] || echo "$DEPLOYMENT" >>"$tmp/deployments"	# tools/check looks for leftovers
	LOG=$STACK/s/log
	export LOG
}

stop_stack() {
	[ -n "${STACK:-}" ] || return 0
	stack down "$STACK/s"
	rm -rf "$STACK"
}

stack_logs() { tail -n 30 "$STACK"/s/log/*.log 2>/dev/null; }

sandboxctl() { "$TOP/${BUILD:-build/rel}/sandboxctl" --config "$CONFIG" "$@"; }

# sql STATEMENT: rows, fields separated by tabs
sql() { mariadb --defaults-file="$STACK/s/my.cnf" -N -B -e "$1"; }

# s3 METHOD KEY [curl arguments...]: at the S3 server itself, in this stack's bucket. KEY as in a URL, every byte but
# A-Za-z0-9-_.~ and the slash encoded; it may be empty or a query, "?list-type=2&prefix=...", sorted by name.
s3() {
	local method=$1 key=$2 value
	shift 2
	value() { sed -n "/^\[storage\]/,/^\[runtime\]/s/^$1 = //p" "$CONFIG"; }
	[[ $key = [?-]* ]] || key=/$key
	[ "$method" != HEAD ] || set -- -I "$@"
	curl -sS -m 120 --path-as-is -X "$method" -K - -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
		--aws-sigv4 aws:amz:us-east-1:s3 "$@" "$(value endpoint)/$BUCKET$key" \
		<<<"user = $(value access_key):$(value secret_key)"
}

# new_key ROLE: prints a key
new_key() {
	local key=sk_test_$RANDOM$RANDOM$RANDOM$RANDOM

	sql "INSERT INTO api_key (id, name, prefix, key_hash, role, created_at)
		VALUES ('$key', 'test', 'sk_test', SHA2('$key', 256), '$1', UTC_TIMESTAMP(3))" && echo "$key"
}

# ---- requests ----

# exchange URL METHOD [JSON] [curl arguments...]
exchange() {
	local url=$1 method=$2 dir=$BATS_TEST_TMPDIR how=()
	shift 2
	[ "$method" != HEAD ] || how=(-I)
	[ -z "${SANDBOX_KEY:-}" ] || how+=(-H "X-API-Key: $SANDBOX_KEY")
	if [ $# -gt 0 ] && [[ $1 != -* ]]; then
		how+=(-H 'Content-Type: application/json' --data-binary "@$dir/request")
		printf '%s' "$1" >"$dir/request"	# an argument has 128 KiB at most
		shift
	fi
	code=$(curl -sS -m "${API_TIMEOUT:-120}" --path-as-is -X "$method" -o "$dir/body" -D "$dir/headers" -w '%{http_code}' \
		"${how[@]}" "$@" "$url" 2>"$dir/curl") || true
	headers=$(tr -d '\r' <"$dir/headers" 2>/dev/null | sed 's/^[^:]*:/\L&/')
	body=
	[ ! -e "$dir/body" ] || body=$(tr -d '\0' <"$dir/body")
	rm -f "$dir/headers" "$dir/body.last"
	[ ! -e "$dir/body" ] || mv "$dir/body" "$dir/body.last"	# the exact bytes: $BATS_TEST_TMPDIR/body.last
	return 0
}

# api METHOD PATH [JSON] [curl arguments...]; PATH below /api/v1, or from the root when it begins with //
api() {
	local method=$1 path=$2
	shift 2
	if [[ $path = //* ]]; then path=${path#/}; else path=/api/v1$path; fi
	exchange "$URL$path" "$method" "$@"
}

# internal METHOD PATH [JSON] [curl arguments...]: at the internal listener; PATH below /internal
internal() {
	local method=$1 path=$2
	shift 2
	exchange "http://sandbox/internal$path" "$method" "$@" --unix-socket "$CONTROL"
}

# header NAME: its value in the last answer
header() { sed -n "s/^${1,,}: *//p" <<<"$headers" | tail -n 1; }

jqb() { jq -r "$@" <<<"$body"; }

# ---- what tests do all the time ----

# poll SECONDS COMMAND...: until it succeeds
poll() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.05
	done
}

session_is() { api GET "/sessions/$1"; [ "$(jqb .status)" = "$2" ]; }
execution_ended() { api GET "/executions/$1"; [ "$(jqb .ended_reason)" != null ]; }

# new_session [JSON-members]: prints the id of a running session
new_session() {
	local id extra=${1:-}

	[ -n "$extra" ] || extra='{}'
	api POST /sessions "$(jq -cn --argjson x "$extra" '{template_id: "python-basic"} + $x')"
	[ "$code" = 201 ] || { echo "create: $code $body" >&2; return 1; }
	id=$(jqb .id)
	poll 30 session_is "$id" running || { echo "not running: $body" >&2; return 1; }
	echo "$id"
}

# run_sync SESSION LANGUAGE CODE [JSON-members]: the ended execution is in $body
run_sync() {
	local dir=$BATS_TEST_TMPDIR extra=${4:-}

	printf '%s' "$3" >"$dir/code"
	printf '%s' "${extra:-{\}}" >"$dir/extra"
	api POST "/sessions/$1/execute-sync" "$(jq -cn --rawfile code "$dir/code" --arg language "$2" \
		--slurpfile x "$dir/extra" '{code: $code, language: $language} + $x[0]')"
}

# ---- checks that show what was there instead ----

# expect_code N...: one of them
expect_code() {
	[[ " $* " = *" $code "* ]] || { echo "code $code, expected $*; body: ${body:0:2000}" >&2; return 1; }
}

# expect JQ-EXPRESSION VALUE, of the last answer
expect() {
	local got

	got=$(jqb "$1" && echo .) || { echo "not JSON: $code ${body:0:2000}" >&2; return 1; }
	got=${got%$'\n.'}	# exact: $(...) alone would drop newlines at the end
	[ "$got" = "$2" ] || { echo "$1 is '$got', expected '$2'; code $code, body: ${body:0:2000}" >&2; return 1; }
}
