#include "session.h"

#include <stdio.h>

#include "container.h"
#include "node.h"

#define COLUMNS \
	" id, state, desired, ended_reason, error_message, template_id, language_runtime, runtime_type, node_id," \
	" container_id, pod_name, isolation, network, env_vars, resources_given, python_package_index_url," \
	" requested_dependencies, installed_dependencies, layer_id, dependency_install_status," \
	" dependency_install_error, dependency_install_started_at, dependency_install_completed_at, created_by," \
	" created_at, updated_at, started_at, last_activity_at, expires_at, completed_at, deleted_at," \
	" template_version, timeout_s, CAST(cpu * 1000 AS SIGNED), memory_bytes, disk_bytes, max_processes," \
	" recovery_count, token_epoch, lease_epoch, fail_on_dep_error," \
	" CAST(TIMESTAMPDIFF(MICROSECOND, completed_at, UTC_TIMESTAMP(3)) DIV 1000 AS SIGNED) FROM session"

static const struct db_col columns[] = {
	COL_STR(struct session, id),
	COL_STR(struct session, state),
	COL_STR(struct session, desired),
	COL_STR(struct session, ended_reason),
	COL_STR(struct session, error_message),
	COL_STR(struct session, template_id),
	COL_STR(struct session, language_runtime),
	COL_STR(struct session, runtime_type),
	COL_STR(struct session, node_id),
	COL_STR(struct session, container_id),
	COL_STR(struct session, pod_name),
	COL_STR(struct session, isolation),
	COL_STR(struct session, network),
	COL_STR(struct session, env_vars),
	COL_STR(struct session, resources_given),
	COL_STR(struct session, python_package_index_url),
	COL_STR(struct session, requested_dependencies),
	COL_STR(struct session, installed_dependencies),
	COL_STR(struct session, layer_id),
	COL_STR(struct session, dependency_install_status),
	COL_STR(struct session, dependency_install_error),
	COL_STR(struct session, dependency_install_started_at),
	COL_STR(struct session, dependency_install_completed_at),
	COL_STR(struct session, created_by),
	COL_STR(struct session, created_at),
	COL_STR(struct session, updated_at),
	COL_STR(struct session, started_at),
	COL_STR(struct session, last_activity_at),
	COL_STR(struct session, expires_at),
	COL_STR(struct session, completed_at),
	COL_STR(struct session, deleted_at),
	COL_I64(struct session, template_version),
	COL_I64(struct session, timeout_s),
	COL_I64(struct session, cpu_millis),
	COL_I64(struct session, memory_bytes),
	COL_I64(struct session, disk_bytes),
	COL_I64(struct session, max_processes),
	COL_I64(struct session, recovery_count),
	COL_I64(struct session, token_epoch),
	COL_I64(struct session, lease_epoch),
	COL_I64(struct session, fail_on_dep_error),
	COL_I64(struct session, ended_ms_ago),
};
static const struct db_map session_map = { columns, ARRAY_LEN(columns), sizeof(struct session) };

/*
 * expires_at: the earliest clock now running (CONTRACT 3.5). Parameters: creating_timeout, idle_threshold (-1 none)
 * twice, max_lifetime (-1 none) twice. While an execution is pending or running the idle clock stands still.
 * '9999-12-31' stands for "never" inside LEAST and becomes NULL.
 */
#define EXPIRES \
	" NULLIF(LEAST(CASE" \
	"  WHEN state = 'creating' THEN creating_since + INTERVAL ? SECOND" \
	"  WHEN EXISTS (SELECT 1 FROM execution e WHERE e.session_id = session.id AND e.state IN ('pending', 'running'))" \
	"   THEN '9999-12-31'" \
	"  ELSE last_activity_at + INTERVAL IF(? < 0, timeout_s, LEAST(timeout_s, ?)) SECOND END," \
	"  IF(? < 0, '9999-12-31', created_at + INTERVAL ? SECOND)), '9999-12-31')"
#define EXPIRES_VALS(cf) \
	VINT((cf)->session_creating_timeout), VINT((cf)->session_idle_threshold), \
		VINT((cf)->session_idle_threshold), VINT((cf)->session_max_lifetime), \
		VINT((cf)->session_max_lifetime)

#define ACTIVE "state IN ('creating', 'running')"

/* ---- reading ---- */

static const struct query Q_FIND = { "session.find", "SELECT" COLUMNS " WHERE id = ?" };
static const struct query Q_LOCK = { "session.lock", "SELECT" COLUMNS " WHERE id = ? FOR UPDATE" };

int session_find(struct db *db, const char *id, struct session *s, struct arena *a, struct fault *f)
{
	return db_rows(db, &Q_FIND, VALS(VSTR(id)), &session_map, s, 1, a, f);
}

int session_gone_fault(const struct session *s, struct arena *a, struct fault *f)
{
	char ended[40] = "", deleted[40];

	snprintf(deleted, sizeof(deleted), "%.10sT%.12sZ", s->deleted_at, s->deleted_at + 11);
	if (s->completed_at)
		snprintf(ended, sizeof(ended), "%.10sT%.12sZ", s->completed_at,
			 s->completed_at + 11);
	fault_set(f, FAULT_SESSION_GONE, "Session is gone: %s", s->id);
	f->detail_json = arena_printf(
		a,
		"{\"session_id\":\"%s\",\"ended_reason\":\"%s\",\"ended_at\":\"%s\",\"deleted_at\":\"%s\"}",
		s->id, s->ended_reason ? s->ended_reason : "", ended, deleted);
	f->session_id = s->id;
	return -1;
}

int session_inactive_fault(const struct session *s, struct fault *f)
{
	fault_set(f, FAULT_SESSION_NOT_ACTIVE,
		  "Session is not active: %s (status %s, ended_reason %s)", s->id, s->state,
		  s->ended_reason ? s->ended_reason : "none");
	f->session_id = s->id;
	return -1;
}

static int load(struct db *db, const struct query *q, const char *id, struct session *s,
		struct arena *a, struct fault *f)
{
	int found = db_rows(db, q, VALS(VSTR(id)), &session_map, s, 1, a, f);

	if (found == 0)
		return fault_set(f, FAULT_SESSION_NOT_FOUND, "Session not found: %.64s", id);
	if (found > 0 && s->deleted_at)
		return session_gone_fault(s, a, f);
	return found < 0 ? -1 : 0;
}

int session_load(struct db *db, const char *id, struct session *s, struct arena *a, struct fault *f)
{
	return load(db, &Q_FIND, id, s, a, f);
}

int session_lock(struct db *db, const char *id, struct session *s, struct arena *a, struct fault *f)
{
	return load(db, &Q_LOCK, id, s, a, f);
}

#define FILTER \
	" WHERE deleted_at IS NULL AND (? IS NULL OR state = ?) AND (? IS NULL OR template_id = ?)" \
	" AND (? IS NULL OR created_at > ?) AND (? IS NULL OR created_at < ?)"
#define FILTER_VALS(x) \
	VSTR((x)->state), VSTR((x)->state), VSTR((x)->template_id), VSTR((x)->template_id), \
		VSTR((x)->created_after), VSTR((x)->created_after), VSTR((x)->created_before), \
		VSTR((x)->created_before)

/* One statement for each way of paging, so that the common one walks the index and nothing else. */
static const struct query Q_LIST = { "session.list",
				     "SELECT" COLUMNS FILTER
				     " ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?" };
static const struct query Q_LIST_AFTER = { "session.list_after",
					   "SELECT" COLUMNS FILTER
					   " AND created_at <= ? AND (created_at < ? OR id < ?)"
					   " ORDER BY created_at DESC, id DESC LIMIT ?" };
static const struct query Q_COUNT = { "session.count", "SELECT COUNT(*) FROM session" FILTER };
/* Without a filter the index alone answers. */
static const struct query Q_COUNT_ALL = { "session.count_all",
					  "SELECT COUNT(*) FROM session WHERE deleted_at IS NULL" };

int session_list(struct db *db, const struct session_filter *x, const char *after_at,
		 const char *after_id, int64_t offset, struct session *out, int max,
		 struct arena *a, struct fault *f)
{
	if (after_id)
		return db_rows(db, &Q_LIST_AFTER,
			       VALS(FILTER_VALS(x), VSTR(after_at), VSTR(after_at), VSTR(after_id),
				    VINT(max)),
			       &session_map, out, max, a, f);
	return db_rows(db, &Q_LIST, VALS(FILTER_VALS(x), VINT(max), VINT(offset)), &session_map,
		       out, max, a, f);
}

int session_count(struct db *db, const struct session_filter *x, int64_t *n, struct fault *f)
{
	if (!x->state && !x->template_id && !x->created_after && !x->created_before)
		return db_number(db, &Q_COUNT_ALL, NOVALS, n, f);
	return db_number(db, &Q_COUNT, VALS(FILTER_VALS(x)), n, f);
}

static const struct query Q_TOKENS = { "session.tokens",
				       "SELECT id, token_epoch FROM session WHERE " ACTIVE
				       " OR (deleted_at IS NULL AND completed_at >"
				       " UTC_TIMESTAMP(3) - INTERVAL 60 SECOND) LIMIT ?" };

int session_tokens(struct db *db, struct session_token *out, int max, struct arena *a,
		   struct fault *f)
{
	static const struct db_col cols[] = { COL_STR(struct session_token, id),
					      COL_I64(struct session_token, token_epoch) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct session_token) };

	return db_rows(db, &Q_TOKENS, VALS(VINT(max)), &map, out, max, a, f);
}

/* ---- creating ---- */

static const struct query Q_INSERT = {
	"session.insert",
	"INSERT INTO session (id, state, desired, template_id, template_version, language_runtime, runtime_type, node_id,"
	" container_id, network, env_vars, timeout_s, cpu, memory_bytes, disk_bytes, max_processes, resources_given,"
	" token_epoch, python_package_index_url, requested_dependencies, installed_dependencies,"
	" dependency_install_status, fail_on_dep_error, created_by, created_at, updated_at, creating_since, expires_at,"
	" lease_owner, lease_until, lease_epoch)"
	" VALUES (?, 'creating', 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ? / 1000, ?, ?, ?, ?, ?, ?, ?, '[]', ?, ?, ?,"
	" UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3),"
	" UTC_TIMESTAMP(3) + INTERVAL IF(? < 0, ?, LEAST(?, ?)) SECOND, ?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND, 1)"
};

static const struct query Q_TOMB = {
	"session.tombstone",
	"SELECT id, token_epoch, IF(deleted_at IS NULL, 1, 0),"
	" (SELECT COUNT(*) FROM container c WHERE c.session_id = session.id AND c.removed_at IS NULL)"
	" + (SELECT COUNT(*) FROM storage_garbage g WHERE g.session_id = session.id)"
	" + (SELECT COUNT(*) FROM workspace_write w WHERE w.session_id = session.id AND w.lease_until > UTC_TIMESTAMP(3))"
	" FROM session WHERE id = ? FOR UPDATE"
};
static const struct query Q_TOMB_DROP = { "session.tombstone_drop",
					  "DELETE FROM session WHERE id = ?" };

struct tomb {
	const char *id;
	int64_t epoch, live, pending;
};
static const struct db_col tomb_cols[] = {
	COL_STR(struct tomb, id),
	COL_I64(struct tomb, epoch),
	COL_I64(struct tomb, live),
	COL_I64(struct tomb, pending),
};
static const struct db_map tomb_map = { tomb_cols, ARRAY_LEN(tomb_cols), sizeof(struct tomb) };

/* Frees a deleted session's id; *epoch: the next token epoch, so that old tokens stay void. */
static int free_id(struct db *db, const char *id, int64_t *epoch, struct arena *a, struct fault *f)
{
	struct tomb t;
	int found = db_rows(db, &Q_TOMB, VALS(VSTR(id)), &tomb_map, &t, 1, a, f);

	*epoch = 1;
	if (found <= 0)
		return found;
	if (t.live)
		return fault_set(f, FAULT_CONFLICT, "the session id %s is taken", id);
	if (t.pending) {
		fault_set(f, FAULT_CONFLICT_RETRY,
			  "the id %s is not free yet: its last session is still being removed", id);
		f->retry_after_s = 2;
		return -1;
	}
	*epoch = t.epoch + 1;
	if (container_forget(db, id, f) < 0)
		return -1;
	return (int)db_exec(db, &Q_TOMB_DROP, VALS(VSTR(id)), f) < 0 ? -1 : 0;
}

int session_insert(struct db *db, const struct conf *cf, const struct session_new *s,
		   const char *node_id, struct session_made *out, struct arena *a, struct fault *f)
{
	int64_t creating = cf->session_creating_timeout, lifetime = cf->session_max_lifetime;

	if (free_id(db, s->id, &out->token_epoch, a, f) < 0)
		return -1;
	out->container_id = arena_printf(a, "%s-%s", cf->runtime_deployment, s->id);
	out->node_id = node_id;
	out->lease_epoch = 1;
	if (!out->container_id)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (db_exec(db, &Q_INSERT,
		    VALS(VSTR(s->id), VSTR(s->template_id), VINT(s->template_version),
			 VSTR(s->language_runtime), VSTR(s->runtime_type), VSTR(node_id),
			 VSTR(out->container_id), VSTR(s->network), VSTR(s->env_vars),
			 VINT(s->timeout_s), VINT(s->cpu_millis), VINT(s->memory_bytes),
			 VINT(s->disk_bytes), VINT(s->max_processes), VSTR(s->resources_given),
			 VINT(out->token_epoch), VSTR(s->index_url),
			 VSTR(s->requested_dependencies), VSTR(s->dependency_install_status),
			 VINT(s->fail_on_dep_error), VSTR(s->created_by), VINT(lifetime),
			 VINT(creating), VINT(creating), VINT(lifetime), VSTR(s->lease_owner),
			 VINT(s->lease_s)),
		    f) < 0) {
		if (fault_is(f, FAULT_CONFLICT))
			fault_set(f, FAULT_CONFLICT, "the session id %s is taken", s->id);
		return -1;
	}
	return container_insert(db, s, out, f);
}

static const struct query Q_MADE = {
	"session.container_made",
	"UPDATE session SET lease_owner = NULL, lease_until = NULL, updated_at = UTC_TIMESTAMP(3),"
	" row_version = row_version + 1 WHERE id = ? AND lease_epoch = ?"
};

int session_container_made(struct db *db, const char *id, int64_t epoch, struct fault *f)
{
	return (int)db_exec(db, &Q_MADE, VALS(VSTR(id), VINT(epoch)), f);
}

static const struct query Q_PULL = {
	"session.pull_pending",
	"SELECT pull_pending FROM session WHERE id = ? AND state = 'creating' AND container_id = ? FOR UPDATE"
};
static const struct query Q_READY = {
	"session.ready",
	"UPDATE session SET state = 'running', pull_pending = 0, isolation = ?, pod_name = COALESCE(?, pod_name),"
	" started_at = COALESCE(started_at, UTC_TIMESTAMP(3)), last_activity_at = UTC_TIMESTAMP(3),"
	" updated_at = UTC_TIMESTAMP(3), row_version = row_version + 1, expires_at =" EXPIRES
	" WHERE id = ? AND state = 'creating' AND container_id = ?"
};

struct ready {
	const struct conf *cf;
	const char *id, *container_id, *isolation, *pod_name;
	int64_t pull;
};

static int ready_tx(struct db *db, void *arg, struct fault *f)
{
	struct ready *x = arg;
	int found = db_number(db, &Q_PULL, VALS(VSTR(x->id), VSTR(x->container_id)), &x->pull, f);

	if (found <= 0)
		return found;
	return (int)db_exec(db, &Q_READY,
			    VALS(VSTR(x->isolation), VSTR(x->pod_name), EXPIRES_VALS(x->cf),
				 VSTR(x->id), VSTR(x->container_id)),
			    f);
}

int session_ready(struct db *db, const struct conf *cf, const char *id, const char *container_id,
		  const char *isolation, const char *pod_name, bool *pull, struct fault *f)
{
	struct ready x = { cf, id, container_id, isolation, pod_name, 0 };
	int n = db_tx(db, ready_tx, &x, f);

	/* One who asks again has not heard the first answer, which may have said so. */
	*pull = n == 0 || x.pull;
	return n;
}

static const struct query Q_ISOLATION = { "session.isolation",
					  "UPDATE session SET isolation = ? WHERE id = ?" };

int session_set_isolation(struct db *db, const char *id, const char *isolation, struct fault *f)
{
	return (int)db_exec(db, &Q_ISOLATION, VALS(VSTR(isolation), VSTR(id)), f);
}

static const struct query Q_TOUCH = {
	"session.touch",
	"UPDATE session SET timeout_s = COALESCE(?, timeout_s), last_activity_at = UTC_TIMESTAMP(3),"
	" updated_at = UTC_TIMESTAMP(3), row_version = row_version + 1, expires_at =" EXPIRES
	" WHERE id = ? AND " ACTIVE
};

int session_touch(struct db *db, const struct conf *cf, const char *id, int64_t timeout_s,
		  struct fault *f)
{
	return (int)db_exec(db, &Q_TOUCH, VALS(VOPT(timeout_s), EXPIRES_VALS(cf), VSTR(id)), f);
}

/* ---- ending ---- */

static const struct query Q_END = {
	"session.end",
	"UPDATE session SET state = ?, ended_reason = ?, error_message = ?, desired = 'gone', expires_at = NULL,"
	" completed_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3), row_version = row_version + 1,"
	" lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1 WHERE id = ? AND " ACTIVE
};
static const struct query Q_END_EXECUTIONS = {
	"session.end_executions",
	"UPDATE execution SET state = ?, ended_reason = ?, retryable = 0, completed_at = UTC_TIMESTAMP(3),"
	" error_message = COALESCE(error_message, 'SessionEnded: the session ended'), lease_owner = NULL,"
	" lease_until = NULL, lease_epoch = lease_epoch + 1, row_version = row_version + 1"
	" WHERE session_id = ? AND state IN ('pending', 'running')"
};
static const struct query Q_GARBAGE = {
	"session.garbage",
	"INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at)"
	" VALUES ('prefix', ?, ?, UTC_TIMESTAMP(3) + INTERVAL ? HOUR, UTC_TIMESTAMP(3))"
};
static const struct query Q_GARBAGE_NOW = {
	"session.garbage_now",
	"UPDATE storage_garbage SET not_before = UTC_TIMESTAMP(3) WHERE session_id = ?"
};
static const struct query Q_DROP_ARTIFACTS = { "session.drop_artifacts",
					       "DELETE FROM artifact WHERE session_id = ?" };
static const struct query Q_DROP_EXECUTIONS = { "session.drop_executions",
						"DELETE FROM execution WHERE session_id = ?" };
static const struct query Q_DELETE = {
	"session.delete",
	"UPDATE session SET deleted_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3), env_vars = '{}',"
	" row_version = row_version + 1 WHERE id = ? AND deleted_at IS NULL"
};

struct finish {
	const struct conf *cf;
	const char *id;
	const struct session_end *end;
	bool delete;
	bool ended;
};

static int queue_garbage(struct db *db, const struct finish *x, struct fault *f)
{
	static const char *const prefixes[] = { "sessions/", "logs/" };

	for (size_t i = 0; x->ended && i < ARRAY_LEN(prefixes); i++) {
		char key[96];

		snprintf(key, sizeof(key), "%s%.64s/", prefixes[i], x->id);
		if (db_exec(db, &Q_GARBAGE,
			    VALS(VSTR(key), VSTR(x->id), VINT(x->cf->storage_retention_hours)),
			    f) < 0)
			return -1;
	}
	return x->delete &&db_exec(db, &Q_GARBAGE_NOW, VALS(VSTR(x->id)), f) < 0 ? -1 : 0;
}

static int finish_tx(struct db *db, void *arg, struct fault *f)
{
	struct finish *x = arg;
	const struct session_end *e = x->end;
	int64_t n = db_exec(db, &Q_END,
			    VALS(VSTR(e->state), VSTR(e->reason), VSTR(e->error), VSTR(x->id)), f);

	if (n < 0)
		return -1;
	x->ended = n > 0;
	if (x->ended &&
	    (container_want_absent(db, x->id, f) < 0 ||
	     db_exec(db, &Q_END_EXECUTIONS,
		     VALS(VSTR(e->exec_state), VSTR(e->exec_reason), VSTR(x->id)), f) < 0))
		return -1;
	if (queue_garbage(db, x, f) < 0)
		return -1;
	if (!x->delete)
		return 0;
	if (db_exec(db, &Q_DROP_ARTIFACTS, VALS(VSTR(x->id)), f) < 0 ||
	    db_exec(db, &Q_DROP_EXECUTIONS, VALS(VSTR(x->id)), f) < 0 ||
	    db_exec(db, &Q_DELETE, VALS(VSTR(x->id)), f) < 0)
		return -1;
	return 0;
}

int session_finish(struct db *db, const struct conf *cf, const char *id,
		   const struct session_end *end, bool delete, struct fault *f)
{
	struct finish x = { .cf = cf, .id = id, .end = end, .delete = delete };

	return db_tx(db, finish_tx, &x, f) < 0 ? -1 : x.ended;
}
