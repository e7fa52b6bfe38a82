#!/usr/bin/env bats
# Limits and failures of file transfers: quota, sizes, cut uploads, workers and storage that die.
load helper
load api
load files

setup_file() {
	export CONF_EXTRA=$BATS_FILE_TMPDIR/extra
	printf '[server]\nworkers = 2\n' >"$CONF_EXTRA"
	start_stack
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR new_session '{"id":"f","disk":"256Mi"}'
	head -c 104857600 /dev/urandom >"$BATS_FILE_TMPDIR/100m"
}

teardown_file() { stop_stack; }

setup() { big=$BATS_FILE_TMPDIR/100m; }

zeros() { head -c "$1" /dev/zero >"$BATS_TEST_TMPDIR/zeros"; }
workers() { pgrep -f "$CONFIG" | while read -r p; do [ "$(cat "/proc/$p/comm")" != sandbox-fcgi ] || echo "$p"; done; }
# as much as any worker ever had in memory, in KiB
peak() { for p in $(workers); do sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$p/status"; done | sort -n | tail -n 1; }
settled() { [ "$(used f)" = "$(sum f)" ] && [ "$(sql 'SELECT COUNT(*) FROM workspace_write')" = 0 ]; }

# cut_off PATH [chunked|form]: half of an upload, then the connection is closed
cut_off() {
	python3 - "$PORT" "/api/v1/sessions/f/files/$1" "${2:-}" <<-'PY'
		import socket, sys, time
		port, path, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
		s = socket.create_connection(("127.0.0.1", port))
		half = b"x" * 300000
		if how == "chunked":
		    head, body = "Transfer-Encoding: chunked", b"%x\r\n" % len(half) + half + b"\r\n"
		elif how == "form":
		    head = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 600000"
		    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + half
		else:
		    head, body = "Content-Length: 600000", half
		method = "POST" if how == "form" else "PUT"
		s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
		time.sleep(0.3)
		s.close()
	PY
}

# ---- sizes ----

@test "100 MiB up, as a body and as a form, and down: equal, and memory stays flat" {
	local want before
	want=$(sha "$big")
	put_text f warm 1
	before=$(peak)
	put f 100m "$big"
	expect_code 201
	expect .size 104857600
	expect .checksum "$want"
	upload f 100m "$big"
	expect_code 200
	expect .checksum "$want"
	put f 100m "$big" -H 'Transfer-Encoding: chunked'
	expect_code 200
	expect .checksum "$want"
	api GET /sessions/f/files/100m?redirect=1 -L
	[ "$(sha "$BATS_TEST_TMPDIR/body.last")" = "$want" ]
	as f GET /sessions/f/files/100m
	expect_code 200
	[ "$(header content-length)" = 104857600 ]
	[ "$(sha "$BATS_TEST_TMPDIR/body.last")" = "$want" ]
	as f PUT /sessions/f/files/100m -T "$big"
	expect_code 200
	echo "# peak of a worker: $before KiB before, $(peak) KiB after" >&3
	[ $(($(peak) - before)) -lt 8192 ]
	api DELETE /sessions/f/files/100m
	expect_code 204
	settled
}

@test "100 MiB and one byte are 413, whatever way they come, and leave the old file" {
	put_text f over old
	{ cat "$big"; echo; } >"$BATS_TEST_TMPDIR/more"
	put f over "$BATS_TEST_TMPDIR/more"
	expect_code 413
	error Sandbox.PayloadTooLarge
	put f over "$BATS_TEST_TMPDIR/more" -H 'Transfer-Encoding: chunked'
	expect_code 413
	upload f over "$BATS_TEST_TMPDIR/more"
	expect_code 413
	error Sandbox.PayloadTooLarge
	upload f over "$BATS_TEST_TMPDIR/more" -H 'Transfer-Encoding: chunked'
	expect_code 413
	holds f over old
	settled
}

# ---- quota ----

@test "over the disk is 413 with limit, used and requested, and leaves no trace" {
	put_text f small 12345
	local before
	before=$(used f)
	put f q1 "$big"
	put f q2 "$big"
	expect_code 201
	put f q3 "$big"
	expect_code 413
	error Sandbox.QuotaExceeded
	expect .error_detail.limit 268435456
	expect .error_detail.used $((before + 2 * 104857600))
	expect .error_detail.requested 104857600
	upload f q3 "$big"	# its length is found out on the way
	expect_code 413
	error Sandbox.QuotaExceeded
	put f small "$big"
	expect_code 413
	holds f small 12345
	get f q3
	expect_code 404
	settled
	# a replacement needs only the difference
	put f q2 "$big"
	expect_code 200
	upload f q1 "$big"
	expect_code 200
	# up to the last byte
	zeros $((268435456 - $(used f)))
	put f rest "$BATS_TEST_TMPDIR/zeros"
	expect_code 201
	[ "$(used f)" = 268435456 ]
	put_text f small 12345
	put f one-more /etc/hostname
	expect_code 413
	upload f rest "$BATS_TEST_TMPDIR/zeros"
	expect_code 200
	# moving needs no room
	api POST /sessions/f/files/move '{"source":"q2","destination":"q3"}'
	expect_code 200
	for p in q1 q3 rest; do
		api DELETE "/sessions/f/files/$p"
		expect_code 204
	done
	settled
}

@test "30 uploads at once into room for 10: 10 are stored" {
	local ok=0 n pids=()
	head -c 1048576 "$big" >"$BATS_TEST_TMPDIR/1m"
	put f fill/1 "$big"
	put f fill/2 "$big"
	zeros $((268435456 - $(used f) - 10 * 1048576 - 1000))
	put f fill/3 "$BATS_TEST_TMPDIR/zeros"
	expect_code 200 201
	for ((n = 1; n <= 30; n++)); do
		curl -sS -o /dev/null -w '%{http_code}\n' -T "$BATS_TEST_TMPDIR/1m" "$URL/api/v1/sessions/f/files/par/$n" 3>&- &
		pids+=($!)
	done >"$BATS_TEST_TMPDIR/codes"
	for n in "${pids[@]}"; do wait "$n"; done
	ok=$(grep -c 201 "$BATS_TEST_TMPDIR/codes")
	[ "$(grep -c 413 "$BATS_TEST_TMPDIR/codes")" = $((30 - ok)) ]
	[ "$ok" = 10 ] || { sort "$BATS_TEST_TMPDIR/codes" | uniq -c; echo "used $(used f) sum $(sum f)"; false; }
	[ "$(used f)" -le 268435456 ]
	settled
	for p in $(paths f); do api DELETE "/sessions/f/files/$p"; done
}

@test "a sum that is too high, as a killed worker leaves it, is counted anew when room is needed" {
	put_text f counted 12345
	sql "UPDATE session SET workspace_bytes = 268435456, workspace_counted_at = NULL WHERE id = 'f'"
	put f new /etc/hostname
	expect_code 201
	settled
	# a moment later it is believed: full disks must not cost listings
	sql "UPDATE session SET workspace_bytes = 268435456 WHERE id = 'f'"
	put f newer /etc/hostname
	expect_code 413
	sql "UPDATE session SET workspace_counted_at = '2020-01-01' WHERE id = 'f'"
	put f newer /etc/hostname
	expect_code 201
	settled
}

# ---- what breaks ----

@test "an upload cut in the middle leaves the old file" {
	put_text f cut old
	cut_off cut
	cut_off cut chunked
	cut_off 'upload?path=cut' form
	cut_off cut-new
	cut_off cut-new chunked
	poll 10 settled
	holds f cut old
	get f cut-new
	expect_code 404
}

@test "the same behind Apache and Caddy, where bodies reach the worker as they come" {
	local server mine=$STACK
	for server in apache caddy cgi; do
		SERVER=$server start_stack
		new_session '{"id":"f"}' >/dev/null
		put f 30m <(head -c 31457280 "$big") -H 'Transfer-Encoding: chunked'
		expect_code 201
		expect .size 31457280
		put_text f cut old
		cut_off cut
		cut_off cut chunked
		cut_off 'upload?path=cut' form
		cut_off cut-new
		cut_off cut-new chunked
		poll 10 settled
		holds f cut old
		get f cut-new
		expect_code 404
		as f PUT /sessions/f/files/big -T "$big"	# more than other internal bodies may have
		expect_code 201
		{ cat "$big"; echo; } >"$BATS_TEST_TMPDIR/more"
		put f over "$BATS_TEST_TMPDIR/more"
		expect_code 413
		error Sandbox.PayloadTooLarge
		stop_stack
	done
	STACK=$mine
}

@test "a worker killed in an upload: the file can be written at once, the sum is counted when needed" {
	local p pid
	put_text f killed old
	mkfifo "$BATS_TEST_TMPDIR/slow"
	as f PUT /sessions/f/files/killed -T "$BATS_TEST_TMPDIR/slow" >/dev/null 3>&- & pid=$!
	exec 7>"$BATS_TEST_TMPDIR/slow"
	head -c 20000000 "$big" >&7
	poll 10 eval '[ "$(used f)" -gt 8000000 ]'
	for p in $(workers); do
		[ "$(ps -o ppid= -p "$p" | tr -d ' ')" = 1 ] || kill -KILL "$p"
	done
	exec 7>&-
	wait $pid || true
	holds f killed old
	put_text f killed new
	holds f killed new
	[ "$(used f)" -gt "$(sum f)" ]
	sql "UPDATE session SET workspace_counted_at = NULL WHERE id = 'f'"
	put f q1 "$big"
	put f q2 "$big"
	zeros $((268435456 - $(sum f)))
	put f full "$BATS_TEST_TMPDIR/zeros"
	expect_code 201
	settled
	for p in $(paths f); do api DELETE "/sessions/f/files/$p"; done
}

@test "a session that ends during an upload: 409, and nothing of it stays" {
	local s pid
	s=$(new_session)
	mkfifo "$BATS_TEST_TMPDIR/slow"
	SANDBOX_KEY="" as "$s" PUT "/sessions/$s/files/late" -T "$BATS_TEST_TMPDIR/slow" >/dev/null 3>&- & pid=$!
	exec 7>"$BATS_TEST_TMPDIR/slow"
	head -c 9000000 "$big" >&7
	poll 10 eval '[ "$(used "$s")" -gt 0 ]'
	sql "UPDATE session SET state = 'terminated', ended_reason = 'user_terminated', completed_at = UTC_TIMESTAMP(3) WHERE id = '$s'"
	exec 7>&-
	wait $pid || true
	[ "$(paths "$s")" = "" ]
	[ "$(sql "SELECT COUNT(*) FROM workspace_write")" = 0 ]
	grep -q "\"path\":\"/internal/sessions/$s/files/late\",\"status\":409" "$LOG/sandbox.log"
}

@test "without storage: 503 with Retry-After, and no trace" {
	local before m mine=$STACK
	unset S3_ENDPOINT S3_KEY S3_SECRET	# one of its own
	start_stack
	new_session '{"id":"f"}' >/dev/null
	put_text f kept old
	before=$(used f)
	"$TOP/tools/s3" down "$STACK/s/s3"
	for m in "PUT /sessions/f/files/kept" "PUT /sessions/f/files/new" "GET /sessions/f/files/kept" "GET /sessions/f/files" \
		"DELETE /sessions/f/files/kept"; do
		# shellcheck disable=SC2086
		api $m
		expect_code 503
		error Sandbox.StorageUnavailable
		[ -n "$(header retry-after)" ]
	done
	[ "$(used f)" = "$before" ]
	[ "$(sql 'SELECT COUNT(*) FROM workspace_write')" = 0 ]
	stop_stack
	STACK=$mine
}
