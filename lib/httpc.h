/*
 * httpc.h: an HTTP client with a ceiling on everything: time, size, redirects
 * (none). One struct httpc per thread; it keeps connections open between calls.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"

struct httpc;
struct httpc_resp;

struct httpc_req {
	const char *method, *url;
	const char *unix_socket;    /* path; NULL: TCP */
	const char *const *headers; /* NULL-terminated, "Name: value" */
	const char *body;           /* NULL: none */
	size_t body_len;
	const char *content_type; /* of the body */
	/*
	 * Instead of `body`: gives its `body_len` bytes as they are sent, fewer only at the end; -1 gives the call up.
	 * `rewind` begins them anew (a kept connection turned out dead): -1 or NULL, it cannot.
	 */
	ssize_t (*source)(void *arg, char *buf, size_t n);
	int (*rewind)(void *arg);
	void *source_arg;
	int64_t deadline; /* absolute, clock_ms(); INT64_MAX: none, with stall_s */
	int64_t stall_s;  /* ends after so many seconds without a byte; 0: only by its deadline */
	size_t max_body;  /* of the answer; more is a fault */
	int watch_fd;     /* -1: none. When it hangs up the call is given up */
	const char *ca_file; /* TLS: NULL is the system's */
	/* Takes the answer's body as it comes instead of resp->body; -1 gives the call up. Headers are readable by then. */
	int (*sink)(void *arg, const struct httpc_resp *, const char *data, size_t n);
	void *sink_arg;
};

struct httpc_resp {
	long status;
	char *body; /* NUL-terminated, arena-owned */
	size_t len;
	bool gone; /* watch_fd hung up */
	bool timed_out;
	const char *cause;   /* of no answer: libcurl's words, static; else NULL */
	const char *headers; /* raw header lines of the answer, arena-owned; see httpc_header() */
};

int httpc_global_init(void); /* once, before any thread */

struct httpc *httpc_new(void);
void httpc_free(struct httpc *); /* NULL is fine */

/* 0 for any complete HTTP answer, whatever its status; -1: no answer (RUNTIME_UNAVAILABLE), see gone and timed_out. */
int httpc_do(struct httpc *, const struct httpc_req *, struct httpc_resp *, struct arena *,
	     struct fault *) MUST_CHECK;

/* Value of an answer's header, arena-owned; NULL: absent. */
const char *httpc_header(const struct httpc_resp *, const char *name, struct arena *);
