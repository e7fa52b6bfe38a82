/*
 * manifest.h: what the executor knows of each file of the workspace: how it
 * looked when it was last equal to storage, and what is still to be done.
 */
#pragma once

#include <sys/stat.h>

#include "../lib/base/util.h"

#define MANIFEST_MAX 200000 /* files; as many as a walk sees */

enum file_state {
	FILE_STORED,  /* storage has this version */
	FILE_DIRTY,   /* waits to be stored */
	FILE_GONE,    /* waits to be deleted from storage */
	FILE_SENDING, /* either is under way */
	FILE_REFUSED, /* storage shall not or will not have it; `why` says so */
};

struct file {
	struct file *next, *qnext; /* of the bucket; of the queue */
	uint64_t ino;
	int64_t size, mtime_ns, ctime_ns;
	int64_t changed; /* number of the walk that found its last change by code; 0: none did */
	int64_t seen;    /* number of the last walk that saw it */
	int64_t ticket; /* of its wait, or of the next one (`again`): what waits for a ticket waits for all lower ones */
	int64_t stored; /* bytes that storage has of it */
	int tries;
	enum file_state state;
	bool queued;
	bool alone;      /* not in a batch: that was refused */
	bool again;      /* found changed while it was being sent */
	bool mixed;      /* storage's version was put here while it was being sent */
	bool unsure;     /* it may have changed in the very tick it was looked at */
	const char *why; /* a constant; only when REFUSED */
	char checksum[65];
	char *etag; /* of the stored version; NULL: none is stored; "": it is not known which, or whether */
	char path[];
};

struct manifest {
	struct file **bucket;
	size_t nbuckets, n;
	size_t bytes, max_bytes; /* what the files take, and may take; 0: no limit */
};

struct file *manifest_find(const struct manifest *, const char *path);
/* Found or made (as STORED without an etag). NULL: no memory, or the table is full. */
struct file *manifest_make(struct manifest *, const char *path);
void manifest_drop(struct manifest *, struct file *);
/* Calls fn for each; it may drop the one it is given. */
void manifest_each(struct manifest *, void (*fn)(struct file *, void *), void *arg);

/* What is there now is what was looked at. */
void file_note(struct file *, const struct stat *);
bool file_same(const struct file *, const struct stat *);
