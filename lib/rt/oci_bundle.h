/*
 * oci_bundle.h: the directory of one container below [runtime] state_dir.
 *
 *   config.json  rootfs/ (host, or an overlay)  image -> tree it runs from
 *   workspace/   state/ (spool, token)          log, pid
 *
 * Its lock is flock(2) on the directory itself: held while somebody creates or
 * destroys it, gone with the process, gone with the directory.
 */
#pragma once

#include "image.h"
#include "runtime.h"

struct bundle {
	const char *name, *dir;
	int fd;     /* the directory, locked; -1: none */
	bool fresh; /* made by this call */
};

enum bundle_lock { BUNDLE_CREATE, BUNDLE_WAIT, BUNDLE_TRY };

/* 1 locked, 0 absent (never with CREATE) or, for TRY, held by another (errno EAGAIN); -1 with errno. */
int bundle_open(const struct conf *, const char *name, enum bundle_lock, int64_t deadline,
		struct bundle *out, struct arena *) MUST_CHECK;
void bundle_close(struct bundle *);

/* Fills it for a start: directories, token, root file system. *root: its path. -1 with errno. */
int bundle_fill(struct bundle *, const struct rt_spec *, const struct image *, const char **root,
		struct arena *) MUST_CHECK;

/* Pid that the runtime wrote; 0: none yet. */
long bundle_pid(const struct conf *, const char *name);

/* Append-only descriptor of the log; -1 with errno. */
int bundle_log(const struct bundle *) MUST_CHECK;

/* Undoes mounts and removes the directory; -1 with errno. */
int bundle_remove(struct bundle *, int64_t deadline) MUST_CHECK;
