/*
 * artifact.h: the artifact table: files that an execution made (CONTRACT 4.4).
 * A row says that the object was in storage when it was reported.
 */
#pragma once

#include "execution.h"

struct artifact {
	const char *execution_id, *path, *mime_type, *type, *checksum, *created_at;
	int64_t size;
};

/*
 * Adds what is new and replaces what has the same path, in one transaction: all or nothing. What goes beyond `max` in all
 * is left out and the execution is marked as truncated. Only execution_id and created_at of `list` are not read.
 * 1 recorded, 0 discarded: an older attempt, or the executor's result has been recorded before. -1: fault,
 * EXECUTION_NOT_FOUND too.
 */
int artifact_record(struct db *, const char *execution_id, int64_t attempt,
		    const struct artifact *list, int n, int64_t max, struct arena *,
		    struct fault *) MUST_CHECK;

/* Fills ->artifacts of `n` executions, of each the first `each`, with one query for every fifty that have any. */
int artifact_attach(struct db *, struct execution *, int n, int64_t each, struct arena *,
		    struct fault *) MUST_CHECK;
