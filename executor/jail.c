#include "jail.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "init.h"

#define ARGS_MAX 65536 /* bytes besides the environment, which CONTRACT 3.3 bounds */

/* Of the root: what executions get their own of, or must not see at all. */
static bool hidden(const char *name)
{
	static const char *const names[] = { ".",    "..",         "proc",      "sys", "dev",
					     "tmp",  "run",        "workspace", "opt", "lost+found",
					     "boot", ".dockerenv", "root" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* /srv, /media and the like of an image. One that cannot be read is not known to be empty. */
static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	bool found = !d;
	struct dirent *e;

	while (d && !found && (e = readdir(d)))
		found = strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	if (d)
		closedir(d);
	return !found;
}

static void add_root(struct jail_view *v, const char *dir, const char *name)
{
	struct jail_root *r = &v->roots[v->n];
	struct stat st;
	ssize_t n;

	if (v->n == JAIL_ROOTS_MAX ||
	    snprintf(r->path, sizeof(r->path), "%s/%s", dir, name) >= (int)sizeof(r->path) ||
	    lstat(r->path, &st) < 0)
		return;
	r->link[0] = '\0';
	r->empty = S_ISDIR(st.st_mode) && is_empty(r->path);
	if (S_ISLNK(st.st_mode)) {
		if ((n = readlink(r->path, r->link, sizeof(r->link) - 1)) < 0)
			return;
		r->link[n] = '\0';
	} else if (!S_ISDIR(st.st_mode)) {
		return;
	}
	v->n++;
}

int jail_scan(struct jail_view *v)
{
	static const char *const dirs[] = { "", "/opt" };
	struct stat st;

	memset(v, 0, sizeof(*v));
	v->has_deps = stat("/opt/sandbox-deps", &st) == 0;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		DIR *d = opendir(i ? dirs[i] : "/");
		struct dirent *e;

		if (!d && !i)
			return -1;
		while (d && (e = readdir(d)))
			if (i ? e->d_name[0] != '.' && !str_starts(e->d_name, "sandbox")
			      : !hidden(e->d_name))
				add_root(v, dirs[i], e->d_name);
		if (d)
			closedir(d);
	}
	return 0;
}

struct args {
	char *b;
	size_t n, cap;
	bool full;
};

static void put(struct args *a, const char *s)
{
	size_t k = strlen(s) + 1;

	if (a->full || a->n + k > a->cap) {
		a->full = true;
		return;
	}
	memcpy(a->b + a->n, s, k);
	a->n += k;
}

#define PUT(a, ...) put_all(a, (const char *const[]){ __VA_ARGS__, NULL })
static void put_all(struct args *a, const char *const *s)
{
	for (; *s; s++)
		put(a, *s);
}

static void put_proc(struct args *a, const struct jail_spec *s)
{
	/* Host facts and switches that an unmasked /proc shows; CONTRACT 10.4. */
	static const char *const masked[] = { "kcore",         "keys",          "key-users",
					      "timer_list",    "sysrq-trigger", "kmsg",
					      "latency_stats", "sched_debug" };
	char path[64];

	if (s->private_proc)
		PUT(a, "--proc", "/proc");
	else
		PUT(a, "--ro-bind", "/proc", "/proc");
	for (size_t i = 0; s->private_proc && i < ARRAY_LEN(masked); i++) {
		snprintf(path, sizeof(path), "/proc/%s", masked[i]);
		if (access(path, R_OK) ==
		    0) /* what our uid cannot read, code with the same uid cannot either */
			PUT(a, "--ro-bind", "/dev/null", path);
	}
}

static void put_files(struct args *a, const struct jail_spec *s)
{
	char size[32];

	for (size_t i = 0; i < s->view->n; i++) {
		const struct jail_root *r = &s->view->roots[i];

		if (r->link[0])
			PUT(a, "--symlink", r->link, r->path);
		else if (r->empty)
			PUT(a, "--dir", r->path);
		else
			PUT(a, "--ro-bind", r->path, r->path);
	}
	if (access(s->state_dir, F_OK) == 0)
		PUT(a, "--tmpfs", s->state_dir, "--remount-ro", s->state_dir);
	snprintf(size, sizeof(size), "%lld", (long long)s->tmp_bytes);
	PUT(a, "--dev", "/dev", "--perms", "1777", "--size", size, "--tmpfs", "/tmp", "--dir",
	    "/run");
	put_proc(a, s);
	PUT(a, "--bind", s->workspace, "/workspace");
	if (s->view->has_deps)
		PUT(a, "--ro-bind", "/opt/sandbox-deps", "/opt/sandbox-deps");
}

char *jail_args(const struct jail_spec *s, struct arena *arena, size_t *len)
{
	struct args a = { .cap = ARGS_MAX };

	for (size_t i = 0; s->env[i]; i++)
		a.cap += strlen(s->env[i]) + 16;
	if (!(a.b = arena_alloc(arena, a.cap)))
		return NULL;
	PUT(&a, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
	    "--unshare-cgroup-try");
	if (!s->egress)
		PUT(&a, "--unshare-net");
	PUT(&a, "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
	    "--hostname", s->hostname);
	put_files(&a, s);
	PUT(&a, "--remount-ro", "/", "--chdir", "/workspace", "--clearenv");
	for (size_t i = 0; s->env[i] && s->env[i + 1]; i += 2)
		PUT(&a, "--setenv", s->env[i], s->env[i + 1]);
	*len = a.n;
	return a.full ? NULL : a.b;
}

const char *const *jail_command(const struct lang *l, int64_t file_bytes, struct arena *a)
{
	const char **v = arena_alloc(a, (5 + LANG_ARGS_MAX) * sizeof(*v));
	size_t n = 0;

	if (!v)
		return NULL;
	v[n++] = "/proc/self/fd/9"; /* INIT_FD_SELF: the program itself is not in sight */
	v[n++] = "--init";
	if (!(v[n++] = arena_printf(a, "%lld", (long long)file_bytes)))
		return NULL;
	v[n++] = l->program;
	for (size_t i = 0; i < LANG_ARGS_MAX && l->args[i]; i++)
		v[n++] = l->args[i];
	return v;
}

_Static_assert(INIT_FD_SELF == 9, "jail_command() names it");
