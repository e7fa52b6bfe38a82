#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clock.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/*
 * A tree may be deeper than any stack or descriptor table. So nothing
 * recurses: a directory found inside a directory is moved up to the top,
 * under a number, and emptied there in its turn.
 */
struct removal {
	int top;
	dev_t dev;
	unsigned long next; /* number for a directory that is moved up */
	int64_t deadline;
};

static void auto_dir(DIR **d)
{
	int saved = errno;

	if (*d)
		closedir(*d);
	errno = saved;
}

static DIR *open_dir(int parent, const char *name)
{
	AUTO_CLOSE int fd = openat(parent, name, DIR_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)TAKE_FD(fd);
	return d;
}

static bool dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int move_up(struct removal *r, int dir, const char *name)
{
	char to[32];

	for (int i = 0; i < 1000; i++) { /* the tree itself may hold names like ours */
		snprintf(to, sizeof(to), ".removed-%lu", r->next++);
		if (renameat2(dir, name, r->top, to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* Empties `d`: what is no directory goes, what is one goes when empty, else up to the top. */
static int empty(struct removal *r, DIR *d)
{
	struct dirent *e;
	struct stat st;

	while ((errno = 0, e = readdir(d))) {
		if (clock_ms() > r->deadline)
			return errno = ETIME, -1;
		if (dots(e->d_name) || unlinkat(dirfd(d), e->d_name, 0) == 0 ||
		    unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -1;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -1;
		if (st.st_dev != r->dev)
			return errno = EXDEV, -1;
		if (dirfd(d) != r->top && move_up(r, dirfd(d), e->d_name) < 0)
			return -1;
	}
	return errno ? -1 : 0;
}

/* One pass over the top: empties each directory in it. 1: something is left. */
static int pass(struct removal *r, DIR *top)
{
	struct dirent *e;
	int left = 0;

	rewinddir(top);
	if (empty(r, top) < 0)
		return -1;
	rewinddir(top);
	while ((errno = 0, e = readdir(top))) {
		__attribute__((cleanup(auto_dir))) DIR *d =
			dots(e->d_name) ? NULL : open_dir(r->top, e->d_name);

		if (dots(e->d_name))
			continue;
		if (!d || empty(r, d) < 0)
			return -1;
		left = 1;
	}
	return errno ? -1 : left;
}

int tree_remove(int parent, const char *name, int64_t deadline)
{
	__attribute__((cleanup(auto_dir))) DIR *top = NULL;
	struct removal r = { .deadline = deadline };
	struct stat st;
	int left = 1;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR || !(top = open_dir(parent, name)))
		return errno == ENOENT ? 0 : -1;
	r.top = dirfd(top);
	if (fstat(r.top, &st) < 0)
		return -1;
	r.dev = st.st_dev;
	while (left > 0)
		left = pass(&r, top);
	if (left < 0)
		return -1;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

int tree_make(const char *path, unsigned int mode)
{
	char buf[PATH_MAX];
	size_t n = strlen(path);

	if (!n || n >= sizeof(buf))
		return errno = ENAMETOOLONG, -1;
	memcpy(buf, path, n + 1);
	for (char *p = buf + 1; p < buf + n; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, mode) < 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(buf, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int tree_write(int dir, const char *name, const void *data, size_t n, unsigned int mode)
{
	char tmp[NAME_MAX + 1];
	AUTO_CLOSE int fd = -1;

	if (snprintf(tmp, sizeof(tmp), ".%s.new", name) >= (int)sizeof(tmp))
		return errno = ENAMETOOLONG, -1;
	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return -1;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return -1;
	for (size_t at = 0; at < n;) {
		ssize_t w = write(fd, (const char *)data + at, n - at);

		if (w < 0 && errno != EINTR)
			return -1;
		at += w > 0 ? (size_t)w : 0;
	}
	return renameat(dir, tmp, dir, name);
}
