/*
 * output.c: GET /executions/{id}/output (CONTRACT 4.5): from the executor while
 * the execution is open, then from storage when it is long, else from the row.
 */
#include "../lib/base/log.h"
#include "../lib/work/dispatch.h"
#include "../lib/work/logs.h"
#include "execution.h"
#include "handlers.h"
#include "range.h"

#define PIECE       (1 << 20)
#define ARENA_BYTES ((size_t)PIECE + (256 << 10)) /* a piece, its headers, the request */

/* What the headers say of a stream. */
struct facts {
	int64_t size, dropped, attempt;
	bool complete;
};

/* Which bytes are answered: [from, to). */
struct window {
	int64_t from, to;
};

static void headers(struct req *r, const struct facts *x, int64_t next)
{
	req_header(r, "X-Output-Next", arena_printf(r->a, "%lld", (long long)next));
	req_header(r, "X-Output-Complete", x->complete ? "true" : "false");
	req_header(r, "X-Output-Dropped", arena_printf(r->a, "%lld", (long long)x->dropped));
	req_header(r, "X-Output-Attempt", arena_printf(r->a, "%lld", (long long)x->attempt));
}

static int beyond(int64_t size, struct fault *f)
{
	fault_set(f, FAULT_RANGE, "the log has %lld bytes", (long long)size);
	f->size = size;
	return -1;
}

/* Makes the headers and the window; *status is 200 or 206. -1: 416. */
static int choose(struct req *r, const struct facts *x, int64_t after, struct range g,
		  struct window *w, int *status, struct fault *f)
{
	*w = (struct window){ after, x->size };
	*status = 200;
	if (g.given)
		*status = 206;
	if (g.given ? !range_resolve(&g, x->size, &w->from, &w->to) : after > x->size)
		return beyond(x->size, f);
	headers(r, x, w->to);
	if (g.given)
		req_header(r, "Content-Range",
			   arena_printf(r->a, "bytes %lld-%lld/%lld", (long long)w->from,
					(long long)w->to - 1, (long long)x->size));
	return 0;
}

static int gone(const char *id, struct fault *f)
{
	return fault_set(f, FAULT_FILE_NOT_FOUND, "the log of %.64s is no longer there", id);
}

/* From the row: whole as long as it was not shortened. */
static int from_row(struct req *r, bool is_err, int64_t after, struct range g, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct execution e;
	struct window w;
	const char *data;
	int status;

	if (!db || execution_load(db, r->params[0], &e, r->a, f) < 0)
		return -1;
	if (is_err ? e.stderr_truncated : e.stdout_truncated)
		return gone(e.id, f);
	data = is_err ? e.stderr_data : e.stdout_data;
	if (choose(r,
		   &(struct facts){ .size = (int64_t)(is_err ? e.stderr_len : e.stdout_len),
				    .attempt = e.attempt,
				    .dropped = is_err ? e.stderr_dropped_bytes
						      : e.stdout_dropped_bytes,
				    .complete = !execution_open(e.state) },
		   after, g, &w, &status, f) < 0)
		return -1;
	return req_bytes(r, status, "application/octet-stream", data ? data + w.from : "",
			 (size_t)(w.to - w.from));
}

/* Piece by piece, so that a log of any length costs the memory of one. */
static void stream(struct req *r, const struct executor *e, const char *id, bool is_err,
		   struct window w, int status)
{
	struct arena *a = arena_new(ARENA_BYTES);
	struct dispatch_piece p;
	struct fault f = { 0 };

	req_stream(r, status, "application/octet-stream", w.to - w.from);
	while (a && w.from < w.to) {
		int64_t limit = w.to - w.from < PIECE ? w.to - w.from : PIECE;

		/* A failure now can only show as an answer that ends early: its length was told. */
		if (dispatch_output(&r->t->work, e, id, is_err, w.from, limit, req_watch_fd(r), &p,
				    a, &f) <= 0 ||
		    !p.n || req_stream_write(r, p.data, p.n) < 0)
			break;
		w.from += (int64_t)p.n;
		arena_reset(a);
	}
	arena_free(a);
}

/* From the executor. 1 answered, 0 it does not have the log, -1 fault. */
static int from_executor(struct req *r, const struct execution_brief *b, bool is_err, int64_t after,
			 struct range g, struct fault *f)
{
	struct executor e;
	struct dispatch_piece p;
	struct window w;
	int rc, status;

	req_db_done(r);
	if (executor_of(&r->t->work, b->container_id, b->session_id, b->token_epoch, &e, r->a, f) <
	    0)
		return -1;
	/* The first byte tells how many there are. */
	if ((rc = dispatch_output(&r->t->work, &e, b->id, is_err, 0, 1, req_watch_fd(r), &p, r->a,
				  f)) <= 0)
		return rc;
	if (choose(r,
		   &(struct facts){ .size = p.size,
				    .dropped = p.dropped,
				    .attempt = b->attempt,
				    .complete = !execution_open(b->state) },
		   after, g, &w, &status, f) < 0)
		return -1;
	stream(r, &e, b->id, is_err, w, status);
	return 1;
}

static int write_some(void *arg, const char *data, size_t n)
{
	return req_stream_write(arg, data, n);
}

/* Bytes go from storage to the client as they come. */
static int from_storage(struct req *r, const struct execution_brief *b, const struct log_id *l,
			int64_t after, struct range g, struct fault *f)
{
	struct work *w = &r->t->work;
	struct fault own = { 0 };
	struct window x;
	int64_t size;
	int found, status;

	req_db_done(r);
	if ((found = logs_end(w, l, &size, f)) < 0)
		return -1;
	if (!found)
		return gone(b->id, f);
	if (choose(r,
		   &(struct facts){ .size = size,
				    .dropped = l->is_err ? b->stderr_dropped_bytes
							 : b->stdout_dropped_bytes,
				    .attempt = b->attempt,
				    .complete = true },
		   after, g, &x, &status, f) < 0)
		return -1;
	req_stream(r, status, "application/octet-stream", x.to - x.from);
	/* A failure now can only show as an answer that ends early: its length was told. */
	if (strcmp(r->method, "HEAD") &&
	    logs_read(w, l, x.from, x.to, write_some, r, req_watch_fd(r), &own) < 0)
		log_warn("output.cut", S("execution_id", b->id), S("error", own.detail));
	return 0;
}

static int reload(struct req *r, struct execution_brief *b, struct fault *f)
{
	struct db *db = req_db(r, f);

	return db ? execution_brief(db, b->id, b, r->a, f) : -1;
}

static int answer(struct req *r, struct execution_brief *b, bool is_err, int64_t after,
		  struct range x, struct fault *f)
{
	bool running = str_eq(b->session_state, "running");
	struct log_id l = { b->session_id, b->id, b->attempt, is_err };
	int rc;

	if (running && execution_open(b->state)) {
		if ((rc = from_executor(r, b, is_err, after, x, f)) != 0)
			return rc < 0 ? -1 : 0;
		if (reload(r, b, f) < 0) /* it may have ended meanwhile */
			return -1;
		l.attempt = b->attempt;
	}
	if (!(is_err ? b->stderr_truncated : b->stdout_truncated))
		return from_row(r, is_err, after, x, f);
	if (logs_noted(&l, b->log_prefix, r->a))
		return from_storage(r, b, &l, after, x, f);
	if (running && (rc = from_executor(r, b, is_err, after, x, f)) != 0)
		return rc < 0 ? -1 : 0;
	return gone(b->id, f);
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

	if (stream && !is_err && strcmp(stream, "stdout")) {
		AUTO_JSON struct json_object *in = json_object_new_string(stream);

		jsn_bad(&c, "literal_error", "stream", in, "must be one of: stdout, stderr");
	}
	if (jsn_done(&c, f) < 0 || !(db = req_db(r, f)) ||
	    execution_brief(db, r->params[0], &b, r->a, f) < 0)
		return -1;
	if (range_read(req_env(r, "HTTP_RANGE"), &x))
		after = 0;
	return answer(r, &b, is_err, after, x, f);
}
