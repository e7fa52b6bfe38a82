/* session.h: how a session looks to clients, for the handlers that answer with one. */
#pragma once

#include "../lib/store/session.h"
#include "req.h"

struct json_object *session_json(struct req *, const struct session *);
/* Answers with the session as it is now. */
int session_reply(struct req *, int status, const char *id, struct fault *) MUST_CHECK;
