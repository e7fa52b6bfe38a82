# executor.bash: a real executor as uid 1000 on a socket of its own, and words to talk to it. `load executor`.
#
#	setup_file() { ex_up; }			# arguments: NAME=VALUE for its environment
#	teardown_file() { ex_down; }
#
# MEMORY= and PIDS= in the environment of ex_up put it into a cgroup with these limits. ex never fails by itself: it
# sets $code, $headers (names in lower case) and $body.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PROGRAM=$TOP/${BUILD:-build/rel}/sandbox-executor
TOKEN=token-of-this-session-0123456789

# ---- a cgroup, whatever the host has ----

cgroup_dirs() {
	local c

	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo "/sys/fs/cgroup/$1"
	else
		for c in memory pids; do echo "/sys/fs/cgroup/$c/$1"; done
	fi
}

cgroup_make() {
	local d

	for d in $(cgroup_dirs "$1"); do
		mkdir -p "$d" || return 1
		if [ -n "${MEMORY:-}" ]; then
			if [ -e "$d/memory.max" ]; then
				echo "$MEMORY" >"$d/memory.max"
				echo 0 >"$d/memory.swap.max" 2>/dev/null || true
			elif [ -e "$d/memory.limit_in_bytes" ]; then
				echo "$MEMORY" >"$d/memory.limit_in_bytes"
			fi
		fi
		if [ -n "${PIDS:-}" ] && [ -e "$d/pids.max" ]; then echo "$PIDS" >"$d/pids.max"; fi
	done
}

cgroup_drop() {
	local d

	for d in $(cgroup_dirs "$1"); do
		[ ! -d "$d" ] || rmdir "$d" || true
	done
}

# ---- start and stop ----

receiver_up() {
	python3 "$BATS_TEST_DIRNAME/receiver.py" "$EX/control/control.sock" "$EX/calls.d" 3>&- &
	echo $! >"$EX/receiver.pid"
	poll 5 test -S "$EX/control/control.sock"
}

receiver_down() {
	local pid

	[ -e "$EX/receiver.pid" ] || return 0
	pid=$(cat "$EX/receiver.pid")
	kill "$pid" 2>/dev/null || true
	poll 5 not kill -0 "$pid"
	rm -f "$EX/control/control.sock"
}

# ex_launch [NAME=VALUE...]: starts the program in $EX; used again after it was stopped
ex_launch() {
	local enter=() d

	for d in $(cgroup_dirs "$EX_CGROUP"); do enter+=("echo \$\$ >$d/cgroup.procs;"); done
	sh -c "${enter[*]} exec ${EX_BEFORE:-} \"\$@\"" sh setpriv --reuid 1000 --regid 1000 --clear-groups env -i \
		SESSION_ID=sess_test CONTAINER_ID=sandbox-sess_test POD_NAME= WORKSPACE_PATH="$EX/ws" \
		CONTROL_PLANE_URL="unix:$EX/control/control.sock" INTERNAL_API_TOKEN_FILE="$EX/state/token" \
		EXECUTOR_LISTEN="$EX/run/executor.sock" SANDBOX_EXECUTOR_STATE_DIR="$EX/state" \
		SANDBOX_EXECUTOR_TEMPLATE=python-basic SANDBOX_EXECUTOR_MEMORY_BYTES="${MEMORY:-536870912}" \
		SANDBOX_EXECUTION_HEARTBEAT_INTERVAL=1 ${SAN_OPTIONS:+"$SAN_OPTIONS"} "$@" "$EX/bin/sandbox-executor" 2>>"$EX/log" 3>&- &
	echo $! >"$EX/pid"
}

ex_listens() { [ -S "$EX/run/executor.sock" ] && ex GET / && [ "$code" = 200 ]; }

ex_up() {
	EX=$(mktemp -d "${TMPDIR:-/tmp}/ex-XXXXXX")
	EX_CGROUP=$(basename "$EX")
	export EX EX_CGROUP
	chmod 755 "$EX"
	mkdir "$EX"/{bin,ws,state,run,control,calls.d}
	cp "$PROGRAM" "$EX/bin/"
	printf '%s' "$TOKEN" >"$EX/state/token"
	chmod 400 "$EX/state/token"
	chown -R 1000:1000 "$EX"/{ws,state,run}
	chmod 700 "$EX/state"
	cgroup_make "$EX_CGROUP"
	receiver_up
	ex_launch "$@"
	poll 10 ex_listens || { cat "$EX/log" >&2; ex_down; return 1; }
}

# ex_stop [SIGNAL]: the exit code is in $ex_exit
# shellcheck disable=SC2034
ex_stop() {
	local pid

	[ -e "$EX/pid" ] || return 0
	pid=$(cat "$EX/pid")
	kill -s "${1:-TERM}" "$pid" 2>/dev/null || true
	ex_exit=0
	wait "$pid" 2>/dev/null || ex_exit=$?
	poll 12 not kill -0 "$pid"
}

ex_down() {
	[ -n "${EX:-}" ] || return 0
	ex_stop KILL
	receiver_down || true
	cgroup_drop "$EX_CGROUP"
	rm -rf "$EX"
	unset EX
}

# ---- requests ----

not() { ! "$@"; }

# poll SECONDS COMMAND...: until it succeeds
poll() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.02
	done
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# ex METHOD PATH [JSON] [curl arguments...]
ex() {
	local method=$1 path=$2 how=() dir=${BATS_TEST_TMPDIR:-$EX}
	shift 2
	if [ $# -gt 0 ] && [[ $1 != -* ]]; then
		printf '%s' "$1" >"$dir/request"
		how+=(-H 'Content-Type: application/json' --data-binary "@$dir/request")
		shift
	fi
	code=$(curl -sS -m 60 -X "$method" --unix-socket "$EX/run/executor.sock" -H "Authorization: Bearer ${EX_TOKEN:-$TOKEN}" \
		-o "$dir/body" -D "$dir/headers" -w '%{http_code}' "${how[@]}" "$@" "http://executor$path" 2>"$dir/curl") || true
	headers=$(tr -d '\r' <"$dir/headers" 2>/dev/null | sed 's/^[^:]*:/\L&/')
	body=$(tr -d '\0' <"$dir/body" 2>/dev/null)	# the exact bytes: $BATS_TEST_TMPDIR/body
	return 0
}

header() { sed -n "s/^${1,,}: *//p" <<<"$headers" | tail -n 1; }

jqb() { jq -r "$@" <<<"$body"; }

# expect JQ-EXPRESSION VALUE, of the last answer
expect() {
	local got

	got=$(jqb "$1" && echo .) || { echo "not JSON: $code ${body:0:2000}" >&2; return 1; }
	got=${got%$'\n.'}	# $( ) alone would take the text's own newlines away
	[ "$got" = "$2" ] || { echo "$1 is '$got', expected '$2'; code $code, body: ${body:0:3000}" >&2; return 1; }
}

expect_code() {
	[ "$code" = "$1" ] || { echo "code $code, expected $1; body: ${body:0:2000}" >&2; return 1; }
}

# submit LANGUAGE CODE [JSON-members]: its id in $id
submit() {
	local dir=$BATS_TEST_TMPDIR

	id=e$RANDOM$RANDOM$RANDOM
	printf '%s' "$2" >"$dir/code"
	printf '%s' "${3:-{\}}" >"$dir/extra"
	jq -cn --rawfile code "$dir/code" --arg language "$1" --arg id "$id" --slurpfile x "$dir/extra" \
		'{execution_id: $id, session_id: "sess_test", attempt: 1, code: $code, language: $language, timeout: 20} + $x[0]' \
		>"$dir/submission"
	id=$(jq -r .execution_id "$dir/submission")
	ex POST /executions -H 'Content-Type: application/json' --data-binary "@$dir/submission"
}

# run_code LANGUAGE CODE [JSON-members]: its result is in $body
run_code() {
	submit "$@"
	expect_code 201 || return 1
	ex GET "/executions/$id?wait=30"
}

running() { ex GET "/executions/$1"; [ "$(jqb .status)" = running ]; }
ended() { ex GET "/executions/$1"; [ "$(jqb .ended_reason)" != null ]; }

# calls WORD [JQ-FILTER]: callbacks whose path ends so, one a line
calls() { jq -c --arg w "/$1" "select(.path | endswith(\$w)) | ${2:-.}" "$EX/calls.d/calls" 2>/dev/null; }
called() { [ -n "$(calls "$@")" ]; }

# Processes of the host whose command line holds a word.
# shellcheck disable=SC2062
alive() { grep -slF -f - /proc/[0-9]*/cmdline <<<"$1" 2>/dev/null | wc -l; }
