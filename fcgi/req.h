/*
 * req.h: one request. Everything in it dies with it: memory is its arena's, the
 * database connection goes back to the pool, the parsed body is freed.
 *
 * A handler is `int fn(struct req *, struct fault *)`: it reads `r`, calls
 * stores, and ends in `return req_reply(r, 200, obj, f)` or -1 with a fault. It
 * never touches the FastCGI library, headers of the protocol, or the wire form
 * of an error.
 */
#pragma once

#include "../lib/base/arena.h"
#include "../lib/base/conf.h"
#include "../lib/base/fault.h"
#include "../lib/base/jsn.h"
#include "../lib/db.h"
#include "../lib/httpc.h"
#include "../lib/store/idem.h"
#include "../lib/work/work.h"

#define REQ_MAX_PARAMS  3
#define REQ_MAX_HEADERS 12
#define REQ_IO_S        60 /* silence of the web server, in either direction, after which it is given up */

struct route;

enum role { ROLE_NONE, ROLE_READONLY, ROLE_USER, ROLE_ADMIN };

/* Who asks; set by auth_check(), never by a handler. */
struct principal {
	enum role role;
	const char *
		key_id; /* API key id, or "local" with auth mode off; NULL on the internal surface */
	const char *
		token; /* internal surface: as sent; auth_session() checks it against the object's session */
};

/* What a thread keeps between requests: settings and connections, never answers. */
struct thread {
	struct work work; /* conf, database pool, runtime, HTTP client: what lib/work needs */
	struct arena *a;
	struct shared *shared; /* of the process: worker.h */
};

/* The claim on an Idempotency-Key (CONTRACT 1.6). */
struct idem {
	struct idem_claim claim; /* claim.scope NULL: the request has none */
	const char *object_id;   /* an earlier call made this object: answer for it */
	int64_t renewed_ms;
};

struct req {
	struct thread *t;
	struct arena *a;
	void *fx;                           /* FCGX_Request *; NULL: plain CGI */
	const char *method;                 /* as sent */
	const char *path;                   /* decoded, without query and trailing slash */
	const char *query;                  /* raw, "" when absent */
	const char *params[REQ_MAX_PARAMS]; /* the {...} of the route, in order */
	const struct route *route;
	bool internal;    /* came through the internal listener */
	const char *body; /* NUL-terminated beyond body_len */
	size_t body_len;
	struct json_object *in; /* the parsed JSON body, NULL when there was none */
	char id[129];           /* X-Request-ID, checked, or our own */
	const char *remote_addr;
	struct principal who;
	struct idem idem;
	struct db *db; /* see req_db() */
	int64_t started_us;
	int64_t bytes_in, bytes_out;
	struct {
		int64_t length; /* as told; -1: not known */
		int64_t max;
		bool ended;
	} stream; /* the body of a ROUTE_RAW route: req_body.c */

	/* the answer */
	int status;
	struct json_object *out; /* owned; or: */
	const char *bytes;       /* a body that is not JSON, arena or static */
	size_t nbytes;
	const char *content_type;
	struct {
		const char *name, *value;
	} headers[REQ_MAX_HEADERS];
	size_t nheaders;
	bool replayed, streamed;

	/* Work that follows the answer (a container to stop): runs on the same thread, may take seconds. */
	void (*after)(struct req *);
	void *after_arg;
};

/* The pool's connection of this request; taken at the first call. NULL with a fault. */
struct db *req_db(struct req *, struct fault *) MUST_CHECK;
/* Gives it back: before every wait on anything but the database. */
void req_db_done(struct req *);

/* CGI variable or request header ("HTTP_IF_MATCH"); NULL when absent. */
const char *req_env(const struct req *, const char *name);

/* Decoded query parameter, arena-owned; NULL when absent. The last one counts. */
const char *req_query(struct req *, const char *name);
/* Query integer and number: the default when absent; else an error in `c`. Clamp or range is the caller's. */
int64_t req_query_int(struct req *, struct jsn_check *c, const char *name, int64_t def, int64_t lo,
		      int64_t hi);
double req_query_num(struct req *, struct jsn_check *c, const char *name, double def, double lo,
		     double hi);

/* Set the answer. `out` is taken; NULL (an allocation failed on the way) becomes a fault. */
int req_reply(struct req *, int status, struct json_object *out, struct fault *) MUST_CHECK;
int req_empty(struct req *, int status); /* 204, 304 */
int req_bytes(struct req *, int status, const char *type, const char *data, size_t n);
/* The answer in pieces: headers now, then exactly `n` bytes (-1: as many as come). Write: -1, the client is gone. */
void req_stream(struct req *, int status, const char *type, int64_t n);
int req_stream_write(struct req *, const char *data, size_t n) MUST_CHECK;
/* `value` must be arena-owned or static and hold no line breaks (checked). Beyond REQ_MAX_HEADERS: dropped and logged. */
void req_header(struct req *, const char *name, const char *value);

/* Makes the fault the answer. */
void req_fault(struct req *, const struct fault *f);

/*
 * The body of a ROUTE_RAW route, as it comes (req_body.c). Length: -1 when the client did not tell it. Read: up to n bytes,
 * 0 the end, -1 PAYLOAD_TOO_LARGE (the rest is not read) or, when not all of it came, REFUSED: a body that was
 * cut never looks complete.
 */
int64_t req_body_length(const struct req *);
ssize_t req_body_read(struct req *, char *buf, size_t n, struct fault *) MUST_CHECK;

/* A descriptor that becomes readable or hangs up when the web server gives the request up; -1: none. */
int req_watch_fd(const struct req *);

/* ---- for req_body.c ---- */

/* CONTENT_LENGTH; -1 when it is absent, empty or -1 (a chunked body). -1 with a fault when it is no number or over max. */
int req_length(struct req *, int64_t max, int64_t *length, struct fault *) MUST_CHECK;
/* Up to n bytes; 0: no more come, see req_cut(). Waits for REQ_IO_S at most. */
ssize_t req_read(struct req *, char *buf, size_t n);
/* After req_read() gave 0: the web server did not say that this is the end. */
bool req_cut(struct req *);

/* ---- for worker.c ---- */
void req_begin(struct req *); /* variables, surface, request id */
int req_read_body(struct req *, size_t max, struct fault *) MUST_CHECK;
int req_body_begin(struct req *, int64_t max, struct fault *) MUST_CHECK;
void req_send(struct req *,
	      const struct fault *f); /* writes the answer, a fault's when there is one */
void req_end(struct req *);
