#include "meter.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "walk.h"

#define PIDS_MAX 4096 /* processes of one container that are looked at */

/* Where a fact stands, version by version; the first that opens is used. Controller "": version 2. */
struct source {
	const char *controller, *mount, *file;
};

static const struct source oom_at[] = {
	{ "", "/sys/fs/cgroup", "memory.events" },
	{ "memory", "/sys/fs/cgroup/memory", "memory.oom_control" },
};
static const struct source pid_at[] = {
	{ "", "/sys/fs/cgroup", "pids.events" },
	{ "pids", "/sys/fs/cgroup/pids", "pids.events" },
};
static const struct source mem_at[] = {
	{ "", "/sys/fs/cgroup", "memory.current" },
	{ "memory", "/sys/fs/cgroup/memory", "memory.usage_in_bytes" },
};
static const struct source cpu_at[] = {
	{ "", "/sys/fs/cgroup", "cpu.stat" },
	{ "cpuacct", "/sys/fs/cgroup/cpuacct", "cpuacct.usage" },
	{ "cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "cpuacct.usage" },
};
static int oom_fd = -1, pid_fd = -1, mem_fd = -1, cpu_fd = -1, io_fd = -1;

/* Our cgroup in the hierarchy of a controller, "" when it is the root or not told. */
static void own_group(const char *controller, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512];

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL, *save,
		     *word;
		bool ours;

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		ours = !*controller && !list[1];
		for (word = strtok_r(list + 1, ",", &save); word && !ours;
		     word = strtok_r(NULL, ",", &save))
			ours = !strcmp(word, controller);
		if (ours && strcmp(path, "/"))
			snprintf(out, size, "%s", path);
	}
	if (f)
		fclose(f);
}

/* A container may see its own group at the mount itself, while /proc/self/cgroup tells the host's path. */
static int open_first(const struct source *at, size_t n)
{
	char group[400], path[512];
	int fd;

	for (size_t i = 0; i < 2 * n; i++) {
		const struct source *s = &at[i / 2];

		own_group(s->controller, group, sizeof(group));
		snprintf(path, sizeof(path), "%s%s/%s", s->mount, i % 2 ? "" : group, s->file);
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
			return fd;
	}
	return -1;
}

void meter_open(void)
{
	oom_fd = open_first(oom_at, ARRAY_LEN(oom_at));
	pid_fd = open_first(pid_at, ARRAY_LEN(pid_at));
	mem_fd = open_first(mem_at, ARRAY_LEN(mem_at));
	cpu_fd = open_first(cpu_at, ARRAY_LEN(cpu_at));
	io_fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
}

static bool slurp(int fd, char *buf, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size - 1, 0);

	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* The number after "key " at a line's start; -1: not there. */
static int64_t field(const char *text, const char *key)
{
	size_t k = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, k))
			return strtoll(p + k, NULL, 10);
	return -1;
}

struct meter_events meter_events(void)
{
	struct meter_events e = { -1, -1 };
	char buf[1024];

	if (slurp(oom_fd, buf, sizeof(buf)))
		e.oom_kills = field(buf, "oom_kill ");
	if (slurp(pid_fd, buf, sizeof(buf)))
		e.pids_refused = field(buf, "max ");
	return e;
}

int64_t meter_memory(void)
{
	char buf[64];

	return slurp(mem_fd, buf, sizeof(buf)) ? strtoll(buf, NULL, 10) : -1;
}

int64_t meter_cpu_ms(void)
{
	char buf[1024];

	if (!slurp(cpu_fd, buf, sizeof(buf)))
		return -1;
	return buf[0] == 'u' ? field(buf, "usage_usec ") / 1000 : strtoll(buf, NULL, 10) / 1000000;
}

bool meter_io(int64_t *rd, int64_t *wr)
{
	char buf[512];

	if (!slurp(io_fd, buf, sizeof(buf)))
		return false;
	*rd = field(buf, "rchar: ");
	*wr = field(buf, "wchar: ");
	return *rd >= 0 && *wr >= 0;
}

struct proc {
	pid_t pid, parent;
	int64_t rss, cpu_ms;
	bool known, inside;
};

static bool read_proc(const char *name, struct proc *p)
{
	unsigned long ticks[4];
	char path[64], buf[512], *end;
	long rss;
	int fd, ppid;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = slurp(fd, buf, sizeof(buf));
	if (fd >= 0)
		close(fd);
	/* The name in parentheses may hold anything: fields count from the last one. */
	if (!ok || !(end = strrchr(buf, ')')) ||
	    sscanf(end + 1,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu %*d %*d %*d %*d %*u %*u %ld",
		   &ppid, &ticks[0], &ticks[1], &ticks[2], &ticks[3], &rss) != 6)
		return false;
	*p = (struct proc){
		.pid = (pid_t)atoi(name),
		.parent = ppid,
		.rss = (int64_t)rss * sysconf(_SC_PAGESIZE),
		.cpu_ms = (int64_t)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) * 1000 /
			  sysconf(_SC_CLK_TCK),
	};
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Up from each process until one whose place is known; the whole way is then known. */
static void place(struct proc *all, size_t n, pid_t root)
{
	for (size_t i = 0; i < n; i++) {
		struct proc *top = &all[i], *next;
		bool inside;

		for (size_t up = 0; up < n && !top->known && top->pid != root; up++, top = next)
			if (!(next = bsearch(&(struct proc){ .pid = top->parent }, all, n,
					     sizeof(*all), by_pid)))
				break;
		inside = top->pid == root || top->inside;
		for (struct proc *p = &all[i]; p && !p->known;
		     p = bsearch(&(struct proc){ .pid = p->parent }, all, n, sizeof(*all),
				 by_pid)) {
			p->known = true;
			p->inside = inside;
			if (p == top)
				break;
		}
	}
}

struct meter_tree meter_tree(pid_t root)
{
	struct proc *all =
		calloc(PIDS_MAX, sizeof(*all)); /* pages that stay untouched cost nothing */
	struct meter_tree sum = { 0 };
	int64_t whole = meter_memory();
	struct dirent *e;
	DIR *d = all ? opendir("/proc") : NULL;
	size_t n = 0;

	while (d && (e = readdir(d)) && n < PIDS_MAX)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			n += read_proc(e->d_name, &all[n]);
	if (d)
		closedir(d);
	if (n)
		qsort(all, n, sizeof(*all), by_pid);
	place(all, n, root);
	for (size_t i = 0; i < n; i++)
		if (all[i].inside) {
			sum.rss += all[i].rss;
			sum.cpu_ms += all[i].cpu_ms;
		}
	free(all);
	/* Pages that several share were added once for each: the container as a whole is the limit. */
	if (whole > 0 && sum.rss > whole)
		sum.rss = whole;
	return sum;
}

/* `whole` goes when something was left out: nothing can hide where nobody looks. */
struct disk {
	int64_t sum;
	bool whole;
};

/* Holes cost nothing: what the disk holds counts, at most the size. */
static void add_file(enum walk_kind kind, const char *path, const struct stat *st, void *arg)
{
	struct disk *d = arg;
	int64_t used;

	(void)path;
	if (kind != WALK_FILE || !st) {
		d->whole = false;
		return;
	}
	used = (int64_t)st->st_blocks * 512;
	d->sum += used < st->st_size ? used : st->st_size;
}

int64_t meter_disk(const char *dir)
{
	AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct disk d = { .whole = true };
	struct walk *w = fd < 0 ? NULL : walk_new(fd, add_file, &d);

	if (!w)
		return -1;
	while (walk_step(w, WALK_ENTRIES_MAX))
		;
	walk_free(w);
	return d.whole ? d.sum : METER_DISK_ENDLESS;
}
