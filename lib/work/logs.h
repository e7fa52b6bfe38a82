/*
 * logs.h: output logs beyond the inline size, in storage below
 * logs/{session id}/{execution id}/{attempt}/{stream}/ (CONTRACT 4.5). S3 cannot
 * append: a log is a row of objects, each named by the offset of its first byte
 * (20 digits). A log ends where the row has its first gap; what is written again
 * after a lost answer overlaps, and does no harm.
 */
#pragma once

#include "../s3/s3.h"
#include "work.h"

struct log_id {
	const char *session_id, *execution_id;
	int64_t attempt;
	bool is_err;
};

/* "logs/{session id}/", all that goes with the session, and the part of one attempt; NULL: no room. */
char *logs_session_prefix(const char *session_id, struct arena *) MUST_CHECK;
char *logs_prefix(const struct log_id *, struct arena *) MUST_CHECK;

/* Does an execution's log_prefix say that logs of this attempt are stored? */
bool logs_noted(const struct log_id *, const char *log_prefix, struct arena *);

/* How many bytes are stored: the offset at which the next piece begins. 1 found, 0 nothing is stored (*end is 0), -1. */
int logs_end(struct work *, const struct log_id *, int64_t *end, struct fault *) MUST_CHECK;

/* Appends; `at` must be the end: 0 done, 1 it is not; *next is the end. -1: fault, the source's too. */
int logs_append(struct work *, const struct log_id *, int64_t at,
		ssize_t (*source)(void *, char *, size_t, struct fault *), void *arg, int64_t *next,
		struct fault *) MUST_CHECK;

/* Takes back the piece that began at `at`, now or, when storage fails, as garbage. */
int logs_remove(struct work *, const struct log_id *, int64_t at, struct fault *) MUST_CHECK;

/* Bytes [from, to) to the sink; -1 from it, or watch_fd hanging up, gives up. 0, or -1: also when not all is there. */
int logs_read(struct work *, const struct log_id *, int64_t from, int64_t to,
	      int (*sink)(void *, const char *, size_t), void *arg, int watch_fd,
	      struct fault *) MUST_CHECK;

/* ---- pure ---- */

/* The offset that a piece's key tells; false: it is not one below `prefix`. */
bool logs_offset(const char *key, const char *prefix, int64_t *offset) MUST_CHECK;

/* Which bytes of the piece [offset, offset + size) come next for one who has read up to `at` and wants up to `to`:
 * [*from, *until) of the log. False: none; with *gap set the piece begins behind `at`. */
bool logs_overlap(int64_t offset, int64_t size, int64_t at, int64_t to, int64_t *from,
		  int64_t *until, bool *gap);
