#include "http.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/queue.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "answer.h"
#include "listen.h"
#include "workspace.h"

#define BODY_MAX    (32 << 20) /* code, event and stdin at their ceilings, escaped */
#define HEADERS_MAX 16384
#define WAIT_MAX_S  30 /* CONTRACT 10.1 */
#define IDLE_S      75 /* an open connection without a request; longer than any long poll */
#define ARENA_BYTES ((size_t)64 << 20)

/* A reader that waits: for the end of a job, or for bytes beyond an offset. */
struct waiter {
	struct waiter *next;
	struct http *h;
	struct evhttp_request *rq;
	struct job *j;
	struct event *timer;
	bool output; /* else the end */
	bool is_err;
	int64_t after, limit;
};

struct http {
	struct evhttp *server;
	struct event_base *base;
	struct jobs *jobs;
	const struct settings *set;
	const struct trial *trial;
	struct sync *sync;
	struct waiter *waiters;
	struct arena *a; /* of the request being served */
	int64_t started_ms;
};

struct call {
	struct http *h;
	struct evhttp_request *rq;
	const char *id;
	struct evkeyvalq query;
};

/* ---- answers ---- */

static struct json_object *state_json(const struct job *j)
{
	struct json_object *o = jsn_str(json_object_new_object(), "execution_id", j->id);

	o = jsn_str(o, "status", job_state_name(j));
	return jsn_int(o, "attempt", j->attempt);
}

/* Its state, or, once ended and not yet freed, the result. */
static void send_job(struct evhttp_request *rq, int status, const struct job *j)
{
	if (j->state == JOB_ENDED && j->result)
		http_text(rq, status, j->result, j->result_len);
	else
		http_json(rq, status, state_json(j));
}

static struct output *stream_of(const struct job *j, bool is_err)
{
	return is_err ? j->err : j->out;
}

/* `limit`: bytes at most; 0: all there are. */
static void send_output(struct evhttp_request *rq, const struct job *j, bool is_err, int64_t after,
			int64_t limit)
{
	struct output *o = stream_of(j, is_err);
	struct evbuffer *b = evbuffer_new();
	int64_t kept = o ? output_kept(o) : 0, n = kept - after;
	bool complete = j->state == JOB_ENDED || j->state == JOB_FREED;
	char text[32];

	if (limit && n > limit) {
		n = limit;
		complete = false;
	}
	http_header(rq, "Content-Type", "application/octet-stream");
	snprintf(text, sizeof(text), "%lld", (long long)(n > 0 ? after + n : kept));
	http_header(rq, "X-Output-Next", text);
	snprintf(text, sizeof(text), "%lld", (long long)kept);
	http_header(rq, "X-Output-Size", text);
	http_header(rq, "X-Output-Complete", complete ? "true" : "false");
	snprintf(text, sizeof(text), "%lld", (long long)(o ? output_dropped(o) : 0));
	http_header(rq, "X-Output-Dropped", text);
	snprintf(text, sizeof(text), "%lld", (long long)j->attempt);
	http_header(rq, "X-Output-Attempt", text);
	if (b && n > 0) {
		int fd = fcntl(output_fd(o), F_DUPFD_CLOEXEC, 3);

		if (fd >= 0 && evbuffer_add_file(b, fd, after, n) < 0) /* takes fd */
			close(fd);
	}
	evhttp_send_reply(rq, after > kept ? 416 : 200, "OK", b);
	if (b)
		evbuffer_free(b);
}

/* ---- waiting ---- */

static void unlink_waiter(struct waiter *w)
{
	struct waiter **p = &w->h->waiters;

	while (*p && *p != w)
		p = &(*p)->next;
	if (*p)
		*p = w->next;
	event_free(w->timer);
}

static void on_gone(struct evhttp_connection *c, void *arg)
{
	(void)c;
	unlink_waiter(arg);
	free(arg);
}

static void send_now(const struct waiter *w)
{
	if (w->output)
		send_output(w->rq, w->j, w->is_err, w->after, w->limit);
	else
		send_job(w->rq, 200, w->j);
}

static void answer(struct waiter *w)
{
	unlink_waiter(w);
	evhttp_connection_set_closecb(evhttp_request_get_connection(w->rq), NULL, NULL);
	send_now(w);
	free(w);
}

static void on_wait_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer(arg);
}

static bool ready(const struct waiter *w)
{
	struct output *o;

	if (w->j->state == JOB_ENDED || w->j->state == JOB_FREED)
		return true;
	o = w->output ? stream_of(w->j, w->is_err) : NULL;
	return o && output_kept(o) > w->after;
}

/* Answers when what `now` waits for is there, at the latest after `wait_s`. */
static void wait_for(struct call *c, struct waiter now, int64_t wait_s)
{
	struct timeval tv = { .tv_sec = wait_s };
	struct waiter *w;

	now.h = c->h;
	now.rq = c->rq;
	w = wait_s <= 0 || ready(&now) ? NULL : malloc(sizeof(*w));
	if (w) {
		*w = now;
		w->timer = evtimer_new(c->h->base, on_wait_over, w);
	}
	if (!w || !w->timer || event_add(w->timer, &tv)) {
		free(w);
		send_now(&now);
		return;
	}
	w->next = c->h->waiters;
	c->h->waiters = w;
	evhttp_connection_set_closecb(evhttp_request_get_connection(c->rq), on_gone, w);
}

void http_wake(struct http *h, struct job *j, bool ended)
{
	for (struct waiter *w = h->waiters, *next; w; w = next) {
		next = w->next;
		if (w->j == j && (ended || w->output) && ready(w))
			answer(w);
	}
}

bool http_has_reader(const struct http *h, const struct job *j)
{
	for (struct waiter *w = h->waiters; w; w = w->next)
		if (w->j == j && !w->output)
			return true;
	return false;
}

/* ---- calls ---- */

/* False: refused, and the caller answered. An absent one leaves *v alone. */
static bool query_int(struct call *c, const char *name, int64_t hi, int64_t *v)
{
	const char *s = evhttp_find_header(&c->query, name);
	struct fault f;

	if (!s || text_int(s, 0, hi, v))
		return true;
	fault_set(&f, FAULT_EXE_INVALID, "%s is not an integer in 0..%lld", name, (long long)hi);
	http_fault(c->rq, &f);
	return false;
}

static struct job *find(struct call *c)
{
	struct job *j = job_find(c->h->jobs, c->id);
	struct fault f;

	if (j)
		return j;
	fault_set(&f, FAULT_EXE_NOT_FOUND, "no execution %.64s", c->id);
	http_fault(c->rq, &f);
	return NULL;
}

static void get_root(struct call *c)
{
	struct json_object *o = jsn_str(json_object_new_object(), "service", "sandbox-executor");

	o = jsn_str(o, "version", VERSION);
	http_json(c->rq, 200, jsn_int(o, "protocol", 1));
}

static void get_health(struct call *c)
{
	struct http *h = c->h;
	struct json_object *o = json_object_new_object();
	int64_t spooled = 0;

	for (struct job *j = h->jobs->list; j; j = j->next)
		spooled += j->state == JOB_ENDED;
	o = jsn_str(o, "status",
		    h->jobs->stopping   ? "stopping"
		    : h->jobs->isolated ? "healthy"
					: "unhealthy");
	if (h->jobs->stopping || !h->jobs->isolated)
		o = jsn_str(o, "reason",
			    h->jobs->stopping ? "stopping" : "the isolation is not proven");
	o = jsn_str(o, "version", VERSION);
	o = jsn_int(o, "uptime_seconds", (clock_ms() - h->started_ms) / 1000);
	o = jsn_int(o, "active_executions", h->jobs->running);
	o = jsn_int(o, "queued_executions", h->jobs->queued);
	o = jsn_int(o, "spooled_results", spooled);
	o = jsn_put(o, "languages", trial_languages());
	o = jsn_put(o, "isolation", trial_report(h->trial));
	http_json(c->rq, h->jobs->stopping || !h->jobs->isolated ? 503 : 200, o);
}

static void post_execution(struct call *c)
{
	struct evbuffer *b = evhttp_request_get_input_buffer(c->rq);
	size_t n = evbuffer_get_length(b);
	const char *text = n ? (const char *)evbuffer_pullup(b, -1) : "";
	struct fault f = { 0 };
	AUTO_JSON struct json_object *in = jsn_parse(text, n, c->h->a, &f);
	struct job *j;
	int status;

	if (!in) {
		char detail[sizeof(f.detail)];

		memcpy(detail, f.detail, sizeof(detail));
		fault_set(&f, FAULT_EXE_INVALID, "%s", detail);
	} else if (job_submit(c->h->jobs, in, text, n, c->h->a, &status, &j, &f) == 0) {
		http_json(c->rq, status, state_json(j));
		return;
	}
	http_fault(c->rq, &f);
}

static void get_execution(struct call *c)
{
	struct job *j = find(c);
	int64_t wait = 0;

	if (j && query_int(c, "wait", WAIT_MAX_S, &wait))
		wait_for(c, (struct waiter){ .j = j }, wait);
}

static void get_output(struct call *c)
{
	struct job *j = find(c);
	const char *stream = evhttp_find_header(&c->query, "stream");
	struct waiter now = { .j = j, .output = true, .is_err = str_eq(stream, "stderr") };
	int64_t wait = 0;
	struct fault f;

	if (!j || !query_int(c, "wait", WAIT_MAX_S, &wait) ||
	    !query_int(c, "after", INT64_MAX, &now.after) ||
	    !query_int(c, "limit", INT64_MAX, &now.limit))
		return;
	if (stream && !str_eq(stream, "stdout") && !str_eq(stream, "stderr")) {
		fault_set(&f, FAULT_EXE_INVALID, "stream is neither stdout nor stderr");
		http_fault(c->rq, &f);
		return;
	}
	if (j->state == JOB_FREED && !stream_of(j, now.is_err)) {
		fault_set(&f, FAULT_EXE_NOT_FOUND, "the log of %.64s was given up", c->id);
		http_fault(c->rq, &f);
		return;
	}
	wait_for(c, now, wait);
}

static void cancel(struct call *c)
{
	struct job *j = find(c);

	if (!j)
		return;
	job_cancel(c->h->jobs, j);
	wait_for(c, (struct waiter){ .j = j }, 1); /* the kill takes milliseconds */
}

static void acknowledge(struct call *c)
{
	struct job *j = find(c);
	struct fault f;

	if (!j)
		return;
	if (job_open(j->state)) {
		fault_set(&f, FAULT_EXE_CONFLICT, "the execution is %s", job_state_name(j));
		http_fault(c->rq, &f);
		return;
	}
	job_free_result(c->h->jobs, j, true);
	evhttp_send_reply(c->rq, 204, "No Content", NULL);
}

static void pull(struct call *c)
{
	workspace_pull(c->rq, c->h->sync, c->h->a);
}

static const struct {
	enum evhttp_cmd_type method;
	const char *pattern; /* %: the id */
	void (*fn)(struct call *);
} routes[] = {
	{ EVHTTP_REQ_GET, "/", get_root },
	{ EVHTTP_REQ_GET, "/health", get_health },
	{ EVHTTP_REQ_POST, "/executions", post_execution },
	{ EVHTTP_REQ_GET, "/executions/%", get_execution },
	{ EVHTTP_REQ_DELETE, "/executions/%", acknowledge },
	{ EVHTTP_REQ_GET, "/executions/%/output", get_output },
	{ EVHTTP_REQ_POST, "/executions/%/cancel", cancel },
	{ EVHTTP_REQ_POST, "/workspace/pull", pull },
};

static bool match(const char *pat, const char *path, char id[IDENT_SZ])
{
	size_t before = strcspn(pat, "%");
	const char *tail = pat[before] ? pat + before + 1 : "";
	size_t n;

	if (!pat[before])
		return !strcmp(pat, path);
	if (strncmp(pat, path, before))
		return false;
	n = strcspn(path + before, "/");
	if (!n || n >= IDENT_SZ || strcmp(path + before + n, tail))
		return false;
	memcpy(id, path + before, n);
	id[n] = '\0';
	return true;
}

static bool authorised(const struct http *h, struct evhttp_request *rq)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(rq), "Authorization");

	return v && !strncasecmp(v, "Bearer ", 7) && text_equal_ct(v + 7, h->set->token);
}

static void on_request(struct evhttp_request *rq, void *arg)
{
	struct http *h = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(rq);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL,
		   *query = uri ? evhttp_uri_get_query(uri) : NULL;
	struct call c = { .h = h, .rq = rq };
	struct fault f = { 0 };
	char id[IDENT_SZ] = "";
	size_t i = 0;

	log_set_request(evhttp_find_header(evhttp_request_get_input_headers(rq), "X-Request-ID"));
	while (i < ARRAY_LEN(routes) &&
	       !(path && evhttp_request_get_command(rq) == routes[i].method &&
		 match(routes[i].pattern, path, id)))
		i++;
	if (!authorised(h, rq)) {
		fault_set(&f, FAULT_EXE_UNAUTHORIZED, "the session token is missing or wrong");
		http_fault(rq, &f);
	} else if (i == ARRAY_LEN(routes)) {
		fault_set(&f, FAULT_NOT_FOUND, "no such path");
		http_fault(rq, &f);
	} else {
		c.id = id;
		TAILQ_INIT(&c.query);
		if (query)
			evhttp_parse_query_str(query, &c.query);
		routes[i].fn(&c);
		evhttp_clear_headers(&c.query);
	}
	arena_reset(h->a);
	log_set_request(NULL);
}

/* ---- life ---- */

struct http *http_open(struct event_base *base, struct jobs *js, struct sync *sync,
		       const struct settings *set, const struct trial *t, char *why, size_t whysz)
{
	struct http *h = calloc(1, sizeof(*h));
	int fd = h ? listen_on(set->listen, why, whysz) : -1;

	if (fd < 0) {
		free(h);
		return NULL;
	}
	*h = (struct http){ .server = evhttp_new(base),
			    .base = base,
			    .jobs = js,
			    .set = set,
			    .trial = t,
			    .sync = sync,
			    .a = arena_new(ARENA_BYTES),
			    .started_ms = clock_ms() };
	if (!h->server || !h->a || !evhttp_accept_socket_with_handle(h->server, fd)) {
		snprintf(why, whysz, "out of memory");
		close(fd);
		http_close(h);
		return NULL;
	}
	evhttp_set_max_body_size(h->server, BODY_MAX);
	evhttp_set_max_headers_size(h->server, HEADERS_MAX);
	evhttp_set_timeout(h->server, IDLE_S);
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(h->server, on_request, h);
	return h;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	while (h->waiters)
		answer(h->waiters);
	if (h->server)
		evhttp_free(h->server);
	arena_free(h->a);
	free(h);
}
