/* artifacts.h: artifacts and the objects they are. */
#pragma once

#include "../store/artifact.h"
#include "work.h"

/*
 * Has storage an object for each path of the list, in the workspace of that session? 1 yes, 0 no: *missing is one that it
 * does not have. A few are asked one by one, many by listing what is around them.
 */
int artifacts_stored(struct work *, const char *session_id, const struct artifact *list, int n,
		     const char **missing, struct arena *, struct fault *) MUST_CHECK;
