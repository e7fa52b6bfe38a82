# api.bash: more words about the API, for the tests that load helper: many requests at once, session tokens.

# at_once N METHOD PATH [JSON] [curl arguments...]: the same request N times at the same time. Afterwards: ${codes[@]},
# and in $ONCE/I.body and $ONCE/I.headers what each was answered. %N% in PATH and JSON is the number, 1 to N.
at_once() {
	local n=$1 method=$2 path=$3 json="" i how=()
	shift 3
	if [ $# -gt 0 ] && [[ $1 != -* ]]; then json=$1; shift; fi
	[ -z "${SANDBOX_KEY:-}" ] || how+=(-H "X-API-Key: $SANDBOX_KEY")
	[ -z "$json" ] || how+=(-H 'Content-Type: application/json')
	ONCE=$BATS_TEST_TMPDIR/once
	rm -rf "$ONCE"
	mkdir "$ONCE"
	for ((i = 1; i <= n; i++)); do
		local p=${path//%N%/$i} j=${json//%N%/$i}
		printf 'url = "%s/api/v1%s"\nrequest = "%s"\noutput = "%s"\ndump-header = "%s"\n' "$URL" "${p//%D%/$((i % 10))}" \
			"$method" "$ONCE/$i.body" "$ONCE/$i.headers"
		printf 'write-out = "%s %%{http_code}\\n"\n' $i
		if [ -n "$json" ]; then
			printf '%s' "${j//%D%/$((i % 10))}" >"$ONCE/$i.json"
			printf 'data-binary = "@%s"\n' "$ONCE/$i.json"
		fi
		[ $i = "$n" ] || echo next
	done >"$ONCE/config"
	# `next` forgets the options of the command line too: they go into each part.
	python3 - "$ONCE/config" -sS -m "${API_TIMEOUT:-120}" "${how[@]}" "$@" <<-'PY'
		import sys
		path, args, lines, i = sys.argv[1], sys.argv[2:], [], 0
		names = {"-H": "header", "-m": "max-time"}
		while i < len(args):
		    if args[i] in names:
		        lines.append('%s = "%s"' % (names[args[i]], args[i + 1].replace('"', '\\"')))
		        i += 1
		    elif args[i] == "-sS":
		        lines += ["silent", "show-error"]
		    i += 1
		text = open(path).read().split("next\n")
		open(path, "w").write("next\n".join("\n".join(lines) + "\n" + t for t in text))
	PY
	curl -Z --parallel-immediate --parallel-max 200 -K "$ONCE/config" >"$ONCE/codes" 2>"$ONCE/errors" || true
	mapfile -t codes < <(sort -n "$ONCE/codes" | cut -d' ' -f2)
}

# all_codes CODE: of the last at_once
all_codes() {
	local c

	[ "${#codes[@]}" -gt 0 ] || { head -n 3 "$ONCE/errors" >&2; return 1; }
	for c in "${codes[@]}"; do
		[ "$c" = "$1" ] || { echo "codes: ${codes[*]}; $(head -c 500 "$ONCE/1.body")" >&2; return 1; }
	done
}

# answers JQ-EXPRESSION: of every answer of the last at_once, a line each, in the order of their numbers
answers() {
	local i

	for ((i = 1; i <= ${#codes[@]}; i++)); do
		jq -r "$1" "$ONCE/$i.body"
	done
}

# session_token SESSION: as its executor has it
session_token() {
	local epoch secret

	epoch=$(sql "SELECT token_epoch FROM session WHERE id = '$1'")
	secret=$(sed -n 's/^secret = //p' "$CONFIG")
	printf '%s:%s' "$1" "$epoch" | openssl dgst -sha256 -hmac "$secret" -binary | base64 -w0 | tr '+/' '-_' | tr -d '='
}

# as SESSION METHOD PATH [JSON] [curl arguments...]: at the internal listener, with the session's token
as() {
	local token

	token=$(session_token "$1")
	shift
	SANDBOX_KEY="" internal "$@" -H "Authorization: Bearer $token"
}

# new_execution SESSION CODE [JSON-members]: its id, not waiting for anything
new_execution() {
	api POST "/sessions/$1/execute" "$(jq -cn --arg code "$2" --argjson x "${3:-{\}}" \
		'{code: $code, language: "shell"} + $x')"
	[ "$code" = 201 ] || { echo "execute: $code $body" >&2; return 1; }
	jqb .execution_id
}

execution_is() { api GET "/executions/$1"; [ "$(jqb .status)" = "$2" ]; }

# error CODE [DETAIL-PATTERN]: the error that the last answer names
error() {
	expect .error_code "$1"
	[ $# = 1 ] || [[ $(jqb '.error_detail | tostring') = *$2* ]] || { echo "error_detail: $(jqb .error_detail)" >&2; return 1; }
}
