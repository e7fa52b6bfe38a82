/* execution.c: reading and cancelling executions (CONTRACT 4). */
#include "execution.h"

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "../lib/work/dispatch.h"
#include "artifact.h"
#include "handlers.h"
#include "page.h"
#include "when.h"

#define LIST_ARTIFACTS 100  /* of one item of a list */
#define CANCEL_MS      5000 /* CONTRACT 4.8: the wait for the executor's own result */

/* ---- out ---- */

/* Bytes as JSON text; what is not UTF-8 becomes U+FFFD, and a character cut by a list's limit is left out. */
static struct json_object *stream_text(struct req *r, struct json_object *o, const char *key,
				       const char *data, size_t n, bool brief)
{
	char *text;
	size_t len;

	if (!data)
		return jsn_str(o, key, "");
	for (int i = 0; brief && i < 3 && n && !text_utf8_ok(data, n) && (data[n - 1] & 0x80); i++)
		n--;
	text = text_utf8_repair(r->a, data, n, &len);
	return text ? jsn_strn(o, key, text, len) : jsn_put(o, key, NULL);
}

static struct json_object *metrics_json(const struct execution *x)
{
	struct json_object *m = json_object_new_object();

	m = jsn_int(m, "duration_ms", x->duration_ms);
	m = jsn_int(m, "cpu_time_ms", x->cpu_time_ms);
	m = jsn_num(m, "peak_memory_mb", x->peak_memory_mb);
	m = jsn_int(m, "io_read_bytes", x->io_read_bytes);
	m = jsn_int(m, "io_write_bytes", x->io_write_bytes);
	return jsn_int(m, "queue_ms", x->queue_ms);
}

static struct json_object *outputs(struct req *r, struct json_object *o, const struct execution *x,
				   bool brief)
{
	o = stream_text(r, o, "stdout", x->stdout_data, x->stdout_len, brief);
	o = stream_text(r, o, "stderr", x->stderr_data, x->stderr_len, brief);
	o = jsn_int(o, "stdout_bytes", x->stdout_bytes);
	o = jsn_int(o, "stderr_bytes", x->stderr_bytes);
	o = jsn_bool(o, "stdout_truncated", x->stdout_truncated);
	o = jsn_bool(o, "stderr_truncated", x->stderr_truncated);
	o = jsn_int(o, "stdout_dropped_bytes", x->stdout_dropped_bytes);
	return jsn_int(o, "stderr_dropped_bytes", x->stderr_dropped_bytes);
}

static struct json_object *submitted(struct json_object *o, const struct execution *x)
{
	o = x->code_omitted > 0 ? jsn_null(o, "code") : jsn_str(o, "code", x->code);
	o = jsn_str(o, "language", x->language);
	o = jsn_str(o, "entrypoint", x->entrypoint);
	o = x->event_omitted > 0 ? jsn_null(o, "event") : jsn_raw(o, "event", x->event);
	return jsn_int(o, "timeout", x->timeout_s);
}

struct json_object *execution_json(struct req *r, const struct execution *x, bool brief)
{
	bool open = execution_open(x->state);
	struct json_object *o = json_object_new_object();

	o = jsn_str(o, "id", x->id);
	o = jsn_str(o, "execution_id", x->id);
	o = jsn_str(o, "session_id", x->session_id);
	o = jsn_str(o, "status", x->state);
	o = jsn_str(o, "ended_reason", x->ended_reason);
	o = x->retryable == JSN_ABSENT ? jsn_null(o, "retryable")
				       : jsn_bool(o, "retryable", x->retryable);
	o = submitted(o, x);
	o = jsn_int(o, "exit_code", x->exit_code);
	o = jsn_int(o, "signal", x->signal);
	o = jsn_raw(o, "return_value", x->return_value);
	o = jsn_bool(o, "return_value_omitted", x->return_value_omitted > 0);
	o = jsn_bool(o, "code_omitted", x->code_omitted > 0);
	o = jsn_bool(o, "event_omitted", x->event_omitted > 0);
	o = jsn_raw(o, "error", x->error);
	o = jsn_str(o, "error_message", x->error_message);
	o = outputs(r, o, x, brief);
	o = jsn_num(o, "execution_time",
		    x->duration_ms == JSN_ABSENT ? NAN : (double)x->duration_ms / 1000);
	o = open ? jsn_null(o, "metrics") : jsn_put(o, "metrics", metrics_json(x));
	o = jsn_put(o, "artifacts", artifacts_json(r, x));
	o = jsn_bool(o, "artifacts_truncated",
		     x->artifacts_truncated || x->nartifacts < x->artifact_count);
	o = jsn_int(o, "attempt", x->attempt);
	o = jsn_int(o, "retry_count", x->attempt - 1);
	o = jsn_int(o, "max_retries", x->max_retries);
	o = when(o, "created_at", x->created_at, r->a);
	o = when(o, "started_at", x->started_at, r->a);
	o = when(o, "completed_at", x->completed_at, r->a);
	return when(o, "last_heartbeat_at", x->last_heartbeat_at, r->a);
}

int execution_reply(struct req *r, const char *id, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct execution x;

	if (!db || execution_load(db, id, &x, r->a, f) < 0 ||
	    artifact_attach(db, &x, 1, INT64_MAX, r->a, f) < 0)
		return -1;
	return req_reply(r, 200, execution_json(r, &x, false), f);
}

/* ---- reading ---- */

/* GET /api/v1/executions/{id} */
int get_execution(struct req *r, struct fault *f)
{
	return execution_reply(r, r->params[0], f);
}

/* GET /api/v1/sessions/{id}/executions */
int list_executions(struct req *r, struct fault *f)
{
	const char *state = req_query(r, "status");
	struct json_object *items = NULL;
	struct execution *rows;
	struct session s;
	struct page p;
	struct db *db;
	int64_t total = 0;
	int n, show;

	if (page_read(r, &p, f) < 0 || !(db = req_db(r, f)) ||
	    session_load(db, r->params[0], &s, r->a, f) < 0)
		return -1;
	if (!(rows = arena_alloc(r->a, (size_t)(p.limit + 1) * sizeof(*rows))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	n = execution_list(db, s.id, state, p.after_at, p.after_id, p.offset, rows,
			   (int)p.limit + 1, r->a, f);
	if (n < 0 || execution_count(db, s.id, state, &total, f) < 0)
		return -1;
	show = n > p.limit ? (int)p.limit : n;
	if (artifact_attach(db, rows, show, LIST_ARTIFACTS, r->a, f) < 0)
		return -1;
	items = json_object_new_array();
	for (int i = 0; i < show; i++)
		items = jsn_push(items, execution_json(r, &rows[i], true));
	return req_reply(r, 200,
			 page_body(r, &p, items, n > show, total,
				   n > show ? rows[show - 1].created_at : NULL,
				   n > show ? rows[show - 1].id : NULL),
			 f);
}

/* ---- cancelling ---- */

static int record_cancel(struct req *r, const struct execution_brief *x, struct fault *f)
{
	struct db *db = req_db(r, f);
	int n = db ? execution_end(db, r->t->work.cf, x->id, x->session_id, "cancelled",
				   "user_cancelled", "Cancelled: by request", f)
		   : -1;

	if (n > 0)
		log_info("execution.ended", S("execution_id", x->id),
			 S("session_id", x->session_id), S("from", x->state), S("to", "cancelled"),
			 S("ended_reason", "user_cancelled"), S("by", r->who.key_id));
	return n < 0 ? -1 : 0;
}

/* POST /api/v1/executions/{id}/cancel: a result that completes first wins. */
int cancel_execution(struct req *r, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct execution_brief x;
	struct executor e;
	struct fault own = { 0 };

	if (!db || execution_brief(db, r->params[0], &x, r->a, f) < 0)
		return -1;
	if (execution_open(x.state) && str_eq(x.session_state, "running")) {
		req_db_done(r);
		if (executor_of(&r->t->work, x.container_id, x.session_id, x.token_epoch, &e, r->a,
				f) < 0)
			return -1;
		if (dispatch_cancel(&r->t->work, &e, x.id, clock_ms() + CANCEL_MS, r->a, &own) < 0)
			log_warn("execution.cancel_unheard", S("execution_id", x.id),
				 S("error", own.detail));
	}
	if (execution_open(x.state) && record_cancel(r, &x, f) < 0)
		return -1;
	return execution_reply(r, x.id, f);
}
