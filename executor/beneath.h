/*
 * beneath.h: files below a directory that hostile code changes at the same time.
 * No call leaves the directory or follows a link (openat2(2), RESOLVE_BENEATH
 * and RESOLVE_NO_SYMLINKS; Linux 5.6), whatever is swapped meanwhile.
 */
#pragma once

#include "../lib/base/util.h"

/* `flags` of open(2); O_CLOEXEC and O_NONBLOCK (a FIFO must not hold us) are added. -1 with errno. */
int beneath_open(int root, const char *path, int flags) MUST_CHECK;

/*
 * The directory that holds `path`, made with what is missing; a file or link that stands where a directory must be is
 * removed. *name: the last segment, in `path`. -1 with errno.
 */
int beneath_parent(int root, const char *path, const char **name) MUST_CHECK;

/*
 * A new file that shall become `name` of a directory. It has no name until then where the file system can do that
 * (O_TMPFILE), else a random one.
 */
struct beneath_new {
	int dir, fd; /* -1: none */
	char temp[40];
};
/* `dir` is taken, also on failure. -1 with errno. */
int beneath_create(struct beneath_new *, int dir) MUST_CHECK;
/* In one step, in place of whatever had that name (a directory goes with all below it). -1 with errno. */
int beneath_place(struct beneath_new *, const char *name) MUST_CHECK;
/* Closes; what was not placed is gone. */
void beneath_done(struct beneath_new *);

/* Removes a file, a link, a special file; 0 also when nothing (or a directory) has the name. */
int beneath_remove(int root, const char *path) MUST_CHECK;
