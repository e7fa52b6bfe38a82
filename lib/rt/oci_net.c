#include "oci_net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/tree.h"
#include "egress.h"

#define RULES_MAX ((size_t)32 << 10)
#define OWN_MAX   64 /* addresses of this host; one with more has a firewall of its own */
#define READY_MS  5000

static const char *const env[] = { "PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL };

char *oci_net_path(const struct conf *cf, const char *name, struct arena *a)
{
	return arena_printf(a, "%s/.net/%s", cf->runtime_state_dir, name);
}

/* ---- rules ---- */

struct text {
	char *b;
	size_t n;
};

static void add(struct text *t, const char *before, const char *value, const char *after)
{
	if (t->b && t->n < RULES_MAX)
		t->n += (size_t)snprintf(t->b + t->n, RULES_MAX - t->n, "%s%s%s", before, value,
					 after);
}

static void refuse(struct text *t, const char *const *list)
{
	for (; list && *list; list++)
		add(t, strchr(*list, ':') ? "\t\tip6 daddr " : "\t\tip daddr ", *list, " reject\n");
}

char *oci_net_rules(const char *const *deny4, const char *const *deny6, const char *const *own,
		    struct arena *a)
{
	struct text t = { .b = arena_alloc(a, RULES_MAX) };

	add(&t, "table inet sandbox {\n\tchain out {\n",
	    "\t\ttype filter hook output priority 0; policy accept;\n",
	    "\t\toifname \"lo\" accept\n");
	add(&t, "\t\tip daddr ", OCI_NET_RESOLVER, " udp dport 53 accept\n");
	add(&t, "\t\tip daddr ", OCI_NET_RESOLVER, " tcp dport 53 accept\n");
	refuse(&t, deny4);
	refuse(&t, deny6);
	refuse(&t, own);
	add(&t, "\t}\n", "", "}\n");
	return t.n < RULES_MAX ? t.b : NULL;
}

/* This host's addresses: what listens on one of them is no business of the container's. */
static const char *const *own_addresses(struct arena *a)
{
	const char **list = arena_alloc(a, (OWN_MAX + 1) * sizeof(*list));
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	if (!list || getifaddrs(&all) < 0)
		return NULL;
	for (struct ifaddrs *i = all; i && n < OWN_MAX; i = i->ifa_next) {
		int af = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;

		if (af == AF_INET) {
			memcpy(&in, i->ifa_addr, sizeof(in));
			if (inet_ntop(af, &in.sin_addr, text, sizeof(text)))
				list[n++] = arena_strdup(a, text);
		} else if (af == AF_INET6) {
			memcpy(&in6, i->ifa_addr, sizeof(in6));
			if (inet_ntop(af, &in6.sin6_addr, text, sizeof(text)))
				list[n++] = arena_strdup(a, text);
		}
	}
	freeifaddrs(all);
	return list;
}

/* ---- pieces ---- */

/* Runs to its end; -1 unless that was 0. */
static int run(const char *const *argv, const char *input, int64_t deadline)
{
	struct proc_spec sp = { .argv = argv,
				.envp = env,
				.max_output = 1024,
				.input = input,
				.input_len = input ? strlen(input) : 0 };
	int64_t left = deadline - clock_ms();
	struct proc_result r;
	int rc;

	sp.timeout_ms = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
	rc = proc_run(&sp, &r);
	if (rc == 0 && (r.exit_code || r.timed_out)) {
		log_error("oci.network", S("program", argv[0]), I("exit_code", r.exit_code),
			  S("error", r.err));
		rc = -1;
	}
	proc_result_free(&r);
	return rc;
}

static int make_namespace(const char *path, int64_t deadline, struct arena *a)
{
	const char *opt = arena_printf(a, "--net=%s", path);
	const char *const argv[] = { "/usr/bin/unshare", opt, "/bin/true", NULL };
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 || !opt ? -1 : run(argv, NULL, deadline);
}

static int set_rules(const char *path, const char *rules, int64_t deadline, struct arena *a)
{
	const char *opt = arena_printf(a, "--net=%s", path);
	const char *const argv[] = { "/usr/bin/nsenter", opt, "/usr/sbin/nft", "-f", "-", NULL };

	return opt ? run(argv, rules, deadline) : -1;
}

/* True once slirp4netns has written its byte. */
static bool ready(int fd, int64_t deadline)
{
	struct pollfd pf = { .fd = fd, .events = POLLIN };
	int64_t left = deadline - clock_ms();
	char c;

	return left > 0 && poll(&pf, 1, left < READY_MS ? (int)left : READY_MS) > 0 &&
	       read(fd, &c, 1) == 1;
}

/* It outlives us: a session of its own, and the shell between us leaves it to init, which collects it. */
static int start_slirp(const char *path, int64_t deadline)
{
	static const char script[] = "\"$@\" &";
	const char *const argv[] = {
		"/bin/sh",
		"-c",
		script,
		"sh",
		"/usr/bin/slirp4netns",
		"--configure",
		"--mtu=65520",
		"--disable-host-loopback",
		"--enable-sandbox",
		"--enable-seccomp",
		"--ready-fd=3",
		"--netns-type=path",
		path,
		"tap0",
		NULL,
	};
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int out = -1;
	AUTO_CLOSE int in = -1;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int p[2], e, st;
	sigset_t none;
	pid_t pid;

	if (null < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -1;
	in = p[0];
	out = p[1];
	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&fa, null, i);
	posix_spawn_file_actions_adddup2(&fa, out, 3);
	posix_spawn_file_actions_addclosefrom_np(&fa, 4);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	e = posix_spawn(&pid, argv[0], &fa, &at, (char *const *)argv, (char *const *)env);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	if (e)
		return errno = e, -1;
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	close(TAKE_FD(out));
	return ready(in, deadline) ? 0 : -1;
}

/* ---- up and down ---- */

int oci_net_up(const struct conf *cf, const char *name, int64_t deadline, struct arena *a,
	       struct fault *f)
{
	const char *const *deny4 = egress_ranges(cf, false, a, f),
			  *const *deny6 = deny4 ? egress_ranges(cf, true, a, f) : NULL;
	const char *path = oci_net_path(cf, name, a),
		   *dir = arena_printf(a, "%s/.net", cf->runtime_state_dir), *rules;

	if (!deny4 || !deny6)
		return -1;
	rules = oci_net_rules(deny4, deny6, own_addresses(a), a);
	if (!path || !dir || !rules)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (oci_net_down(cf, name, a) == 0 && tree_make(dir, 0700) == 0 &&
	    make_namespace(path, deadline, a) == 0 && set_rules(path, rules, deadline, a) == 0 &&
	    start_slirp(path, deadline) == 0)
		return 0;
	log_error("oci.network", S("container_id", name), S("error", strerror(errno)));
	if (oci_net_down(cf, name, a) < 0)
		log_warn("oci.network", S("container_id", name), S("left", path));
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			 "this node could not make a network: slirp4netns and nft are needed");
}

/* A command line has its arguments one after another, each with its NUL. */
static bool has_argument(const char *pid, const char *arg)
{
	char path[64], buf[4096];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0 || !strstr(buf, "slirp4netns"))
		return false;
	buf[n] = '\0';
	for (const char *p = buf; p < buf + n; p += strlen(p) + 1)
		if (!strcmp(p, arg))
			return true;
	return false;
}

/* Found by the path in its arguments: whoever started it may have died before writing anything down. */
static void end_slirp(const char *path)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_argument(e->d_name, path))
			kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
	if (d)
		closedir(d);
}

int oci_net_down(const struct conf *cf, const char *name, struct arena *a)
{
	const char *path = oci_net_path(cf, name, a);

	if (!path)
		return errno = ENOMEM, -1;
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : -1;
	end_slirp(path);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		return -1;
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}
