/*
 * files.h: a session's workspace in storage (CONTRACT 6): the same functions
 * for clients and executors. Paths are checked by the caller (wspath_bad()).
 *
 * session.workspace_bytes is the sum of sizes. A put reserves before it stores
 * and settles afterwards; whoever dies in between leaves the sum too high, never
 * too low, and the next refusal counts anew by listing.
 */
#pragma once

#include "../s3/s3.h"
#include "../store/session.h"
#include "work.h"

/* "sessions/{id}/" and "sessions/{id}/{path}"; NULL: no room. Asserts that the id is not empty. */
char *files_prefix(const char *session_id, struct arena *) MUST_CHECK;
char *files_key(const char *session_id, const char *path, struct arena *) MUST_CHECK;

/* This thread's storage client; NULL with a fault. */
struct s3 *files_s3(struct work *, struct fault *) MUST_CHECK;

struct files_put {
	const char *session_id, *path, *type; /* type NULL: by extension */
	ssize_t (*source)(void *arg, char *buf, size_t n, struct fault *);
	void *arg;
	int64_t length;       /* bytes to come; -1: not known */
	const char *sha256;   /* expected, hex; NULL: not told */
	const char *if_match; /* header value or NULL */
	const char *if_none_match;
};
struct files_made {
	struct s3_object object;
	char sha256[S3_SHA256_SZ];
	bool replaced; /* there was one */
	bool running;  /* the session's code is to be told (files_pull) */
};
/*
 * Stores one file within quota; how large one may be is the source's to say. Faults: SESSION_NOT_ACTIVE, CONFLICT (a directory
 * of that name, a file where a directory is needed), CONFLICT_RETRY (another call writes it for 30 s), REFUSED (not the
 * expected SHA-256 or length, a path too long for a key), PRECONDITION, QUOTA, STORAGE_UNAVAILABLE, the source's.
 */
int files_put(struct work *, const struct files_put *, struct files_made *, struct arena *,
	      struct fault *) MUST_CHECK;

/*
 * Several new small files from an executor, which knows that storage has none of these names: one reservation, no look at
 * each. Should there be one all the same, the sum is too high until it is counted anew. 0: all are stored. -1: maybe some;
 * they may be sent again. QUOTA_EXCEEDED is not counted anew.
 */
struct files_small {
	const char *path, *data;
	size_t n;
	struct s3_object object; /* as stored */
	char sha256[S3_SHA256_SZ];
};
int files_put_small(struct work *, const char *session_id, struct files_small *, size_t n,
		    struct arena *, struct fault *) MUST_CHECK;

/* 1 deleted, 0 was not there, whatever if_match says. if_match NULL: whatever it is. *running: as in files_made. */
int files_remove(struct work *, const char *session_id, const char *path, const char *if_match,
		 bool *running, struct arena *, struct fault *) MUST_CHECK;

/* Renames one file inside storage. FILE_NOT_FOUND; CONFLICT when the destination exists and `overwrite` is not set; else as files_put(). */
int files_move(struct work *, const char *session_id, const char *source, const char *destination,
	       bool overwrite, struct files_made *, struct arena *, struct fault *) MUST_CHECK;

/* Has the running session's executor make these paths equal to storage. 504 EXEC_TIMEOUT when it is silent for 30 s. */
int files_pull(struct work *, const char *session_id, const char *const *paths, size_t n,
	       int watch_fd, struct arena *, struct fault *) MUST_CHECK;
