/* auth.h: who asks, and may they (CONTRACT 1.4). */
#pragma once

#include "req.h"

/* Sets r->who from the credential and checks the route's demand. 0, or -1 with 401 or 403. */
int auth_check(struct req *, struct fault *) MUST_CHECK;

/*
 * Internal surface: is the token that of this session? `ended_ms_ago` INT64_MIN while it is active; `late`: the call is
 * one that an ended session's executor may still make for 60 s. -1: 401, or 403 when it is another session's.
 */
int auth_session(struct req *, const char *session_id, int64_t token_epoch, int64_t ended_ms_ago,
		 bool late, struct fault *) MUST_CHECK;
