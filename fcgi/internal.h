/* internal.h: whom a call of the internal surface is about, and whether its token may speak for it (CONTRACT 1.4). */
#pragma once

#include "../lib/store/execution.h"
#include "req.h"

/* The session of the path or, without one, of container_id. `late`: also in the 60 s after its end. */
int internal_session(struct req *, const char *container_id, bool late, struct session *,
		     struct fault *) MUST_CHECK;
/* The execution of the path. */
int internal_execution(struct req *, bool late, struct execution_brief *,
		       struct fault *) MUST_CHECK;
