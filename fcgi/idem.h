/*
 * idem.h: Idempotency-Key around a handler (CONTRACT 1.6). The dispatcher calls
 * idem_begin() and idem_end(); a handler that makes an object passes
 * idem_of(r) into the store's inserting transaction, and answers for
 * r->idem.object_id when that is set.
 */
#pragma once

#include "req.h"

/* 0: go on (r->idem is set when there is a key). 1: the stored answer is set. -1: fault. */
int idem_begin(struct req *, struct fault *) MUST_CHECK;
/* Keeps the answer, or lets the key go when it is not worth keeping. Faults are logged. */
void idem_end(struct req *, const struct fault *);

/* The claim for the store; NULL: the request has no key. */
static inline const struct idem_claim *idem_of(const struct req *r)
{
	return r->idem.claim.scope ? &r->idem.claim : NULL;
}

/* While a handler waits: keeps the claim alive; cheap to call often. */
void idem_keep(struct req *);
