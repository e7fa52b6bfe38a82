/*
 * logs.h: output logs beyond the inline size, in storage below
 * logs/{session id}/{execution id}/{stream}/ (CONTRACT 4.5). S3 cannot append: a
 * log is a row of objects, each named by the offset of its first byte (20 digits).
 */
#pragma once

#include "../s3/s3.h"
#include "work.h"

/* Bytes stored of a stream so far: the offset at which the next piece begins. -1 with a fault. */
int64_t logs_end(struct work *, const char *session_id, const char *execution_id, bool is_err,
		 struct arena *, struct fault *) MUST_CHECK;

/* Appends; `at` must be the end: 0 done (*next is the new end), 1 it is not (*next tells), -1. */
int logs_append(struct work *, const char *session_id, const char *execution_id, bool is_err,
		int64_t at, ssize_t (*source)(void *, char *, size_t, struct fault *), void *arg,
		int64_t *next, struct arena *, struct fault *) MUST_CHECK;

/* Bytes [from, to) to the sink; -1 from it gives up. */
int logs_read(struct work *, const char *session_id, const char *execution_id, bool is_err,
	      int64_t from, int64_t to, int (*sink)(void *, const char *, size_t), void *arg,
	      struct arena *, struct fault *) MUST_CHECK;
