/* overview.h: what an operator asks about the whole: counts, nodes, and facts about the database server. */
#pragma once

#include "../db.h"

struct overview_count {
	const char *state;
	int64_t n;
};

/* By state; tombstones are not counted. The number of states, or -1. */
int overview_sessions(struct db *, struct overview_count *out, int max, struct arena *,
		      struct fault *) MUST_CHECK;
int overview_executions(struct db *, struct overview_count *out, int max, struct arena *,
			struct fault *) MUST_CHECK;

struct overview_node {
	const char *id, *type, *state;
	int64_t sessions, max_sessions, cpu_millis, offered_cpu_millis, memory_bytes,
		offered_memory_bytes, heartbeat_age_s; /* INT64_MIN: never seen */
};
int overview_nodes(struct db *, struct overview_node *out, int max, struct arena *,
		   struct fault *) MUST_CHECK;

struct overview_server {
	const char *version; /* as the server says it: "10.11.6-MariaDB" */
	int64_t max_allowed_packet;
};
/* 1, or -1. */
int overview_server(struct db *, struct overview_server *, struct arena *,
		    struct fault *) MUST_CHECK;
