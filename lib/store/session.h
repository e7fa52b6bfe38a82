/*
 * session.h: the session table. All SQL that names it is in session.c, and only
 * the functions here change its `state`; each is a compare-and-set along the
 * table of CONTRACT 3.6.
 *
 * Finders return 1 found, 0 not there, -1 with a fault. Strings live in the
 * caller's arena. Times are text as the database prints them (UTC).
 */
#pragma once

#include "../base/conf.h"
#include "../db.h"

struct session {
	const char *id, *state, *desired, *ended_reason, *error_message, *template_id,
		*language_runtime, *runtime_type, *node_id, *container_id, *pod_name, *isolation,
		*network, *env_vars, *resources_given, *python_package_index_url,
		*requested_dependencies, *installed_dependencies, *layer_id,
		*dependency_install_status, *dependency_install_error,
		*dependency_install_started_at, *dependency_install_completed_at, *created_by,
		*created_at, *updated_at, *started_at, *last_activity_at, *expires_at,
		*completed_at, *deleted_at;
	int64_t template_version, timeout_s, cpu_millis, memory_bytes, disk_bytes, max_processes,
		recovery_count, token_epoch, lease_epoch, fail_on_dep_error;
	int64_t ended_ms_ago; /* by the database's clock; INT64_MIN while active */
};

/* What a client may ask for, checked and complete: the row to be. */
struct session_new {
	const char *id; /* NULL never: generated ids come from the caller */
	const char *template_id, *language_runtime, *runtime_type, *network, *env_vars,
		*resources_given, *requested_dependencies, *dependency_install_status, *index_url,
		*created_by, *image_url;
	int64_t template_version, timeout_s, cpu_millis, memory_bytes, disk_bytes, max_processes;
	bool fail_on_dep_error;
	const char *node_types; /* runtime type whose nodes this host can reach */
	const char *node_only;  /* the node this host serves */
	const char *lease_owner;
	int64_t lease_s;
};

struct session_made {
	const char *container_id; /* arena */
	const char *node_id;
	int64_t token_epoch, lease_epoch;
};

static inline bool session_active(const char *state)
{
	return !strcmp(state, "creating") || !strcmp(state, "running");
}

int session_find(struct db *, const char *id, struct session *, struct arena *,
		 struct fault *) MUST_CHECK;
/* As session_find() with the fault of CONTRACT 2 when it is not there (SessionNotFound) or a tombstone (SessionGone). 0 or -1. */
int session_load(struct db *, const char *id, struct session *, struct arena *,
		 struct fault *) MUST_CHECK;
/* The same inside a transaction, with the row locked. */
int session_lock(struct db *, const char *id, struct session *, struct arena *,
		 struct fault *) MUST_CHECK;

/* The gone fault of a tombstone, the not-active fault of an ended session. Always -1. */
int session_gone_fault(const struct session *, struct arena *, struct fault *);
int session_inactive_fault(const struct session *, struct fault *);

/* NULL filters are off. Rows newest first, keyset (after_at, after_id) or offset. The count. */
struct session_filter {
	const char *state, *template_id, *created_after, *created_before;
};
int session_list(struct db *, const struct session_filter *, const char *after_at,
		 const char *after_id, int64_t offset, struct session *out, int max, struct arena *,
		 struct fault *) MUST_CHECK;
int session_count(struct db *, const struct session_filter *, int64_t *, struct fault *) MUST_CHECK;

/*
 * Inside a transaction: reserves capacity on `node_id`, inserts session and container rows (creating, leased to
 * s->lease_owner). An id whose tombstone's container and storage are gone is free again. Faults: CONFLICT (taken),
 * CONFLICT_RETRY (not yet free).
 */
int session_insert(struct db *, const struct conf *, const struct session_new *,
		   const char *node_id, struct session_made *, struct arena *,
		   struct fault *) MUST_CHECK;

/* Container named, state as the runtime said; the lease ends. Rows matched. */
int session_container_made(struct db *, const char *id, int64_t lease_epoch,
			   struct fault *) MUST_CHECK;

/*
 * creating -> running. `isolation`: the report. *pull: files may have changed since the executor read them all; told
 * once. 1 done, 0 not creating (already running or ended).
 */
int session_ready(struct db *, const struct conf *, const char *id, const char *container_id,
		  const char *isolation, const char *pod_name, bool *pull,
		  struct fault *) MUST_CHECK;
int session_set_isolation(struct db *, const char *id, const char *isolation,
			  struct fault *) MUST_CHECK;

/* How an active session ends: state, ended_reason, error_message, and the end of its open executions. */
struct session_end {
	const char *state, *reason, *error;
	const char *exec_state, *exec_reason;
};

/*
 * In one transaction: active -> end->state with its executions, desired = gone, container desired = absent, storage
 * garbage queued, token good for 60 s more. 1 ended now, 0 had ended before. `delete`: also a tombstone, with execution
 * and artifact rows removed (in any state).
 */
int session_finish(struct db *, const struct conf *, const char *id, const struct session_end *,
		   bool delete, struct fault *) MUST_CHECK;

/* Restart the idle clock and compute expires_at anew (CONTRACT 3.5); `timeout_s` JSN_ABSENT keeps the timeout. */
int session_touch(struct db *, const struct conf *, const char *id, int64_t timeout_s,
		  struct fault *) MUST_CHECK;

/* Sessions whose tokens may still be in use, for telling a wrong token from another session's. The count. */
struct session_token {
	const char *id;
	int64_t token_epoch;
};
int session_tokens(struct db *, struct session_token *out, int max, struct arena *,
		   struct fault *) MUST_CHECK;
