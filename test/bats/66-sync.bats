#!/usr/bin/env bats
# Files between clients, storage and code, on a real stack: CONTRACT 6 as a user sees it, hostile code, and storage that
# goes away. Linked as 66-sync-docker.bats.
#
# shellcheck disable=SC2030,SC2031

load runtime

setup_file() {
	unset S3_ENDPOINT S3_KEY S3_SECRET	# one of its own, which can be stopped
	export S3_STORE=bluestore SESSION='{"disk":"2Gi","memory":"512Mi"}'
	start_runtime '[health]' 'interval = 1'
}
teardown_file() { stop_stack; }

s3_server() { "$TOP/tools/s3" "$@"; }
s3_down() { s3_server down "$STACK/s/s3"; }
s3_up() { s3_server up "$STACK/s/s3" "$(sed -n 's/^S3_ENDPOINT=.*://p' "$STACK/s/s3/env")" bluestore; }

# put PATH FILE, get PATH (the bytes in $BATS_TEST_TMPDIR/body.last): PATH encoded
put() { api PUT "/sessions/$S/files/$1" -H 'Content-Type: application/octet-stream' -T "$2"; }
get() { api GET "/sessions/$S/files/$1" -L; }
listed() { api GET "/sessions/$S/files?path=${1:-}" && jqb '.files[].name'; }
sum() { sha256sum "$@" | cut -d' ' -f1; }
last() { sum "$BATS_TEST_TMPDIR/body.last"; }
encode() { jq -rn --arg s "$1" '$s | split("/") | map(@uri) | join("/")'; }

health_is() { api GET //health; expect_code 200 && [ "$(jqb .status)" = "$1" ]; }

worker_peak() {
	local p most=0 k

	for p in $(pgrep -f "sandbox-fcgi.*$CONFIG"); do
		k=$(awk '/VmHWM/ {print $2}' "/proc/$p/status" 2>/dev/null) || continue
		[ "${k:-0}" -le $most ] || most=$k
	done
	echo $most
}
forget_peaks() { local p; for p in $(pgrep -f "sandbox-fcgi.*$CONFIG"); do echo 5 >"/proc/$p/clear_refs" 2>/dev/null || true; done; }

@test "upload, read and write by code, download: one workspace" {
	printf 'name,amount\na,1\nb,2\n' >"$BATS_TEST_TMPDIR/in.csv"
	put data/in.csv "$BATS_TEST_TMPDIR/in.csv"
	expect_code 201
	expect .checksum "$(sum "$BATS_TEST_TMPDIR/in.csv")"
	run_code python 'import csv
rows = list(csv.DictReader(open("data/in.csv")))
import os; os.makedirs("output", exist_ok=True)
open("output/total.txt", "w").write(str(sum(int(r["amount"]) for r in rows)))
open("notes.log", "w").write("done")
def handler(event): return len(rows)'
	expect .status completed
	expect .return_value 2
	expect '[.artifacts[] | .path + ":" + .type] | join(" ")' 'notes.log:log output/total.txt:output'
	expect '.artifacts[1] | [.size, .mime_type, .checksum] | join(" ")' "1 text/plain $(printf 3 | sha256sum | cut -d' ' -f1)"
	url=$(jqb '.artifacts[1].download_url')
	get output/total.txt
	expect_code 200
	[ "$body" = 3 ]
	[[ $url = *"/api/v1/sessions/$S/files/output/total.txt" ]]
	[ "$(listed | sort | xargs)" = 'data/in.csv notes.log output/total.txt' ]
}

@test "running code sees an upload as soon as it is answered, a deletion and a move too" {
	submit shell 'for f in first second; do until [ -e live/$f ]; do sleep 0.02; done; cat live/$f; done; until [ ! -e live/second ]; do sleep 0.02; done'
	poll 10 running "$id"
	echo 1 >"$BATS_TEST_TMPDIR/f"
	put live/first "$BATS_TEST_TMPDIR/f"
	expect_code 201
	api POST "/sessions/$S/files/move" '{"source":"live/first","destination":"live/second"}'
	expect_code 200
	run_code shell 'ls live'
	expect .stdout $'second\n'
	api DELETE "/sessions/$S/files/live/second"
	expect_code 204
	poll 10 execution_ended "$id"
	expect .status completed
	expect .stdout $'1\n1\n'
}

@test "every allowed name works everywhere" {
	local long name n=0
	long=$(printf 'é%.0s' {1..127})x
	echo content >"$BATS_TEST_TMPDIR/f"
	for name in 'with space' "quote\"s'" '100%' 'a+b' 'a#b' 'a?b=c&d' 'äöü' '😀.txt' "$long" 'x/y z/ü' '~tilde' '%2e%2e' ';semi' '$(x)'; do
		put "$(encode "names/$name")" "$BATS_TEST_TMPDIR/f"
		[ "$code" = 201 ] || { echo "$name: $code $body"; return 1; }
		get "$(encode "names/$name")"
		[ "$code $body" = '200 content' ] || { echo "$name: $code"; return 1; }
		n=$((n + 1))
	done
	[ "$(listed names | wc -l)" = $n ]
	run_code python 'import os
def handler(e):
    out = []
    for d, _, fs in os.walk("names"):
        out += [os.path.relpath(os.path.join(d, f), "names") for f in fs if open(os.path.join(d, f)).read() == "content\n"]
        for f in fs: open(os.path.join(d, f), "a").write("more")
    return sorted(out)'
	[ "$(jqb '.return_value | length')" = $n ]
	jqb '.return_value | index("😀.txt"), index("%2e%2e"), index("x/y z/ü"), index("a?b=c&d")' >"$BATS_TEST_TMPDIR/found"
	run ! grep null "$BATS_TEST_TMPDIR/found"
	get "$(encode 'names/a?b=c&d')"
	[ "$body" = $'content\nmore' ]
	[[ $(header content-disposition) = *"filename*=UTF-8''a%3Fb%3Dc"* ]] || { echo "$headers"; return 1; }
	run_code shell 'rm -r names'
	[ -z "$(listed names)" ]
}

@test "100 MiB up, through code and down: the same bytes, and flat memory" {
	local want peak
	head -c 104857600 /dev/urandom >"$BATS_TEST_TMPDIR/large"
	want=$(sum "$BATS_TEST_TMPDIR/large")
	forget_peaks
	put large "$BATS_TEST_TMPDIR/large"
	expect_code 201
	expect .checksum "$want"
	run_code shell 'sha256sum <large | cut -d" " -f1; cp large copied' '{"timeout":60}'
	expect .stdout "$want"$'\n'
	get 'copied?redirect=1'
	expect_code 200
	[ "$(last)" = "$want" ]
	api GET "/sessions/$S/files/copied"
	expect .size 104857600
	peak=$(worker_peak)
	echo "# workers: at most $peak KiB" >&3
	[[ ${BUILD:-} == *san ]] || [ "$peak" -lt 65536 ]
	run_code shell 'rm large copied'
}

@test "hostile code: links, special files, sparse files" {
	echo secret >"$STACK/secret"
	run_code python 'import os, socket
os.makedirs("h", exist_ok=True); os.chdir("h")
os.symlink("/etc/passwd", "passwd"); os.symlink("/var/lib/sandbox-executor/token", "token"); os.symlink("..", "up"); os.symlink("real", "link")
open("real", "w").write("real"); os.mkfifo("fifo"); socket.socket(socket.AF_UNIX).bind("socket")
f = open("sparse", "wb"); f.truncate(200 << 20); f.seek(100 << 20); f.write(b"x"); f.close()
os.makedirs("deep/" * 180); open("deep/" * 180 + "end", "w").write("end")
os.mkdir("closed"); open("closed/f", "w").write("x")' '{"timeout":60}'
	expect .status completed
	[ "$(listed h | wc -l)" = 4 ]
	get h/sparse?redirect=1
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/body.last")" = $((200 << 20)) ]
	run_code shell 'rm -r h'
	[ -z "$(listed h)" ]
}

@test "a session that is over its disk is told which files were not stored" {
	id=$(new_session '{"disk":"256Mi"}')
	S=$id
	run_code shell 'head -c 150M /dev/zero >a; echo small >b' '{"timeout":60}'
	expect .status completed
	run_code shell 'head -c 80M /dev/zero >c; head -c 80M /dev/zero >d; true' '{"timeout":60}'
	expect .ended_reason disk_quota
	[[ $(jqb .error_message) == *"'d' (the session's disk is full)"* ]]
	[ "$(listed | xargs)" = 'a b c' ]
	head -c 100000000 /dev/zero >"$BATS_TEST_TMPDIR/f"
	put e "$BATS_TEST_TMPDIR/f"
	expect_code 413
	expect .error_code Sandbox.QuotaExceeded
	api DELETE "/sessions/$S"
}

@test "what came while the session was made is there when code runs" {
	echo early >"$BATS_TEST_TMPDIR/f"
	api POST /sessions '{"template_id":"python-basic"}'
	S=$(jqb .id)
	put early "$BATS_TEST_TMPDIR/f"
	expect_code 201
	run_code shell 'cat early'
	expect .stdout $'early\n'
	api DELETE "/sessions/$S"
}

@test "storage stopped: uploads fail and leave nothing, executions end later, nothing is lost" {
	s3_down
	echo lost >"$BATS_TEST_TMPDIR/f"
	put during "$BATS_TEST_TMPDIR/f"
	expect_code 503
	expect .error_code Sandbox.StorageUnavailable
	expect .retryable true
	submit shell 'echo kept >kept-during; echo out'
	first=$id
	submit shell 'cat kept-during'		# code runs meanwhile, but cannot be told as ended
	poll 20 health_is unhealthy
	running "$first"
	s3_up
	poll 20 health_is healthy
	poll 60 execution_ended "$first"
	expect .status completed
	expect '[.artifacts[].path] | join(" ")' kept-during
	poll 60 execution_ended "$id"
	get kept-during
	[ "$body" = kept ]
	get during
	expect_code 404
	run_code shell 'ls during'
	expect .exit_code 2
}

@test "after the end of a session its files are gone, those of another whose name begins alike are not" {
	local a=a$RANDOM
	api POST '/sessions?wait=30' "{\"template_id\":\"python-basic\",\"id\":\"$a\"}"
	api POST '/sessions?wait=30' "{\"template_id\":\"python-basic\",\"id\":\"${a}b\"}"
	for S in "$a" "${a}b"; do run_code shell 'echo x >f; mkdir d; echo y >d/g'; done
	s3_down
	api DELETE "/sessions/$a"
	expect_code 204
	s3_up
	empty() { [ -z "$(s3 GET "?list-type=2&prefix=sessions%2F$a%2F" | grep -o '<Key>')" ]; }
	poll 60 empty
	S=${a}b
	[ "$(listed | xargs)" = 'd/g f' ]
	api DELETE "/sessions/$S"
}
