#include "oci_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../base/clock.h"

#define ROOT      "/sys/fs/cgroup"
#define MAX_DEPTH 4 /* the executor makes at most groups of executions below its own */
#define POLL_US   5000

static void auto_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

enum oci_hierarchy oci_cgroup_hierarchy(void)
{
	struct statfs st;

	if (statfs(ROOT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
		return OCI_CGROUP_V2;
	if (statfs(ROOT "/unified", &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
		return OCI_CGROUP_HYBRID;
	return OCI_CGROUP_V1;
}

char *oci_cgroup_path(const struct conf *cf, const char *name, struct arena *a)
{
	return arena_printf(a, "/sandbox-%s/%s", cf->runtime_deployment, name);
}

bool oci_cgroup_swap(void)
{
	return oci_cgroup_hierarchy() == OCI_CGROUP_V2 ||
	       access(ROOT "/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
}

/* Up to size - 1 bytes of a small kernel file; -1: not there. */
static ssize_t slurp(const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, at = 0;

	if (fd < 0)
		return -1;
	while ((size_t)at < size - 1 && (n = read(fd, buf + at, size - 1 - (size_t)at)) > 0)
		at += n;
	buf[at] = '\0';
	return at;
}

static ssize_t group_file(const char *controller, const char *path, const char *file, char *buf,
			  size_t size)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), ROOT "%s%s/%s", controller, path, file);
	return slurp(full, buf, size);
}

bool oci_cgroup_has(const char *path, long pid)
{
	char file[64], buf[16384];
	size_t n = strlen(path);

	snprintf(file, sizeof(file), "/proc/%ld/cgroup", pid);
	if (pid <= 0 || slurp(file, buf, sizeof(buf)) < 0)
		return false;
	for (const char *p = buf; (p = strstr(p, path)); p += n)
		if (p[n] == '\n' || p[n] == '/')
			return true;
	return false;
}

/* The number behind "key " at the start of a line; -1: no such line. */
static int64_t keyed(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, n) && p[n] == ' ')
			return strtoll(p + n, NULL, 10);
	return -1;
}

bool oci_cgroup_oom(const char *path)
{
	bool v2 = oci_cgroup_hierarchy() == OCI_CGROUP_V2;
	char buf[4096];

	if (group_file(v2 ? "" : "/memory", path, v2 ? "memory.events" : "memory.oom_control", buf,
		       sizeof(buf)) < 0)
		return false;
	return keyed(buf, "oom_kill") > 0;
}

void oci_cgroup_usage(const char *path, struct rt_usage *out)
{
	bool v2 = oci_cgroup_hierarchy() == OCI_CGROUP_V2;
	char buf[4096];
	int64_t us;

	*out = (struct rt_usage){ .cpu_ms = -1, .memory_bytes = -1 };
	if (v2) {
		if (group_file("", path, "cpu.stat", buf, sizeof(buf)) > 0 &&
		    (us = keyed(buf, "usage_usec")) >= 0)
			out->cpu_ms = us / 1000;
		if (group_file("", path, "memory.current", buf, sizeof(buf)) > 0)
			out->memory_bytes = strtoll(buf, NULL, 10);
		return;
	}
	if (group_file("/cpuacct", path, "cpuacct.usage", buf, sizeof(buf)) > 0)
		out->cpu_ms = strtoll(buf, NULL, 10) / 1000000; /* nanoseconds */
	if (group_file("/memory", path, "memory.usage_in_bytes", buf, sizeof(buf)) > 0)
		out->memory_bytes = strtoll(buf, NULL, 10);
}

static void kill_members(int dir)
{
	AUTO_CLOSE int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[8192], *at = buf, *end;
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	long pid;

	if (n <= 0)
		return;
	buf[n] = '\0';
	while ((pid = strtol(at, &end, 10)) > 0 && end != at) {
		kill((pid_t)pid, SIGKILL);
		at = end;
	}
}

/* Depth first: a group can only go after those below it. 0: gone, 1: something still dies, -1: errno. */
static int remove_group(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	__attribute__((cleanup(auto_dir))) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -1;
	kill_members(dirfd(d));
	while (depth < MAX_DEPTH && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    remove_group(dirfd(d), e->d_name, depth + 1) < 0)
			return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == EBUSY || errno == ENOTEMPTY ? 1 : -1;
}

static int remove_from(const char *controller, const char *path, int64_t deadline)
{
	char full[PATH_MAX];
	int rc;

	snprintf(full, sizeof(full), ROOT "%s%s", controller, path);
	while ((rc = remove_group(AT_FDCWD, full, 0)) > 0) {
		if (clock_ms() > deadline)
			return errno = ETIME, -1;
		usleep(POLL_US);
	}
	return rc;
}

int oci_cgroup_remove(const char *path, int64_t deadline)
{
	__attribute__((cleanup(auto_dir))) DIR *d = NULL;
	struct dirent *e;
	int rc = 0;

	if (oci_cgroup_hierarchy() == OCI_CGROUP_V2)
		return remove_from("", path, deadline);
	if (!(d = opendir(ROOT)))
		return errno == ENOENT ? 0 : -1;
	while ((e = readdir(d))) {
		char controller[NAME_MAX + 2];

		snprintf(controller, sizeof(controller), "/%s", e->d_name);
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    remove_from(controller, path, deadline) < 0)
			rc = -1;
	}
	return rc;
}
