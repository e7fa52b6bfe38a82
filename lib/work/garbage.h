/*
 * garbage.h: deletion of stored objects: rows first (storage_garbage, written in
 * the transaction that makes them garbage), storage second. Repeatable.
 */
#pragma once

#include "work.h"

/*
 * Works off rows that are due, those of `session_id` only when it is not NULL, at most `max`: claims each under a lease,
 * deletes what it names, removes the row; a failure leaves it with back-off (attempts, last_error, not_before). The count of
 * rows finished. Needs no transaction; any number of callers.
 */
int garbage_sweep(struct work *, const char *session_id, int max, struct arena *);

/* May everything below this be deleted for a row of that session? Pure. */
bool garbage_prefix_ok(const char *key, const char *session_id);
