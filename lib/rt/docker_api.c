#include "docker_api.h"

#include <pthread.h>
#include <stdio.h>

#include "../base/log.h"

#define VERSION_PATH "/v1.40"           /* Docker 19.03; newer engines still take it */
#define ANSWER_MAX   ((size_t)64 << 20) /* a list of 10,000 containers has about 30 MiB */
#define IDLE_MAX     64                 /* connections kept; one thread of a worker uses one */
#define MESSAGE_MAX  400                /* of the engine's own words in the log */

struct docker_api {
	char *socket, *base; /* unix socket or NULL; scheme and host */
	pthread_mutex_t lock;
	struct httpc *idle[IDLE_MAX];
	size_t nidle;
};

struct docker_api *docker_api_open(const struct conf *cf, struct fault *f)
{
	const char *at = cf->runtime_endpoint;
	struct docker_api *d = calloc(1, sizeof(*d));
	int n = -1;

	if (!d) {
		fault_set(f, FAULT_INTERNAL, "memory");
		return NULL;
	}
	pthread_mutex_init(&d->lock, NULL);
	if (str_starts(at, "unix://")) {
		d->socket = strdup(at + strlen("unix://"));
		n = asprintf(&d->base, "http://docker");
	} else {
		n = asprintf(&d->base, "%s%s", str_starts(at, "tcp://") ? "http://" : "",
			     at + (str_starts(at, "tcp://") ? strlen("tcp://") : 0));
	}
	if (n < 0) {
		d->base = NULL;
		docker_api_close(d);
		fault_set(f, FAULT_INTERNAL, "memory");
		return NULL;
	}
	return d;
}

void docker_api_close(struct docker_api *d)
{
	if (!d)
		return;
	while (d->nidle)
		httpc_free(d->idle[--d->nidle]);
	pthread_mutex_destroy(&d->lock);
	free(d->socket);
	free(d->base);
	free(d);
}

bool docker_api_local(const struct docker_api *d)
{
	return d->socket != NULL;
}

static struct httpc *take(struct docker_api *d)
{
	struct httpc *h = NULL;

	pthread_mutex_lock(&d->lock);
	if (d->nidle)
		h = d->idle[--d->nidle];
	pthread_mutex_unlock(&d->lock);
	return h ? h : httpc_new();
}

static void give_back(struct docker_api *d, struct httpc *h)
{
	pthread_mutex_lock(&d->lock);
	if (d->nidle < IDLE_MAX)
		d->idle[d->nidle++] = TAKE_PTR(h);
	pthread_mutex_unlock(&d->lock);
	httpc_free(h);
}

/* The engine's own words, {"message":"..."}, for the log only: they may name host paths. */
static void log_refusal(const struct docker_call *c, const struct httpc_resp *rs)
{
	char text[MESSAGE_MAX];

	snprintf(text, sizeof(text), "%s", rs->body ? rs->body : "");
	log_warn("docker.refused", S("method", c->method), S("path", c->path),
		 I("status", rs->status), S("answer", text));
}

int docker_api_do(struct docker_api *d, const struct docker_call *c, int expected,
		  struct httpc_resp *rs, struct arena *a, struct fault *f)
{
	const char *url =
		c->path ? arena_printf(a, "%s" VERSION_PATH "%s", d->base, c->path) : NULL;
	struct httpc *h = url ? take(d) : NULL;
	bool post = !strcmp(c->method, "POST"), taken;
	struct httpc_req rq = {
		.method = c->method,
		.url = url,
		.unix_socket = d->socket,
		.deadline = c->deadline,
		.watch_fd = -1,
		.body = c->body ? c->body
			: post  ? ""
				: NULL,
		.max_body = ANSWER_MAX,
		.body_len = c->body && !c->body_len ? strlen(c->body) : c->body_len,
		.content_type = c->type ? c->type : "application/json",
		.sink = c->sink,
		.sink_arg = c->sink_arg,
	};
	int rc;

	if (!h)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	rc = httpc_do(h, &rq, rs, a, f);
	if (rc < 0) {
		httpc_free(h); /* an answer given up in the middle: not a connection to use again */
		return -1;
	}
	give_back(d, h);
	taken = expected == DOCKER_API_TAKEN && (rs->status == 404 || rs->status == 409);
	if (rs->status >= 400 && rs->status != expected && !taken)
		log_refusal(c, rs);
	return (int)rs->status;
}

char *docker_api_escape(const char *s, struct arena *a)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *out = arena_alloc(a, 3 * strlen(s) + 1), *to = out;

	for (; out && *s; s++) {
		if (strchr(plain, *s))
			*to++ = *s;
		else
			to += sprintf(to, "%%%02X", (unsigned char)*s);
	}
	return out;
}
