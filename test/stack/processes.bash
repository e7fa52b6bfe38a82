# processes.bash: parts that run in the background, for tools/stack and tools/s3. The caller has $dir, with pid/ and log/
# in it, $wait_s, and say and die.

# A pid file holds "PID START-TIME", so that a number used again is not mistaken for ours.
started_at() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }

alive() {
	local pid at

	read -r pid at 2>/dev/null <"$dir/pid/$1" && [ "$(started_at "$pid")" = "$at" ] &&
		! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

# launch NAME COMMAND...: in a session of its own, without our descriptors (bats waits for those).
launch() {
	local name=$1
	shift
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		exec setsid "$@"
	) >>"$dir/log/$name.log" 2>&1 </dev/null &
	echo "$! $(started_at $!)" >"$dir/pid/$name" || { kill -KILL $!; die "$name: no pid file"; }
	disown $!	# bash need not tell how it ended
}

# until_ok NAME COMMAND...: waits for it while NAME lives.
until_ok() {
	local name=$1 end=$((SECONDS + wait_s))
	shift
	until "$@" >/dev/null 2>&1; do
		alive "$name" || { tail -n 20 "$dir/log/$name.log" >&2; die "$name has ended, see above"; }
		[ $SECONDS -lt $end ] || { tail -n 20 "$dir/log/$name.log" >&2; die "$name is not ready after $wait_s s"; }
		sleep 0.05
	done
}

# stop NAME GRACE: TERM, and KILL to its whole session when that did not do.
stop() {
	local pid at n

	alive "$1" || { rm -f "$dir/pid/$1"; return 0; }
	read -r pid at <"$dir/pid/$1"
	kill -TERM "$pid" 2>/dev/null || true
	for ((n = 0; n < $2 * 20; n++)); do
		alive "$1" || break
		sleep 0.05
	done
	pkill -KILL -s "$pid" 2>/dev/null || true
	rm -f "$dir/pid/$1"
}

# ---- ports on loopback ----

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local p

	for _ in {1..100}; do
		p=$((20000 + RANDOM % 10000))	# below the range that the kernel gives to clients
		port_free $p && { echo $p; return; }
	done
	die "no free port"
}
