/*
 * docker_body.h: what is sent to and read from the Docker Engine API 1.40, as
 * pure functions: texts in, texts out.
 */
#pragma once

#include "runtime.h"

#define DOCKER_SPEC_LABEL \
	"sandbox.spec" /* SHA-256 of the body: equal, and a half-made container is ours to finish */

/* Facts about this host and its engine. */
struct docker_place {
	const char *deployment;
	const char *socket_dir;  /* of the container, on the host */
	const char *control_dir; /* NULL: the control plane is not on a unix socket */
	const char *network;     /* egress network */
	const char *runtime;     /* engine runtime; "": the engine's default */
	const char *apparmor;    /* profile name; NULL: the host has no AppArmor */
};

/* Body of POST /containers/create. NULL: the arena is full. */
char *docker_body(const struct rt_spec *, const struct docker_place *, struct arena *) MUST_CHECK;

/* Names of a container's volumes: what the session's user writes, and the executor's spool and token. */
char *docker_volume_workspace(const char *name, struct arena *) MUST_CHECK;
char *docker_volume_state(const char *name, struct arena *) MUST_CHECK;

/*
 * The uid that owns /workspace and /var/lib/sandbox-executor of an image, and so new volumes there: with it a start
 * is spared two looks (80 ms each). Wrong or absent: looked at.
 */
#define DOCKER_USER_LABEL "sandbox.user"

/* One answer of GET /containers/{name}/json; `session`, `deployment`, `spec`, `user` are labels or NULL. */
struct docker_found {
	struct rt_status st;
	const char *deployment, *session, *spec, *user;
	bool never_started;
};

/* -1: not of that form. Strings are arena-owned. */
int docker_read_inspect(const char *text, size_t len, struct docker_found *,
			struct arena *) MUST_CHECK;

/* One element of GET /containers/json; the name without its slash. */
struct json_object;
int docker_read_listed(struct json_object *, const char **name, struct docker_found *,
		       struct arena *) MUST_CHECK;

/* RepoTags of GET /images/json as a JSON array of names. NULL: not of that form, or the arena is full. */
const char *docker_read_images(const char *text, size_t len, struct arena *) MUST_CHECK;

/*
 * Logs of a container without a terminal come as frames: one byte stream, three of zero, a big-endian length.
 * Feed bytes as they come; what is kept are the last `max` bytes of text. Starts zeroed, ends with docker_log_text().
 */
struct docker_log {
	char *buf;
	size_t len, max;
	unsigned char head[8];
	size_t nhead, left;
};

int docker_log_feed(struct docker_log *, const char *, size_t) MUST_CHECK; /* -1: no memory */
/* Valid UTF-8, arena-owned; frees the buffer. NULL: arena full. */
char *docker_log_text(struct docker_log *, struct arena *) MUST_CHECK;
