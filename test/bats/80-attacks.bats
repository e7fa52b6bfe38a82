#!/usr/bin/env bats
# What hostile code and hostile clients tried (CONTRACT 1.4, 6, 10.4).
load runtime

setup_file() { SESSION='{"disk": "256Mi"}' start_runtime; }
teardown_file() { stop_stack; }

@test "an address family is refused whatever the upper half of its register holds" {
	run_code python "$(cat <<-'P'
		import ctypes
		libc = ctypes.CDLL(None, use_errno=True)
		def handler(event):
		    opened = []
		    for family in (17, 38, 40, 31, 29):
		        for high in (0, 1, 0x7fffffff):
		            for kind in (1, 2, 3, 5):
		                if libc.syscall(ctypes.c_long(41), ctypes.c_long(high << 32 | family), ctypes.c_long(kind), ctypes.c_long(0)) >= 0:
		                    opened.append([family, high, kind])
		    return opened
	P
	)"
	expect '.return_value | tojson' '[]'
}

@test "the quota counts what lies deep, among many, or behind a closed door" {
	run_code shell 'for i in {1..70}; do mkdir d && cd d; done; head -c 200M /dev/zero >a; head -c 200M /dev/zero >b'
	expect .ended_reason disk_quota
	run_code shell 'rm -r d; mkdir -m 700 h; head -c 200M /dev/zero >h/a; head -c 200M /dev/zero >h/b; chmod 0 h'
	expect .ended_reason disk_quota
	run_code shell 'chmod 700 h; rm -r h'
	run_code shell 'mkdir -m 0 e; rmdir e; echo fine'
	expect '[.ended_reason, .stdout] | tojson' '["exited","fine\n"]'
}

@test "code that closes its workspace has not ended its session" {
	run_code shell 'chmod 0 /workspace'
	expect .ended_reason disk_quota
	run_code shell 'echo fine >a && cat a && rm a'
	expect '[.ended_reason, .stdout] | tojson' '["exited","fine\n"]'
}

@test "long logs take no more of the host's disk than the session may" {
	local first spool i

	for i in 1 2 3 4; do
		run_code shell 'head -c 104857600 /dev/zero | tr "\0" x'
		expect '[.ended_reason, .stdout_bytes] | tojson' '["exited",104857600]'
		first=${first:-$(jqb .id)}
	done
	# They are in storage, all of them, and no longer on the host.
	for i in "$(jqb .id)" "$first"; do
		api GET "/executions/$i/output" -H 'Range: bytes=104857590-'
		expect_code 206
		[ "$body" = xxxxxxxxxx ]
	done
	[ "$RUNTIME" = oci ] || return 0
	spool=$(echo "$STACK"/s/state/*"$S"/state/spool)
	poll 10 at_most_in 0 "$spool"
}

at_most_in() { [ "$(du -sb "$2" | cut -f1)" -le $(($1 + 8192)) ]; }

@test "a package index is a web address, nothing of this host" {
	local url

	for url in file:///etc 'https://u:p@h/' 'https://h/?x' '--extra-index-url=http://h'; do
		api POST /sessions "$(jq -cn --arg u "$url" '{template_id: "python-basic", python_package_index_url: $u}')"
		expect_code 422
	done
}
