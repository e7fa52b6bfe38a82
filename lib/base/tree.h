/* tree.h: removes a directory tree that somebody else filled: any depth, no link followed, no mount crossed. */
#pragma once

#include "util.h"

/*
 * Removes `name` below the directory `parent` (AT_FDCWD: a path), whatever it is. 0 also when it is absent; -1 with
 * errno (ETIME: the deadline, clock_ms()). What is left after a failure may be removed by another call.
 */
int tree_remove(int parent, const char *name, int64_t deadline) MUST_CHECK;

/* mkdir -p: makes what is missing with `mode`; -1 with errno. Existing directories stay as they are. */
int tree_make(const char *path, unsigned int mode) MUST_CHECK;

/* A whole new file, replacing one of that name in one step; -1 with errno. */
int tree_write(int dir, const char *name, const void *data, size_t n, unsigned int mode) MUST_CHECK;
