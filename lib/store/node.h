/* node.h: the runtime_node table: who can run containers, and how much of it is taken. */
#pragma once

#include "../db.h"

struct node_row {
	const char *id, *type, *url, *cached_images, *isolation;
	int64_t max_sessions, total_cpu_millis, total_memory, offered_cpu_millis, offered_memory;
	double cpu_usage, mem_usage;
};

struct node {
	const char *id, *state;
	double score;
};

/* Insert or refresh: heartbeat now, healthy unless draining. Allocation is not touched. */
int node_register(struct db *, const struct node_row *, struct fault *) MUST_CHECK;
int node_failed(struct db *, const char *id, int64_t failures, struct fault *) MUST_CHECK;

/* Seconds since the last heartbeat, or INT64_MIN when the node is unknown. 0, -1. */
int node_age(struct db *, const char *id, int64_t *age_s, struct fault *) MUST_CHECK;

/*
 * Inside a transaction: the best healthy node of `type` with room for cpu, memory and one session; `only` restricts
 * it to one id. Reserves. 1 and *id, 0 no room, -1. Score: CONTRACT 8.2.
 */
int node_reserve(struct db *, const char *type, const char *only, const char *image,
		 int64_t cpu_millis, int64_t memory_bytes, const char **id, struct arena *,
		 struct fault *) MUST_CHECK;
int node_release(struct db *, const char *id, int64_t cpu_millis, int64_t memory_bytes,
		 struct fault *) MUST_CHECK;

/* Healthy nodes of `type` (and `only`), whatever their room. 0, -1. */
int node_healthy(struct db *, const char *type, const char *only, int64_t *n,
		 struct fault *) MUST_CHECK;

/* The isolation report of the newest session, for the node's row. */
int node_isolation(struct db *, const char *id, const char *report, struct fault *) MUST_CHECK;
