/*
 * walk.h: everything below a directory, in steps, so that a large tree does not
 * hold the loop. One descriptor at a time; no link is followed, nothing outside
 * is looked at, whatever hostile code renames meanwhile.
 */
#pragma once

#include <sys/stat.h>

#include "../lib/base/util.h"

#define WALK_ENTRIES_MAX 200000 /* of one walk; a look takes about 1 us for each */
#define WALK_PATH_MAX    4095   /* PATH_MAX of Linux, less the NUL */

enum walk_kind {
	WALK_FILE, /* a regular file */
	WALK_CLOSED, /* a directory that cannot be looked into (its owner closed it, its path is too long) */
	WALK_MANY, /* more entries than a walk takes in; the last call */
};

/* `path`: relative, any bytes but NUL; `st` only with WALK_FILE. */
typedef void walk_fn(enum walk_kind, const char *path, const struct stat *st, void *arg);

struct walk;

/* `root` stays the caller's, open as long as the walk. NULL: no memory. */
struct walk *walk_new(int root, walk_fn *fn, void *arg) MUST_CHECK;
void walk_free(struct walk *); /* NULL is fine */

/* Looks at about `n` entries. True: there are more. */
bool walk_step(struct walk *, int n) MUST_CHECK;
