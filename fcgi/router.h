/*
 * router.h: the table of everything this program answers.
 *
 * Preconditions live in the row and are enforced once, in worker.c, in the
 * order of CONTRACT 1.2: path, method, credential, body size, media type,
 * idempotency; then the handler runs.
 */
#pragma once

#include "req.h"

typedef int handler_fn(struct req *, struct fault *);

enum route_flag {
	ROUTE_PUBLIC = 1 << 0,   /* no credential needed */
	ROUTE_INTERNAL = 1 << 1, /* session token, internal listener only */
	ROUTE_SLOW = 1 << 2,     /* may wait for a backend: counts against slow_threads */
	ROUTE_ADMIN = 1 << 3,    /* role admin; otherwise GET needs readonly, the rest user */
	ROUTE_JSON = 1 << 4,     /* the body is a JSON object and required */
	ROUTE_JSON_OPT = 1 << 5, /* the same, may be absent */
	ROUTE_RAW = 1 << 6,      /* the handler takes the bytes as they come: req_body_read() */
	ROUTE_IDEM = 1 << 7,     /* honours Idempotency-Key */
};

/* Which ceiling the body has. */
enum route_body {
	BODY_NONE,
	BODY_SMALL,
	BODY_EXECUTE,
	BODY_RESULT,
	BODY_UPLOAD, /* [limits] max_upload_bytes */
	BODY_FORM,   /* the same and its frame */
	BODY_FILE,   /* what the session's disk takes */
};

struct route {
	const char *method, *pattern; /* "/api/v1/sessions/{id}"; {path*} takes the rest */
	handler_fn *fn;
	unsigned flags;
	enum route_body body;
	const char *canonical; /* an alias: the pattern it stands for; NULL: itself */
};

extern const struct route routes[]; /* ends with .fn == NULL */

/* Fills r->params. NULL: *allow tells 404 (NULL) from 405 (a method list for the Allow header). HEAD finds GET. */
const struct route *route_find(const struct route *, struct req *, const char **allow);
/* Methods of the path for OPTIONS; NULL: no such path. */
const char *route_allow(const struct route *, struct req *);
