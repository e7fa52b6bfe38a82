#include "execution.h"

#include "garbage.h"

#define LIST_TEXT  "16384" /* CONTRACT 4.1: what an item of a list shows at most */
#define LIST_VALUE "65536"

#define HEAD \
	" id, session_id, state, ended_reason, language, entrypoint, env_vars, request_hash, error, error_message," \
	" request_id, created_at, started_at, completed_at, last_heartbeat_at, retryable, timeout_s, attempt, max_retries," \
	" retry_on_crash, entrypoint_given, exit_code, signal_number, stdout_bytes, stderr_bytes, stdout_dropped_bytes," \
	" stderr_dropped_bytes, duration_ms, cpu_time_ms, io_read_bytes, io_write_bytes, queue_ms, artifacts_truncated," \
	" peak_memory_mb, log_prefix, (SELECT COUNT(*) FROM artifact r WHERE r.execution_id = execution.id),"
#define WHOLE \
	HEAD " code, event, stdin, return_value, stdout, stderr, stdout_truncated, stderr_truncated, 0, 0, 0 FROM execution"
#define SHORT \
	HEAD " IF(LENGTH(code) > " LIST_TEXT ", '', code), IF(LENGTH(event) > " LIST_TEXT \
	     ", 'null', event), NULL," \
	     " IF(LENGTH(return_value) > " LIST_VALUE \
	     ", NULL, return_value), LEFT(stdout, " LIST_TEXT "), LEFT(stderr, " LIST_TEXT ")," \
	     " stdout_truncated OR COALESCE(LENGTH(stdout), 0) > " LIST_TEXT "," \
	     " stderr_truncated OR COALESCE(LENGTH(stderr), 0) > " LIST_TEXT "," \
	     " LENGTH(code) > " LIST_TEXT ", LENGTH(event) > " LIST_TEXT \
	     ", COALESCE(LENGTH(return_value), 0) > " LIST_VALUE " FROM execution"

#define C_STR(f) COL_STR(struct execution, f)
#define C_INT(f) COL_I64(struct execution, f)
static const struct db_col columns[] = {
	C_STR(id),
	C_STR(session_id),
	C_STR(state),
	C_STR(ended_reason),
	C_STR(language),
	C_STR(entrypoint),
	C_STR(env_vars),
	C_STR(request_hash),
	C_STR(error),
	C_STR(error_message),
	C_STR(request_id),
	C_STR(created_at),
	C_STR(started_at),
	C_STR(completed_at),
	C_STR(last_heartbeat_at),
	C_INT(retryable),
	C_INT(timeout_s),
	C_INT(attempt),
	C_INT(max_retries),
	C_INT(retry_on_crash),
	C_INT(entrypoint_given),
	C_INT(exit_code),
	C_INT(signal),
	C_INT(stdout_bytes),
	C_INT(stderr_bytes),
	C_INT(stdout_dropped_bytes),
	C_INT(stderr_dropped_bytes),
	C_INT(duration_ms),
	C_INT(cpu_time_ms),
	C_INT(io_read_bytes),
	C_INT(io_write_bytes),
	C_INT(queue_ms),
	C_INT(artifacts_truncated),
	COL_F64(struct execution, peak_memory_mb),
	C_STR(log_prefix),
	C_INT(artifact_count),
	C_STR(code),
	C_STR(event),
	C_STR(stdin_text),
	C_STR(return_value),
	COL_BLOB(struct execution, stdout_data, stdout_len),
	COL_BLOB(struct execution, stderr_data, stderr_len),
	C_INT(stdout_truncated),
	C_INT(stderr_truncated),
	C_INT(code_omitted),
	C_INT(event_omitted),
	C_INT(return_value_omitted),
};
static const struct db_map execution_map = { columns, ARRAY_LEN(columns),
					     sizeof(struct execution) };

/* ---- reading ---- */

static const struct query Q_FIND = { "execution.find", "SELECT" WHOLE " WHERE id = ?" };
static const struct query Q_LOCK = {
	"execution.lock",
	"SELECT id, session_id, state, attempt FROM execution WHERE id = ? FOR UPDATE"
};
static const struct query Q_LIST = {
	"execution.list",
	"SELECT" SHORT
	" WHERE session_id = ? AND (? IS NULL OR state = ?) ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?"
};
static const struct query Q_LIST_AFTER = {
	"execution.list_after",
	"SELECT" SHORT
	" WHERE session_id = ? AND (? IS NULL OR state = ?) AND created_at <= ? AND (created_at < ? OR id < ?)"
	" ORDER BY created_at DESC, id DESC LIMIT ?"
};
static const struct query Q_COUNT = {
	"execution.count",
	"SELECT COUNT(*) FROM execution WHERE session_id = ? AND (? IS NULL OR state = ?)"
};
static const struct query Q_BRIEF = {
	"execution.brief",
	"SELECT e.id, e.session_id, e.state, e.created_at, e.attempt, e.stdout_truncated, e.stderr_truncated, s.token_epoch,"
	" CAST(TIMESTAMPDIFF(MICROSECOND, s.completed_at, UTC_TIMESTAMP(3)) DIV 1000 AS SIGNED), s.state, s.container_id,"
	" e.log_prefix, e.stdout IS NOT NULL, e.stdout_bytes, e.stderr_bytes, e.stdout_dropped_bytes, e.stderr_dropped_bytes"
	" FROM execution e JOIN session s ON s.id = e.session_id WHERE e.id = ?"
};

int execution_find(struct db *db, const char *id, struct execution *x, struct arena *a,
		   struct fault *f)
{
	return db_rows(db, &Q_FIND, VALS(VSTR(id)), &execution_map, x, 1, a, f);
}

static int or_not_found(int found, const char *id, struct fault *f)
{
	if (found == 0)
		return fault_set(f, FAULT_EXECUTION_NOT_FOUND, "Execution not found: %.64s", id);
	return found < 0 ? -1 : 0;
}

int execution_load(struct db *db, const char *id, struct execution *x, struct arena *a,
		   struct fault *f)
{
	return or_not_found(execution_find(db, id, x, a, f), id, f);
}

int execution_brief(struct db *db, const char *id, struct execution_brief *x, struct arena *a,
		    struct fault *f)
{
	static const struct db_col cols[] = {
		COL_STR(struct execution_brief, id),
		COL_STR(struct execution_brief, session_id),
		COL_STR(struct execution_brief, state),
		COL_STR(struct execution_brief, created_at),
		COL_I64(struct execution_brief, attempt),
		COL_I64(struct execution_brief, stdout_truncated),
		COL_I64(struct execution_brief, stderr_truncated),
		COL_I64(struct execution_brief, token_epoch),
		COL_I64(struct execution_brief, ended_ms_ago),
		COL_STR(struct execution_brief, session_state),
		COL_STR(struct execution_brief, container_id),
		COL_STR(struct execution_brief, log_prefix),
		COL_I64(struct execution_brief, recorded),
		COL_I64(struct execution_brief, stdout_bytes),
		COL_I64(struct execution_brief, stderr_bytes),
		COL_I64(struct execution_brief, stdout_dropped_bytes),
		COL_I64(struct execution_brief, stderr_dropped_bytes),
	};
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct execution_brief) };

	return or_not_found(db_rows(db, &Q_BRIEF, VALS(VSTR(id)), &map, x, 1, a, f), id, f);
}

int execution_list(struct db *db, const char *session_id, const char *state, const char *after_at,
		   const char *after_id, int64_t offset, struct execution *out, int max,
		   struct arena *a, struct fault *f)
{
	if (after_id)
		return db_rows(db, &Q_LIST_AFTER,
			       VALS(VSTR(session_id), VSTR(state), VSTR(state), VSTR(after_at),
				    VSTR(after_at), VSTR(after_id), VINT(max)),
			       &execution_map, out, max, a, f);
	return db_rows(db, &Q_LIST,
		       VALS(VSTR(session_id), VSTR(state), VSTR(state), VINT(max), VINT(offset)),
		       &execution_map, out, max, a, f);
}

int execution_count(struct db *db, const char *session_id, const char *state, int64_t *n,
		    struct fault *f)
{
	return db_number(db, &Q_COUNT, VALS(VSTR(session_id), VSTR(state), VSTR(state)), n, f);
}

/* ---- creating ---- */

static const struct query Q_OPEN = {
	"execution.open",
	"SELECT COUNT(*) FROM execution WHERE session_id = ? AND state IN ('pending', 'running')"
};
/* A row of a running session is born leased to the worker that dispatches it. */
static const struct query Q_INSERT = {
	"execution.insert",
	"INSERT INTO execution (id, session_id, state, code, language, entrypoint, entrypoint_given, event, stdin, env_vars,"
	" timeout_s, request_hash, max_retries, retry_on_crash, request_id, created_by, created_at, dispatched_at,"
	" lease_owner, lease_until, lease_epoch)"
	" VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), IF(? IS NULL, NULL, UTC_TIMESTAMP(3)),"
	" ?, IF(? IS NULL, NULL, UTC_TIMESTAMP(3) + INTERVAL 30 SECOND), 1)"
};

struct create {
	const struct conf *cf;
	const struct execution_new *x;
	const struct idem_claim *idem;
	struct execution_made *out;
	struct arena *a;
};

/* 1: the client's id names an execution already, and it is this one. 0: it names none. */
static int same_as_existing(struct db *db, const struct execution_new *x, struct arena *a,
			    struct fault *f)
{
	struct execution old;
	int found = x->id_given ? execution_find(db, x->id, &old, a, f) : 0;

	if (found <= 0)
		return found;
	if (strcmp(old.session_id, x->session_id))
		return fault_set(f, FAULT_CONFLICT,
				 "the execution id %s is taken in another session", x->id);
	if (strcmp(old.request_hash, x->request_hash))
		return fault_set(f, FAULT_IDEMPOTENCY_MISMATCH,
				 "the execution id %s was used for a different request", x->id);
	return 1;
}

static int insert(struct db *db, const struct create *c, struct fault *f)
{
	const struct execution_new *x = c->x;
	const char *owner = !strcmp(c->out->session.state, "running") ? x->lease_owner : NULL;
	int64_t n = db_exec(db, &Q_INSERT,
			    VALS(VSTR(x->id), VSTR(x->session_id), VSTR(x->code), VSTR(x->language),
				 VSTR(x->entrypoint), VINT(x->entrypoint_given), VSTR(x->event),
				 VSTR(x->stdin_text), VSTR(x->env_vars), VINT(x->timeout_s),
				 VSTR(x->request_hash), VINT(x->max_retries),
				 VINT(x->retry_on_crash), VSTR(x->request_id), VSTR(x->created_by),
				 VSTR(owner), VSTR(owner), VSTR(owner)),
			    f);

	if (n < 0 && fault_is(f, FAULT_CONFLICT))
		return fault_set(f, FAULT_CONFLICT, "the execution id %s is taken", x->id);
	return n < 0 ? -1 : 0;
}

static int create_tx(struct db *db, void *arg, struct fault *f)
{
	struct create *c = arg;
	const struct execution_new *x = c->x;
	int64_t open = 0;
	int same;

	/* The session's row is the lock under which its executions are admitted one by one. */
	if (session_lock(db, x->session_id, &c->out->session, c->a, f) < 0)
		return -1;
	if ((same = same_as_existing(db, x, c->a, f)) < 0)
		return -1;
	c->out->existing = same;
	if (same)
		return c->idem ? idem_object(db, c->idem, x->id, f) : 0;
	if (!session_active(c->out->session.state))
		return session_inactive_fault(&c->out->session, f);
	if (db_number(db, &Q_OPEN, VALS(VSTR(x->session_id)), &open, f) < 0)
		return -1;
	if (open >= c->cf->execution_max_parallel + c->cf->execution_max_queue) {
		fault_set(f, FAULT_QUEUE_FULL, "%lld executions of the session run or wait",
			  (long long)open);
		f->session_id = c->out->session.id;
		return -1;
	}
	if (insert(db, c, f) < 0 || session_touch(db, c->cf, x->session_id, INT64_MIN, f) < 0)
		return -1;
	return c->idem ? idem_object(db, c->idem, x->id, f) : 0;
}

int execution_create(struct db *db, const struct conf *cf, const struct execution_new *x,
		     const struct idem_claim *idem, struct execution_made *out, struct arena *a,
		     struct fault *f)
{
	struct create c = { cf, x, idem, out, a };

	return db_tx(db, create_tx, &c, f) < 0 ? -1 : 0;
}

/* ---- dispatching ---- */

static const struct query Q_PENDING = {
	"execution.pending",
	"SELECT" WHOLE
	" WHERE session_id = ? AND state = 'pending' AND (lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3))"
	" AND (not_before IS NULL OR not_before <= UTC_TIMESTAMP(3)) ORDER BY created_at, id LIMIT ? FOR UPDATE SKIP LOCKED"
};
static const struct query Q_LEASE = {
	"execution.lease",
	"UPDATE execution SET lease_owner = ?, lease_epoch = lease_epoch + 1, dispatched_at = UTC_TIMESTAMP(3),"
	" lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ?"
};
static const struct query Q_RELEASE = {
	"execution.release",
	"UPDATE execution SET lease_owner = NULL, lease_until = NULL, dispatched_at = NULL"
	" WHERE id = ? AND lease_owner = ? AND state = 'pending'"
};
static const struct query Q_ALIVE = {
	"execution.alive",
	"UPDATE execution SET state = 'running', last_heartbeat_at = UTC_TIMESTAMP(3),"
	" started_at = COALESCE(?, started_at, UTC_TIMESTAMP(3)), row_version = row_version + 1"
	" WHERE id = ? AND attempt = ? AND state IN ('pending', 'running')"
};

struct claim {
	const char *session_id, *owner;
	int64_t lease_s;
	struct execution *out;
	int max;
	struct arena *a;
};

static int claim_tx(struct db *db, void *arg, struct fault *f)
{
	struct claim *c = arg;
	int n = db_rows(db, &Q_PENDING, VALS(VSTR(c->session_id), VINT(c->max)), &execution_map,
			c->out, c->max, c->a, f);

	for (int i = 0; i < n; i++)
		if (db_exec(db, &Q_LEASE,
			    VALS(VSTR(c->owner), VINT(c->lease_s), VSTR(c->out[i].id)), f) < 0)
			return -1;
	return n;
}

int execution_claim_pending(struct db *db, const char *session_id, const char *owner,
			    int64_t lease_s, struct execution *out, int max, struct arena *a,
			    struct fault *f)
{
	struct claim c = { session_id, owner, lease_s, out, max, a };

	return db_tx(db, claim_tx, &c, f);
}

int execution_release(struct db *db, const char *id, const char *owner, struct fault *f)
{
	return (int)db_exec(db, &Q_RELEASE, VALS(VSTR(id), VSTR(owner)), f);
}

int execution_alive(struct db *db, const char *id, int64_t attempt, const char *started_at,
		    struct fault *f)
{
	return (int)db_exec(db, &Q_ALIVE, VALS(VSTR(started_at), VSTR(id), VINT(attempt)), f);
}

/* ---- stored logs ---- */

static const struct query Q_LOG = {
	"execution.log", "UPDATE execution SET log_prefix = ? WHERE id = ? AND attempt = ?"
};

struct log_stored {
	const char *id, *session_id, *prefix, *garbage;
	int64_t attempt;
	struct arena *a;
};

static int log_tx(struct db *db, void *arg, struct fault *f)
{
	struct log_stored *x = arg;
	struct session s;
	int n;

	if (session_lock(db, x->session_id, &s, x->a, f) < 0) {
		if (!fault_is(f, FAULT_SESSION_GONE))
			return -1;
		*f = (struct fault){ 0 };
		return 0;
	}
	if (!session_active(s.state) && (n = garbage_again(db, x->session_id, x->garbage, f)) <= 0)
		return n;
	return (int)db_exec(db, &Q_LOG, VALS(VSTR(x->prefix), VSTR(x->id), VINT(x->attempt)), f);
}

int execution_log_stored(struct db *db, const char *id, const char *session_id, int64_t attempt,
			 const char *prefix, const char *garbage, struct arena *a, struct fault *f)
{
	struct log_stored x = { id, session_id, prefix, garbage, attempt, a };

	return db_tx(db, log_tx, &x, f);
}

/* ---- ending ---- */

static const struct query Q_RECORD = {
	"execution.record",
	"UPDATE execution SET state = ?, ended_reason = ?, retryable = ?, exit_code = ?, signal_number = ?, return_value = ?,"
	" error = ?, error_message = ?, stdout = ?, stderr = ?, stdout_bytes = ?, stderr_bytes = ?, stdout_truncated = ?,"
	" stderr_truncated = ?, stdout_dropped_bytes = ?, stderr_dropped_bytes = ?, duration_ms = ?, cpu_time_ms = ?,"
	" peak_memory_mb = ?, io_read_bytes = ?, io_write_bytes = ?, queue_ms = ?, artifacts_truncated = artifacts_truncated OR ?,"
	" started_at = COALESCE(?, started_at), completed_at = COALESCE(?, UTC_TIMESTAMP(3)), lease_owner = NULL,"
	" lease_until = NULL, lease_epoch = lease_epoch + 1, row_version = row_version + 1 WHERE id = ?"
};
/* A late result for an execution that the control plane ended: only what is missing. */
static const struct query Q_ADD = {
	"execution.add",
	"UPDATE execution SET stdout = ?, stderr = ?, stdout_bytes = ?, stderr_bytes = ?, stdout_truncated = ?,"
	" stderr_truncated = ?, stdout_dropped_bytes = ?, stderr_dropped_bytes = ?, duration_ms = ?, cpu_time_ms = ?,"
	" peak_memory_mb = ?, io_read_bytes = ?, io_write_bytes = ?, queue_ms = ?, artifacts_truncated = artifacts_truncated OR ?,"
	" started_at = COALESCE(started_at, ?), row_version = row_version + 1 WHERE id = ? AND stdout IS NULL AND duration_ms IS NULL"
};
static const struct query Q_END = {
	"execution.end",
	"UPDATE execution SET state = ?, ended_reason = ?, retryable = 0, error_message = ?, completed_at = UTC_TIMESTAMP(3),"
	" lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1, row_version = row_version + 1"
	" WHERE id = ? AND state IN ('pending', 'running')"
};

struct record {
	const struct conf *cf;
	const char *id;
	const struct execution_result *r;
	struct arena *a;
};

static int add_missing(struct db *db, const char *id, const struct execution_result *r,
		       struct fault *f)
{
	return db_exec(db, &Q_ADD,
		       VALS(VBLOB(r->stdout_data, r->stdout_len),
			    VBLOB(r->stderr_data, r->stderr_len), VINT(r->stdout_bytes),
			    VINT(r->stderr_bytes), VINT(r->stdout_truncated),
			    VINT(r->stderr_truncated), VINT(r->stdout_dropped_bytes),
			    VINT(r->stderr_dropped_bytes), VOPT(r->duration_ms),
			    VOPT(r->cpu_time_ms), VREAL(r->peak_memory_mb), VOPT(r->io_read_bytes),
			    VOPT(r->io_write_bytes), VOPT(r->queue_ms),
			    VINT(r->artifacts_truncated), VSTR(r->started_at), VSTR(id)),
		       f) < 0
		       ? -1
		       : 0;
}

static int record_tx(struct db *db, void *arg, struct fault *f)
{
	static const struct db_col cols[] = {
		COL_STR(struct execution_brief, id),
		COL_STR(struct execution_brief, session_id),
		COL_STR(struct execution_brief, state),
		COL_I64(struct execution_brief, attempt),
	};
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct execution_brief) };
	struct record *c = arg;
	const struct execution_result *r = c->r;
	struct execution_brief old;

	if (or_not_found(db_rows(db, &Q_LOCK, VALS(VSTR(c->id)), &map, &old, 1, c->a, f), c->id,
			 f) < 0)
		return -1;
	if (r->attempt != old.attempt)
		return 0; /* an older attempt: acknowledged and discarded (CONTRACT 4.9) */
	if (!execution_open(old.state))
		return add_missing(db, c->id, r, f);
	if (db_exec(db, &Q_RECORD,
		    VALS(VSTR(r->status), VSTR(r->ended_reason), VINT(r->retryable),
			 VOPT(r->exit_code), VOPT(r->signal), VSTR(r->return_value), VSTR(r->error),
			 VSTR(r->error_message), VBLOB(r->stdout_data, r->stdout_len),
			 VBLOB(r->stderr_data, r->stderr_len), VINT(r->stdout_bytes),
			 VINT(r->stderr_bytes), VINT(r->stdout_truncated),
			 VINT(r->stderr_truncated), VINT(r->stdout_dropped_bytes),
			 VINT(r->stderr_dropped_bytes), VOPT(r->duration_ms), VOPT(r->cpu_time_ms),
			 VREAL(r->peak_memory_mb), VOPT(r->io_read_bytes), VOPT(r->io_write_bytes),
			 VOPT(r->queue_ms), VINT(r->artifacts_truncated), VSTR(r->started_at),
			 VSTR(r->completed_at), VSTR(c->id)),
		    f) < 0 ||
	    session_touch(db, c->cf, old.session_id, INT64_MIN, f) < 0)
		return -1;
	return 1;
}

int execution_record(struct db *db, const struct conf *cf, const char *id,
		     const struct execution_result *r, struct arena *a, struct fault *f)
{
	struct record c = { cf, id, r, a };

	return db_tx(db, record_tx, &c, f);
}

struct end {
	const struct conf *cf;
	const char *id, *session_id, *state, *reason, *message;
};

static int end_tx(struct db *db, void *arg, struct fault *f)
{
	struct end *e = arg;
	int64_t n =
		db_exec(db, &Q_END,
			VALS(VSTR(e->state), VSTR(e->reason), VSTR(e->message), VSTR(e->id)), f);

	if (n > 0 && session_touch(db, e->cf, e->session_id, INT64_MIN, f) < 0)
		return -1;
	return (int)n;
}

int execution_end(struct db *db, const struct conf *cf, const char *id, const char *session_id,
		  const char *state, const char *reason, const char *message, struct fault *f)
{
	struct end e = { cf, id, session_id, state, reason, message };

	return db_tx(db, end_tx, &e, f);
}
