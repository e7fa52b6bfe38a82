#include "oci.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/tree.h"
#include "apparmor.h"
#include "oci_config.h"
#include "oci_net.h"
#include "spec.h"

#define AGAIN_MS 250   /* until SIGTERM is sent again; twice as long each time */
#define CLEAN_MS 10000 /* for undoing a start whose own time is over */

static struct rt *oci_open(const struct conf *cf, struct fault *f)
{
	struct rt *rt = calloc(1, sizeof(*rt));

	if (!rt) {
		fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
		return NULL;
	}
	rt->cf = cf;
	pthread_mutex_init(&rt->mu, NULL);
	return rt;
}

static void oci_close(struct rt *rt)
{
	if (rt)
		pthread_mutex_destroy(&rt->mu);
	free(rt);
}

/* The client reads that it failed, the log where and why: paths of this host are not for clients. */
static int failed(struct fault *f, const char *name, const char *what, const char *why)
{
	log_error("oci.failed", S("container_id", name), S("step", what), S("error", why));
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "the container could not be %s", what);
}

/* ---- pieces ---- */

/* Beside our own program, as in a build tree, else where it is installed. */
static const char *executor_path(struct arena *a)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *path;

	if (n > 0) {
		exe[n] = '\0';
		if ((slash = strrchr(exe, '/'))) {
			*slash = '\0';
			path = arena_printf(a, "%s/sandbox-executor", exe);
			if (path && access(path, X_OK) == 0)
				return path;
		}
	}
	return PREFIX "/libexec/sandbox/sandbox-executor";
}

/* Writable for the executor, which makes its socket there; control/ is the mount point inside. */
static int make_socket_dir(const char *dir, const struct conf *cf, uid_t uid, int64_t deadline)
{
	AUTO_CLOSE int fd = -1;

	if (tree_make(cf->runtime_socket_dir, 0750) < 0 ||
	    tree_remove(AT_FDCWD, dir, deadline) < 0 || mkdir(dir, 0755) < 0)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || mkdirat(fd, "control", 0755) < 0 || fchown(fd, uid, uid) < 0 ? -1 : 0;
}

static int forget(struct rt *rt, const char *name, int64_t deadline)
{
	const char *const args[] = { "delete", "-f", name, NULL };
	char path[PATH_MAX];
	struct proc_result r;
	int rc;

	snprintf(path, sizeof(path), "%s/.runc/%s", rt->cf->runtime_state_dir, name);
	if (access(path, F_OK) < 0)
		return 0;
	rc = oci_run(rt, args, 0, deadline, &r);
	if (rc == 0 && (r.timed_out || r.exit_code)) {
		log_warn("oci.delete", S("container_id", name), S("error", r.err),
			 I("exit_code", r.exit_code));
		rc = r.timed_out ? -1 : 0;
	}
	proc_result_free(&r);
	/* A killed `run` leaves a directory without the file that delete wants. */
	return rc == 0 ? tree_remove(AT_FDCWD, path, deadline) : -1;
}

/* All that is left of a container beside its bundle. */
static int clear(struct rt *rt, const char *name, int64_t deadline, struct arena *a)
{
	const char *dir = rt_socket_dir(rt->cf, name, a), *group = oci_cgroup_path(rt->cf, name, a);

	if (!dir || !group)
		return errno = ENOMEM, -1;
	if (forget(rt, name, deadline) < 0 || oci_cgroup_remove(group, deadline) < 0 ||
	    oci_net_down(rt->cf, name, a) < 0)
		return -1;
	return tree_remove(AT_FDCWD, dir, deadline);
}

/* ---- create ---- */

static const char *config_of(struct rt *rt, const struct rt_spec *sp, const struct image *img,
			     const struct bundle *b, const char *root, struct arena *a)
{
	struct oci_place p = {
		.deployment = rt->cf->runtime_deployment,
		.cgroup = oci_cgroup_path(rt->cf, sp->name, a),
		.root = root,
		.workspace = arena_printf(a, "%s/workspace", b->dir),
		.state = arena_printf(a, "%s/state", b->dir),
		.socket_dir = rt_socket_dir(rt->cf, sp->name, a),
		.executor = executor_path(a),
		.control_dir = spec_control_dir(rt->cf, a),
		.shared = img->host ? image_host_shared(a) : NULL,
		.swap_limit = oci_cgroup_swap(),
		.netns = sp->egress ? oci_net_path(rt->cf, sp->name, a) : NULL,
		.apparmor = apparmor_loaded() ? APPARMOR_PROFILE : NULL,
		.resolv_conf = sp->egress ? arena_printf(a, "%s/resolv.conf", b->dir) : NULL,
	};

	return p.cgroup && p.workspace && p.state && p.socket_dir ? oci_config(sp, &p, a) : NULL;
}

static int fill(struct rt *rt, const struct rt_spec *sp, const struct image *img, struct bundle *b,
		int64_t deadline, struct arena *a)
{
	static const char resolver[] = "nameserver " OCI_NET_RESOLVER "\n";
	const char *sock = rt_socket_dir(rt->cf, sp->name, a), *root, *config;

	if (!sock)
		return errno = ENOMEM, -1;
	if (bundle_fill(b, sp, img, &root, a) < 0 ||
	    make_socket_dir(sock, rt->cf, (uid_t)sp->run_as_user, deadline) < 0)
		return -1;
	if (!(config = config_of(rt, sp, img, b, root, a)))
		return errno = ENOMEM, -1;
	if (sp->egress && tree_write(b->fd, "resolv.conf", resolver, strlen(resolver), 0644) < 0)
		return -1;
	return tree_write(b->fd, "config.json", config, strlen(config), 0600);
}

static int start(struct rt *rt, struct bundle *b, int64_t deadline, struct rt_status *out,
		 struct arena *a, struct fault *f)
{
	const char *pid = arena_printf(a, "%s/pid", b->dir), *text = NULL;
	const char *const args[] = { "run",        "-d", "--bundle", b->dir,
				     "--pid-file", pid,  b->name,    NULL };
	AUTO_CLOSE int log = bundle_log(b);
	struct proc_result r = { 0 };
	int rc = -1;

	if (!pid || log < 0)
		return failed(f, b->name, "started", strerror(errno));
	out->why = RT_WHY_UNREACHABLE;
	if (oci_run(rt, args, log, deadline, &r) < 0) {
		failed(f, b->name, "started", strerror(errno));
	} else if (r.timed_out) {
		failed(f, b->name, "started in time", rt->tool);
	} else if (r.exit_code) {
		out->why = RT_WHY_REFUSED;
		if (oci_logs(rt, b->name, 3, deadline, &text, a, &(struct fault){ 0 }) < 0)
			text = NULL;
		failed(f, b->name, "started", text);
	} else {
		rc = 0;
	}
	proc_result_free(&r);
	return rc;
}

static int make(struct rt *rt, const struct rt_spec *sp, const struct image *img, struct bundle *b,
		int64_t deadline, struct rt_status *out, struct arena *a, struct fault *f)
{
	out->why = RT_WHY_REFUSED;
	if (!b->fresh && clear(rt, sp->name, deadline, a) < 0)
		return failed(f, sp->name, "replaced", strerror(errno));
	if (fill(rt, sp, img, b, deadline, a) < 0)
		return failed(f, sp->name, "prepared", strerror(errno));
	if (sp->egress && oci_net_up(rt->cf, sp->name, deadline, a, f) < 0)
		return -1;
	return start(rt, b, deadline, out, a, f);
}

static int oci_create(struct rt *rt, const struct rt_spec *sp, int64_t deadline,
		      struct rt_status *out, struct arena *a, struct fault *f)
{
	struct bundle b;
	struct image img;
	int rc;

	*out = (struct rt_status){ .exit_code = -1, .why = RT_WHY_REFUSED };
	if (!oci_ours(rt->cf, sp->name, NULL))
		return fault_set(f, FAULT_INTERNAL, "'%.80s' is no container of this deployment",
				 sp->name);
	if ((rc = image_find(rt->cf, sp->image, &img, a, f)) < 0)
		return -1;
	out->why = rc ? RT_WHY_UNREACHABLE : RT_WHY_IMAGE_MISSING;
	if (rc == 0)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "image '%.80s' is not on this node",
				 sp->image);
	if (oci_tool(rt, deadline, f) < 0)
		return -1;
	if (bundle_open(rt->cf, sp->name, BUNDLE_CREATE, deadline, &b, a) < 0)
		return failed(f, sp->name, "prepared", strerror(errno));
	rc = b.fresh ? 0 : oci_inspect(rt, sp->name, deadline, out, a, f);
	if (rc == 0 && out->state != RT_RUNNING)
		rc = make(rt, sp, &img, &b, deadline, out, a, f);
	if (rc == 0)
		rc = oci_inspect(rt, sp->name, deadline, out, a, f);
	if (rc < 0) {
		int64_t until = clock_ms() + CLEAN_MS;

		/* What was there before keeps its workspace and its undelivered results. */
		if (clear(rt, sp->name, until, a) < 0 || (b.fresh && bundle_remove(&b, until) < 0))
			log_warn("oci.left", S("container_id", sp->name),
				 S("error", strerror(errno)));
	}
	bundle_close(&b);
	return rc;
}

/* ---- destroy ---- */

/*
 * SIGTERM, then up to grace_ms for its end. Again while it lives: pid 1 of a container does not get a signal that it
 * has not yet asked for. A pidfd: the number may be another's by then.
 */
static void stop(struct rt *rt, const char *name, int grace_ms, int64_t deadline, struct arena *a)
{
	long pid = bundle_pid(rt->cf, name);
	const char *group = oci_cgroup_path(rt->cf, name, a);
	AUTO_CLOSE int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
	int64_t until = clock_ms() + grace_ms, left, step = AGAIN_MS;

	if (fd < 0 || !group || !oci_cgroup_has(group, pid))
		return;
	for (until = until < deadline ? until : deadline; (left = until - clock_ms()) > 0;
	     step *= 2) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };

		if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0)
			return;
		if (poll(&pf, 1, (int)(left < step ? left : step)) > 0)
			return;
	}
}

static int oci_destroy(struct rt *rt, const char *name, int grace_ms, int64_t deadline,
		       struct fault *f)
{
	struct arena *a = arena_new(1 << 18);
	struct bundle b = { .fd = -1 };
	int rc;

	if (!a)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	if (!oci_ours(rt->cf, name, NULL)) {
		rc = fault_set(f, FAULT_INTERNAL, "'%.80s' is no container of this deployment",
			       name);
	} else if ((rc = oci_tool(rt, deadline, f)) == 0) {
		rc = bundle_open(rt->cf, name, BUNDLE_WAIT, deadline, &b, a);
		if (rc > 0)
			stop(rt, name, grace_ms, deadline, a);
		if (rc >= 0 && (clear(rt, name, deadline, a) < 0 ||
				(rc > 0 && bundle_remove(&b, deadline) < 0)))
			rc = -1;
		rc = rc < 0 ? failed(f, name, "removed", strerror(errno)) : 0;
	}
	bundle_close(&b);
	arena_free(a);
	return rc;
}

const struct rt_ops rt_oci = {
	.name = "oci",
	.open = oci_open,
	.close = oci_close,
	.create = oci_create,
	.inspect = oci_inspect,
	.destroy = oci_destroy,
	.each = oci_each,
	.logs = oci_logs,
	.stats = oci_stats,
	.probe = oci_probe,
};
