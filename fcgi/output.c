/* output.c: GET /executions/{id}/output (CONTRACT 4.5): from the executor while it has the log, else from the row. */
#include "../lib/base/clock.h"
#include "../lib/base/text.h"
#include "../lib/work/dispatch.h"
#include "execution.h"
#include "handlers.h"

#define SILENT_MS 30000		/* CONTRACT 2: ExecTimeout after 30 s of silence */

struct range { int64_t from, to; bool given; };	/* inclusive; to -1: the end */

/* "bytes=A-B", "bytes=A-", "bytes=-N" (RFC 9110 14.2); several ranges or another unit are ignored. */
static bool read_range(const char *h, struct range *x)
{
	char *end;

	if (!h || strncmp(h, "bytes=", 6) || strchr(h, ','))
		return false;
	h += 6;
	errno = 0;
	if (*h == '-') {
		x->from = -strtoll(h + 1, &end, 10);
		x->to = -1;
		if (!x->from)	/* the last 0 bytes: never there */
			x->from = INT64_MAX;
		return x->given = *end == '\0' && end != h + 1 && !errno;
	}
	if (*h < '0' || *h > '9')
		return false;
	x->from = strtoll(h, &end, 10);
	if (*end != '-')
		return false;
	h = end + 1;
	x->to = *h ? strtoll(h, &end, 10) : -1;
	if (*h && (*end || x->to < x->from))
		return false;
	return x->given = !errno;
}

/* What is known of the stream: bytes [at, at + n) of `total` that exist now. */
struct piece {
	const char *data;
	size_t      n;
	int64_t     at, total, dropped, attempt;
	bool        complete;
};

static void headers(struct req *r, const struct piece *p, int64_t next)
{
	req_header(r, "X-Output-Next", arena_printf(r->a, "%lld", (long long)next));
	req_header(r, "X-Output-Complete", p->complete ? "true" : "false");
	req_header(r, "X-Output-Dropped", arena_printf(r->a, "%lld", (long long)p->dropped));
	req_header(r, "X-Output-Attempt", arena_printf(r->a, "%lld", (long long)p->attempt));
}

static int beyond(int64_t total, struct fault *f)
{
	fault_set(f, FAULT_RANGE, "the log has %lld bytes", (long long)total);
	f->size = total;
	return -1;
}

/* `p` begins at the absolute offset that was asked for, or where the range does (one from the end: 0). */
static int answer(struct req *r, const struct piece *p, struct range x, struct fault *f)
{
	int64_t from, to;

	if (!x.given) {
		headers(r, p, p->at + (int64_t)p->n);
		return req_bytes(r, 200, "application/octet-stream", p->data, p->n);
	}
	from = x.from < 0 ? (p->total + x.from > 0 ? p->total + x.from : 0) : x.from;
	to = x.to < 0 || x.to >= p->total ? p->total - 1 : x.to;
	if (from >= p->total)
		return beyond(p->total, f);
	headers(r, p, to + 1);
	req_header(r, "Content-Range", arena_printf(r->a, "bytes %lld-%lld/%lld", (long long)from, (long long)to, (long long)p->total));
	return req_bytes(r, 206, "application/octet-stream", p->data + (from - p->at), (size_t)(to - from + 1));
}

/* From the row: whole as long as it was not shortened. 0, or -1. */
static int from_row(struct req *r, bool is_err, int64_t after, struct range x, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct execution e;
	struct piece p;

	if (!db || execution_load(db, r->params[0], &e, r->a, f) < 0)
		return -1;
	if (is_err ? e.stderr_truncated : e.stdout_truncated)
		return fault_set(f, FAULT_FILE_NOT_FOUND, "the log of %.64s is no longer there", e.id);
	p = (struct piece){
		.data = is_err ? e.stderr_data : e.stdout_data, .total = (int64_t)(is_err ? e.stderr_len : e.stdout_len),
		.dropped = is_err ? e.stderr_dropped_bytes : e.stdout_dropped_bytes, .attempt = e.attempt,
		.complete = !execution_open(e.state), .at = after,
	};
	if (!p.data)
		p.data = "";
	if (after > p.total)
		return beyond(p.total, f);
	p.data += after;
	p.n = (size_t)(p.total - after);
	return answer(r, &p, x, f);
}

/* From the executor. 1 answered, 0 it does not have the log, -1 fault. */
static int from_executor(struct req *r, const struct execution_brief *b, bool is_err, int64_t after, struct range x,
			 struct fault *f)
{
	struct executor e;
	struct httpc_resp rs;
	struct piece p = { .at = after, .attempt = b->attempt };
	const char *v;
	int rc;

	req_db_done(r);
	if (executor_of(&r->t->work, b->container_id, b->session_id, b->token_epoch, &e, r->a, f) < 0)
		return -1;
	rc = dispatch_output(&r->t->work, &e, b->id, is_err ? "stderr" : "stdout", after, clock_ms() + SILENT_MS, req_watch_fd(r),
			     &rs, r->a, f);
	if (rc < 0 && rs.timed_out)
		return fault_set(f, FAULT_EXECUTOR_TIMEOUT, "the executor was silent for %d s", SILENT_MS / 1000);
	if (rc < 0 || (rs.status != 200 && rs.status != 416))
		return 0;
	if ((v = httpc_header(&rs, "X-Output-Next", r->a)) && !text_int(v, 0, INT64_MAX, &p.total))
		return 0;
	if (rs.status == 416)
		return beyond(p.total, f);
	if ((v = httpc_header(&rs, "X-Output-Dropped", r->a)) && !text_int(v, 0, INT64_MAX, &p.dropped))
		return 0;
	v = httpc_header(&rs, "X-Output-Complete", r->a);
	p.complete = str_eq(v, "true");
	p.data = rs.body;
	p.n = rs.len;
	return answer(r, &p, x, f) < 0 ? -1 : 1;
}

/* GET /api/v1/executions/{id}/output */
int get_output(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	const char *stream = req_query(r, "stream");
	int64_t after = req_query_int(r, &c, "after", 0, 0, INT64_MAX);
	bool is_err = str_eq(stream, "stderr");
	struct range x = { 0 };
	struct execution_brief b;
	struct db *db;
	int rc;

	if (stream && !is_err && strcmp(stream, "stdout")) {
		AUTO_JSON struct json_object *in = json_object_new_string(stream);

		jsn_bad(&c, "literal_error", "stream", in, "must be one of: stdout, stderr");
	}
	if (jsn_done(&c, f) < 0 || !(db = req_db(r, f)) || execution_brief(db, r->params[0], &b, r->a, f) < 0)
		return -1;
	if (read_range(req_env(r, "HTTP_RANGE"), &x))
		after = x.from > 0 ? x.from : 0;
	if (str_eq(b.session_state, "running") &&
	    (execution_open(b.state) || (is_err ? b.stderr_truncated : b.stdout_truncated)) &&
	    (rc = from_executor(r, &b, is_err, after, x, f)) != 0)
		return rc < 0 ? -1 : 0;
	return from_row(r, is_err, after, x, f);
}
