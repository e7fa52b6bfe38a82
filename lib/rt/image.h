/*
 * image.h: from the image a template names to a root file system on this host.
 *
 * Below [runtime] image_root, a path equal to the name is either a directory
 * (the root file system; a missing tag means ":latest") or a file whose first
 * line names another image. `host` is built in: this machine's /usr, read-only.
 */
#pragma once

#include "../base/arena.h"
#include "../base/conf.h"
#include "../base/fault.h"

#define IMAGE_NAME_MAX 512 /* bytes of image_url, CONTRACT 5 */

struct image {
	bool host;
	const char *root; /* directory of the root file system; NULL for host */
};

/* Paths of the machine that `host` shows read-only at the same place and that exist; NULL-terminated. */
const char *const *image_host_shared(struct arena *) MUST_CHECK;

/* Makes the rest of `host` in the empty directory `root`: links, mount points, a minimal /etc. -1 with errno. */
int image_host_make(int root, int64_t uid) MUST_CHECK;

/* True when `s` can stand below image_root: no hidden, empty or parent components. */
bool image_name_ok(const char *s) MUST_CHECK;

/* True when the directory looks like a root file system. */
bool image_is_root(int parent, const char *name) MUST_CHECK;

/* Makes what is missing of the directories that a container mounts on; -1 with errno. */
int image_mount_points(int root) MUST_CHECK;

/* 1 found, 0 no such image, -1 a fault (a name that cannot be one, a circle of aliases). */
int image_find(const struct conf *, const char *name, struct image *out, struct arena *,
	       struct fault *) MUST_CHECK;

/* JSON array of the names that are present; NULL: arena full. */
const char *image_names(const struct conf *, struct arena *) MUST_CHECK;

/*
 * Puts a directory or a tar file (also compressed) there as `name`, replacing an image of that name in one step.
 * FAULT_CONFLICT while a container of this host runs from the old one.
 */
int image_import(const struct conf *, const char *name, const char *source,
		 struct fault *) MUST_CHECK;

/* Makes `name` another name of `target`, which must exist. */
int image_alias(const struct conf *, const char *name, const char *target,
		struct fault *) MUST_CHECK;
