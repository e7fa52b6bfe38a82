#include "stage.h"

#include <fcntl.h>
#include <stdio.h>

#include "../base/log.h"

/* A file without a name in $TMPDIR or /tmp; -1 with errno. */
static int nameless(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (str_empty(dir))
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	/* Not every file system can. */
	if ((size_t)snprintf(path, sizeof(path), "%s/sandbox-XXXXXX", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int file_fault(const char *what, struct fault *f)
{
	log_error("storage.staging_failed", S("what", what), S("error", strerror(errno)));
	return fault_set(f, FAULT_STORAGE_UNAVAILABLE,
			 "the server has no room to stage the file (TMPDIR)");
}

int stage_open(struct stage *st, struct fault *f)
{
	*st = (struct stage){ .fd = -1 };
	st->mem = malloc(STAGE_MEM);
	st->part = digest_new();
	st->whole = digest_new();
	if (!st->mem || !st->part || !st->whole)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	return 0;
}

void stage_close(struct stage *st)
{
	free(st->mem);
	digest_free(st->part);
	digest_free(st->whole);
	if (st->fd >= 0)
		close(st->fd);
}

/* Moves what is in memory to the file, behind what it holds of this part. */
static int spill(struct stage *st, struct fault *f)
{
	int64_t at = st->size - (int64_t)st->len;
	size_t done = 0;

	if (st->fd < 0 && (st->fd = nameless()) < 0)
		return file_fault("open", f);
	while (done < st->len) {
		ssize_t k = pwrite(st->fd, st->mem + done, st->len - done, at + (int64_t)done);

		if (k < 0 && errno != EINTR)
			return file_fault("write", f);
		done += k > 0 ? (size_t)k : 0;
	}
	st->len = 0;
	return 0;
}

/* Up to n bytes of the source behind what is in memory; 0 at the end. */
static ssize_t take(struct stage *st, size_t n, stage_source *source, void *arg, struct fault *f)
{
	char *to = st->mem + st->len;
	ssize_t k;

	if (st->has_ahead) {
		*to = st->ahead;
		st->has_ahead = false;
		k = 1;
	} else {
		k = source(arg, to, n, f);
	}
	if (k <= 0)
		return k;
	digest_add(st->part, to, (size_t)k);
	digest_add(st->whole, to, (size_t)k);
	st->len += (size_t)k;
	st->size += k;
	st->total += k;
	return k;
}

int stage_fill(struct stage *st, int64_t max, stage_source *source, void *arg, struct fault *f)
{
	digest_begin(st->part);
	st->len = 0;
	st->size = 0;
	st->filed = false;
	while (!st->end && st->size < max) {
		size_t room;
		ssize_t k;

		if (st->len == STAGE_MEM) {
			if (spill(st, f) < 0)
				return -1;
			st->filed = true;
		}
		room = STAGE_MEM - st->len;
		if ((int64_t)room > max - st->size)
			room = (size_t)(max - st->size);
		if ((k = take(st, room, source, arg, f)) < 0)
			return -1;
		st->end = k == 0;
	}
	if (st->filed && spill(st, f) < 0)
		return -1;
	digest_hex(st->part, st->sha256);
	if (!st->end) {
		ssize_t k = source(arg, &st->ahead, 1, f);

		if (k < 0)
			return -1;
		st->has_ahead = k > 0;
		st->end = k == 0;
	}
	return 0;
}
