# dockerd.bash: a Docker engine of its own for tests, everything of it below one directory. To be sourced.
#   start_dockerd DIR [dockerd options]   sets DOCKER_HOST; without options there is no bridge and no packet filter
#   stop_dockerd DIR                      its containers, containerd, mounts and control groups go with it
# A socket's address has 107 bytes: keep DIR below 60.

dockerd_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/$(dockerd_parent "$1")*" 2>/dev/null; }

# Every container's control group is below one that is named after DIR.
dockerd_parent() { echo "dockerd-$(sha256sum <<<"$1" | cut -c1-10)"; }

dockerd_answers() { curl -sf -m 2 --unix-socket "$1/docker.sock" http://docker/_ping >/dev/null; }

start_dockerd() {
	local dir=$1 pid n
	shift
	[ $# -gt 0 ] || set -- --bridge=none --iptables=false --ip-masq=false
	mkdir -p "$dir"
	echo '{}' >"$dir/daemon.json"	# the machine's own settings stay out of it
	# A machine's root may lack CAP_SYS_RESOURCE: the score is left alone.
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"	# bats waits for those
		done
		exec setsid dockerd -H "unix://$dir/docker.sock" --data-root "$dir/data" --exec-root "$dir/exec" \
			--pidfile "$dir/docker.pid" --config-file "$dir/daemon.json" --oom-score-adjust 0 \
			--cgroup-parent "/$(dockerd_parent "$dir")" "$@"
	) >>"$dir/dockerd.log" 2>&1 </dev/null &
	pid=$!
	export DOCKER_HOST=unix://$dir/docker.sock
	for ((n = 0; n < 600; n++)); do
		! dockerd_answers "$dir" || return 0
		[ -e "/proc/$pid" ] || break
		sleep 0.05
	done
	tail -n 20 "$dir/dockerd.log" >&2
	return 1
}

# dockerd_wait_gone PID SECONDS
dockerd_wait_gone() {
	local n
	for ((n = 0; n < $2 * 20; n++)); do
		[ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

stop_dockerd() {
	local dir=$1 pid ids
	pid=$(cat "$dir/docker.pid" 2>/dev/null) || pid=
	if [ -n "$pid" ] && [ -e "/proc/$pid" ]; then
		kill -CONT "$pid" 2>/dev/null
		ids=$(docker -H "unix://$dir/docker.sock" ps -qa 2>/dev/null)
		# shellcheck disable=SC2086	# many words
		[ -z "$ids" ] || docker -H "unix://$dir/docker.sock" rm -fv $ids >/dev/null 2>&1
		kill -TERM "$pid" 2>/dev/null
		dockerd_wait_gone "$pid" 20 || kill -KILL "$pid"
	fi
	# What a daemon that was killed leaves: its containerd, shims, mounts, groups.
	for pid in $(pgrep -f -- "$dir/exec/containerd" ); do kill -KILL "$pid" 2>/dev/null; done
	awk -v d="$dir/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while read -r m; do umount -l "$m"; done
	dockerd_cgroups "$dir" | while read -r g; do rmdir "$g" 2>/dev/null; done
	rm -rf "${dir:?}"/{data,exec,docker.sock,docker.pid,daemon.json}
	return 0
}
