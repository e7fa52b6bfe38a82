/* docker_api.h: calls to the Docker Engine API; any thread, each call on a connection of its own while it lasts. */
#pragma once

#include "../httpc.h"
#include "runtime.h"

struct docker_api;

struct docker_call {
	const char *method;
	const char *path;        /* below the version, with its query; already escaped */
	const char *body, *type; /* NULL: none; type NULL: JSON */
	size_t body_len;         /* 0: strlen(body) */
	int64_t deadline;
	int (*sink)(void *, const struct httpc_resp *, const char *, size_t); /* NULL: resp->body */
	void *sink_arg;
};

/* Connects to nothing. NULL with a fault. */
struct docker_api *docker_api_open(const struct conf *, struct fault *);
void docker_api_close(struct docker_api *);

/* True when the engine is on this host. */
bool docker_api_local(const struct docker_api *);

#define DOCKER_API_TAKEN (-1) /* 404 and 409 are expected: it is gone, or somebody else is at it */

/* HTTP status of any answer; -1: none came, fault set. A status that says no is logged unless it is `expected`. */
int docker_api_do(struct docker_api *, const struct docker_call *, int expected,
		  struct httpc_resp *, struct arena *, struct fault *) MUST_CHECK;

/* Percent-encoded for a path segment or a query value. NULL: arena full. */
char *docker_api_escape(const char *, struct arena *) MUST_CHECK;
