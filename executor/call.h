/* call.h: one HTTP request to the control plane, over a unix socket or TCP, without blocking. */
#pragma once

#include <event2/event.h>

#include "../lib/base/util.h"

struct call_answer {
	int status;       /* 0: none, or it was cut short */
	const char *body; /* NUL-terminated; "" when it was saved to a file */
	size_t n;         /* bytes of the body, wherever they went */
	char etag[100];   /* without quotes; "" when absent */
	bool shrunk;      /* the file that was sent became shorter meanwhile */
};

/* What it points to is valid during the call. */
typedef void call_done(const struct call_answer *, void *arg);

struct call_to {
	struct event_base *base;
	const char *url; /* unix:/path or http://address:port */
	const char *token;
};

struct call_req {
	const char *method;
	const char *path;   /* encoded, with its query */
	const char *header; /* one more header line, without its end; NULL: none */
	const char *type;   /* of the body; NULL: application/json */
	const char *body;   /* copied; NULL: none, or a file: */
	size_t n;
	bool send_file; /* `n` bytes of send_fd from offset send_at; send_fd is taken */
	int send_fd;
	int64_t send_at;
	bool save_file; /* a 200's body goes to save_fd, which stays the caller's */
	int save_fd;
	size_t answer_max; /* of a body in memory; 0: 1 MiB */
};

/*
 * Connect within 5 s, then progress within 30 s (CONTRACT 10.3); the answer to a file, 1 s more for each MiB of it. done() is
 * called exactly once, never before call_do() has returned. Constant memory for files of any size.
 */
void call_do(const struct call_to *, const struct call_req *, call_done *done, void *arg);

/* A JSON body by POST. */
void call_post(const struct call_to *, const char *path, const char *body, size_t n,
	       call_done *done, void *arg);

/* `path` with every byte but A-Za-z0-9-_.~/ as %XX; the bytes written, out is NUL-terminated. size >= 3 * length + 1. */
size_t call_encode(const char *path, char *out, size_t size);
