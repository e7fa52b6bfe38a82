#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../base/clock.h"
#include "../base/ident.h"
#include "../base/log.h"
#include "../base/proc.h"
#include "../base/tree.h"
#include "image.h"

#define IMPORT_MS (30 * 60 * 1000) /* some 10 GiB from a slow disk */
#define REMOVE_MS (5 * 60 * 1000)
#define TMP_SZ    64

static const char *const mount_points[] = {
	"proc",
	"dev",
	"sys",
	"sys/fs",
	"sys/fs/cgroup",
	"tmp",
	"run",
	"run/sandbox",
	"var",
	"var/lib",
	"var/lib/sandbox-executor",
	"workspace",
	"opt",
	"opt/sandbox",
	"opt/sandbox/bin",
	"opt/sandbox-deps",
};

int image_mount_points(int root)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_points); i++)
		if (mkdirat(root, mount_points[i], 0755) < 0 && errno != EEXIST && errno != ENOTDIR)
			return -1;
	return 0;
}

static int failed(struct fault *f, const char *what)
{
	return fault_set(f, FAULT_INTERNAL, "%.300s: %s", what, strerror(errno));
}

static int run(const char *const *argv, struct fault *f)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
					   NULL };
	struct proc_spec sp = {
		.argv = argv, .envp = env, .max_output = 4096, .timeout_ms = IMPORT_MS
	};
	struct proc_result r;
	int rc = 0;

	if (proc_run(&sp, &r) < 0)
		rc = failed(f, argv[0]);
	else if (r.timed_out || r.exit_code)
		rc = fault_set(f, FAULT_INTERNAL, "%s: %.300s", argv[0],
			       r.timed_out ? "took too long" : r.err);
	proc_result_free(&r);
	return rc;
}

/* Device nodes are left out: the container gets its own /dev. */
static int unpack(const char *source, const char *to, struct fault *f)
{
	const char *const tar[] = { "/usr/bin/tar",
				    "-x",
				    "-p",
				    "--numeric-owner",
				    "--exclude=./dev/*",
				    "--exclude=dev/*",
				    "-C",
				    to,
				    "-f",
				    source,
				    NULL };
	const char *const cp[] = { "/usr/bin/cp", "-a", "--reflink=auto", "-T", "--", source, to,
				   NULL };
	struct stat st;

	if (stat(source, &st) < 0)
		return failed(f, source);
	return run(S_ISDIR(st.st_mode) ? cp : tar, f);
}

static int fill(const struct conf *cf, int dir, const char *tmp, const char *source,
		struct fault *f)
{
	AUTO_CLOSE int root = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cf->runtime_image_root, tmp);
	if (mkdirat(dir, tmp, 0755) < 0)
		return failed(f, path);
	if (unpack(source, path, f) < 0)
		return -1;
	if (!image_is_root(dir, tmp))
		return fault_set(f, FAULT_INVALID, "%.300s holds no root file system", source);
	root = openat(dir, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || image_mount_points(root) < 0 || fchmod(root, 0755) < 0)
		return failed(f, path);
	return 0;
}

/* A bundle's `image` link names the tree it runs from (oci_bundle.c). */
static int refuse_used(const struct conf *cf, const char *final, struct fault *f)
{
	DIR *d = opendir(cf->runtime_state_dir);
	struct dirent *e;
	int rc = 0;

	while (d && rc == 0 && (e = readdir(d))) {
		char link[NAME_MAX + 8], at[PATH_MAX];
		ssize_t n;

		snprintf(link, sizeof(link), "%s/image", e->d_name);
		n = readlinkat(dirfd(d), link, at, sizeof(at) - 1);
		if (n <= 0)
			continue;
		at[n] = '\0';
		if (!strcmp(at, final))
			rc = fault_set(
				f, FAULT_CONFLICT,
				"container %.100s runs from it; use another tag, or end its session",
				e->d_name);
	}
	if (d)
		closedir(d);
	return rc;
}

static int put_in_place(const struct conf *cf, int dir, const char *tmp, const char *name,
			struct fault *f)
{
	char final[PATH_MAX], parent[PATH_MAX];

	snprintf(final, sizeof(final), "%s/%s", cf->runtime_image_root, name);
	snprintf(parent, sizeof(parent), "%s", final);
	*strrchr(parent, '/') = '\0';
	if (refuse_used(cf, final, f) < 0)
		return -1;
	if (tree_make(parent, 0755) < 0)
		return failed(f, parent);
	if (renameat2(dir, tmp, dir, name, RENAME_EXCHANGE) == 0 ||
	    renameat(dir, tmp, dir, name) == 0)
		return 0;
	return failed(f, final);
}

/* Exactly one of source and alias. What ends up under the hidden name, the old image included, is removed. */
static int place(const struct conf *cf, const char *name, const char *source, const char *alias,
		 struct fault *f)
{
	AUTO_CLOSE int dir = -1;
	char tmp[TMP_SZ], id[37];
	int rc = 0;

	if (!image_name_ok(name))
		return fault_set(f, FAULT_INVALID, "'%.80s' cannot be the name of an image", name);
	ident_uuid(id);
	snprintf(tmp, sizeof(tmp), ".import-%s", id);
	if (tree_make(cf->runtime_image_root, 0755) < 0 ||
	    (dir = open(cf->runtime_image_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return failed(f, cf->runtime_image_root);
	if (source)
		rc = fill(cf, dir, tmp, source, f);
	else if (tree_write(dir, tmp, alias, strlen(alias), 0644) < 0)
		rc = failed(f, name);
	if (rc == 0)
		rc = put_in_place(cf, dir, tmp, name, f);
	if (tree_remove(dir, tmp, clock_ms() + REMOVE_MS) < 0)
		log_warn("image.left", S("path", tmp), S("error", strerror(errno)));
	return rc;
}

int image_import(const struct conf *cf, const char *name, const char *source, struct fault *f)
{
	return place(cf, name, source, NULL, f);
}

int image_alias(const struct conf *cf, const char *name, const char *target, struct fault *f)
{
	struct arena *a = arena_new(1 << 16);
	char line[IMAGE_NAME_MAX + 2];
	struct image img;
	int rc = a ? image_find(cf, target, &img, a, f) : fault_set(f, FAULT_INTERNAL, "memory");

	arena_free(a);
	if (rc == 0)
		return fault_set(f, FAULT_INVALID, "there is no image '%.80s'", target);
	snprintf(line, sizeof(line), "%s\n", target);
	return rc < 0 ? -1 : place(cf, name, NULL, line, f);
}
