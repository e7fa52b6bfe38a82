#!/usr/bin/env bats
# The client of the object store against a real server (Ceph's gateway), and against what spoils the way to it.
load helper

BIN=$TOP/${BUILD:-build/rel}

setup_file() {
	export DIR
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/s3-XXXXXX")
	if [ -z "${S3_ENDPOINT:-}" ]; then
		"$TOP/tools/s3" up "$DIR/s3" "$(free_port)"
		. "$DIR/s3/env"
	fi
	export SANDBOX_SERVER_ENVIRONMENT=development SANDBOX_INTERNAL_SECRET=only-for-tests-only-for-tests-only
	export SANDBOX_STORAGE_ENDPOINT=$S3_ENDPOINT SANDBOX_STORAGE_ACCESS_KEY=$S3_KEY SANDBOX_STORAGE_SECRET_KEY=$S3_SECRET
	export SANDBOX_STORAGE_BUCKET=s3-conform-$RANDOM$RANDOM SANDBOX_STORAGE_PART_BYTES=5242880
	export BUCKET=$SANDBOX_STORAGE_BUCKET S3_ENDPOINT S3_KEY S3_SECRET
	S3 make-bucket
}

teardown_file() {
	[ ! -e "$DIR/s3" ] || "$TOP/tools/s3" down "$DIR/s3"
	rm -rf "$DIR"
}

setup() { P=t$BATS_TEST_NUMBER/; }

teardown() {
	[ ! -e "$DIR/faulty.pid" ] || { kill "$(cat "$DIR/faulty.pid")"; rm -f "$DIR/faulty.pid"; }
	# A server that others use too gets its room back.
	export SANDBOX_STORAGE_ENDPOINT=$S3_ENDPOINT SANDBOX_STORAGE_ACCESS_KEY=$S3_KEY SANDBOX_STORAGE_SECRET_KEY=$S3_SECRET
	export SANDBOX_STORAGE_BUCKET=$BUCKET SANDBOX_STORAGE_PATH_STYLE=on
	S3 list "$P" "" 1000 | keys | S3 remove-many
}

S3() { "$BIN/s3-conform" "$@" 2>>"$DIR/log"; }
field() { sed -n "s/^$1 //p"; }
keys() { sed '/^more /d; s/^[^ ]* [^ ]* [^ ]* //'; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# within MS COMMAND...: it ends in that time, however
within() {
	local ms=$1 from took
	shift
	from=$(now_ms)
	run "$@"
	took=$(($(now_ms) - from))
	[ $took -le "$ms" ] || { echo "took $took ms: $*"; return 1; }
}

# faulty MODE: from now on all goes through it; $DIR/wire has the requests
faulty() {
	local port

	port=$(free_port)
	: >"$DIR/wire"
	python3 "$TOP/test/s3/faulty.py" "$port" "${S3_ENDPOINT##*:}" "$1" "$DIR/wire" >>"$DIR/log" 2>&1 3>&- & echo $! >"$DIR/faulty.pid"
	export SANDBOX_STORAGE_ENDPOINT=http://127.0.0.1:$port
	poll 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
}

requests() { grep -c "^$1" "$DIR/wire"; }

# ---- objects ----

@test "a bucket is made once" {
	SANDBOX_STORAGE_BUCKET=$SANDBOX_STORAGE_BUCKET-2
	run -1 S3 probe
	run -0 S3 make-bucket
	run -1 S3 make-bucket
	run -0 S3 probe
}

@test "put, stat, get, replace, remove" {
	run -1 S3 stat "${P}a"
	run -1 S3 get "${P}a" "$BATS_TEST_TMPDIR/out"
	printf 'hello\0world' >"$BATS_TEST_TMPDIR/in"
	run -0 S3 put "${P}a" "$BATS_TEST_TMPDIR/in" 'text/x-test; charset=utf-8'
	put=$output
	[ "$(field size <<<"$put")" = 11 ]
	[ "$(field etag <<<"$put")" = "$(md5sum <"$BATS_TEST_TMPDIR/in" | cut -d' ' -f1)" ]
	[ "$(field sha256 <<<"$put")" = "$(sha256sum <"$BATS_TEST_TMPDIR/in" | cut -d' ' -f1)" ]
	[ "$(field type <<<"$put")" = 'text/x-test; charset=utf-8' ]
	run -0 S3 stat "${P}a"
	[ "$(grep -v '^modified ' <<<"$output")" = "$(grep -vE '^(sha256|peak_kib|modified) ' <<<"$put")" ]
	[[ $(field modified <<<"$output") =~ ^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.000Z$ ]]
	# No answer to a PUT tells the object's time: about now.
	[ $(($(date -d "$(field modified <<<"$put")" +%s) - $(date -d "$(field modified <<<"$output")" +%s))) -le 2 ]
	run -0 S3 get "${P}a" "$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	[ "$(field heads <<<"$output")" = 1 ]
	[ "$(field etag <<<"$output")" = "$(field etag <<<"$put")" ]
	run -0 S3 bytes "${P}a" other
	[ "$(field type <<<"$output")" = text/plain ]
	run -0 S3 get "${P}a" "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = other ]
	run -0 S3 remove "${P}a"
	run -0 S3 remove "${P}a"
	run -1 S3 stat "${P}a"
}

@test "an empty object" {
	run -0 S3 bytes "${P}e" ''
	[ "$(field size <<<"$output")" = 0 ]
	run -0 S3 get "${P}e" "$BATS_TEST_TMPDIR/out"
	[ "$(field heads <<<"$output")" = 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	run -0 S3 put "${P}e" /dev/null
	[ "$(field sha256 <<<"$output")" = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ]
}

@test "ranges; beyond the end is told apart" {
	run -0 S3 bytes "${P}r" 0123456789
	for row in '0 0 0' '3 5 345' '8 -1 89' '0 -1 0123456789' '5 99 56789'; do
		read -r from to want <<<"$row"
		run -0 S3 get "${P}r" "$BATS_TEST_TMPDIR/out" "$from" "$to"
		[ "$(cat "$BATS_TEST_TMPDIR/out")" = "$want" ]
		[ "$(field size <<<"$output")" = 10 ]
	done
	run -2 S3 get "${P}r" "$BATS_TEST_TMPDIR/out" 10 20
	[[ $output == *"fault Sandbox.RangeNotSatisfiable"* ]]
}

@test "types that a header cannot carry become the type of any bytes" {
	for row in '  text/plain;   x=1 |text/plain; x=1' $'text/a\nx-evil: 1|application/octet-stream' ' |application/octet-stream'; do
		run -0 S3 put "${P}t" /etc/hostname "${row%|*}"
		[ "$(field type <<<"$output")" = "${row##*|}" ]
	done
}

@test "odd names" {
	long=$(printf 'x%.0s' {1..255})
	names=('a b' "a'b" 'a"b' 'a%b' 'a%20b' 'a+b' 'a#b' 'a?b' 'a&b' 'a=b' 'ü' '😀' '~a' 'a;b,c:d@e!f$g(h)i*j[k]{l}|m^n`o' '<a>&amp;'
		"$long" '..a' 'a..' '...' 'tab	b' $'\x01' $'u\u0308' 'a/../b' '-' '_' 'a//b')
	for name in "${names[@]}"; do
		run -0 S3 bytes "$P$name" "$name"
		run -0 S3 stat "$P$name"
		[ "$(field key <<<"$output")" = "$P$name" ]
		run -0 S3 get "$P$name" "$BATS_TEST_TMPDIR/out"
		[ "$(cat "$BATS_TEST_TMPDIR/out")" = "$name" ]
		run -0 S3 copy "$P$name" "${P}copy"
		[ "$(field size <<<"$output")" = "$(printf %s "$name" | wc -c)" ]
		run -0 curl -sf --path-as-is "$(S3 presign "$P$name" "attachment; filename*=UTF-8''%C3%BC")"
		[ "$output" = "$name" ]
	done
	S3 remove "${P}copy"
	diff <(S3 list "$P" "" 1000 | keys) <(printf "$P%s\n" "${names[@]}" | LC_ALL=C sort)
	# Each one is the place to go on from.
	S3 remove "$P"$'\x01'	# the server would put it into its answer as it is, and no XML can hold it
	after=
	for name in "${names[@]:1}"; do
		run -0 S3 list "$P" "$after" 1
		after=$(keys <<<"$output")
		echo "$after"
	done >"$BATS_TEST_TMPDIR/one-by-one"
	diff "$BATS_TEST_TMPDIR/one-by-one" <(S3 list "$P" "" 1000 | keys)
	S3 list "$P" "" 1000 | keys | S3 remove-many
	[ "$(S3 list "$P" "" 1000)" = 'more 0' ]
}

@test "names that are none are refused before any call" {
	export SANDBOX_STORAGE_ENDPOINT=http://127.0.0.1:1
	for name in '' /a $'\xff' "$(printf 'x%.0s' {1..1025})"; do
		run -2 S3 bytes "$name" x
		[[ $output == "fault Sandbox.InvalidParameter"* ]]
	done
	export SANDBOX_STORAGE_ENDPOINT=$S3_ENDPOINT
	run -0 S3 bytes "$P$(printf 'x%.0s' {1..1000})" x
}

# ---- lists ----

@test "2,100 objects: pages, where to go on, directories" {
	S3 fill "${P}l/" 2100
	S3 bytes "${P}l" x
	S3 bytes "${P}m/x" x
	run -0 S3 list "${P}l/" "" 5000
	[ "$(keys <<<"$output" | wc -l)" = 2100 ]
	[ "$(tail -n 1 <<<"$output")" = 'more 0' ]
	keys <<<"$output" | LC_ALL=C sort -c
	all=$output
	for max in 1 999 1000 1001 2000 2099 2100; do
		run -0 S3 list "${P}l/" "" $max
		[ "$(sed '$d' <<<"$output")" = "$(head -n $max <<<"$all")" ]
		[ "$(tail -n 1 <<<"$output")" = "more $((max < 2100))" ]
	done
	run -0 S3 list "${P}l/" "${P}l/00998" 1500
	[ "$(head -n 1 <<<"$output" | keys)" = "${P}l/00999" ]
	[ "$(tail -n 1 <<<"$output")" = 'more 0' ]
	[ "$(wc -l <<<"$output")" = 1102 ]
	run -0 S3 list "$P" "" 1
	[ "$(keys <<<"$output")" = "${P}l" ]
	# Directories behind more objects than a page holds.
	S3 bytes "${P}l/zz/y" x
	[ "$(S3 dirs "${P}l/" "" 10)" = $'zz\nmore 0' ]
	[ "$(S3 dirs "$P" "" 10)" = $'l\nm\nmore 0' ]
	for i in 0 1000 2000; do
		S3 list "${P}l/" "" 1000 | keys | S3 remove-many
	done
	[ "$(S3 list "${P}l/" "" 10)" = 'more 0' ]
	[ "$(S3 list "$P" "" 10 | keys | tr '\n' ' ')" = "${P}l ${P}m/x " ]
}

@test "directories: byte order of their keys, one by one, without files and empty names" {
	for key in a/1 a/2 a-b/1 a.b/1 'ä ö/1' 'x&y/1' z/1 file z; do S3 bytes "$P$key" x >/dev/null; done
	want=$'a-b\na.b\na\nx&y\nz\nä ö'
	[ "$(S3 dirs "$P" "" 10)" = "$want"$'\nmore 0' ]
	[ "$(S3 dirs "$P" "" 6)" = "$want"$'\nmore 0' ]
	[ "$(S3 dirs "$P" "" 2)" = $'a-b\na.b\nmore 1' ]
	after=
	for nth in {1..6}; do	# not "i": bats changes that
		run -0 S3 dirs "$P" "$after" 1
		after=${lines[0]}
		[ "$after" = "$(sed -n "${nth}p" <<<"$want")" ]
		[ "${lines[1]}" = "more $((nth < 6))" ]
	done
	[ "$(S3 dirs "$P" "$after" 1)" = 'more 0' ]
	[ "$(S3 dirs "${P}nothing/" "" 1)" = 'more 0' ]
}

@test "batch delete: what is not there is no failure" {
	S3 bytes "${P}1" x
	run -0 S3 remove-many <<<"${P}0"$'\n'"${P}1"$'\n'"${P}<&>'"
	run -1 S3 stat "${P}1"
	run -0 S3 remove-many </dev/null
}

@test "copy keeps bytes and type, and tells what is not there" {
	S3 put "${P}a" /etc/passwd text/x-test
	run -0 S3 copy "${P}a" "${P}b"
	[ "$(field type <<<"$output")" = text/x-test ]
	[ "$(field key <<<"$output")" = "${P}b" ]
	S3 get "${P}b" "$BATS_TEST_TMPDIR/out"
	cmp /etc/passwd "$BATS_TEST_TMPDIR/out"
	run -0 S3 copy "${P}a" "${P}a"
	run -1 S3 copy "${P}none" "${P}b"
	run -0 S3 stat "${P}b"
}

@test "copy in parts: what is larger than one call copies" {
	for size in 5242881 15728640 15728641; do
		run -0 S3 generate "${P}a" $size
		sum=$(field sha256 <<<"$output")
		run -0 S3 put "${P}t" /etc/hostname text/x-test
		run -0 S3 copy-parts "${P}a" "${P}b ü" 5242880
		[ "$(field size <<<"$output")" = $size ]
		[[ $(field etag <<<"$output") = *-$(((size + 5242879) / 5242880)) ]]
		run -0 S3 sum "${P}b ü"
		[ "$(field sha256 <<<"$output")" = "$sum" ]
	done
	S3 put "${P}t" <(head -c 6000000 /dev/zero) text/x-test
	run -0 S3 copy-parts "${P}t" "${P}t2" 5242880
	[ "$(field type <<<"$output")" = text/x-test ]
	run -1 S3 copy-parts "${P}none" "${P}b" 5242880
	[ "$(S3 abort "$P" 0)" = 'aborted 0' ]
}

# ---- large ones ----

@test "part boundaries: nothing is lost or doubled" {
	part=$SANDBOX_STORAGE_PART_BYTES
	for size in 262143 262144 262145 $((part - 1)) "$part" $((part + 1)) $((2 * part)) $((2 * part + 1)) 20971520; do
		run -0 S3 generate "${P}g" "$size"
		put=$output
		[ "$(field size <<<"$put")" = "$size" ]
		if [ "$size" -le "$part" ]; then [[ $(field etag <<<"$put") != *-* ]]; else [[ $(field etag <<<"$put") = *-$(((size + part - 1) / part)) ]]; fi
		run -0 S3 sum "${P}g"
		[ "$(field sha256 <<<"$output")" = "$(field sha256 <<<"$put")" ]
	done
}

@test "100 MiB up and down in constant memory, nothing left in TMPDIR" {
	mkdir "$BATS_TEST_TMPDIR/t"
	export TMPDIR=$BATS_TEST_TMPDIR/t SANDBOX_STORAGE_PART_BYTES=8388608
	run -0 S3 generate "${P}h" 104857600
	put=$output
	run -0 S3 sum "${P}h"
	[ "$(field sha256 <<<"$output")" = "$(field sha256 <<<"$put")" ]
	[ -z "$(ls -A "$TMPDIR")" ]
	[[ $BIN = *san ]] || [ "$(field peak_kib <<<"$put")" -lt 40960 ]
	[[ $BIN = *san ]] || [ "$(field peak_kib <<<"$output")" -lt 40960 ]
}

@test "a source that fails, or a caller that refuses, leaves the old object and no upload" {
	S3 bytes "${P}o" old
	for row in 'failing Sandbox.QuotaExceeded' 'refused Sandbox.Conflict'; do
		for size in 1000 1000000 20971520; do
			run -2 S3 generate "${P}o" $size "${row% *}"
			[[ $output == "fault ${row#* } "* ]]
			S3 get "${P}o" "$BATS_TEST_TMPDIR/out"
			[ "$(cat "$BATS_TEST_TMPDIR/out")" = old ]
		done
	done
	[ "$(S3 abort "$P" 0)" = 'aborted 0' ]
}

@test "unfinished uploads are aborted by age and prefix" {
	for key in 1 2 'odd &ü' other/3; do
		run -3 S3 generate "${P}u/$key" 20971520 crashing
	done
	[ "$(S3 abort "${P}u/" 3600)" = 'aborted 0' ]
	sleep 1.1	# Initiated and this clock may be less than a second apart
	[ "$(S3 abort "${P}u/other/" 0)" = 'aborted 1' ]
	[ "$(S3 abort "${P}u/" 0)" = 'aborted 3' ]
	[ "$(S3 abort "$P" 0)" = 'aborted 0' ]
}

@test "no room to stage is a fault, and no object" {
	export TMPDIR=$BATS_TEST_TMPDIR/not-there
	run -2 S3 generate "${P}s" 1000000
	[[ $output == "fault Sandbox.StorageUnavailable "*TMPDIR* ]]
	run -1 S3 stat "${P}s"
	run -0 S3 generate "${P}s" 262143
}

# ---- presigned ----

@test "a presigned URL: bytes, disposition, type; no other method, key or time" {
	S3 bytes "${P}p" presigned
	url=$(S3 presign "${P}p" "attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%BC.txt" 'text/x-own; charset=utf-8')
	run -0 curl -sf -D "$BATS_TEST_TMPDIR/head" "$url"
	[ "$output" = presigned ]
	tr -d '\r' <"$BATS_TEST_TMPDIR/head" >"$BATS_TEST_TMPDIR/h"
	grep -ixF "Content-Disposition: attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%BC.txt" "$BATS_TEST_TMPDIR/h"
	grep -ixF 'Content-Type: text/x-own; charset=utf-8' "$BATS_TEST_TMPDIR/h"
	code() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
	[ "$(code -r 3-5 "$url")" = 206 ]
	[ "$(code -X DELETE "$url")" = 403 ]
	[ "$(code -X PUT -d x "$url")" = 403 ]
	[ "$(code "${url/${P}p/${P}q}")" = 403 ]
	[ "$(code "${url/Expires=3600/Expires=7200}")" = 403 ]
	export SANDBOX_STORAGE_PRESIGN_TTL=1
	url=$(S3 presign "${P}p")
	[ "$(code "$url")" = 200 ]
	poll 10 eval '[ "$(code "$url")" = 403 ]'
	[[ $url != *"$S3_SECRET"* ]]
}

@test "presigned URLs are for the public endpoint, the default port is not told" {
	export SANDBOX_STORAGE_PUBLIC_ENDPOINT=https://files.example.org:443/
	[[ $(S3 presign "${P}p") = "https://files.example.org/$SANDBOX_STORAGE_BUCKET/${P}p?X-Amz-Algorithm=AWS4-HMAC-SHA256&"* ]]
	export SANDBOX_STORAGE_PATH_STYLE=off SANDBOX_STORAGE_PUBLIC_ENDPOINT=https://files.example.org:8443
	export SANDBOX_STORAGE_ENDPOINT=https://s3.example.org	# an address of numbers has no names below it
	[[ $(S3 presign "${P}p") = "https://$SANDBOX_STORAGE_BUCKET.files.example.org:8443/${P}p?X-Amz-Algorithm="* ]]
}

@test "buckets as hosts" {
	[[ $S3_ENDPOINT = http://127.0.0.1:* ]] || skip "a server of another name"
	export SANDBOX_STORAGE_ENDPOINT=http://localhost:${S3_ENDPOINT##*:} SANDBOX_STORAGE_PATH_STYLE=off
	run -0 S3 probe
	run -0 S3 generate "${P}a ü" 6000000
	run -0 S3 sum "${P}a ü"
	run -0 S3 copy "${P}a ü" "${P}b"
	[ "$(S3 list "$P" "" 10 | keys)" = "${P}a ü"$'\n'"${P}b" ]
	url=$(S3 presign "${P}b")
	[[ $url = "http://$BUCKET.localhost:"* ]]
	[ "$(curl -sf "$url" | wc -c)" = 6000000 ]
	run -0 S3 remove-many <<<"${P}b"
	run -1 S3 stat "${P}b"
}

# ---- what fails ----

# refused_clearly COMMAND...: a fault that says whose fault it is, and no secret
refused_clearly() {
	run -2 S3 "$@"
	[[ $output == *"fault Sandbox.StorageUnavailable the file storage refuses the access keys or the bucket"* ]] ||
		{ echo "$*: $output"; return 1; }
}

@test "wrong keys are told as such, never shown" {
	export SANDBOX_STORAGE_SECRET_KEY=wrong-secret-wrong-secret
	for c in "probe" "make-bucket" "stat ${P}a" "bytes ${P}a x" "get ${P}a /dev/null" "list $P a 5" "dirs $P a 5" "remove ${P}a" \
		"copy ${P}a ${P}b" "generate ${P}a 6000000" "abort $P 0"; do
		refused_clearly $c
	done
	refused_clearly remove-many <<<"${P}a"
	export SANDBOX_STORAGE_ACCESS_KEY=nobody
	refused_clearly list "$P" "" 5
	! grep -e wrong-secret -e nobody -e "$S3_SECRET" -e "$S3_KEY" "$DIR/log" || false
	grep -q 'storage.failed operation="upload_begin" status=403' "$DIR/log"
}

@test "a bucket that is not there never looks like missing files" {
	export SANDBOX_STORAGE_BUCKET=not-there-$RANDOM
	for c in "stat a" "get a /dev/null" "bytes a x" "list a b 5" "dirs a/ b 5" "remove a" "copy a b" "generate a 6000000"; do
		run -2 S3 $c
		[[ $output == *"fault Sandbox.StorageUnavailable the bucket does not exist" ]] || { echo "$c: $output"; return 1; }
	done
	run -1 S3 probe
}

@test "an endpoint that is down is given up soon" {
	port=$(free_port)
	export SANDBOX_STORAGE_ENDPOINT=http://127.0.0.1:$port
	for c in "probe" "stat a" "bytes a x" "get a /dev/null" "list a b 5" "remove a"; do
		within 1500 S3 $c
		[ "$status" = 2 ]
		[[ $output == *"fault Sandbox.StorageUnavailable the file storage could not be reached" ]]
	done
}

@test "an endpoint that never answers is given up after [storage] timeout" {
	port=$(free_port)
	socat -u "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" "EXEC:sleep 30" >/dev/null 2>&1 3>&- & pid=$!
	poll 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
	export SANDBOX_STORAGE_ENDPOINT=http://127.0.0.1:$port SANDBOX_STORAGE_TIMEOUT=1
	for c in "probe" "bytes a x" "get a /dev/null" "generate a 6000000"; do
		within 4000 S3 $c
		[ "$status" = 2 ]
		[[ $output == *"fault Sandbox.StorageUnavailable the file storage did not answer in time" ]] || { echo "$output"; kill $pid; return 1; }
	done
	pkill -P $pid || true
	kill $pid
}

@test "an answer that stops amid its body is given up after [storage] timeout" {
	S3 generate "${P}c" 1000000
	export SANDBOX_STORAGE_TIMEOUT=1
	faulty stall
	within 4000 S3 sum "${P}c"
	[ "$status" = 2 ]
	[[ $output == *"did not answer in time"* ]]
	[ "$(field bytes <<<"$output")" = 500000 ]
	[ "$(requests GET)" = 1 ]
}

@test "an answer that ends early is no success, and not begun again" {
	S3 generate "${P}c" 1000000
	faulty cut
	run -2 S3 sum "${P}c"
	[ "$(field bytes <<<"$output")" = 500000 ]
	[[ $output == *"fault Sandbox.StorageUnavailable"* ]]
	[ "$(requests GET)" = 1 ]
}

@test "a call is given up when the one it is for hangs up" {
	S3 generate "${P}d" 52428800
	within 3000 S3 drip "${P}d"
	[ "$status" = 2 ]
	[ "$(field bytes <<<"$output")" -lt 52428800 ]
	[[ $output == *"the call was given up"* ]]
}

@test "503 is tried again, after 100 and 400 ms, the body too" {
	for c in "generate ${P}a 1000000" "stat ${P}a" "sum ${P}a" "remove ${P}a"; do
		faulty refuse-twice
		from=$(now_ms)
		run -0 S3 $c
		took=$(($(now_ms) - from))
		[ $took -ge 500 ]
		[ $took -lt 3000 ]
		[ "$(wc -l <"$DIR/wire")" -ge 3 ]
		[ "$(head -n 3 "$DIR/wire" | sort -u | wc -l)" = 1 ]
		kill "$(cat "$DIR/faulty.pid")"
		rm "$DIR/faulty.pid"
	done
}

@test "a lost connection is tried again, the body too" {
	faulty lose-first
	run -0 S3 generate "${P}a" 1000000
	[ "$(requests "PUT .* 1000000\$")" = 2 ]
}

@test "completing an upload may fail with 200: no success, and the upload is aborted" {
	S3 bytes "${P}o" old
	faulty complete-error
	run -2 S3 generate "${P}o" 6000000
	[[ $output == "fault Sandbox.StorageUnavailable the file storage answered 200 InternalError" ]]
	[ "$(requests 'POST .*uploadId=')" = 3 ]
	[ "$(requests 'DELETE .*uploadId=')" = 1 ]
	export SANDBOX_STORAGE_ENDPOINT=$S3_ENDPOINT
	S3 get "${P}o" "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = old ]
	[ "$(S3 abort "$P" 0)" = 'aborted 0' ]
}

@test "a completed upload whose answer was lost is a success" {
	faulty complete-lost
	run -0 S3 generate "${P}o" 6000000
	put=$output
	[ "$(requests 'POST .*uploadId=')" = 2 ]
	run -0 S3 sum "${P}o"
	[ "$(field sha256 <<<"$output")" = "$(field sha256 <<<"$put")" ]
}

@test "https: a certificate that nobody vouches for is refused" {
	port=$(free_port)
	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/crt" 2>/dev/null
	socat "OPENSSL-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr,verify=0,cert=$BATS_TEST_TMPDIR/crt,key=$BATS_TEST_TMPDIR/key" \
		"TCP:127.0.0.1:${S3_ENDPOINT##*:}" >/dev/null 2>&1 3>&- & pid=$!
	poll 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
	curl -s --cacert "$BATS_TEST_TMPDIR/crt" "https://127.0.0.1:$port/" >/dev/null
	export SANDBOX_STORAGE_ENDPOINT=https://127.0.0.1:$port
	run -2 S3 probe
	kill $pid
	[[ $output == *"fault Sandbox.StorageUnavailable the file storage could not be reached" ]]
}
