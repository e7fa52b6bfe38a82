/* The calls of the OCI backend that only look. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../base/clock.h"
#include "oci.h"

#define MAX_LOG  (1 << 20)  /* CONTRACT 8.1: logs <= 1 MiB */
#define MAX_FILE (10 << 20) /* CONTRACT 10.4: a log's size */

bool oci_ours(const struct conf *cf, const char *name, const char **session)
{
	const char *d = cf->runtime_deployment, *p = name + strlen(d);

	if (!str_starts(name, d))
		return false;
	while (isdigit((unsigned char)*p))
		p++;
	if (*p != '-' || !p[1] || strchr(p, '/') || strlen(name) > NAME_MAX)
		return false;
	if (session)
		*session = p + 1;
	return true;
}

/* False for one that only waits to be reaped: init does that when it pleases. */
static bool alive(long pid)
{
	char path[64], buf[512], *state;
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	state = strrchr(buf, ')'); /* the program's name may hold anything */
	return state && state[1] && !strchr("ZX", state[2]);
}

int oci_inspect(struct rt *rt, const char *name, int64_t deadline, struct rt_status *out,
		struct arena *a, struct fault *f)
{
	const char *group = oci_cgroup_path(rt->cf, name, a);
	long pid = oci_ours(rt->cf, name, NULL) ? bundle_pid(rt->cf, name) : 0;
	struct bundle b;
	int rc;

	*out = (struct rt_status){ .state = RT_ABSENT, .exit_code = -1 };
	if (!oci_ours(rt->cf, name, NULL))
		return 0;
	if (!group)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	if (pid > 0) {
		out->runtime_id = arena_printf(a, "%ld", pid);
		out->oom_killed = oci_cgroup_oom(group);
		out->state = alive(pid) && oci_cgroup_has(group, pid) ? RT_RUNNING : RT_EXITED;
		return out->runtime_id ? 0 : fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	}
	/* No pid yet: somebody is at it, or was killed while at it. */
	rc = bundle_open(rt->cf, name, BUNDLE_TRY, deadline, &b, a);
	if (rc < 0)
		out->state = RT_UNKNOWN;
	else if (rc == 0)
		out->state = errno == EAGAIN ? RT_STARTING : RT_ABSENT;
	else
		out->state = RT_EXITED;
	bundle_close(&b);
	return 0;
}

int oci_each(struct rt *rt, int64_t deadline,
	     int (*fn)(const char *, const char *, const struct rt_status *, void *), void *arg,
	     struct fault *f)
{
	DIR *d = opendir(rt->cf->runtime_state_dir);
	struct arena *a = arena_new(1 << 18);
	const char *session;
	struct dirent *e;
	int rc = 0;

	if (!d && errno != ENOENT)
		rc = fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			       "the sessions' directory cannot be read");
	else if (!a)
		rc = fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	while (d && rc == 0 && (e = readdir(d))) {
		struct rt_status st;

		if (!oci_ours(rt->cf, e->d_name, &session))
			continue;
		arena_reset(a);
		if (clock_ms() > deadline)
			rc = fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				       "not all containers could be listed in time");
		else if ((rc = oci_inspect(rt, e->d_name, deadline, &st, a, f)) == 0 &&
			 st.state != RT_ABSENT && fn(e->d_name, session, &st, arg))
			break;
	}
	if (d)
		closedir(d);
	arena_free(a);
	return rc;
}

/* The executor writes with O_APPEND, so cutting the file from the front end is safe: its end stays. */
static void trim(int fd, off_t size)
{
	if (size > MAX_FILE)
		(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size - MAX_FILE);
}

/* Start of the last `lines` lines. */
static const char *last_lines(const char *text, size_t len, int lines)
{
	const char *p = text + len;

	if (p > text && p[-1] == '\n')
		p--;
	while (p > text && lines > 0)
		if (*--p == '\n' && --lines == 0)
			return p + 1;
	return lines > 0 ? text : text + len;
}

int oci_logs(struct rt *rt, const char *name, int tail, int64_t deadline, const char **text,
	     struct arena *a, struct fault *f)
{
	char path[PATH_MAX], *buf;
	AUTO_CLOSE int fd = -1;
	struct stat st;
	ssize_t n;
	size_t want;

	(void)deadline;
	snprintf(path, sizeof(path), "%s/%s/log", rt->cf->runtime_state_dir, name);
	fd = oci_ours(rt->cf, name, NULL) ? open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	want = st.st_size < MAX_LOG ? (size_t)st.st_size : MAX_LOG;
	if (!(buf = arena_alloc(a, want + 1)) ||
	    (n = pread(fd, buf, want, st.st_size - (off_t)want)) < 0)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "the log cannot be read");
	buf[n] = '\0';
	*text = last_lines(buf, (size_t)n, tail);
	trim(fd, st.st_size);
	return 1;
}

int oci_stats(struct rt *rt, const char *name, int64_t deadline, struct rt_usage *out,
	      struct fault *f)
{
	struct arena *a = arena_new(1 << 14);
	const char *group = a ? oci_cgroup_path(rt->cf, name, a) : NULL;

	(void)deadline;
	if (group)
		oci_cgroup_usage(group, out);
	arena_free(a);
	return group ? 0 : fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
}

/* kB behind "Name:" in /proc/meminfo. */
static int64_t meminfo(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoll(p + strlen(name), NULL, 10) * 1024 : 0;
}

int oci_probe(struct rt *rt, int64_t deadline, struct rt_probe *out, struct arena *a,
	      struct fault *f)
{
	AUTO_CLOSE int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char text[4096] = "";
	double load;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	*out = (struct rt_probe){ .cpu_usage = NAN, .mem_usage = NAN };
	if (oci_tool(rt, deadline, f) < 0)
		return -1;
	text[n > 0 ? n : 0] = '\0';
	out->total_cpu_millis = cpus > 0 ? cpus * 1000 : 0;
	out->total_memory_bytes = meminfo(text, "MemTotal:");
	if (cpus > 0 && getloadavg(&load, 1) == 1)
		out->cpu_usage = fmin(load / (double)cpus, 1.0);
	if (out->total_memory_bytes > 0)
		out->mem_usage = 1.0 - (double)meminfo(text, "MemAvailable:") /
					       (double)out->total_memory_bytes;
	out->version = arena_strdup(a, rt->version);
	out->images_json = image_names(rt->cf, a);
	return out->version && out->images_json ? 0
						: fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
}
