#!/usr/bin/env bats
# Workspaces as executors use them: the file routes of CONTRACT 9.
load helper
load api
load files

setup_file() {
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"one","disk":"256Mi"}'
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"two"}'
}

teardown_file() { stop_stack; }

setup() {
	printf 'some bytes' >"$BATS_TEST_TMPDIR/f"
	f=$BATS_TEST_TMPDIR/f
}

@test "put, get, list, delete; nothing is pulled back" {
	local etag
	as one PUT /sessions/one/files/in/a%20b -T "$f"
	expect_code 201
	expect .path 'in/a b'
	expect .size 10
	expect .checksum "$(sha "$f")"
	[ -n "$(jqb .message)" ]
	etag=$(jqb .etag)
	as one PUT /sessions/one/files/in%2Fa%20b -T "$f" -H "X-Content-SHA256: $(sha "$f")"
	expect_code 200
	as one GET /sessions/one/files/in/a%20b
	expect_code 200
	[ "$body" = 'some bytes' ]
	[ "$(header etag)" = "\"$etag\"" ]
	[ "$(header content-length)" = 10 ]
	as one GET /sessions/one/files
	expect_code 200
	expect '.files | tojson' "[{\"path\":\"in/a b\",\"size\":10,\"etag\":\"$etag\"}]"
	expect .has_more false
	run_sync one shell 'ls -A'
	expect .stdout ''
	as one DELETE /sessions/one/files/in/a%20b
	expect_code 204
	as one DELETE /sessions/one/files/in/a%20b
	expect_code 204
	as one GET /sessions/one/files/in/a%20b
	expect_code 404
	as one GET /sessions/one/files
	expect '.files | length' 0
	[ "$(used one)" = 0 ]
}

@test "a body that is not what its sum says is 400 and leaves the old file" {
	as one PUT /sessions/one/files/sum -T "$f"
	printf 'other bytes' >"$BATS_TEST_TMPDIR/g"
	as one PUT /sessions/one/files/sum -T "$BATS_TEST_TMPDIR/g" -H "X-Content-SHA256: $(sha "$f")"
	expect_code 400
	error Internal.InvalidParameter
	as one PUT /sessions/one/files/sum -T "$f" -H 'X-Content-SHA256: abc'
	expect_code 400
	as one PUT /sessions/one/files/sum -T "$BATS_TEST_TMPDIR/g" -H "X-Content-SHA256: $(sha "$BATS_TEST_TMPDIR/g" | tr a-f A-F)"
	expect_code 200
	as one GET /sessions/one/files/sum
	[ "$body" = 'other bytes' ]
	[ "$(used one)" = "$(sum one)" ]
}

@test "If-Match keeps what a client stored meanwhile" {
	local etag
	as one PUT /sessions/one/files/kept -T "$f"
	etag=$(jqb .etag)
	put_text one kept 'of a client'
	as one DELETE /sessions/one/files/kept -H "If-Match: \"$etag\""
	expect_code 412
	as one PUT /sessions/one/files/kept -T "$f" -H "If-Match: \"$etag\""
	expect_code 412
	holds one kept 'of a client'
	as one DELETE /sessions/one/files/gone -H "If-Match: \"$etag\""
	expect_code 204
}

@test "rules: names, kinds, quota, conditions" {
	local p
	for p in a%00b a//b a%2F%2Fb a/%2e%2e/b x%0A %C2%85 a%5Cb "$(printf 'x%.0s' {1..256})"; do
		as one PUT "/sessions/one/files/$p" --data-binary x
		expect_code 400
	done
	as one PUT /sessions/one/files/dir/file -T "$f"
	expect_code 201
	for p in dir dir/file/x; do
		as one PUT "/sessions/one/files/$p" -T "$f"
		expect_code 409
		error Internal.StateConflict
	done
	head -c 300000000 /dev/zero >"$BATS_TEST_TMPDIR/big"
	as one PUT /sessions/one/files/big -T "$BATS_TEST_TMPDIR/big"
	expect_code 413
	error Sandbox.QuotaExceeded
	expect .error_detail.limit 268435456
	head -c 200000000 "$BATS_TEST_TMPDIR/big" >"$BATS_TEST_TMPDIR/fits"
	as one PUT /sessions/one/files/big -T "$BATS_TEST_TMPDIR/fits"	# more than any client may send at once
	expect_code 201
	as one GET /sessions/one/files/big
	expect_code 200	# never a URL: the executor has no way to the storage
	cmp "$BATS_TEST_TMPDIR/fits" "$BATS_TEST_TMPDIR/body.last"
	as one DELETE /sessions/one/files/big
	expect_code 204
	[ "$(used one)" = "$(sum one)" ]
}

@test "tokens: none 401, another session's 403, an ended session's not at all" {
	local m
	for m in "GET /sessions/one/files" "GET /sessions/one/files/x" "PUT /sessions/one/files/x" "DELETE /sessions/one/files/x"; do
		# shellcheck disable=SC2086
		internal $m
		expect_code 401
		# shellcheck disable=SC2086
		as two $m
		expect_code 403
	done
	api POST /sessions/two/terminate
	for m in "GET /sessions/two/files" "PUT /sessions/two/files/x" "DELETE /sessions/two/files/x"; do
		# shellcheck disable=SC2086
		as two $m
		expect_code 409
	done
	sql "UPDATE session SET completed_at = UTC_TIMESTAMP(3) - INTERVAL 61 SECOND WHERE id = 'two'"
	as two GET /sessions/two/files
	expect_code 401
	as one GET /sessions/nobody/files
	expect_code 404
}

@test "a list of thousands: whole, or in pages" {
	local after="" got=0 n
	api POST /sessions '{"template_id":"python-basic","id":"many"}'
	poll 30 session_is many running
	run_sync many python $'import os\nfor d in range(22):\n    os.mkdir(f"d{d:02}")\n    for i in range(100):\n        open(f"d{d:02}/ü {i}", "w").write("x")'
	expect .status completed
	as many GET /sessions/many/files
	expect_code 200
	expect '.files | length' 2200
	expect .has_more false
	expect '[.files[].path] == ([.files[].path] | sort)' true
	jqb '.files[].path' >"$BATS_TEST_TMPDIR/whole"
	for n in 700 1000 1100; do
		after=""
		: >"$BATS_TEST_TMPDIR/paged"
		while :; do
			as many GET "/sessions/many/files?limit=$n&after=$(enc "$after")"
			expect_code 200
			[ "$(jqb '.files | length')" -le $n ]
			jqb '.files[].path' >>"$BATS_TEST_TMPDIR/paged"
			[ "$(jqb .has_more)" = true ] || break
			after=$(jqb '.files[-1].path')
		done
		cmp "$BATS_TEST_TMPDIR/whole" "$BATS_TEST_TMPDIR/paged"
	done
	as many GET '/sessions/many/files?limit=0'
	expect_code 422
	as many GET '/sessions/many/files?after=../x'
	expect_code 400
	# No key is so long: cut off within a character it would be none at all.
	as many GET "/sessions/many/files?after=$(enc "$(printf 'é%.0s' {1..127})")$(printf '/%.0s%%C3%%A9x' {1..192})"
	expect_code 400
	[ "$(paths many '?limit=10000' | wc -l)" = 2200 ]
	[ "$(paths many '?path=d07' | wc -l)" = 100 ]
	[ "$(used many)" = 2200 ]
}
