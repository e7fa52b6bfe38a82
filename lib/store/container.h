/* container.h: the container table: what each session's container is and should be. */
#pragma once

#include "../db.h"

struct session_new;
struct session_made;

struct container {
	const char *id, *session_id, *state, *desired, *runtime_id, *runtime_type, *node_id,
		*template_id, *image_url;
	int64_t generation, cpu_millis, memory_bytes, lease_epoch;
};

/* Inside the transaction that creates the session; leased like it. */
int container_insert(struct db *, const struct session_new *, const struct session_made *,
		     struct fault *) MUST_CHECK;

int container_find(struct db *, const char *id, struct container *, struct arena *,
		   struct fault *) MUST_CHECK;

/* The runtime made it: its id. Rows matched. */
int container_made(struct db *, const char *id, const char *runtime_id, struct fault *) MUST_CHECK;
int container_running(struct db *, const char *id, const char *pod_name, struct fault *) MUST_CHECK;
int container_exited(struct db *, const char *id, int64_t exit_code, const char *reason,
		     const char *error, struct fault *) MUST_CHECK;
int container_usage(struct db *, const char *id, int64_t cpu_ms, int64_t memory_bytes,
		    int64_t disk_bytes, struct fault *) MUST_CHECK;

/* All containers of a session are to go. */
int container_want_absent(struct db *, const char *session_id, struct fault *) MUST_CHECK;

/*
 * Up to `max` containers of `node_id` that are to go and that nobody works on, leased to `owner` for `lease_s`;
 * `session_id` NULL: of any session. One short transaction. The count.
 */
int container_claim_absent(struct db *, const char *node_id, const char *session_id,
			   const char *owner, int64_t lease_s, struct container *out, int max,
			   struct arena *, struct fault *) MUST_CHECK;

/* It is gone: removed, and its capacity is the node's again. 1 done, 0 the lease was lost. */
int container_removed(struct db *, const struct container *, struct fault *) MUST_CHECK;

/* Rows of removed containers of a deleted session, when its id is used again. */
int container_forget(struct db *, const char *session_id, struct fault *) MUST_CHECK;
