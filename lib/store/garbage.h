/*
 * garbage.h: the storage_garbage table: what is to be deleted from storage, and
 * from when on. Rows are written in the transaction that makes the objects
 * garbage (session.c) and removed when nothing of them is left.
 */
#pragma once

#include "../db.h"

struct garbage {
	int64_t id;
	const char *kind, *object_key,
		*session_id; /* kind: prefix or object; session_id may be NULL */
	int64_t attempts, lease_epoch;
	int64_t session_active; /* its id is used again: nothing of it may be deleted */
};

/* Is any row due that nobody works on? Reads an index only: it is asked every second. 1, 0, -1. */
int garbage_due(struct db *, struct fault *) MUST_CHECK;

/* The next row that is due and that nobody works on, leased to `owner`; session_id NULL: of any. 1, 0 none, -1. */
int garbage_claim(struct db *, const char *session_id, const char *owner, int64_t lease_s,
		  struct garbage *, struct arena *, struct fault *) MUST_CHECK;

/* Each: 1 done, 0 the lease was lost (what was done will be done again), -1. */
int garbage_renew(struct db *, const struct garbage *, int64_t lease_s, struct fault *) MUST_CHECK;
int garbage_finish(struct db *, const struct garbage *, struct fault *) MUST_CHECK;
/* There is more to do than one turn allows: due at once, for anyone. */
int garbage_release(struct db *, const struct garbage *, struct fault *) MUST_CHECK;
/* Again after 1, 2, 4 ... 300 s. */
int garbage_fail(struct db *, const struct garbage *, const char *error, struct fault *) MUST_CHECK;

/*
 * Inside a transaction: an object was added below a prefix that is to be deleted. Whoever deletes there now loses the lease
 * and somebody begins anew. 1 there is such a row, 0 it is worked off already.
 */
int garbage_again(struct db *, const char *session_id, const char *prefix,
		  struct fault *) MUST_CHECK;

/* An object that nothing refers to, to be deleted now. Keeps the session's id from being used again until it is. */
int garbage_object(struct db *, const char *session_id, const char *key, struct fault *) MUST_CHECK;
