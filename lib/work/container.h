/* container.h: from a committed row to a running container, and back to nothing. */
#pragma once

#include "../store/session.h"
#include "work.h"

/* What the row does not hold: the rest of the container's specification. */
struct container_plan {
	const struct session_new *s;
	const struct session_made *made;
	int64_t run_as_user;
	bool read_only_root;
	int64_t deadline; /* clock_ms() */
};

/*
 * Makes and starts the container of a session whose rows this process holds the lease of, and writes down what became
 * of it. 0: made. -1: the session is failed with its reason and the fault says why (503 runtime, 500 image or other).
 */
int container_start(struct work *, const struct container_plan *, struct arena *,
		    struct fault *) MUST_CHECK;

/*
 * Stops and removes containers of this node that are to go and that nobody works on: those of one session, or
 * (session_id NULL) up to a small batch of any. How many are gone; faults are logged, the rows stay for the next try.
 */
int container_sweep(struct work *, const char *session_id, struct arena *);
