/* node.h: this host's row among the runtime nodes. */
#pragma once

#include "work.h"

/*
 * Probes the runtime and writes the node's row, when the last heartbeat is older than [health] interval or `force`.
 * 0, or -1 with a fault (the failure is counted in the row).
 */
int node_heartbeat(struct work *, bool force, struct arena *, struct fault *) MUST_CHECK;
