/* artifact.h: how an execution's artifacts look to clients. */
#pragma once

#include "../lib/store/artifact.h"
#include "req.h"

/* The array of CONTRACT 4.4. */
struct json_object *artifacts_json(struct req *, const struct execution *);
