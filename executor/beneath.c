#include "beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../lib/base/clock.h"
#include "../lib/base/tree.h"
#include "../lib/base/wspath.h"

#define RACES      8    /* times that a rename meanwhile makes openat2 ask for another try */
#define DIR_MODE   0755 /* as a umask of 022 would make them */
#define FILE_MODE  0644
#define CLEAR_MS   10000 /* for a directory that stands where a file must be */
#define TEMP_TRIES 8

int beneath_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK)),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = -1;

	for (int i = 0; i < RACES; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd;
}

/* One step down; `seg` has no slash, so that O_NOFOLLOW says all. */
static int step(int dir, const char *seg)
{
	for (int i = 0; i < RACES; i++) {
		int fd = openat(dir, seg, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno == ENOTDIR || errno == ELOOP) {
			if (unlinkat(dir, seg, 0) < 0 && errno != ENOENT)
				return -1;
		} else if (errno != ENOENT) {
			return -1;
		}
		if (mkdirat(dir, seg, DIR_MODE) < 0 && errno != EEXIST)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

int beneath_parent(int root, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[WSPATH_MAX + 1], *save = NULL;
	int fd, next;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return fcntl(root, F_DUPFD_CLOEXEC, 3);
	if ((size_t)(slash - path) >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	if ((fd = beneath_open(root, dir, O_PATH | O_DIRECTORY)) >= 0)
		return fd;
	if ((fd = fcntl(root, F_DUPFD_CLOEXEC, 3)) < 0)
		return -1;
	for (char *seg = strtok_r(dir, "/", &save); seg; seg = strtok_r(NULL, "/", &save)) {
		next = step(fd, seg);
		close(fd);
		if ((fd = next) < 0)
			return -1;
	}
	return fd;
}

static void random_name(char *out, size_t size)
{
	unsigned long long r = (unsigned long long)clock_us();

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r ^= (unsigned long long)getpid() << 40;
	snprintf(out, size, ".sandbox-%016llx", r);
}

int beneath_create(struct beneath_new *t, int dir)
{
	*t = (struct beneath_new){ .dir = dir, .fd = -1 };
	t->fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	for (int i = 0; t->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EEXIST) &&
			i < TEMP_TRIES;
	     i++) {
		random_name(t->temp, sizeof(t->temp));
		t->fd = openat(dir, t->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
			       FILE_MODE);
	}
	if (t->fd >= 0 && fchmod(t->fd, FILE_MODE) == 0) /* whatever the umask */
		return 0;
	beneath_done(t);
	return -1;
}

/* A link cannot replace, a rename can: so the file gets a name first. */
static int give_name(struct beneath_new *t)
{
	char self[40], temp[sizeof(t->temp)];

	if (*t->temp)
		return 0;
	random_name(temp, sizeof(temp));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", t->fd);
	if (linkat(AT_FDCWD, self, t->dir, temp, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	memcpy(t->temp, temp, sizeof(temp));
	return 0;
}

int beneath_place(struct beneath_new *t, const char *name)
{
	bool cleared = false;

	if (give_name(t) < 0)
		return -1;
	while (renameat(t->dir, t->temp, t->dir, name) < 0) {
		if (cleared || (errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST) ||
		    tree_remove(t->dir, name, clock_ms() + CLEAR_MS) < 0)
			return -1;
		cleared = true;
	}
	*t->temp = '\0';
	return 0;
}

void beneath_done(struct beneath_new *t)
{
	int saved = errno;

	if (*t->temp)
		unlinkat(t->dir, t->temp, 0);
	if (t->fd >= 0)
		close(t->fd);
	if (t->dir >= 0)
		close(t->dir);
	t->fd = t->dir = -1;
	*t->temp = '\0';
	errno = saved;
}

int beneath_remove(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[WSPATH_MAX + 1];
	AUTO_CLOSE int fd = -1;
	int rc;

	if (!slash) {
		fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
	} else if ((size_t)(slash - path) < sizeof(dir)) {
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		fd = beneath_open(root, dir, O_PATH | O_DIRECTORY);
	}
	if (fd < 0) /* its directory is gone, or is none: so is the file */
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	rc = unlinkat(fd, slash ? slash + 1 : path, 0);
	return rc == 0 || errno == ENOENT || errno == EISDIR ? 0 : -1;
}
