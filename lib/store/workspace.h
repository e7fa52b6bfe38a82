/*
 * workspace.h: who writes which file of a workspace, and how many bytes it
 * holds. session.workspace_bytes is the sum of the stored sizes or more, never
 * less: a writer adds before it stores and takes off after it removed.
 *
 * One writer at a time for each file (table workspace_write): so an If-Match
 * holds until the file is stored, and the size that is taken off is that of the
 * file that was replaced.
 */
#pragma once

#include "../base/conf.h"
#include "../db.h"

#define WORKSPACE_LEASE_S \
	180 /* more than a silent client (60 s) and a storage that is tried three times (30 s each) */

/* Of a session, as seen when a call ended. */
struct workspace_session {
	const char *state, *container_id;
	int64_t token_epoch;
};

/*
 * Begins a write: restarts the idle clock and takes the file. 1 ours (*claim), 0 somebody writes it now, or wrote it when he died
 * (*owner tells whose it is, host/pid), -1: SESSION_NOT_ACTIVE, SESSION_NOT_FOUND, SESSION_GONE.
 */
int workspace_claim(struct db *, const struct conf *, const char *session_id, const char *path,
		    const char *owner, int64_t *claim, const char **other, struct arena *,
		    struct fault *) MUST_CHECK;
/* Takes a dead owner's claim away. */
int workspace_drop(struct db *, const char *session_id, const char *path, const char *owner,
		   struct fault *) MUST_CHECK;
/* For as long as a lease again. 1, or 0: it is not ours any more. */
int workspace_extend(struct db *, int64_t claim, struct fault *) MUST_CHECK;

/*
 * Adds `more` to the sum; `bound`: what the end of this write may take off at most. 1, or 0 with *used and *limit: the disk is too
 * small for it (never with `force`). -1.
 */
int workspace_reserve(struct db *, const char *session_id, int64_t claim, int64_t more,
		      int64_t bound, bool force, int64_t *used, int64_t *limit,
		      struct fault *) MUST_CHECK;

/*
 * Ends a write: `delta` onto the sum (`lost` instead when the claim was taken away meanwhile). `changed`: a session that is
 * creating is marked so that its executor reads the files again. Tells what the session is now.
 */
struct workspace_end {
	const char *session_id;
	int64_t claim, delta, lost;
	bool changed;
};
int workspace_settle(struct db *, const struct workspace_end *, struct workspace_session *,
		     struct arena *, struct fault *) MUST_CHECK;

/* The sum and what other writers may take off it, before all files are counted. 1, 0: it was counted a moment ago, -1. */
struct workspace_sum {
	int64_t bytes, pending, recent;
};
int workspace_look(struct db *, const char *session_id, int64_t claim, struct workspace_sum *,
		   struct arena *, struct fault *) MUST_CHECK;
/* The counted sum, if nothing has changed since that look. 1 set, 0 something has, -1. */
int workspace_set(struct db *, const char *session_id, int64_t claim, const struct workspace_sum *,
		  int64_t bytes, struct fault *) MUST_CHECK;
