/* logs.c: PUT /internal/executions/{id}/output: long logs, piece by piece, into storage (CONTRACT 4.5, 9). */
#include "../lib/work/logs.h"
#include "../lib/store/garbage.h"
#include "handlers.h"
#include "internal.h"

#define LOG_MAX \
	(10ll \
	 << 30) /* [execution] output_max_bytes at its ceiling: an executor keeps the value it was born with */
#define DRAIN_STEP 65536

static int answer(struct req *r, const char *message, int64_t next, struct fault *f)
{
	struct json_object *o = jsn_str(json_object_new_object(), "message", message);

	return req_reply(r, 200, jsn_int(o, "next", next), f);
}

static int elsewhere(int64_t next, struct fault *f)
{
	fault_set(f, FAULT_INT_CONFLICT, "the log has %lld bytes", (long long)next);
	f->has_next = true;
	f->next = next;
	return -1;
}

/* Nobody will read these bytes: they are taken all the same, so that the executor gets on. */
static int discard(struct req *r, int64_t after, struct fault *f)
{
	char *buf = arena_alloc(r->a, DRAIN_STEP);
	ssize_t n;

	if (!buf)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	while ((n = req_body_read(r, buf, DRAIN_STEP, f)) > 0)
		;
	return n < 0 ? -1 : answer(r, "discarded", after + r->bytes_in, f);
}

static ssize_t body(void *arg, char *buf, size_t n, struct fault *f)
{
	return req_body_read(arg, buf, n, f);
}

struct piece {
	const char *stream;
	int64_t after, attempt;
};

static int read_query(struct req *r, struct piece *p, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };

	p->stream = req_query(r, "stream");
	p->after = req_query_int(r, &c, "after", -1, 0, LOG_MAX);
	p->attempt = req_query_int(r, &c, "attempt", 0, 1, 100);
	if (!p->stream || (strcmp(p->stream, "stdout") && strcmp(p->stream, "stderr")))
		jsn_bad(&c, p->stream ? "literal_error" : "missing", "stream", NULL,
			"must be one of: stdout, stderr");
	if (!req_query(r, "after"))
		jsn_bad(&c, "missing", "after", NULL, "is required");
	return jsn_done(&c, f);
}

/* Written down with the execution; when nobody may read the log any more the piece goes away again. */
static int note(struct req *r, const struct log_id *l, bool *kept, struct fault *f)
{
	const char *prefix = logs_prefix(l, r->a);
	const char *garbage = logs_session_prefix(l->session_id, r->a);
	struct db *db = req_db(r, f);
	int rc;

	if (!db)
		return -1;
	if (!prefix || !garbage)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	rc = execution_log_stored(db, l->execution_id, l->session_id, l->attempt, prefix, garbage,
				  r->a, f);
	*kept = rc > 0;
	req_db_done(r);
	return rc < 0 ? -1 : 0;
}

static int store(struct req *r, const struct log_id *l, const struct execution_brief *x,
		 int64_t after, struct fault *f)
{
	int64_t next;
	bool kept = true;
	int rc;

	if (req_body_length(r) == 0) {
		if (logs_end(&r->t->work, l, &next, f) < 0)
			return -1;
		return next == after ? answer(r, "nothing", next, f) : elsewhere(next, f);
	}
	if ((rc = logs_append(&r->t->work, l, after, body, r, &next, f)) < 0)
		return -1;
	/* Not the end: also what an answer that was lost looks like, and perhaps the note as well. */
	if (rc > 0 && (x->log_prefix || !next))
		return elsewhere(next, f);
	if (note(r, l, &kept, f) < 0)
		return -1;
	if (rc > 0)
		return elsewhere(next, f);
	if (!kept && logs_remove(&r->t->work, l, after, f) < 0)
		return -1;
	return answer(r, kept ? "stored" : "discarded", next, f);
}

/* The result says how long the log is: what comes after it may complete the log and nothing more. */
static bool beyond_result(const struct req *r, const struct execution_brief *x, bool is_err,
			  int64_t after)
{
	int64_t end = is_err ? x->stderr_bytes - x->stderr_dropped_bytes
			     : x->stdout_bytes - x->stdout_dropped_bytes;
	int64_t n = req_body_length(r);

	return x->recorded && n != 0 && (n < 0 || after + n > end);
}

/* PUT /internal/executions/{id}/output */
int put_output(struct req *r, struct fault *f)
{
	struct execution_brief x;
	struct log_id l;
	struct piece p;
	int rc = 1;

	if (read_query(r, &p, f) < 0 || internal_execution(r, true, &x, f) < 0)
		return -1;
	l = (struct log_id){ x.session_id, x.id, p.attempt ? p.attempt : x.attempt,
			     !strcmp(p.stream, "stderr") };
	if (l.attempt > x.attempt)
		return fault_set(f, FAULT_INT_CONFLICT, "the execution is at attempt %lld",
				 (long long)x.attempt);
	/* Of an ended session a log is kept as long as its files: until the row that deletes it is worked off. */
	if (x.ended_ms_ago != INT64_MIN)
		rc = garbage_again(r->db, x.session_id, logs_session_prefix(x.session_id, r->a), f);
	req_db_done(r);
	if (rc < 0)
		return -1;
	if (rc == 0 || l.attempt < x.attempt || beyond_result(r, &x, l.is_err, p.after))
		return discard(r, p.after, f);
	return store(r, &l, &x, p.after, f);
}
