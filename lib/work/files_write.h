/*
 * files_write.h: one write to a file of a workspace, from claim to settlement;
 * for files.c and files_put.c. See lib/store/workspace.h.
 */
#pragma once

#include "../store/workspace.h"
#include "files.h"

struct files_write {
	struct work *w;
	const char *session_id, *path, *key;
	struct s3 *s3;
	struct arena *a;
	int64_t claim;
	bool found; /* there is an object, `old` */
	struct s3_object old;
	int64_t size;     /* of `old`, 0 without */
	int64_t reserved; /* added to the sum so far */
	bool counted;     /* this write has counted anew once */
	bool taken_back;  /* what was stored is removed again */
};

/* Claims the file, waiting for another writer up to 30 s (then CONFLICT_RETRY), and looks at what is there. */
int files_write_begin(struct files_write *, struct work *, const char *session_id, const char *path,
		      struct arena *, struct fault *) MUST_CHECK;

/* PRECONDITION_FAILED; headers may be NULL. */
int files_write_check(const struct files_write *, const char *if_match, const char *if_none_match,
		      struct fault *) MUST_CHECK;
/* CONFLICT when a new file of this name would be a directory, or need one where a file is. */
int files_write_place(struct files_write *, struct fault *) MUST_CHECK;
/*
 * The same once it is stored: the other one of two names may have come since. Of two calls that store both at once at least
 * one sees the other here and takes its own file back.
 */
int files_write_placed(struct files_write *, struct fault *) MUST_CHECK;

/*
 * Makes room for a file of `size` bytes instead of the old one; `step`: rather for so much more. Counts all files once when
 * there seems to be none. QUOTA_EXCEEDED. With `force` there always is.
 */
int files_write_reserve(struct files_write *, int64_t size, int64_t step, bool force,
			struct fault *) MUST_CHECK;

/*
 * The end. FILES_CHANGED: the file has `size` bytes now (-1: it was removed); stored in a session that has ended meanwhile
 * it is removed again, and the call a fault. FILES_UNKNOWN: the sum keeps what was reserved.
 */
enum files_outcome { FILES_SAME, FILES_CHANGED, FILES_UNKNOWN };
int files_write_end(struct files_write *, enum files_outcome, int64_t size, bool *running,
		    struct fault *) MUST_CHECK;
/* After a fault, which stays as it is. Always -1. */
int files_write_fail(struct files_write *, enum files_outcome, int64_t size);
