/* idem.h: the idempotency_key table (CONTRACT 1.6). */
#pragma once

#include "../db.h"

#define IDEM_LEASE_S \
	30 /* a call that is still running renews it; one whose worker died is free after it */

struct idem_claim {
	const char *scope, *key;
	int64_t epoch;
};

struct idem_row {
	const char *fingerprint, *state, *object_id, *response;
	size_t response_len;
	int64_t http_status, leased, epoch;
};

/* 1: ours now (claim->epoch set; row->object_id set when an earlier call had made its object). 0: not ours, see row. */
int idem_claim(struct db *, struct idem_claim *claim, const char *fingerprint, const char *owner,
	       struct idem_row *row, struct arena *, struct fault *) MUST_CHECK;

/* Inside the transaction that inserts the object. 0, or -1 with CONFLICT_RETRY when the claim was lost meanwhile. */
int idem_object(struct db *, const struct idem_claim *, const char *object_id,
		struct fault *) MUST_CHECK;
int idem_renew(struct db *, const struct idem_claim *, struct fault *) MUST_CHECK;
/* Finished: the stored answer. */
int idem_store(struct db *, const struct idem_claim *, int status, const char *response, size_t n,
	       struct fault *) MUST_CHECK;
/* Ended without an answer worth keeping: forgotten when it made no object, else free to be answered for it. */
int idem_release(struct db *, const struct idem_claim *, struct fault *) MUST_CHECK;
