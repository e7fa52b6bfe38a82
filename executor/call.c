#include "call.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_S  5
#define ANSWER_S   30
#define ANSWER_MAX ((size_t)1 << 20)
#define HEAD_MAX   16384 /* of an answer; web servers' own limits are lower */
#define CHUNK      65536

struct call {
	struct bufferevent *bev;
	struct event *soon; /* a failure is told from the loop, never from call_do() */
	call_done *done;
	void *arg;
	int send_fd, save_fd; /* -1: none */
	int64_t send_at, send_left, send_n;
	size_t max;

	/* the answer */
	struct call_answer a;
	bool in_body;
	int64_t length; /* as announced; -1: not told */
};

static void finish(struct call *c, const char *body)
{
	if (c->bev)
		bufferevent_free(c->bev);
	event_free(c->soon);
	if (c->send_fd >= 0)
		close(c->send_fd);
	c->a.body = body;
	c->done(&c->a, c->arg);
	free(c);
}

static void fail(struct call *c)
{
	c->a.status = 0;
	c->a.n = 0;
	finish(c, "");
}

/* ---- the request's body ---- */

/* As much as the socket takes: called whenever its buffer has run empty. */
static void feed(struct bufferevent *bev, void *arg)
{
	struct call *c = arg;
	size_t n = c->send_left < CHUNK ? (size_t)c->send_left : CHUNK;
	char buf[CHUNK];
	ssize_t k;

	if (c->send_fd < 0 || !n)
		return;
	k = pread(c->send_fd, buf, n, c->send_at);
	if (k <= 0) { /* shorter than it was: what was announced cannot be kept */
		c->a.shrunk = true;
		bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
		bufferevent_disable(bev, EV_READ | EV_WRITE);
		event_active(c->soon, EV_TIMEOUT, 0);
		return;
	}
	c->send_at += k;
	c->send_left -= k;
	bufferevent_write(bev, buf, (size_t)k);
}

/* ---- the answer ---- */

static const char *value_of(const char *head, const char *name, size_t *n)
{
	size_t k = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p, "\r\n")) {
		p += 2;
		if (!strncasecmp(p, name, k) && p[k] == ':') {
			p += k + 1 + strspn(p + k + 1, " \t");
			*n = strcspn(p, "\r");
			return p;
		}
	}
	return NULL;
}

static void read_etag(struct call *c, const char *head)
{
	size_t n;
	const char *v = value_of(head, "ETag", &n);

	if (!v)
		return;
	if (n >= 2 && *v == '"') {
		v++;
		n -= 2;
	}
	if (n < sizeof(c->a.etag))
		memcpy(c->a.etag, v, n);
}

/* 1 the head is complete, 0 not yet, -1. */
static int read_head(struct call *c, struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[HEAD_MAX + 1];
	const char *v;
	size_t n;

	if (end.pos < 0)
		return evbuffer_get_length(in) > HEAD_MAX ? -1 : 0;
	if (end.pos + 4 > HEAD_MAX || evbuffer_remove(in, head, (size_t)end.pos + 4) < 0)
		return -1;
	head[end.pos + 2] = '\0';
	if (sscanf(head, "HTTP/1.%*d %3d", &c->a.status) != 1)
		return -1;
	v = value_of(head, "Content-Length", &n);
	c->length = v && n < 19 ? strtoll(v, NULL, 10) : -1;
	read_etag(c, head);
	c->in_body = true;
	return 1;
}

static int save(struct call *c, struct evbuffer *in)
{
	while (evbuffer_get_length(in)) {
		int k = evbuffer_write(in, c->save_fd);

		if (k <= 0)
			return -1;
		c->a.n += (size_t)k;
	}
	return 0;
}

/* 0: as far as it came; -1: it is no answer that can be used. */
static int take(struct call *c, struct evbuffer *in)
{
	int rc = c->in_body ? 1 : read_head(c, in);

	if (rc <= 0)
		return rc;
	if (c->save_fd >= 0 && c->a.status == 200)
		return save(c, in);
	return evbuffer_get_length(in) > c->max ? -1 : 0;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	if (take(arg, bufferevent_get_input(bev)) < 0)
		fail(arg);
}

/* The peer closes after its answer (HTTP/1.0): what came until then is the answer, if it is as long as announced. */
static void on_eof(struct call *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	AUTO_FREE char *text = NULL;
	bool saved;

	if (take(c, in) < 0 || !c->in_body) {
		fail(c);
		return;
	}
	saved = c->save_fd >= 0 && c->a.status == 200;
	if (saved && c->length < 0) { /* nobody could tell whether it is whole */
		fail(c);
		return;
	}
	if (!saved) {
		c->a.n = evbuffer_get_length(in);
		text = calloc(1, c->a.n + 1);
	}
	if ((c->length >= 0 && (int64_t)c->a.n != c->length) ||
	    (!saved && (!text || evbuffer_remove(in, text, c->a.n) < 0)))
		fail(c);
	else
		finish(c, saved ? "" : text);
}

/* It would not take the request's rest; what it said before it closed may still wait to be read. */
static void on_broken(struct call *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	while (evbuffer_get_length(in) <= c->max &&
	       evbuffer_read(in, bufferevent_getfd(c->bev), CHUNK) > 0)
		;
	if (take(c, in) < 0 || !c->in_body || c->length < 0)
		fail(c);
	else
		on_eof(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct call *c = arg;
	struct timeval answer = { .tv_sec = ANSWER_S }, write = { .tv_sec = ANSWER_S };

	if (what & BEV_EVENT_CONNECTED) {
		answer.tv_sec += c->send_n >> 20;
		bufferevent_set_timeouts(bev, &answer, &write);
	} else if (what & BEV_EVENT_EOF) {
		on_eof(c);
	} else if (what & BEV_EVENT_ERROR) {
		on_broken(c);
	} else {
		fail(c);
	}
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail(arg);
}

/* ---- start ---- */

static int start(struct call *c, const char *url)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage ss;
	int len = sizeof(ss);

	if (str_starts(url, "unix:")) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", url + strlen("unix:"));
		return bufferevent_socket_connect(c->bev, (struct sockaddr *)&un, sizeof(un));
	}
	if (!str_starts(url, "http://") ||
	    evutil_parse_sockaddr_port(url + strlen("http://"), (struct sockaddr *)&ss, &len))
		return -1;
	return bufferevent_socket_connect(c->bev, (struct sockaddr *)&ss, len);
}

static void write_head(struct call *c, const struct call_req *rq, const char *token)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	evbuffer_add_printf(out, "%s %s HTTP/1.0\r\nHost: control\r\nAuthorization: Bearer %s\r\n",
			    rq->method, rq->path, token);
	if (rq->header)
		evbuffer_add_printf(out, "%s\r\n", rq->header);
	if (rq->body || rq->send_file)
		evbuffer_add_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
				    rq->type ? rq->type : "application/json", rq->n);
	evbuffer_add(out, "\r\n", 2);
	if (rq->body)
		evbuffer_add(out, rq->body, rq->n);
}

void call_do(const struct call_to *to, const struct call_req *rq, call_done *done, void *arg)
{
	static const struct timeval connect = { .tv_sec = CONNECT_S }, now = { 0 };
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort(); /* an executor that cannot even allocate this has no way to go on */
	*c = (struct call){ .done = done,
			    .arg = arg,
			    .send_fd = rq->send_file ? rq->send_fd : -1,
			    .save_fd = rq->save_file ? rq->save_fd : -1,
			    .send_at = rq->send_at,
			    .send_left = rq->send_file ? (int64_t)rq->n : 0,
			    .send_n = (int64_t)rq->n,
			    .max = rq->answer_max ? rq->answer_max : ANSWER_MAX,
			    .length = -1 };
	c->soon = evtimer_new(to->base, on_soon, c);
	c->bev = bufferevent_socket_new(to->base, -1,
					BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!c->soon)
		abort();
	if (!c->bev) {
		event_add(c->soon, &now);
		return;
	}
	bufferevent_setcb(c->bev, on_read, feed, on_event, c);
	bufferevent_set_timeouts(c->bev, &connect, &connect);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	write_head(c, rq, to->token);
	if (start(c, to->url) < 0) {
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
		bufferevent_setcb(c->bev, NULL, NULL, NULL, NULL);
		event_add(c->soon, &now);
	}
}

void call_post(const struct call_to *to, const char *path, const char *body, size_t n,
	       call_done *done, void *arg)
{
	const struct call_req rq = { .method = "POST", .path = path, .body = body, .n = n };

	call_do(to, &rq, done, arg);
}

size_t call_encode(const char *path, char *out, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t k = 0;

	for (const unsigned char *p = (const unsigned char *)path; *p && k + 4 <= size; p++) {
		if ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
		    (*p >= '0' && *p <= '9') || strchr("-_.~/", *p)) {
			out[k++] = (char)*p;
		} else {
			out[k++] = '%';
			out[k++] = hex[*p >> 4];
			out[k++] = hex[*p & 15];
		}
	}
	out[k] = '\0';
	return k;
}
