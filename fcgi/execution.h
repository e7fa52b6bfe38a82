/* execution.h: how an execution looks to clients, for the handlers that answer with one. */
#pragma once

#include "../lib/store/execution.h"
#include "req.h"

/* `brief`: as an item of a list (CONTRACT 4.1). */
struct json_object *execution_json(struct req *, const struct execution *, bool brief);
int execution_reply(struct req *, const char *id, struct fault *) MUST_CHECK;
