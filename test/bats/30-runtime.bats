#!/usr/bin/env bats
# What every runtime backend promises in lib/rt/runtime.h and CONTRACT 10.4, on a real runtime. Linked as
# 30-runtime-docker.bats, which runs the same tests on a Docker engine of its own.
#
# shellcheck disable=SC2015,SC2016,SC2030,SC2031,SC2086,SC2143

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

setup_file() {
	BIN=$TOP/${BUILD:-build/rel}
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/rt-XXXXXX")
	# A deployment's name is of letters only.
	D=rt$(tr -dc "[:lower:]" </dev/urandom | head -c 10)
	case $BATS_TEST_FILENAME in
	*-docker.bats)	RUNTIME=docker IMAGE=sandbox/test:latest ;;
	*)		RUNTIME=oci IMAGE=host ;;
	esac
	export BIN DIR D RUNTIME IMAGE
	export SANDBOX_STORAGE_ENDPOINT=http://127.0.0.1:9 SANDBOX_STORAGE_ACCESS_KEY=none SANDBOX_STORAGE_SECRET_KEY=none	# not called here
	export SANDBOX_SERVER_ENVIRONMENT=development SANDBOX_INTERNAL_SECRET=only-for-tests-only-for-tests-only
	export SANDBOX_RUNTIME_TYPE=$RUNTIME SANDBOX_RUNTIME_DEPLOYMENT=$D SANDBOX_RUNTIME_ENDPOINT=unix://$DIR/d/docker.sock
	export SANDBOX_RUNTIME_SOCKET_DIR=$DIR/s SANDBOX_RUNTIME_STATE_DIR=$DIR/state SANDBOX_RUNTIME_IMAGE_ROOT=$DIR/images
	export SANDBOX_RUNTIME_CONTROL_URL=unix://$DIR/control/control.sock
	mkdir -p "$DIR/control" "$DIR/images"
	[ ! -e "${TMPDIR:-/tmp}/deployments" ] || echo "$D" >>"${TMPDIR:-/tmp}/deployments"	# tools/check looks for leftovers
	if [ $RUNTIME = docker ]; then
		. "$TOP/test/stack/dockerd.bash"
		. "$TOP/test/stack/images.bash"
		start_dockerd "$DIR/d" && load_images test "$BIN/sandbox-executor" $IMAGE || { teardown_file; return 1; }
		export DOCKER_HOST
	fi
}

teardown_file() {
	local name

	for name in $(rt each | cut -d' ' -f1); do rt destroy "$name" 0; done
	if [ "$RUNTIME" = docker ]; then
		. "$TOP/test/stack/dockerd.bash"
		stop_dockerd "$DIR/d"
	fi
	# The deployment's own group stays for the next container.
	find /sys/fs/cgroup -depth -type d -name "sandbox-$D*" -exec rmdir {} + 2>/dev/null
	rm -rf "$DIR"
	return 0
}

setup() { N=$D-s$BATS_TEST_NUMBER; }

# A test may have changed the configuration.
teardown() {
	export SANDBOX_RUNTIME_DEPLOYMENT=$D SANDBOX_RUNTIME_ENDPOINT=unix://$DIR/d/docker.sock
	unset SANDBOX_RUNTIME_OCI_BINARY
	rt destroy "$N" 0 >/dev/null
}

# ---- words ----

rt() { "$BIN/rt-conform" "$@" 2>>"$DIR/log"; }

# create [key=value]...: the container of this test
create() {
	rt create "$N" "session=${N#*-}" "image=$IMAGE" token=secret-token env=SESSION_ID=s env=CONTAINER_ID="$N" \
		env=CONTROL_PLANE_URL=unix:/run/sandbox/control/control.sock \
		env=INTERNAL_API_TOKEN_FILE=/var/lib/sandbox-executor/token env=EXECUTOR_LISTEN=/run/sandbox/executor.sock "$@"
}

# field NAME: of "key value" lines
field() { sed -n "s/^$1 //p"; }

state() { rt inspect "$N" | field state; }

# Its first process, as this host numbers it.
pid() {
	if [ $RUNTIME = docker ]; then docker inspect -f '{{.State.Pid}}' "$N"; else rt inspect "$N" | field runtime_id; fi
}

# in_status NAME: a line of its first process's status
in_status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pid)/status"; }

# limit V1-CONTROLLER V1-FILE V2-FILE: of its control group, whichever version this host has
limit() {
	local p path

	p=$(pid)
	path=$(sed -n "s/^[0-9]*:$1://p" "/proc/$p/cgroup")
	if [ -n "$path" ]; then
		cat "/sys/fs/cgroup/$1$path/$2"
	else
		cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$p/cgroup")/$3"
	fi
}

executor() { curl -sf -m 5 --unix-socket "$(rt dir "$N")/executor.sock" -H 'Authorization: Bearer secret-token' "http://x$1"; }

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "not within the time: $*"; return 1; }
		sleep 0.05
	done
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# within MS COMMAND...: it ends in that time, however
within() {
	local ms=$1 from took
	shift
	from=$(now_ms)
	run "$@"
	took=$(($(now_ms) - from))
	[ $took -le "$ms" ] || { echo "took $took ms: $*"; return 1; }
}

# Nothing of container $1 is left on this host.
nothing_left() {
	local dir
	dir=$(rt dir "$1")
	[ ! -e "$dir" ] || { echo "left: $dir"; ls -la "$dir"; return 1; }
	[ ! -e "$DIR/state/$1" ] || { echo "left: the bundle"; ls -la "$DIR/state/$1"; return 1; }
	! grep -F "/$1/" /proc/self/mountinfo || return 1
	[ -z "$(find /sys/fs/cgroup -type d -name "$1*" 2>/dev/null)" ] || { echo "left: a control group"; return 1; }
	[ -z "$(grep -lsF "$1" /proc/[0-9]*/environ)" ] || { echo "left: a process"; return 1; }
	[ "$RUNTIME" = oci ] || [ -z "$(docker ps -aq --filter "name=$1"; docker volume ls -q --filter "name=$1")" ] ||
		{ docker ps -a; docker volume ls; return 1; }
}

# ---- life ----

@test "create makes a running executor that proves its isolation" {
	create
	[ "$(state)" = running ]
	until_true 20 executor /health
	run -0 jq -r '.isolation | [.level, .checks.user_ns, .checks.net_ns, .checks.seccomp, .checks.caps_dropped] | join(" ")' <<<"$(executor /health)"
	[[ $output =~ ^(strict|reduced)" true true true true"$ ]]
}

@test "a second create adopts what runs" {
	create
	id=$(rt inspect "$N" | field runtime_id)
	create
	[ "$(rt inspect "$N" | field runtime_id)" = "$id" ]
}

@test "parallel creates of one name make one container" {
	for i in 1 2 3 4; do create >"$BATS_TEST_TMPDIR/$i" & done
	for i in 1 2 3 4; do wait -n || { tail -5 "$DIR/log"; return 1; }; done
	create
	[ "$(rt each | grep -c "^$N ")" = 1 ]
	[ "$(state)" = running ]
}

@test "destroy removes everything, and again is harmless" {
	create
	until_true 20 executor /health
	rt destroy "$N" 5000
	[ "$(state)" = absent ]
	nothing_left "$N"
	rt destroy "$N" 5000
	rt destroy "$D-neverthere" 5000
}

@test "destroy asks first: the executor ends by itself within the grace" {
	create
	until_true 20 executor /health
	within 4000 rt destroy "$N" 10000
	[ "$status" = 0 ]
}

@test "destroy ends one that does not react" {
	create
	until_true 20 executor /health
	kill -STOP "$(pid)"
	within 8000 rt destroy "$N" 500
	[ "$status" = 0 ]
	nothing_left "$N"
}

@test "one that was killed is seen as such, and created anew" {
	create
	until_true 20 executor /health
	kill -KILL "$(pid)"
	until_true 10 eval '[ "$(state)" = exited ]'
	[[ $(rt inspect "$N" | field exit_code) =~ ^(137|-1)$ ]]
	create
	[ "$(state)" = running ]
	until_true 20 executor /health
}

@test "whatever a killed creator left is adopted or replaced" {
	local ms
	for ms in 4 15 30 50 80 120 200 300; do
		create >/dev/null & creator=$!
		sleep "0.$(printf %03d $ms)"
		kill -KILL $creator 2>/dev/null || true
		wait $creator || true
		create || { echo "after $ms ms"; tail -n 5 "$DIR/log"; return 1; }
		[ "$(state)" = running ]
		until_true 20 executor /health
		rt destroy "$N" 0
		nothing_left "$N"
	done
}

@test "what a killed creator left can be destroyed" {
	local ms
	for ms in 10 40 100 250; do
		create >/dev/null & creator=$!
		sleep "0.$(printf %03d $ms)"
		kill -KILL $creator 2>/dev/null || true
		wait $creator || true
		# An engine may still be at the create that its caller did not live to see.
		until_true 10 eval 'rt destroy "$N" 0 && nothing_left "$N"'
	done
}

@test "ten at once" {
	local i
	for i in {1..10}; do N=$D-m$i; create >/dev/null & done
	for i in {1..10}; do wait -n; done
	[ "$(rt each | grep -c "^$D-m[0-9]* m[0-9]* running")" = 10 ]
	for i in {1..10}; do rt destroy "$D-m$i" 0 & done
	for i in {1..10}; do wait -n; done
	! rt each | grep "^$D-m" || false
}

# ---- confinement ----

@test "no root, no capability, no new privilege, filtered system calls" {
	create
	[ "$(in_status Uid)" = $'1000\t1000\t1000\t1000' ]
	[ "$(in_status Gid)" = $'1000\t1000\t1000\t1000' ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do [ "$(in_status $set)" = 0000000000000000 ]; done
	[ "$(in_status NoNewPrivs)" = 1 ]
	[ "$(in_status Seccomp)" = 2 ]
}

@test "no network interface but lo" {
	create
	[ "$(tail -n +3 "/proc/$(pid)/net/dev" | cut -d: -f1 | tr -d ' ')" = lo ]
	[ "$(readlink "/proc/$(pid)/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

@test "namespaces of its own, and its own name" {
	create
	for ns in pid mnt ipc uts cgroup; do
		[ "$(readlink "/proc/$(pid)/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ] || { echo "$ns"; return 1; }
	done
	[ "$(nsenter -t "$(pid)" -u hostname)" = sandbox ]
}

@test "memory (with swap), processor and process limits are in its control group" {
	create memory=134217728 cpu=1500 pids=50
	[ "$(limit memory memory.limit_in_bytes memory.max)" = 134217728 ]
	swap=$(limit memory memory.memsw.limit_in_bytes memory.swap.max) || swap=unlimited-kernel
	[[ $swap =~ ^(134217728|0|unlimited-kernel)$ ]]
	[[ $(limit cpu cpu.cfs_quota_us cpu.max) =~ ^150000 ]]
	[ "$(limit pids pids.max pids.max)" = 82 ]
}

@test "the root is read-only unless the template says otherwise" {
	create
	[[ $(awk '$5 == "/" { print $6 }' "/proc/$(pid)/mountinfo") =~ ^ro ]]
	run ! nsenter -t "$(pid)" -m touch /usr/x
	rt destroy "$N" 0
	create ro=0
	[[ $(awk '$5 == "/" { print $6 }' "/proc/$(pid)/mountinfo") =~ ^rw ]]
}

@test "workspace, spool and token belong to the template's user only" {
	for user in 1000 65533; do
		create user=$user
		root=/proc/$(pid)/root
		[ "$(stat -c '%u %g' "$root/workspace")" = "$user $user" ]
		[ "$(stat -c '%u %g %a' "$root/var/lib/sandbox-executor")" = "$user $user 700" ]
		[ "$(stat -c '%u %g %a' "$root/var/lib/sandbox-executor/token")" = "$user $user 400" ]
		[ "$(cat "$root/var/lib/sandbox-executor/token")" = secret-token ]
		until_true 20 executor /health
		rt destroy "$N" 0
	done
}

@test "the token is in no environment and no command line" {
	create
	! grep -a secret-token "/proc/$(pid)/environ" "/proc/$(pid)/cmdline" || false
	[ "$RUNTIME" = oci ] || ! docker inspect "$N" | grep secret-token || false
	[ "$RUNTIME" = docker ] || ! grep secret-token "$DIR/state/$N/config.json" || false
}

@test "the control plane's directory is there, read-only" {
	create
	[[ $(awk '$5 == "/run/sandbox/control" { print $6 }' "/proc/$(pid)/mountinfo") =~ ^ro ]]
}

@test "nothing of /proc is covered, so that executions get their own" {
	create
	[ -z "$(awk '$5 ~ "^/proc/" { print $5 }' "/proc/$(pid)/mountinfo")" ]
}

# ---- reading ----

@test "each lists this deployment only, with sessions and states" {
	create
	export SANDBOX_RUNTIME_DEPLOYMENT=${D}x
	other=${D}x-o
	(N=$other && create)
	[ "$(rt each)" = "$other o running -1" ]
	export SANDBOX_RUNTIME_DEPLOYMENT=$D
	[ "$(rt each)" = "$N ${N#*-} running -1" ]
	run ! rt destroy "$other" 0
	export SANDBOX_RUNTIME_DEPLOYMENT=${D}x
	[ "$(rt inspect "$other" | field state)" = running ]
	rt destroy "$other" 0
}

@test "logs are the executor's last lines" {
	create
	until_true 20 eval '[ "$(rt logs "$N" 100 | wc -l)" -ge 2 ]'
	[ "$(rt logs "$N" 1 | wc -l)" = 1 ]
	rt logs "$N" 100 | head -n 1 | jq -e '.component == "sandbox-executor"'
	run -1 rt logs "$D-neverthere" 10
}

@test "stats tell processor time and memory" {
	create
	until_true 20 executor /health
	rt stats "$N"
	[ "$(rt stats "$N" | field cpu_ms)" -gt 0 ]
	[ "$(rt stats "$N" | field memory_bytes)" -gt 100000 ]
}

@test "probe tells what the node has" {
	out=$(rt probe)
	[ "$(field cpu_millis <<<"$out")" = $(($(nproc) * 1000)) ]
	[ "$(field memory <<<"$out")" -gt 100000000 ]
	[[ $(field version <<<"$out") =~ ^(docker|runc|crun|runsc)" " ]]
	field images <<<"$out" | jq -e --arg i "$IMAGE" 'index($i) != null'
}

# ---- failing ----

@test "a missing image is told apart, and leaves nothing" {
	export SANDBOX_RUNTIME_IMAGE_PULL=never
	run -2 create image=sandbox/not-there:1
	[ "$(field why <<<"$output")" = image_missing ]
	[ "$(state)" = absent ]
	nothing_left "$N"
}

@test "no call outlives its deadline when the runtime hangs" {
	create
	until_true 20 executor /health
	if [ $RUNTIME = docker ]; then
		kill -STOP "$(cat "$DIR/d/docker.pid")"
	else
		printf '#!/bin/sh\n[ "$1" = --version ] && exec runc --version\nsleep 60\n' >"$DIR/hanging"
		chmod +x "$DIR/hanging"
		export SANDBOX_RUNTIME_OCI_BINARY=$DIR/hanging
	fi
	old=$N N=$D-late
	within 3500 create deadline=2000
	late=$output late_status=$status
	within 3500 rt destroy "$old" 0 2000
	destroyed=$status
	within 3500 rt inspect "$old" 2000
	seen=$output
	[ $RUNTIME = oci ] || kill -CONT "$(cat "$DIR/d/docker.pid")"
	unset SANDBOX_RUNTIME_OCI_BINARY
	echo "$late"
	[ "$late_status" = 2 ]
	[ "$(field why <<<"$late")" = unreachable ]
	[ $RUNTIME = oci ] || [ "$(field state <<<"$seen")" = unknown ]
	[ $destroyed = 2 ]
	N=$old
	until_true 10 rt destroy "$D-late" 0
	until_true 10 nothing_left "$D-late"
	rt destroy "$N" 0
	nothing_left "$N"
}

@test "an unreachable runtime is told, and unknown is no absence" {
	if [ $RUNTIME = docker ]; then
		export SANDBOX_RUNTIME_ENDPOINT=unix://$DIR/nothing.sock
	else
		export SANDBOX_RUNTIME_OCI_BINARY=/nonexistent/runc
	fi
	run -2 create
	[ "$(field why <<<"$output")" = unreachable ]
	[ $RUNTIME = oci ] || [ "$(state)" = unknown ]
	run -2 rt probe
}

# ---- egress ----

# A network "out there", in a namespace: 198.51.100.2 is public (RFC 5737), the others are not. This host has .1.
outside_up() {
	O=$D
	ip netns add "$O"
	ip link add "v$(tail -c 9 <<<"$D")" type veth peer name eth0 netns "$O"
	ip addr add 198.51.100.1/24 dev "v$(tail -c 9 <<<"$D")"
	ip link set "v$(tail -c 9 <<<"$D")" up
	ip -n "$O" link set lo up
	ip -n "$O" link set eth0 up
	for a in 198.51.100.2/24 10.254.254.2/32 169.254.254.2/32 203.0.113.2/32; do ip -n "$O" addr add "$a" dev eth0; done
	for a in 10.254.254.2 169.254.254.2 203.0.113.2; do ip route add "$a" via 198.51.100.2; done
	ip -n "$O" route add default via 198.51.100.1
	mkdir -p "$DIR/www" && echo hello >"$DIR/www/index.html"
	(cd "$DIR/www" && exec ip netns exec "$O" python3 -m http.server 8099 >/dev/null 2>&1 3>&-) & echo $! >"$DIR/www.pid"
	(cd "$DIR/www" && exec python3 -m http.server 8098 --bind 198.51.100.1 >/dev/null 2>&1 3>&-) & echo $! >"$DIR/own.pid"
	until_true 10 curl -sf -m 2 http://198.51.100.2:8099/ && until_true 10 curl -sf -m 2 http://198.51.100.1:8098/
}

outside_down() {
	kill "$(cat "$DIR/www.pid")" "$(cat "$DIR/own.pid")"
	ip netns del "$D"
	until_true 5 eval '! ip addr | grep -q 198.51.100.1/'
}

# From the container's network, on its own terms.
fetch() { nsenter -t "$(pid)" -n curl -sS -m 4 --connect-timeout 3 "http://$1/"; }

@test "egress reaches the world, and nothing that is private or of this host" {
	[ $RUNTIME = oci ] || { run -2 create egress=1; [[ $output == *"network up"* ]]; }
	export SANDBOX_NETWORK_EGRESS_DENY=203.0.113.0/24 SANDBOX_NETWORK_EGRESS_NETWORK=$D
	outside_up
	[ $RUNTIME = oci ] || { rt network-up; rt network-up; }
	create egress=1
	run -0 fetch 198.51.100.2:8099
	[ "$output" = hello ]
	for address in 10.254.254.2:8099 169.254.254.2:8099 203.0.113.2:8099 198.51.100.1:8098; do
		curl -sf -m 2 "http://$address/"	# it is there
		run ! fetch "$address"
	done
	[ $RUNTIME = docker ] || [ "$(cat "/proc/$(pid)/root/etc/resolv.conf")" = "nameserver 10.0.2.3" ]
	rt destroy "$N" 5000
	[ $RUNTIME = oci ] || { rt network-down; rt network-down; run -2 create egress=1; }
	outside_down
	nothing_left "$N"
	! iptables-save | grep -i sandbox- || false
	! pgrep -f "slirp4netns.*$N" || false
}
