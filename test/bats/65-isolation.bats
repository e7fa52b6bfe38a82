#!/usr/bin/env bats
# What code can see and do inside (CONTRACT 10.4, 3.3).
load runtime

setup_file() { SESSION='{"env_vars": {"OF_SESSION": "session", "BOTH": "session"}}' start_runtime && start_javascript; }
teardown_file() { stop_stack; }

@test "the session reports a proven isolation" {
	api GET "/sessions/$S"
	expect '.isolation.level | IN("strict", "reduced")' true
	expect '.isolation.checks | [.user_ns, .pid_ns, .mount_ns, .ipc_ns, .net_ns, .seccomp, .no_new_privs, .caps_dropped] | all' true
	expect '.isolation.checks | length' 12
}

@test "no rights: an ordinary user, no capability, no new privileges, a filter, limits" {
	run_code shell "$(cat <<-'S'
		[ "$(id -u)" != 0 ] && echo user
		grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'
		ulimit -n
		ulimit -c
		cat /proc/self/oom_score_adj
		hostname
	S
	)"
	expect .stdout "$(cat <<-'S'
		user
		CapInh:0000000000000000
		CapPrm:0000000000000000
		CapEff:0000000000000000
		CapBnd:0000000000000000
		CapAmb:0000000000000000
		NoNewPrivs:1
		Seccomp:2
		1024
		0
		1000
		sandbox
	S
	)"$'\n'
}

@test "no network but its own loopback" {
	run_code python "$(cat <<-'P'
		import socket
		def handler(event):
		    names = sorted(name for _, name in socket.if_nameindex())
		    try:
		        socket.create_connection(("192.0.2.1", 80), 2)
		        out = "connected"
		    except OSError as e:
		        out = e.errno
		    own = socket.create_server(("127.0.0.1", 0))
		    socket.create_connection(own.getsockname(), 2)
		    families = []
		    for family in (socket.AF_PACKET, 38, 40):
		        try:
		            socket.socket(family, socket.SOCK_RAW if family == socket.AF_PACKET else socket.SOCK_SEQPACKET)
		            families.append(family)
		        except OSError:
		            pass
		    return [names, out, families]
	P
	)"
	expect '.return_value | tojson' '[["lo"],101,[]]'
	# The one that listens inside is not seen outside, nor by the next execution.
	submit python $'import socket\ns = socket.create_server(("127.0.0.1", 38123))\nprint("up", flush=True)\ns.accept()'
	poll 10 running "$id"
	poll 10 said_up "$id"
	run ! bash -c 'exec 3<>/dev/tcp/127.0.0.1/38123'
	run_code shell '(exec 3<>/dev/tcp/127.0.0.1/38123) 2>/dev/null || echo none'
	expect .stdout $'none\n'
	api POST "/executions/$id/cancel"
}

said_up() { api GET "/executions/$1/output"; [ "$body" = up ]; }

@test "the executor is out of sight: environment, token, sockets, spool, program" {
	local token

	run_code shell "$(cat <<-'S'
		ls -d /run/* /var/lib/sandbox-executor/* /opt/sandbox /.dockerenv 2>/dev/null
		cat /proc/1/environ /proc/1/maps /proc/1/mem 2>/dev/null
		ls /proc/1/fd /proc/1/root /proc/1/cwd 2>/dev/null
		env | grep -E '^(SANDBOX|EXECUTOR)|TOKEN|CONTROL|CONTAINER'
		cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 10
		for p in /proc/[0-9]*; do tr '\0' ' ' <"$p/cmdline"; echo; done | grep -c 'sandbox-executor$'
		find / -xdev -name '*.sock' 2>/dev/null | head
		echo end
	S
	)"
	expect .stdout $'0\nend\n'
	run_code python "$(cat <<-'P'
		import os, re
		found = []
		for top, dirs, files in os.walk("/"):
		    if top == "/":
		        dirs[:] = [d for d in dirs if d not in ("sys", "usr", "lib", "lib64")]
		    dirs[:] = [d for d in dirs if not re.fullmatch(r"/proc/\d+/task", os.path.join(top, d))]
		    for name in files:
		        if name in ("token", "executor.sock", "control.sock") or "sandbox-executor" in name:
		            found.append(os.path.join(top, name))
		print(found)
	P
	)"
	expect .stdout $'[]\n'
	# The token is nowhere in what code can read of its own processes.
	[ "$RUNTIME" = oci ] || return 0
	token=$(cat "$STACK"/s/state/*"$S"/state/token)
	run_code shell 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" "\n" | base64 -w0'
	[[ "$(jqb .stdout | base64 -d)" != *"$token"* ]]
}

@test "descriptors: the three streams, and nothing that tells of others" {
	run_code shell 'exec ls /proc/self/fd'
	expect .stdout $'0\n1\n2\n3\n'	# the last is the directory that ls reads
	run_code python "$(cat <<-'P'
		import subprocess
		def handler(event):
		    return subprocess.run(["/bin/bash", "-c", "echo /proc/$$/fd/*"], capture_output=True, text=True, close_fds=False).stdout
	P
	)"
	[[ "$(jqb .return_value)" != *'/fd/5'* ]]
	run_code javascript 'exports.handler = () => require("child_process").execSync("echo /proc/$$/fd/*").toString()'
	[[ "$(jqb .return_value)" != *'/fd/5'* ]]
}

@test "other executions are out of sight, other sessions too" {
	local other secret=secret$RANDOM$RANDOM

	other=$(new_session '{"env_vars": {"OTHER": "'$secret'"}}')
	run_sync "$other" shell "echo $secret >/workspace/$secret; echo $secret >/tmp/$secret"
	submit shell "while [ ! -e /workspace/done ]; do read -t 0.2 <> <(: $secret); done"
	poll 10 running "$id"
	run_code shell "ls /workspace /tmp /proc | grep $secret; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c ${secret:0:7}[0-9]; ls /proc | grep -c '^[0-9]'; touch /workspace/done"
	# Its own command line does not hold the code.
	expect '.stdout | split("\n") | [.[0], (.[1] | tonumber < 8)] | tojson' '["0",true]'
	poll 10 execution_ended "$id"
	run_code shell 'rm /workspace/done'
	api DELETE "/sessions/$other"
}

@test "code, event and environment values are in no command line of the host" {
	local secret=hidden$RANDOM$RANDOM

	submit shell "while :; do read -t 1 <> <(:); done # $secret" "{\"env_vars\": {\"A\": \"$secret\"}, \"event\": {\"a\": \"$secret\"}}"
	poll 10 running "$id"
	none_alive "$secret"
	api POST "/executions/$id/cancel"
	ends user_cancelled cancelled
}

@test "nothing can be written outside /workspace, /tmp and /dev" {
	run_code python "$(cat <<-'P'
		import os
		def handler(event):
		    wrote = []
		    for top in sorted(os.listdir("/")):
		        if top in ("proc", "sys"):
		            continue
		        path = "/" + top
		        if os.path.islink(path) or not os.path.isdir(path):
		            continue
		        for place in [path] + [os.path.join(path, d) for d in os.listdir(path)][:50]:
		            try:
		                with open(place + "/.written", "w"):
		                    wrote.append(place)
		                os.unlink(place + "/.written")
		            except OSError:
		                pass
		    for name in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/etc/passwd", "/.x"):
		        try:
		            open(name, "w").close()
		            wrote.append(name)
		        except OSError:
		            pass
		    return [w for w in wrote if not w.startswith(("/workspace", "/tmp", "/dev"))]
	P
	)"
	expect '.return_value | tojson' '[]'
	run_code shell 'cd /workspace && echo a >f && echo a >/tmp/f && cat f /tmp/f && stat -fc %T /tmp && rm f && echo 2>/dev/null >/dev/null && ls /workspace /tmp'
	expect .stdout $'a\na\ntmpfs\n/tmp:\nf\n\n/workspace:\n'
}

@test "temporary files go with their execution, the workspace stays" {
	run_code shell 'echo kept >/workspace/kept; echo gone >/tmp/gone; echo gone >/dev/shm/gone'
	run_code shell 'cat /workspace/kept; ls /tmp /dev/shm; rm /workspace/kept'
	expect .stdout $'kept\n/dev/shm:\n\n/tmp:\n'
}

@test "a set-uid program gains nothing" {
	run_code shell 'cp /bin/bash /workspace/b && chmod 6755 /workspace/b && /workspace/b -pc "id -u; grep CapEff /proc/self/status | tr -d \"\\t\""; rm /workspace/b; su -c id </dev/null 2>/dev/null || echo no'
	[[ "$(jqb .stdout)" != *uid=0* ]]
	expect '.stdout | split("\n")[1:3] | tojson' '["CapEff:0000000000000000","no"]'
}

@test "namespaces, mounts and tracing are refused" {
	run_code shell "$(cat <<-'S'
		unshare -U true 2>/dev/null && echo user
		unshare -m true 2>/dev/null && echo mount
		unshare -Ur true 2>/dev/null && echo root
		mount -t tmpfs none /tmp 2>/dev/null && echo mounted
		bwrap --ro-bind / / true 2>/dev/null && echo nested
		python3 -c 'import ctypes; l = ctypes.CDLL(None); print(l.clone(0, 0, 0x10000000 | 17, 0))' 2>/dev/null | grep -v -- -1
		echo end
	S
	)"
	expect .stdout $'end\n'
}

@test "environment: execution over session over template over built-in" {
	api POST /templates '{"id": "with-env", "name": "with-env", "image_url": "sandbox/python-basic:latest", "runtime_type": "python3.11",
		"env_vars": {"OF_TEMPLATE": "template", "OF_SESSION": "template", "BOTH": "template", "USER": "template"}}'
	expect_code 201
	local mine
	mine=$(new_session '{"template_id": "with-env", "env_vars": {"OF_SESSION": "session", "BOTH": "session", "PATH": "/usr/bin:/bin:/mine"}}')
	run_sync "$mine" shell 'echo "$OF_TEMPLATE $OF_SESSION $BOTH $USER $PATH $HOME $LANG $TMPDIR $SESSION_ID $WORKSPACE_PATH"' \
		'{"env_vars": {"BOTH": "execution ü"}}'
	expect .stdout "template session execution ü template /usr/bin:/bin:/mine /workspace C.UTF-8 /tmp $mine /workspace"$'\n'
	# Interpreters start by absolute path.
	run_sync "$mine" python 'print("ok")' '{"env_vars": {"PATH": "/nowhere", "PYTHONPATH": "/workspace/lib"}}'
	expect .stdout $'ok\n'
	api DELETE "/sessions/$mine"
}

@test "refused variables reach nobody" {
	local name

	for name in SANDBOX_X EXECUTOR_LISTEN LD_PRELOAD SESSION_ID INTERNAL_API_TOKEN INTERNAL_API_TOKEN_FILE CONTROL_PLANE_URL EVENT_JSON; do
		run_sync "$S" shell 'echo no' "{\"env_vars\": {\"$name\": \"x\"}}"
		expect_code 422
	done
	run_code python $'import os\ndef handler(e):\n    return sorted(os.environ)'
	expect '.return_value - ["BOTH", "HOME", "LANG", "OF_SESSION", "PATH", "PYTHONPATH", "SESSION_ID", "TMPDIR", "USER", "WORKSPACE_PATH", "PWD", "LC_CTYPE"] | tojson' '[]'
}
