#include "container.h"

#include "node.h"
#include "session.h"

#define COLUMNS \
	" id, session_id, state, desired, runtime_id, runtime_type, node_id, template_id, image_url, generation," \
	" CAST(cpu * 1000 AS SIGNED), memory_bytes, lease_epoch FROM container"

static const struct db_col columns[] = {
	COL_STR(struct container, id),          COL_STR(struct container, session_id),
	COL_STR(struct container, state),       COL_STR(struct container, desired),
	COL_STR(struct container, runtime_id),  COL_STR(struct container, runtime_type),
	COL_STR(struct container, node_id),     COL_STR(struct container, template_id),
	COL_STR(struct container, image_url),   COL_I64(struct container, generation),
	COL_I64(struct container, cpu_millis),  COL_I64(struct container, memory_bytes),
	COL_I64(struct container, lease_epoch),
};
static const struct db_map container_map = { columns, ARRAY_LEN(columns),
					     sizeof(struct container) };

static const struct query Q_FIND = { "container.find", "SELECT" COLUMNS " WHERE id = ?" };
static const struct query Q_INSERT = {
	"container.insert",
	"INSERT INTO container (id, session_id, generation, state, desired, runtime_type, node_id, template_id, image_url,"
	" cpu, memory_bytes, disk_bytes, max_processes, created_at, lease_owner, lease_until, lease_epoch)"
	" VALUES (?, ?, 0, 'creating', 'present', ?, ?, ?, ?, ? / 1000, ?, ?, ?, UTC_TIMESTAMP(3), ?,"
	" UTC_TIMESTAMP(3) + INTERVAL ? SECOND, 1)"
};
static const struct query Q_MADE = {
	"container.made",
	"UPDATE container SET runtime_id = ?, lease_owner = NULL, lease_until = NULL WHERE id = ?"
};
static const struct query Q_RUNNING = {
	"container.running",
	"UPDATE container SET state = 'running', pod_name = COALESCE(?, pod_name),"
	" started_at = COALESCE(started_at, UTC_TIMESTAMP(3)) WHERE id = ? AND state IN ('creating', 'running')"
};
static const struct query Q_EXITED = {
	"container.exited",
	"UPDATE container SET state = 'exited', exit_code = ?, exit_reason = ?, error = ?, exited_at = UTC_TIMESTAMP(3)"
	" WHERE id = ? AND state IN ('creating', 'running')"
};
static const struct query Q_USAGE = {
	"container.usage",
	"UPDATE container SET usage_cpu_ms = ?, usage_memory_bytes = ?, usage_disk_bytes = ?, usage_at = UTC_TIMESTAMP(3)"
	" WHERE id = ?"
};
static const struct query Q_ABSENT = {
	"container.want_absent",
	"UPDATE container SET desired = 'absent' WHERE session_id = ? AND desired = 'present'"
};
static const struct query Q_CLAIM = {
	"container.claim_absent",
	"SELECT" COLUMNS
	" WHERE desired = 'absent' AND state <> 'removed' AND node_id = ? AND (? IS NULL OR session_id = ?)"
	" AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3)) LIMIT ? FOR UPDATE SKIP LOCKED"
};
static const struct query Q_LEASE = {
	"container.lease", "UPDATE container SET lease_owner = ?, lease_epoch = lease_epoch + 1,"
			   " lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ?"
};
static const struct query Q_REMOVED = {
	"container.removed",
	"UPDATE container SET state = 'removed', removed_at = UTC_TIMESTAMP(3),"
	" exited_at = COALESCE(exited_at, UTC_TIMESTAMP(3)), lease_owner = NULL, lease_until = NULL"
	" WHERE id = ? AND lease_epoch = ? AND removed_at IS NULL"
};
static const struct query Q_FORGET = {
	"container.forget", "DELETE FROM container WHERE session_id = ? AND removed_at IS NOT NULL"
};

int container_insert(struct db *db, const struct session_new *s, const struct session_made *m,
		     struct fault *f)
{
	return (int)db_exec(db, &Q_INSERT,
			    VALS(VSTR(m->container_id), VSTR(s->id), VSTR(s->runtime_type),
				 VSTR(m->node_id), VSTR(s->template_id), VSTR(s->image_url),
				 VINT(s->cpu_millis), VINT(s->memory_bytes), VINT(s->disk_bytes),
				 VINT(s->max_processes), VSTR(s->lease_owner), VINT(s->lease_s)),
			    f);
}

int container_find(struct db *db, const char *id, struct container *c, struct arena *a,
		   struct fault *f)
{
	return db_rows(db, &Q_FIND, VALS(VSTR(id)), &container_map, c, 1, a, f);
}

int container_made(struct db *db, const char *id, const char *runtime_id, struct fault *f)
{
	return (int)db_exec(db, &Q_MADE, VALS(VSTR(runtime_id), VSTR(id)), f);
}

int container_running(struct db *db, const char *id, const char *pod_name, struct fault *f)
{
	return (int)db_exec(db, &Q_RUNNING, VALS(VSTR(pod_name), VSTR(id)), f);
}

int container_exited(struct db *db, const char *id, int64_t exit_code, const char *reason,
		     const char *error, struct fault *f)
{
	return (int)db_exec(db, &Q_EXITED,
			    VALS(VOPT(exit_code), VSTR(reason), VSTR(error), VSTR(id)), f);
}

int container_usage(struct db *db, const char *id, int64_t cpu_ms, int64_t memory_bytes,
		    int64_t disk_bytes, struct fault *f)
{
	return (int)db_exec(db, &Q_USAGE,
			    VALS(VOPT(cpu_ms), VOPT(memory_bytes), VOPT(disk_bytes), VSTR(id)), f);
}

int container_want_absent(struct db *db, const char *session_id, struct fault *f)
{
	return (int)db_exec(db, &Q_ABSENT, VALS(VSTR(session_id)), f);
}

struct claim {
	const char *node_id, *session_id, *owner;
	int64_t lease_s;
	struct container *out;
	int max;
	struct arena *a;
};

static int claim_tx(struct db *db, void *arg, struct fault *f)
{
	struct claim *x = arg;
	int n = db_rows(db, &Q_CLAIM,
			VALS(VSTR(x->node_id), VSTR(x->session_id), VSTR(x->session_id),
			     VINT(x->max)),
			&container_map, x->out, x->max, x->a, f);

	for (int i = 0; i < n; i++) {
		if (db_exec(db, &Q_LEASE,
			    VALS(VSTR(x->owner), VINT(x->lease_s), VSTR(x->out[i].id)), f) < 0)
			return -1;
		x->out[i].lease_epoch++;
	}
	return n;
}

int container_claim_absent(struct db *db, const char *node_id, const char *session_id,
			   const char *owner, int64_t lease_s, struct container *out, int max,
			   struct arena *a, struct fault *f)
{
	struct claim x = { node_id, session_id, owner, lease_s, out, max, a };

	return db_tx(db, claim_tx, &x, f);
}

static int removed_tx(struct db *db, void *arg, struct fault *f)
{
	const struct container *c = arg;
	int64_t n = db_exec(db, &Q_REMOVED, VALS(VSTR(c->id), VINT(c->lease_epoch)), f);

	if (n <= 0)
		return (int)n;
	return node_release(db, c->node_id, c->cpu_millis, c->memory_bytes, f) < 0 ? -1 : 1;
}

int container_removed(struct db *db, const struct container *c, struct fault *f)
{
	return db_tx(db, removed_tx, (void *)(uintptr_t)c, f);
}

int container_forget(struct db *db, const char *session_id, struct fault *f)
{
	return (int)db_exec(db, &Q_FORGET, VALS(VSTR(session_id)), f);
}
