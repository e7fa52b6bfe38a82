#include "call.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_S  5
#define ANSWER_S   30
#define ANSWER_MAX (1 << 20)

struct call {
	struct bufferevent *bev;
	struct event *soon; /* a failure is told from the loop, never from call_post() */
	call_done *done;
	void *arg;
};

static void finish(struct call *c, int status, const char *body, size_t n)
{
	if (c->bev)
		bufferevent_free(c->bev);
	if (c->soon)
		event_free(c->soon);
	c->done(status, body, n, c->arg);
	free(c);
}

/* The peer closes after its answer (HTTP/1.0): what came until then is the answer. */
static void parse(struct call *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t n = evbuffer_get_length(in);
	char *text = malloc(n + 1), *body;
	int status = 0;

	if (text && evbuffer_remove(in, text, n) == (int)n) {
		text[n] = '\0';
		body = strstr(text, "\r\n\r\n");
		if (body && sscanf(text, "HTTP/1.%*d %3d", &status) == 1) {
			finish(c, status, body + 4, n - (size_t)(body + 4 - text));
			free(text);
			return;
		}
	}
	free(text);
	finish(c, 0, "", 0);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	static const struct timeval answer = { .tv_sec = ANSWER_S };

	if (what & BEV_EVENT_CONNECTED)
		bufferevent_set_timeouts(bev, &answer, &answer);
	else if (what & BEV_EVENT_EOF)
		parse(arg);
	else
		finish(arg, 0, "", 0);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	if (evbuffer_get_length(bufferevent_get_input(bev)) > ANSWER_MAX)
		finish(arg, 0, "", 0);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, 0, "", 0);
}

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

void call_post(struct event_base *base, const char *url, const char *path, const char *token,
	       const char *body, size_t n, call_done *done, void *arg)
{
	static const struct timeval connect = { .tv_sec = CONNECT_S }, now = { 0 };
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort(); /* an executor that cannot even allocate this has no way to go on */
	c->done = done;
	c->arg = arg;
	c->soon = evtimer_new(base, on_soon, c);
	c->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!c->soon)
		abort();
	if (!c->bev) {
		event_add(c->soon, &now);
		return;
	}
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_set_timeouts(c->bev, &connect, &connect);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	evbuffer_add_printf(
		bufferevent_get_output(c->bev),
		"POST %s HTTP/1.0\r\nHost: control\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n",
		path, token, n);
	evbuffer_add(bufferevent_get_output(c->bev), body, n);
	if (start(c, url) < 0) {
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
		bufferevent_setcb(c->bev, NULL, NULL, NULL, NULL);
		event_add(c->soon, &now);
	}
}
