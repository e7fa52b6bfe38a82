# files.bash: more words about workspaces, for the tests that load helper and api.

enc() { jq -rn --arg s "$1" '$s | @uri'; }

# put SESSION PATH FILE [curl arguments...]; the path as it is, encoded here
put() {
	local s=$1 path=$2 file=$3
	shift 3
	api PUT "/sessions/$s/files/$(enc "$path")" -T "$file" "$@"
}

# put_text SESSION PATH TEXT
put_text() {
	printf '%s' "$3" >"$BATS_TEST_TMPDIR/text"
	put "$1" "$2" "$BATS_TEST_TMPDIR/text"
	expect_code 200 201
}

# get SESSION PATH [curl arguments...]: the exact bytes are in $BATS_TEST_TMPDIR/body.last
get() {
	local s=$1 path=$2
	shift 2
	api GET "/sessions/$s/files/$(enc "$path")" "$@"
}

# holds SESSION PATH TEXT: that is what the file says
holds() {
	get "$1" "$2"
	expect_code 200
	[ "$body" = "$3" ] || { echo "$2 holds '${body:0:200}', expected '${3:0:200}'" >&2; return 1; }
}

# upload SESSION PATH FILE [curl arguments...]: as a form
upload() {
	local s=$1 path=$2 file=$3
	shift 3
	api POST "/sessions/$s/files/upload?path=$(enc "$path")" -F "file=@\"$file\"" "$@"
}

# paths SESSION [QUERY]: of all files, a line each
paths() {
	api GET "/sessions/$1/files${2:-}"
	expect_code 200
	jqb '.files[].path'
}

used() { sql "SELECT workspace_bytes FROM session WHERE id = '$1'"; }

# sum SESSION: of the sizes in the list
sum() {
	api GET "/sessions/$1/files?limit=10000"
	jqb '[.files[].size] | add // 0'
}

sha() { sha256sum "$1" | cut -d' ' -f1; }
