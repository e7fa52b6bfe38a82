/*
 * token.h: session tokens (CONTRACT 1.4): base64url HMAC-SHA-256 of session id
 * and token epoch under [internal] secret. Nothing about them is stored.
 */
#pragma once

#include "base/arena.h"
#include "base/conf.h"

char *token_make(const struct conf *, const char *session_id, int64_t epoch,
		 struct arena *) MUST_CHECK;

/* In constant time; a token under [internal] secret_previous is good too. */
bool token_matches(const struct conf *, const char *token, const char *session_id, int64_t epoch);
