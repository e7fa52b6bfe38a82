# runtime.bash: for files of tests that hold on every runtime. Each is written once, as NN-topic.bats for oci, and is
# linked as NN-topic-docker.bats.
#
#	setup_file() { start_runtime '[execution]' 'max_parallel = 3'; }	# lines of the configuration
#	teardown_file() { stop_stack; }
load helper

start_runtime() {
	case $BATS_TEST_FILENAME in
	*-docker.bats)	export RUNTIME=docker IMAGES=${IMAGES:-test} ;;
	*)		export RUNTIME=oci ;;
	esac
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@" >"$BATS_FILE_TMPDIR/extra.ini"
		export CONF_EXTRA=$BATS_FILE_TMPDIR/extra.ini
	fi
	start_stack || return 1
	S=$(new_session "${SESSION:-}") || { stack_logs >&2; stop_stack; return 1; }
	export S
}

# The file's second session, for JavaScript.
start_javascript() {
	SJ=$(new_session "$(jq -cn --argjson x "${SESSION:-{\}}" '$x + {template_id: "nodejs-basic"}')") || { stop_stack; return 1; }
	export SJ
}

# run_code LANGUAGE CODE [JSON-members]: in the file's session $S, JavaScript in $SJ
run_code() {
	if [ "$1" = javascript ]; then run_sync "$SJ" "$@"; else run_sync "$S" "$@"; fi
	expect_code 200
}

# submit LANGUAGE CODE [JSON-members]: its id in $id
submit() {
	local dir=$BATS_TEST_TMPDIR

	printf '%s' "$2" >"$dir/code"
	printf '%s' "${3:-{\}}" >"$dir/extra"
	api POST "/sessions/$S/execute" "$(jq -cn --rawfile code "$dir/code" --arg language "$1" --slurpfile x "$dir/extra" \
		'{code: $code, language: $language} + $x[0]')"
	expect_code 201 || return 1
	id=$(jqb .execution_id)
}

running() { api GET "/executions/$1"; [ "$(jqb .status)" = running ]; }

# ends REASON [STATUS]: the last answer is an execution that ended so
ends() {
	expect '[.status, .ended_reason] | join(" ")' "${2:-failed} $1"
}

# Processes of this host whose command line holds a word.
alive() {
	local p n=0 line

	for p in /proc/[0-9]*/cmdline; do
		{ line=$(tr '\0' ' ' <"$p"); } 2>/dev/null || continue
		[[ $line != *"$1"* ]] || n=$((n + 1))
	done
	echo $n
}
none_alive() { [ "$(alive "$1")" = 0 ]; }

built() { (cd "$TOP" && realpath "${BUILD:-build/rel}/$1"); }
