#!/usr/bin/env bats
# An execution that leaves very many small files.

load runtime

setup_file() { start_runtime; }
teardown_file() { stop_stack; }

@test "50,000 small files: the result arrives, all are stored, the list's limit is told" {
	local from took cursor="" n=0
	from=${EPOCHREALTIME/./}
	api POST "/sessions/$S/execute" "$(jq -cn '{language: "python", timeout: 120, code: "import os
for i in range(50000):
    d = \"many/%d\" % (i % 100)
    if i < 100: os.makedirs(d)
    open(\"%s/%d\" % (d, i), \"w\").write(str(i))"}')"
	id=$(jqb .execution_id)
	poll 150 execution_ended "$id"
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
	echo "# 50,000 files: $took ms" >&3
	expect .status completed
	expect '.artifacts | length' 1000
	expect .artifacts_truncated true
	while :; do
		api GET "/sessions/$S/files?path=many&limit=10000${cursor:+&cursor=$cursor}"
		expect_code 200
		n=$((n + $(jqb '.files | length')))
		cursor=$(jqb '.next_cursor // empty')
		[ -n "$cursor" ] || break
	done
	[ $n = 50000 ]
	api GET "/sessions/$S/files/many/99/49999"
	[ "$body" = 49999 ]
}
