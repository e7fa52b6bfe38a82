#!/usr/bin/env bats
# Files of a workspace: CONTRACT 6. Their limits and failures are in 61-files-limits.bats.
load helper
load api
load files

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[storage]\nlarge_file_bytes = 65536\nretention_hours = 1\n' >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"f"}'
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"fo"}'
}

teardown_file() { stop_stack; }

setup() {
	printf 'id,name\n1,Ada\n' >"$BATS_TEST_TMPDIR/t.csv"
	csv=$BATS_TEST_TMPDIR/t.csv
}

# ---- storing and reading ----

@test "put, get, list, delete: what was stored comes back" {
	put f data/t.csv "$csv" -H 'Content-Type: text/csv; charset=utf-8'
	expect_code 201
	expect .session_id f
	expect .file_path data/t.csv
	expect .size 14
	expect .checksum "$(sha "$csv")"
	[ "$(header etag)" = "\"$(jqb .etag)\"" ]
	local etag
	etag=$(jqb .etag)
	put f data/t.csv "$csv"
	expect_code 200
	get f data/t.csv
	expect_code 200
	cmp "$csv" "$BATS_TEST_TMPDIR/body.last"
	[ "$(header content-type)" = text/csv ]	# not declared the second time
	[ "$(header content-length)" = 14 ]
	[ "$(header etag)" = "\"$etag\"" ]
	[ "$(header content-disposition)" = "attachment; filename=\"t.csv\"; filename*=UTF-8''t.csv" ]
	[ "$(header x-content-type-options)" = nosniff ]
	[[ $(header cache-control) != *no-store* ]]
	api HEAD /sessions/f/files/data/t.csv
	expect_code 200
	[ "$(header content-length)" = 14 ]
	[ "$(header etag)" = "\"$etag\"" ]
	api GET /sessions/f/files?path=data
	expect_code 200
	expect '.files | length' 1
	expect .count 1
	expect .has_more false
	expect .next_cursor null
	expect .files[0].name data/t.csv
	expect .files[0].path data/t.csv
	expect .files[0].container_path /workspace/data/t.csv
	expect .files[0].size 14
	expect .files[0].etag "$etag"
	expect .files[0].mime_type text/csv
	[[ $(jqb .files[0].modified_time) =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z$ ]]
	api DELETE /sessions/f/files/data/t.csv
	expect_code 204
	api DELETE /sessions/f/files/data/t.csv
	expect_code 404
	error Sandbox.FileNotFound
	get f data/t.csv
	expect_code 404
	error Sandbox.FileNotFound
	[ "$(paths f '?path=data')" = "" ]
	[ "$(used f)" = "$(sum f)" ]
}

@test "an upload as a form: the part file, its declared type; other parts are ignored" {
	upload f form/t.csv "$csv" -F before=1 -F 'after=@/etc/hostname;filename=x'
	expect_code 200
	expect .file_path form/t.csv
	expect .size 14
	expect .checksum "$(sha "$csv")"
	api POST '/sessions/f/files/upload?path=form/typed' -F "file=@$csv;type=application/x-mine;filename=../../etc/passwd"
	expect_code 200
	get f form/typed
	[ "$(header content-type)" = application/x-mine ]
	cmp "$csv" "$BATS_TEST_TMPDIR/body.last"
	: >"$BATS_TEST_TMPDIR/empty"
	upload f form/empty "$BATS_TEST_TMPDIR/empty"
	expect_code 200
	expect .size 0
	get f form/empty
	expect_code 200
	[ "$(header content-length)" = 0 ]
	api POST '/sessions/f/files/upload?path=form/x' -F "other=@$csv"
	expect_code 422
	error Sandbox.InvalidParameter
	expect '.detail[0].loc | join(".")' body.file
	api POST '/sessions/f/files/upload?path=form/x' '{}'
	expect_code 415
	api POST '/sessions/f/files/upload?path=form/x' --data-binary x -H 'Content-Type: multipart/form-data'
	expect_code 415
	api POST '/sessions/f/files/upload' -F "file=@$csv"
	expect_code 422
	expect '.detail[0].loc | join(".")' query.path
	api POST '/sessions/f/files/upload?path=form/x' --data-binary $'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf' \
		-H 'Content-Type: multipart/form-data; boundary=b'
	expect_code 400
	[ "$(paths f '?path=form')" = $'form/empty\nform/t.csv\nform/typed' ]
}

@test "the type: declared, else by extension; what is no type is not kept" {
	put f type.png "$csv" -H 'Content-Type:'
	get f type.png
	[ "$(header content-type)" = image/png ]
	put f type.png "$csv" -H 'Content-Type: text/html'
	get f type.png
	[ "$(header content-type)" = text/html ]
	put f type.xyz "$csv" -H 'Content-Type: no-type'
	get f type.xyz
	[ "$(header content-type)" = application/octet-stream ]
	put f type.xyz "$csv" -H "Content-Type: a/$(printf 'b%.0s' {1..300})"
	get f type.xyz
	[ "$(header content-type)" = application/octet-stream ]
}

@test "binary and empty files are exact" {
	head -c 60000 /dev/urandom >"$BATS_TEST_TMPDIR/bin"
	printf '\0\r\n\n\xff' >>"$BATS_TEST_TMPDIR/bin"
	put f exact "$BATS_TEST_TMPDIR/bin"
	expect_code 201
	get f exact
	cmp "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/body.last"
	upload f exact "$BATS_TEST_TMPDIR/bin"
	expect .checksum "$(sha "$BATS_TEST_TMPDIR/bin")"
	get f exact
	cmp "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/body.last"
	: >"$BATS_TEST_TMPDIR/empty"
	put f exact "$BATS_TEST_TMPDIR/empty"
	expect_code 200
	expect .size 0
	holds f exact ""
}

# ---- conditions and ranges ----

@test "If-Match and If-None-Match on writing, reading and deleting" {
	local etag
	put f cond "$csv" -H 'If-Match: *'
	expect_code 412
	error Sandbox.PreconditionFailed
	put f cond "$csv" -H 'If-Match: "x"'
	expect_code 412
	put f cond "$csv" -H 'If-None-Match: *'
	expect_code 201
	etag=$(header etag)
	put f cond "$csv" -H 'If-None-Match: *'
	expect_code 412
	printf new >"$BATS_TEST_TMPDIR/new"
	put f cond "$BATS_TEST_TMPDIR/new" -H 'If-Match: "x"'
	expect_code 412
	put f cond "$BATS_TEST_TMPDIR/new" -H "If-Match: W/$etag"
	expect_code 412
	put f cond "$BATS_TEST_TMPDIR/new" -H "If-None-Match: $etag"
	expect_code 412
	get f cond
	cmp "$csv" "$BATS_TEST_TMPDIR/body.last"
	put f cond "$BATS_TEST_TMPDIR/new" -H "If-Match: \"x\", $etag"
	expect_code 200
	holds f cond new
	etag=$(header etag)
	get f cond -H "If-None-Match: $etag"
	expect_code 304
	[ ! -s "$BATS_TEST_TMPDIR/body.last" ]
	[ "$(header etag)" = "$etag" ]
	get f cond -H "If-None-Match: W/$etag"
	expect_code 304
	get f cond -H 'If-None-Match: "x"'
	expect_code 200
	get f cond -H "If-Match: $etag"
	expect_code 200
	get f cond -H 'If-Match: "x"'
	expect_code 412
	for h in If-Match If-None-Match; do
		put f cond "$csv" -H "$h: nonsense"
		expect_code 422
	done
	api DELETE /sessions/f/files/cond -H 'If-Match: "x"'
	expect_code 412
	api DELETE /sessions/f/files/cond -H "If-Match: $etag"
	expect_code 204
	api DELETE /sessions/f/files/cond -H 'If-Match: *'
	expect_code 412
}

@test "20 writers who want to be the first: one is; 20 writers: the sum is true" {
	local i ok=0
	at_once 20 PUT /sessions/f/files/first '{"n":%N%}' -H 'If-None-Match: *'
	for i in "${codes[@]}"; do
		case $i in 201) ok=$((ok + 1)) ;; 412) ;; *) echo "codes: ${codes[*]}"; false ;; esac
	done
	[ $ok = 1 ]
	at_once 20 PUT /sessions/f/files/many/last '"%N% 4567890"'
	[ "$(printf '%s\n' "${codes[@]}" | sort | uniq -c | tr -s ' ' | tr '\n' ';')" = " 19 200; 1 201;" ]
	at_once 20 DELETE /sessions/f/files/many/last
	[ "$(printf '%s\n' "${codes[@]}" | sort | uniq -c | tr -s ' ' | tr '\n' ';')" = " 1 204; 19 404;" ]
	[ "$(used f)" = "$(sum f)" ]
	[ "$(sql 'SELECT COUNT(*) FROM workspace_write')" = 0 ]
}

@test "ranges" {
	put_text f range 0123456789
	local etag row spec want
	etag=$(header etag)
	for row in 0-0:0 2-4:234 7-:789 -3:789 0-99:0123456789 -99:0123456789; do
		spec=${row%:*} want=${row#*:}
		get f range -H "Range: bytes=$spec"
		expect_code 206
		[ "$body" = "$want" ]
		[ "$(header content-length)" = ${#want} ]
		[[ $(header content-range) = "bytes "*"/10" ]]
	done
	[ "$(header content-range)" = "bytes 0-9/10" ]
	for spec in 10- 99-100 -0; do
		get f range -H "Range: bytes=$spec"
		expect_code 416
		error Sandbox.RangeNotSatisfiable
		[ "$(header content-range)" = "bytes */10" ]
	done
	for spec in 4-2 a-b 1-2,4-5; do
		get f range -H "Range: bytes=$spec"
		expect_code 200
		[ "$body" = 0123456789 ]
	done
	get f range -H 'Range: bytes=2-4' -H "If-Range: $etag"
	expect_code 206
	get f range -H 'Range: bytes=2-4' -H 'If-Range: "old"'
	expect_code 200
	get f range -H 'Range: bytes=2-4' -H "If-None-Match: $etag"
	expect_code 304
	api HEAD /sessions/f/files/range -H 'Range: bytes=2-4'
	expect_code 206
	[ "$(header content-length)" = 3 ]
}

# ---- lists ----

@test "a list: a directory is not a beginning of a name; pages neither skip nor repeat" {
	local p want got cursor=""
	for p in l/a l/b/1 l/b/2 l/b.txt l/bc/3 l/b-/4 l/z; do
		put_text f "$p" "$p"
	done
	[ "$(paths f '?path=l/b')" = $'l/b/1\nl/b/2' ]
	[ "$(paths f '?path=l/b/')" = $'l/b/1\nl/b/2' ]
	[ "$(paths f '?path=l/b.txt')" = "" ]
	[ "$(paths f '?path=l%2Fb')" = $'l/b/1\nl/b/2' ]
	[ "$(paths f '?path=nothing')" = "" ]
	want=$(printf '%s\n' l/a l/b-/4 l/b.txt l/b/1 l/b/2 l/bc/3 l/z)
	[ "$(paths f '?path=l')" = "$want" ]
	for p in 1 2 3 7; do
		got="" cursor=""
		while :; do
			api GET "/sessions/f/files?path=l&limit=$p$cursor"
			expect_code 200
			[ "$(jqb '.files | length')" -le $p ]
			expect .count "$(jqb '.files | length')"
			got+=$(jqb '.files[].path')$'\n'
			[ "$(jqb .has_more)" = true ] || break
			cursor="&cursor=$(jqb .next_cursor)"
		done
		expect .next_cursor null
		[ "${got%$'\n'}" = "$want" ]
	done
	for p in 0 -1 10001 x; do
		api GET "/sessions/f/files?limit=$p"
		expect_code 422
	done
	for p in x '%%%' AAAA "$(printf 'f1\n../x' | base64)"; do
		api GET "/sessions/f/files?cursor=$(enc "$p")"
		expect_code 400
	done
	api GET /sessions/f/files?limit=10000
	expect_code 200
	api GET /sessions/nobody/files
	expect_code 404
	error Sandbox.SessionNotFound
}

# both SESSION: names that are a file and a directory
both() { paths "$1" | sort | awk -F/ '{ d = ""; for (i = 1; i < NF; i++) { d = d $i; if (d in file) print d; d = d "/" } file[$0] = 1 }'; }

@test "a file and a directory of one name, stored at once, never both stay" {
	local i round args
	new_session '{"id":"fork"}'
	echo x >"$BATS_TEST_TMPDIR/x"
	for round in {1..6}; do
		args=()
		for i in {1..4}; do
			args+=(-T "$BATS_TEST_TMPDIR/x" -o /dev/null "$URL/api/v1/sessions/fork/files/$round"
				-T "$BATS_TEST_TMPDIR/x" -o /dev/null "$URL/api/v1/sessions/fork/files/$round/a/$i")
		done
		curl -sS -m 60 -Z --parallel-immediate "${args[@]}"
	done
	[ -z "$(both fork)" ]
	[ "$(used fork)" = "$(sum fork)" ]
	put_text fork 7/a 1
	put_text fork 8 2
	api POST /sessions/fork/files/move '{"source":"8","destination":"7"}'
	expect_code 409
	holds fork 8 2
	[ "$(used fork)" = "$(sum fork)" ]
}

@test "an id with a blank at its end is nobody's: nothing is stored below it" {
	local id
	for id in f%20 f%20%20; do
		api PUT "/sessions/$id/files/blank" --data-binary x
		expect_code 404
		api GET "/sessions/$id/files"
		expect_code 404
		api GET "/sessions/$id"
		expect_code 404
	done
	[ -z "$(s3 GET "?prefix=sessions%2Ff%20" | grep -o '<Key>')" ]
}

@test "a session's files are its own, whatever its name begins with" {
	put_text f mine 1
	put_text fo mine 22
	holds f mine 1
	holds fo mine 22
	[ "$(paths fo)" = mine ]
	[ "$(used fo)" = 2 ]
}

# ---- names ----

@test "every name works everywhere: store, list, download, header, move, presigned URL, delete" {
	"$BATS_TEST_DIRNAME/names.py" "$URL" f
	[ "$(used f)" = "$(sum f)" ]
}

@test "bad names are 400 on every route and touch nothing" {
	local before p long
	put_text f keep 1
	before=$(paths f; used f)
	long=$(printf 'abcdefg/%.0s' {1..128})x
	# as they stand in a URL
	for p in .. ../x a/../x a/.. ./x x/. a//b /etc/passwd a%5Cb '%2e%2e' '%2e%2e%2fx' a%2F..%2Fx %2Fetc%2Fpasswd a%2F%2Fb a%00b a%0Ab %1b \
		%7f %C2%85 %FF %C0%AF %ED%A0%80 a%2F keep/ "$(printf 'x%.0s' {1..256})" "$long" "$(printf 'ü%.0s' {1..128} | jq -sRr @uri)"; do
		for m in GET PUT DELETE; do
			api $m "/sessions/f/files/$p" --data-binary "@$csv"	# -T has ideas of its own about dots
			expect_code 400
			[[ $body = *nginx* ]] || error Sandbox.InvalidParameter	# nginx refuses some by itself
		done
		p=${p//+/%2B}
		api POST "/sessions/f/files/upload?path=$p" -F "file=@$csv"
		expect_code 400
		[ "$p" = keep/ ] || [ "$p" = a%2F ] || {
			api GET "/sessions/f/files?path=$p"
			expect_code 400
		}
	done
	for p in '"../x"' '"/x"' '""' '"a//b"' '"a\\b"' '"a\nb"' '"\u0085"' '"x/"'; do
		api POST /sessions/f/files/move "{\"source\":\"keep\",\"destination\":$p}"
		expect_code 400
		api POST /sessions/f/files/move "{\"source\":$p,\"destination\":\"x\"}"
		expect_code 400
	done
	api POST '/sessions/f/files/upload?path=' -F "file=@$csv"
	expect_code 400
	[ "$(paths f; used f)" = "$before" ]
	run ! ls /tmp/x /x
}

@test "a file is no directory and a directory no file" {
	put_text f d/e/x 1
	put f d "$csv"
	expect_code 409
	error Sandbox.Conflict
	put f d/e "$csv"
	expect_code 409
	put f d/e/x/y "$csv"
	expect_code 409
	put f d/e/x/y/z "$csv"
	expect_code 409
	put_text f d/e/xx 1
	put_text f d.txt 1
	api POST /sessions/f/files/move '{"source":"d/e/x","destination":"d"}'
	expect_code 409
	api POST /sessions/f/files/move '{"source":"d/e/x","destination":"d/e/x/y"}'
	expect_code 409
	get f d
	expect_code 404
	holds f d/e/x 1
}

# ---- moving ----

@test "move: renames; an existing destination needs overwrite" {
	put_text f mv/a one
	put f mv/t "$csv" -H 'Content-Type: application/x-mine'
	api POST /sessions/f/files/move '{"source":"mv/a","destination":"mv/b/c"}'
	expect_code 200
	expect .session_id f
	expect .source mv/a
	expect .file_path mv/b/c
	expect .size 3
	holds f mv/b/c one
	get f mv/a
	expect_code 404
	api POST /sessions/f/files/move '{"source":"mv/a","destination":"mv/x"}'
	expect_code 404
	error Sandbox.FileNotFound
	api POST /sessions/f/files/move '{"source":"mv/t","destination":"mv/b/c"}'
	expect_code 409
	error Sandbox.Conflict
	holds f mv/b/c one
	api POST /sessions/f/files/move '{"source":"mv/t","destination":"mv/b/c","overwrite":true}'
	expect_code 200
	get f mv/b/c
	[ "$(header content-type)" = application/x-mine ]
	cmp "$csv" "$BATS_TEST_TMPDIR/body.last"
	api POST /sessions/f/files/move '{"source":"mv/b/c","destination":"mv/b/c"}'
	expect_code 400
	api POST /sessions/f/files/move '{"source":"mv/b/c"}'
	expect_code 422
	api POST /sessions/f/files/move '{"source":"mv/b/c","destination":7}'
	expect_code 422
	[ "$(paths f '?path=mv')" = mv/b/c ]
	[ "$(used f)" = "$(sum f)" ]
}

# ---- large files ----

@test "a large file is answered with a URL of the storage, which expires, reads only and only this file" {
	local url
	head -c 65535 /dev/urandom >"$BATS_TEST_TMPDIR/below"
	head -c 65536 /dev/urandom >"$BATS_TEST_TMPDIR/at"
	put f big/below "$BATS_TEST_TMPDIR/below"
	put f big/at.bin "$BATS_TEST_TMPDIR/at"
	local etag
	etag=$(header etag)
	get f big/below
	cmp "$BATS_TEST_TMPDIR/below" "$BATS_TEST_TMPDIR/body.last"
	get f big/at.bin
	expect_code 200
	expect .session_id f
	expect .file_path big/at.bin
	expect .size 65536
	[ "$(($(date -d "$(jqb .expires_at)" +%s) - $(date +%s)))" -ge 3500 ]
	[ "$(($(date -d "$(jqb .expires_at)" +%s) - $(date +%s)))" -le 3600 ]
	url=$(jqb .presigned_url)
	curl -sSf -o "$BATS_TEST_TMPDIR/out" "$url"
	cmp "$BATS_TEST_TMPDIR/at" "$BATS_TEST_TMPDIR/out"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X PUT -d x "$url")" = 403 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X DELETE "$url")" = 403 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "${url/at.bin/below}")" = 403 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "${url/X-Amz-Expires=3600/X-Amz-Expires=36000}")" = 403 ]
	get f big/at.bin -H "If-None-Match: $etag"
	expect_code 304
	api GET '/sessions/f/files/big/at.bin?redirect=1'
	expect_code 307
	curl -sSf -o "$BATS_TEST_TMPDIR/out" "$(header location)"
	cmp "$BATS_TEST_TMPDIR/at" "$BATS_TEST_TMPDIR/out"
	api GET '/sessions/f/files/big/below?redirect=1'
	expect_code 200
}

# ---- life of a session ----

@test "every file operation restarts the idle clock" {
	local before
	put_text f clock 1
	for m in "GET /sessions/f/files" "GET /sessions/f/files/clock" "HEAD /sessions/f/files/clock" "PUT /sessions/f/files/clock"; do
		sql "UPDATE session SET last_activity_at = '2020-01-01', expires_at = '2020-01-02' WHERE id = 'f'"
		# shellcheck disable=SC2086
		api $m
		expect_code 200
		[[ $(sql "SELECT last_activity_at FROM session WHERE id = 'f'") != 2020* ]]
		[[ $(sql "SELECT expires_at FROM session WHERE id = 'f'") != 2020* ]]
	done
}

@test "an ended session can be read and not be written; a deleted one is gone" {
	local s
	s=$(new_session)
	put_text "$s" a/kept 1
	api POST "/sessions/$s/terminate"
	holds "$s" a/kept 1
	[ "$(paths "$s")" = a/kept ]
	put "$s" a/new "$csv"
	expect_code 409
	error Sandbox.SessionNotActive
	expect .detail "Session is not active: $s"
	upload "$s" a/new "$csv"
	expect_code 409
	api DELETE "/sessions/$s/files/a/kept"
	expect_code 409
	api POST "/sessions/$s/files/move" '{"source":"a/kept","destination":"b"}'
	expect_code 409
	holds "$s" a/kept 1
	api DELETE "/sessions/$s"
	for m in "GET /sessions/$s/files" "GET /sessions/$s/files/a/kept" "PUT /sessions/$s/files/a/kept" "DELETE /sessions/$s/files/a/kept"; do
		# shellcheck disable=SC2086
		api $m
		expect_code 404
		error Sandbox.SessionGone
	done
	api PUT /sessions/nobody/files/x
	expect_code 404
	error Sandbox.SessionNotFound
}

@test "methods: a wrong one is 405, OPTIONS names the right ones" {
	api PATCH /sessions/f/files/x
	expect_code 405
	[[ $(header allow) = *PUT* && $(header allow) = *DELETE* ]]
	api DELETE /sessions/f/files
	expect_code 405
	api OPTIONS /sessions/f/files/a/b
	expect_code 204
	[ "$(header allow)" = "GET, HEAD, PUT, DELETE, OPTIONS" ]
}
