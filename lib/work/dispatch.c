#include "dispatch.h"

#include <stdio.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/text.h"
#include "../token.h"
#include "result.h"

#define SUBMIT_MS \
	10000 /* an executor that does not take a body of 8 MiB in this time is not there */
#define ACK_MS      2000
#define SILENT_MS   30000      /* CONTRACT 2: ExecTimeout after 30 s of silence */
#define POLL_S      25         /* one long poll; the executor accepts up to 30 (CONTRACT 10.1) */
#define SLACK_MS    5000       /* for the answer of a long poll to arrive */
#define MAX_ANSWER  (33 << 20) /* a result of 32 MiB (CONTRACT 1.2) and its frame */
#define PENDING_MAX 128 /* [execution] max_parallel + max_queue at their defaults, rounded up */
#define LEASE_S     30

int executor_of(struct work *w, const char *container_id, const char *session_id,
		int64_t token_epoch, struct executor *e, struct arena *a, struct fault *f)
{
	const char *token = token_make(w->cf, session_id, token_epoch, a);

	e->socket = rt_socket_path(w->cf, container_id, a);
	e->auth = token ? arena_printf(a, "Authorization: Bearer %s", token) : NULL;
	return e->socket && e->auth ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");
}

int executor_call(struct work *w, const struct executor *e, const char *method, const char *path,
		  const char *body, size_t body_len, int64_t deadline, int watch_fd,
		  struct httpc_resp *rs, struct arena *a, struct fault *f)
{
	const char *const headers[] = { e->auth,
					arena_printf(a, "X-Request-ID: %s", log_request_id()),
					NULL };
	struct httpc_req rq = {
		.method = method,
		.url = arena_printf(a, "http://executor%s", path),
		.unix_socket = e->socket,
		.headers = headers,
		.body = body,
		.body_len = body_len,
		.content_type = body ? "application/json" : NULL,
		.deadline = deadline,
		.max_body = MAX_ANSWER,
		.watch_fd = watch_fd,
	};

	*rs = (struct httpc_resp){ 0 };
	return httpc_do(w->http, &rq, rs, a, f);
}

/* The body of POST /executions (CONTRACT 10.1); event goes out as it came in. */
static struct json_object *submission(const struct execution *x, const char *env_vars)
{
	struct json_object *o = json_object_new_object();

	o = jsn_str(o, "execution_id", x->id);
	o = jsn_str(o, "session_id", x->session_id);
	o = jsn_int(o, "attempt", x->attempt);
	o = jsn_str(o, "code", x->code);
	o = jsn_str(o, "language", x->language);
	o = jsn_int(o, "timeout", x->timeout_s);
	o = jsn_raw(o, "event", x->event);
	o = jsn_str(o, "stdin", x->stdin_text);
	o = jsn_raw(o, "env_vars", env_vars);
	/* Absent means: "handler" when there is one; a given one must be there. */
	return x->entrypoint_given ? jsn_str(o, "entrypoint", x->entrypoint) : o;
}

int dispatch_submit(struct work *w, const struct executor *e, const struct execution *x,
		    const char *env_vars, struct arena *a, struct fault *f)
{
	AUTO_JSON struct json_object *o = submission(x, env_vars);
	struct httpc_resp rs;
	const char *body;
	size_t n;

	if (!o || !(body = jsn_text(o, &n)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (executor_call(w, e, "POST", "/executions", body, n, clock_ms() + SUBMIT_MS, -1, &rs, a,
			  f) < 0)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "the session's executor could not be reached");
	if (rs.status == 200 || rs.status == 201)
		return 0;
	log_warn("execution.refused", S("execution_id", x->id), S("session_id", x->session_id),
		 I("status", rs.status), S("error", rs.body));
	if (rs.status == 400 || rs.status == 422)
		return fault_set(f, FAULT_REFUSED, "the executor refused the execution");
	return fault_set(f, rs.status == 503 ? FAULT_BUSY : FAULT_RUNTIME_UNAVAILABLE,
			 "the session's executor did not accept the execution");
}

/* An answer of GET /executions/{id} or cancel: 1 recorded, 0 not ended, -1. */
static int take(struct work *w, const char *id, const struct httpc_resp *rs, struct arena *a,
		struct fault *f)
{
	AUTO_JSON struct json_object *in = jsn_parse(rs->body, rs->len, a, f);
	struct json_object *status = in ? json_object_object_get(in, "status") : NULL;
	const char *word = status ? json_object_get_string(status) : NULL;
	struct execution_result r;
	struct db *db;
	int rc;

	if (!word)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "the executor's answer has no status");
	if (!strcmp(word, "pending") || !strcmp(word, "queued") || !strcmp(word, "running") ||
	    !strcmp(word, "accepted"))
		return 0;
	if (!json_object_object_get(in, "ended_reason") ||
	    !json_object_object_get_ex(in, "exit_code", NULL))
		return 1; /* known, its result delivered and freed before */
	if (result_read(in, rs->body, rs->len, &r, a, f) < 0)
		return -1;
	if (!(db = db_get(w->pool, f)))
		return -1;
	rc = execution_record(db, w->cf, id, &r, a, f);
	db_put(w->pool, db);
	if (rc > 0)
		log_info("execution.ended", S("execution_id", id), S("to", r.status),
			 S("ended_reason", r.ended_reason), S("by", "reader"));
	return rc < 0 ? -1 : 1;
}

int dispatch_wait(struct work *w, const struct executor *e, const char *id, int64_t deadline,
		  int watch_fd, bool *gone, struct arena *a, struct fault *f)
{
	*gone = false;
	for (;;) {
		int64_t left_ms = deadline - clock_ms();
		int64_t poll_s = left_ms / 1000 < POLL_S ? left_ms / 1000 : POLL_S;
		struct httpc_resp rs;
		char path[128];
		int rc;

		if (left_ms <= 0)
			return 0;
		snprintf(path, sizeof(path), "/executions/%s?wait=%lld", id,
			 (long long)(poll_s > 0 ? poll_s : 1));
		rc = executor_call(w, e, "GET", path, NULL, 0,
				   clock_ms() + poll_s * 1000 + SLACK_MS, watch_fd, &rs, a, f);
		*gone = rs.gone;
		if (rs.gone)
			return 0;
		if (rc < 0 || rs.status != 200)
			return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
					 "the session's executor could not be reached");
		if ((rc = take(w, id, &rs, a, f)))
			return rc;
	}
}

void dispatch_ack(struct work *w, const struct executor *e, const char *id, struct arena *a)
{
	struct httpc_resp rs;
	struct fault f = { 0 };
	char path[96];

	snprintf(path, sizeof(path), "/executions/%s", id);
	if (executor_call(w, e, "DELETE", path, NULL, 0, clock_ms() + ACK_MS, -1, &rs, a, &f) < 0)
		log_debug("execution.ack_failed", S("execution_id", id));
}

int dispatch_cancel(struct work *w, const struct executor *e, const char *id, int64_t deadline,
		    struct arena *a, struct fault *f)
{
	struct httpc_resp rs;
	char path[96];
	bool gone;
	int rc;

	snprintf(path, sizeof(path), "/executions/%s/cancel", id);
	if (executor_call(w, e, "POST", path, "{}", 2, deadline, -1, &rs, a, f) < 0)
		return -1;
	if (rs.status == 404)
		return 0;
	if (rs.status == 200 && (rc = take(w, id, &rs, a, f)) != 0)
		return rc;
	return dispatch_wait(w, e, id, deadline, -1, &gone, a, f);
}

/* A number among an answer's headers; 0 when it is not there. */
static int64_t number(const struct httpc_resp *rs, const char *name, struct arena *a)
{
	const char *v = httpc_header(rs, name, a);
	int64_t n = 0;

	return v && text_int(v, 0, INT64_MAX, &n) ? n : 0;
}

int dispatch_output(struct work *w, const struct executor *e, const char *id, bool is_err,
		    int64_t after, int64_t limit, int watch_fd, struct dispatch_piece *p,
		    struct arena *a, struct fault *f)
{
	struct httpc_resp rs;
	char path[192];

	snprintf(path, sizeof(path), "/executions/%s/output?stream=%s&after=%lld&limit=%lld", id,
		 is_err ? "stderr" : "stdout", (long long)after, (long long)limit);
	if (executor_call(w, e, "GET", path, NULL, 0, clock_ms() + SILENT_MS, watch_fd, &rs, a, f) <
	    0)
		return rs.timed_out
			       ? fault_set(f, FAULT_EXECUTOR_TIMEOUT,
					   "the executor was silent for %d s", SILENT_MS / 1000)
			       : 0;
	if (rs.status != 200 && rs.status != 416)
		return 0;
	*p = (struct dispatch_piece){
		.data = rs.body,
		.n = rs.len,
		.size = number(&rs, "X-Output-Size", a),
		.dropped = number(&rs, "X-Output-Dropped", a),
		.beyond = rs.status == 416,
		.complete = str_eq(httpc_header(&rs, "X-Output-Complete", a), "true"),
	};
	return 1;
}

static void submit_all(struct work *w, const struct session *s, struct execution *x, int n,
		       struct arena *a)
{
	struct executor e;
	struct fault f = { 0 };

	if (executor_of(w, s->container_id, s->id, s->token_epoch, &e, a, &f) < 0)
		return;
	for (int i = 0; i < n; i++) {
		struct db *db;

		if (dispatch_submit(w, &e, &x[i], x[i].env_vars, a, &f) == 0)
			continue;
		log_warn("execution.dispatch_failed", S("execution_id", x[i].id),
			 S("error", f.detail));
		if ((db = db_get(w->pool, &f)) && execution_release(db, x[i].id, w->owner, &f) < 0)
			log_warn("execution.lease_kept", S("execution_id", x[i].id));
		db_put(w->pool, db);
	}
}

void dispatch_pending(struct work *w, const char *session_id, struct arena *a)
{
	struct execution *x = arena_alloc(a, PENDING_MAX * sizeof(*x));
	struct fault f = { 0 };
	struct session s;
	struct db *db = x ? db_get(w->pool, &f) : NULL;
	int n = 0;

	if (db && session_load(db, session_id, &s, a, &f) == 0 && !strcmp(s.state, "running"))
		n = execution_claim_pending(db, session_id, w->owner, LEASE_S, x, PENDING_MAX, a,
					    &f);
	db_put(w->pool, db);
	if (n > 0)
		submit_all(w, &s, x, n, a);
}
