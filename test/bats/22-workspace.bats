#!/usr/bin/env bats
# The executor and the files of its session: what code leaves behind reaches storage, what clients store reaches code,
# and nothing outside the workspace is read or written. Storage is played by receiver.py; test/bats/66-sync.bats does it for real.
#
# shellcheck disable=SC2030,SC2031

load executor

setup() {
	ex_up SANDBOX_EXECUTOR_PULL=1 "SANDBOX_EXECUTOR_DISK_BYTES=${DISK:-1073741824}"
}
teardown() { ex_down; }

# stored PATH: its content in storage; fails when it is not there
kept() { printf '%s/calls.d/files/%s' "$EX" "$(printf '%s' "$1" | sha1sum | cut -d' ' -f1)"; }
stored() { cat "$(kept "$1")"; }
in_storage() { [ -e "$(kept "$1")" ]; }
everything() { local n; for n in "$EX"/calls.d/files/*.name; do [ ! -e "${n%.name}" ] || { cat "$n"; echo; }; done | sort; }
# upload PATH TEXT: as a client would, and the executor is told
upload() {
	printf '%s' "$2" >"$(kept "$1")"
	printf '%s' "$1" >"$(kept "$1").name"
	pull "$1"
}
pull() { ex POST /workspace/pull "$(jq -cn '{paths: $ARGS.positional}' --args "$@")"; }
answers() { printf '%s' "$1" >"$EX/calls.d/answers"; }
artifacts() { jqb '.artifacts | join(" ")'; }

# ---- from code to storage ----

@test "files that code makes, changes and deletes reach storage before the result" {
	run_code shell 'mkdir -p a/b; echo one >a/b/c.txt; echo two >d; : >empty; echo x >.hidden'
	expect .status completed
	expect '.artifacts | join(" ")' 'a/b/c.txt d empty'
	[ "$(stored a/b/c.txt)" = one ] && [ "$(stored d)" = two ] && [ -z "$(stored empty)" ] && [ "$(stored .hidden)" = x ]
	run_code shell 'echo more >>d; rm a/b/c.txt; cat .hidden'
	expect '.artifacts | join(" ")' d
	expect .stdout $'x\n'
	[ "$(stored d)" = $'two\nmore' ]
	! in_storage a/b/c.txt || false
	run_code shell 'true'
	expect '.artifacts | length' 0
	[ "$(calls d 'select(.method == "PUT")' | wc -l)" = 2 ]
}

@test "artifacts are told with size and checksum before the result" {
	run_code shell 'printf hello >f'
	poll 5 called artifacts
	[ "$(calls artifacts '.body.artifacts[0] | [.path, .size, .checksum] | join(" ")' | jq -r .)" = \
		"f 5 $(printf hello | sha256sum | cut -d' ' -f1)" ]
}

@test "a file whose times and size were set back is stored all the same" {
	run_code shell 'echo aaa >f; touch -d 2020-01-01 f'
	run_code shell 'echo bbb >f; touch -d 2020-01-01 f'
	expect '.artifacts | join(" ")' f
	[ "$(stored f)" = bbb ]
}

@test "a directory in the place of a file, and a file in the place of a directory" {
	run_code shell 'echo f >x; mkdir y; echo g >y/z'
	run_code shell 'rm x; mkdir x; echo h >x/w; rm -r y; echo i >y'
	! in_storage x || false
	! in_storage y/z || false
	[ "$(stored x/w)" = h ] && [ "$(stored y)" = i ]
	# The deletions came first: storage never knew both.
	[ "$(calls x 'select(.method == "DELETE") | .at')" \< "$(calls w 'select(.method == "PUT") | .at')" ]
}

@test "every name that is allowed, and none that is not" {
	run_code python '
import os
long = "ü" * 127 + "x"
for n in ["with space", "q\"u'"'"'o`te", "100%", "a+b", "a#b", "a?b=c&d", "ä ö ü", "\U0001f600.txt", long, "~", "-rf", "$HOME", "*", "a;b|c", ".x/y"]:
    os.makedirs(os.path.dirname(n) or ".", exist_ok=True)
    open(n, "w").write(n)
for n in [b"back\\slash", b"new\nline", b"\xff\xfe", b"tab\t", "\x85".encode()]:
    open(n, "w").write("bad")
'
	expect .status completed
	[ "$(everything | wc -l)" = 15 ]
	[ "$(stored '100%')" = '100%' ] && [ "$(stored 'a?b=c&d')" = 'a?b=c&d' ] && [ "$(stored '😀.txt')" = '😀.txt' ]
	expect .error.errorType FilesNotStored
	[[ $(jqb .error_message) == *'back\slash'*'its name is not allowed'* ]]
	run_code shell 'true'		# told once
	expect .error null
	expect '.artifacts | length' 0
}

@test "links, FIFOs, sockets and devices are not followed and not stored" {
	echo secret >"$EX/secret"
	mkdir "$EX/outside"
	echo outside >"$EX/outside/file"
	run_code python "
import os, socket
os.symlink('/etc/passwd', 'passwd'); os.symlink('$EX/outside', 'dir'); os.symlink('real', 'other'); os.symlink('.', 'loop')
open('real', 'w').write('real'); os.mkfifo('fifo')
s = socket.socket(socket.AF_UNIX); s.bind('socket'); os.link('real', 'hard')
"
	expect .status completed
	expect '.artifacts | join(" ")' 'hard real'
	[ "$(everything | xargs)" = 'hard real' ]
	# A directory that becomes a link is no longer there for storage.
	run_code shell "mkdir d; echo 1 >d/f"
	[ "$(stored d/f)" = 1 ]
	ln -sfn "$EX/outside" "$EX/ws/elsewhere"
	run_code shell "rm -r d; ln -s '$EX/outside' d"
	[ "$(everything | xargs)" = 'hard real' ]
}

@test "a directory that is swapped for a link all the time gives nothing away" {
	mkdir "$EX/outside"
	chmod 755 "$EX" "$EX/outside"
	echo outside >"$EX/outside/f"
	submit python "
import os, shutil, time
def renew():
    for n in ('d', 't', 'l'):
        os.unlink(n) if os.path.islink(n) else shutil.rmtree(n, ignore_errors=True)
    os.makedirs('d', exist_ok=True); open('d/f', 'w').write('inside'); os.symlink('$EX/outside', 'l')
end = time.time() + 4
while time.time() < end:
    try:
        os.rename('d', 't'); os.rename('l', 'd'); os.rename('d', 'l'); os.rename('t', 'd')
        open('d/f', 'w').write('inside')
    except OSError:     # a pull has put a directory in the place of the link
        try: renew()
        except OSError: pass
" '{"timeout": 20}'
	swapper=$id
	poll 5 running "$swapper"
	for i in 1 2 3 4 5 6 7 8; do
		run_code shell 'echo x >x'
		expect .status completed
		pull d/f
	done
	ex GET "/executions/$swapper?wait=20"
	expect .status completed	# its result may have gone by callback already
	[ "$(cat "$EX/outside/f")" = outside ]
	! grep -l outside "$EX"/calls.d/files/* || false
}

@test "many small files arrive, as many artifacts as allowed are listed, and the rest is told" {
	local from took
	from=$(now_ms)
	run_code python 'import os
for i in range(3000):
    os.makedirs("d%d" % (i % 50), exist_ok=True); open("d%d/f%d" % (i % 50, i), "w").write(str(i))' '{"timeout": 60}'
	took=$(($(now_ms) - from))
	[ "$code" = 200 ]
	until [ "$(jqb .status)" != running ]; do ex GET "/executions/$id?wait=30"; done
	expect .status completed
	expect '.artifacts | length' 1000
	expect .artifacts_truncated true
	[ "$(everything | wc -l)" = 3000 ]
	echo "# 3000 files: $took ms" >&3
}

@test "a file that is longer than the disk is left out and the execution told so" {
	ex_down
	DISK=$((4 << 20)) setup
	run_code shell 'head -c 3000000 /dev/zero >a; echo small >b'
	expect .status completed
	run_code shell 'echo more >c; head -c 3000000 /dev/zero >d; true'
	expect '[.status, .ended_reason] | join(" ")' 'failed disk_quota'
	[[ $(jqb .error_message) == *"'d' (the session's disk is full)"* ]]
	[ "$(everything | xargs)" = 'a b c' ]
	run_code shell 'rm a; touch e'
	expect .status completed
	[ "$(everything | xargs)" = 'b c d e' ]
}

@test "while storage is down executions end, their results wait, and nothing is lost" {
	answers '{"files": 503}'
	submit shell 'echo kept >f'
	first=$id
	poll 10 called f 'select(.status == 503)'
	running "$first"
	run_code shell 'cat f' &		# code runs meanwhile
	answers '{}'
	ex GET "/executions/$first?wait=30"
	expect .status completed
	expect '.artifacts | join(" ")' f
	[ "$(stored f)" = kept ]
	wait $!
}

@test "two executions at once: each lists what changed during its life" {
	submit shell 'until [ -e go ]; do sleep 0.05; done; echo a >a'
	slow=$id
	poll 5 running "$slow"
	run_code shell 'echo b >b'
	expect '.artifacts | join(" ")' b
	run_code shell 'touch go'
	ex GET "/executions/$slow?wait=20"
	[[ " $(artifacts) " == *' a '* && " $(artifacts) " == *' b '* ]]
	[ "$(everything | xargs)" = 'a b go' ]
}

# ---- from storage to code ----

@test "an upload is seen by running code, a deletion too" {
	submit shell 'until [ "$(cat up/load 2>/dev/null)" = two ]; do sleep 0.05; done; until [ ! -e up/load ]; do sleep 0.05; done; echo seen'
	reader=$id
	poll 5 running "$reader"
	upload up/load one
	expect_code 200
	expect '.pulled | join(" ")' up/load
	upload up/load two
	rm "$(kept up/load)"
	pull up/load
	expect '.removed | join(" ")' up/load
	ex GET "/executions/$reader?wait=20"
	expect .stdout $'seen\n'
	expect '.artifacts | length' 0
}

@test "an upload writes through no link and replaces what stands in its way" {
	echo outside >"$EX/secret"
	mkdir "$EX/outside"
	chown 1000:1000 "$EX/secret" "$EX/outside"
	run_code shell "ln -s '$EX/secret' file; ln -s '$EX/outside' dir; echo f >was-file; mkdir -p was-dir/sub; echo g >was-dir/sub/g; mkfifo fifo"
	for p in file dir/new was-file/new was-dir fifo; do
		upload "$p" "new $p"
		expect_code 200
	done
	[ "$(cat "$EX/secret")" = outside ] && [ -z "$(ls -A "$EX/outside")" ]
	run_code shell 'cat file dir/new was-file/new was-dir fifo; find . -name ".sandbox*"'
	expect .stdout 'new filenew dir/newnew was-file/newnew was-dirnew fifo'
}

@test "paths that leave the workspace are refused" {
	for p in ../x /etc/passwd a/../../x a//b . "" 'a\b' $'a\nb' a/; do
		pull "$p"
		expect_code 400
	done
	ex POST /workspace/pull '{"paths": []}'
	expect_code 400
	ex POST /workspace/pull '{"paths": ["a", 1]}'
	expect_code 400
	ex POST /workspace/pull 'nonsense'
	expect_code 400
	[ -z "$(ls -A "$EX/ws")" ]
}

@test "everything in storage is there before code runs" {
	ex_stop KILL
	for i in $(seq 30); do
		printf '%s' "in$i" >"$(kept "in/$i")"
		printf '%s' "in/$i" >"$(kept "in/$i").name"
	done
	rm -rf "$EX/ws/in"
	ex_launch SANDBOX_EXECUTOR_PULL=1
	poll 10 ex_listens
	run_code shell 'cat in/* | wc -c; ls in | wc -l'
	expect .stdout $'111\n30\n'
	expect '.artifacts | length' 0
	[ -z "$(calls 7 'select(.method == "PUT")')" ]		# what came from storage does not go back
}

# ---- long logs ----

@test "a log beyond the inline size is stored before the result, byte for byte" {
	run_code python 'import sys
for i in range(300000): print("line", i)
sys.stderr.write("short")' '{"output_inline_bytes": 4096, "output_max_bytes": 100000000}'
	expect .stdout_truncated true
	run_size=$(jqb .stdout_bytes)
	[ "$(stat -c %s "$EX/calls.d/logs/$id.stdout")" = "$run_size" ]
	[ "$(tail -1 "$EX/calls.d/logs/$id.stdout")" = 'line 299999' ]
	[ ! -e "$EX/calls.d/logs/$id.stderr" ]
	ex DELETE "/executions/$id"
	[ -z "$(ls "$EX/state/spool")" ]
}

@test "memory stays flat for a file of 100 MiB in either direction" {
	local before after sum
	run_code shell 'true'
	before=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$EX/pid")/status")
	run_code shell 'head -c 104857600 /dev/urandom >big; sha256sum <big | cut -d" " -f1' '{"timeout": 60}'
	sum=$(jqb .stdout)
	[ "$(sha256sum <"$(kept big)" | cut -d' ' -f1)" = "$sum" ]
	cp "$(kept big)" "$(kept back)" && printf back >"$(kept back).name"
	pull back
	expect_code 200
	[ "$(sha256sum <"$EX/ws/back" | cut -d' ' -f1)" = "$sum" ]
	after=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$EX/pid")/status")
	echo "# executor: $before KiB before, at most $after KiB" >&3
	# The sanitizers keep what was freed for a while.
	[ $((after - before)) -lt "$([[ ${BUILD:-} == *san ]] && echo 400000 || echo 4096)" ]
}
