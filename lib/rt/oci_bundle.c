#include "oci_bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../base/clock.h"
#include "../base/tree.h"

#define POLL_US   5000
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* 1 locked, 0 held by another, -1 errno. */
static int lock(int fd, bool wait, int64_t deadline)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (!wait)
			return 0;
		if (clock_ms() > deadline)
			return errno = ETIME, -1;
		usleep(POLL_US);
	}
	return 1;
}

/* False when the directory was removed, and perhaps made anew, while we waited for its lock. */
static bool still_there(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

int bundle_open(const struct conf *cf, const char *name, enum bundle_lock how, int64_t deadline,
		struct bundle *b, struct arena *a)
{
	*b = (struct bundle){ .name = name,
			      .fd = -1,
			      .dir = arena_printf(a, "%s/%s", cf->runtime_state_dir, name) };
	if (!b->dir)
		return errno = ENOMEM, -1;
	if (how == BUNDLE_CREATE && tree_make(cf->runtime_state_dir, 0700) < 0)
		return -1;
	for (;;) {
		AUTO_CLOSE int fd = -1;
		int rc;

		b->fresh = how == BUNDLE_CREATE && mkdir(b->dir, 0700) == 0;
		if (how == BUNDLE_CREATE && !b->fresh && errno != EEXIST)
			return -1;
		if ((fd = open(b->dir, DIR_FLAGS)) < 0) {
			if (errno == ENOENT && how == BUNDLE_CREATE)
				continue;
			return errno == ENOENT ? 0 : -1;
		}
		if ((rc = lock(fd, how != BUNDLE_TRY, deadline)) <= 0)
			return errno = rc ? errno : EAGAIN, rc;
		if (still_there(fd, b->dir)) {
			b->fd = TAKE_FD(fd);
			return 1;
		}
		if (how != BUNDLE_CREATE)
			return errno = ENOENT, 0;
	}
}

void bundle_close(struct bundle *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

/* A directory that belongs to the container's user; what is in it stays. */
static int own_dir(int at, const char *name, mode_t mode, uid_t uid)
{
	AUTO_CLOSE int fd = -1;

	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -1;
	fd = openat(at, name, DIR_FLAGS);
	return fd < 0 || fchown(fd, uid, uid) < 0 || fchmod(fd, mode) < 0 ? -1 : 0;
}

static int write_token(int bundle, const struct rt_spec *sp)
{
	AUTO_CLOSE int state = openat(bundle, "state", DIR_FLAGS);

	if (state < 0 || tree_write(state, "token", sp->token, strlen(sp->token), 0400) < 0)
		return -1;
	return fchownat(state, "token", (uid_t)sp->run_as_user, (gid_t)sp->run_as_user,
			AT_SYMLINK_NOFOLLOW);
}

static int host_root(struct bundle *b, int64_t uid)
{
	AUTO_CLOSE int root = -1;

	if (mkdirat(b->fd, "rootfs", 0755) < 0 && errno != EEXIST)
		return -1;
	root = openat(b->fd, "rootfs", DIR_FLAGS);
	return root < 0 ? -1 : image_host_make(root, uid);
}

/* overlayfs splits its options at these. */
static const char *escaped(const char *path, struct arena *a)
{
	char *out = arena_alloc(a, 2 * strlen(path) + 1), *to = out;

	for (const char *p = path; out && *p; p++) {
		if (strchr(":,\\", *p))
			*to++ = '\\';
		*to++ = *p;
	}
	return out;
}

/* Several containers share the image: what this one writes goes to its own upper layer. */
static int overlay_root(struct bundle *b, const char *lower, struct arena *a)
{
	static const char *const dirs[] = { "rootfs", "upper", "work" };
	const char *root = arena_printf(a, "%s/rootfs", b->dir);
	const char *from = escaped(lower, a), *at = escaped(b->dir, a);
	const char *opts =
		from && at ? arena_printf(a, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", from,
					  at, at)
			   : NULL;

	if (!root || !opts)
		return errno = ENOMEM, -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(b->fd, dirs[i], 0755) < 0 && errno != EEXIST)
			return -1;
	umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW); /* of an earlier start */
	return mount("overlay", root, "overlay", MS_NODEV, opts);
}

int bundle_fill(struct bundle *b, const struct rt_spec *sp, const struct image *img,
		const char **root, struct arena *a)
{
	uid_t uid = (uid_t)sp->run_as_user;
	bool shared = !img->host && sp->read_only_root;

	if (own_dir(b->fd, "workspace", 0755, uid) < 0 || own_dir(b->fd, "state", 0700, uid) < 0 ||
	    write_token(b->fd, sp) < 0)
		return -1;
	if (unlinkat(b->fd, "pid", 0) < 0 && errno != ENOENT)
		return -1;
	if (unlinkat(b->fd, "image", 0) < 0 && errno != ENOENT)
		return -1;
	if (symlinkat(img->host ? "host" : img->root, b->fd, "image") < 0)
		return -1;
	*root = shared ? img->root : arena_printf(a, "%s/rootfs", b->dir);
	if (!*root)
		return errno = ENOMEM, -1;
	if (shared)
		return 0;
	return img->host ? host_root(b, sp->run_as_user) : overlay_root(b, img->root, a);
}

long bundle_pid(const struct conf *cf, const char *name)
{
	char path[PATH_MAX], buf[32];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/pid", cf->runtime_state_dir, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	return strtol(buf, NULL, 10);
}

int bundle_log(const struct bundle *b)
{
	return openat(b->fd, "log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int bundle_remove(struct bundle *b, int64_t deadline)
{
	char root[PATH_MAX];

	snprintf(root, sizeof(root), "%s/rootfs", b->dir);
	if (umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return -1;
	return tree_remove(AT_FDCWD, b->dir, deadline);
}
