/* call.h: one HTTP request to the control plane, over a unix socket or TCP, without blocking. */
#pragma once

#include <event2/event.h>

#include "../lib/base/util.h"

/* status 0: no answer. `body` is NUL-terminated and valid during the call. */
typedef void call_done(int status, const char *body, size_t n, void *arg);

/*
 * `url`: unix:/path or http://address:port. Connect within 5 s, the answer within 30 s (CONTRACT 10.3). done() is called
 * exactly once, never before call_post() has returned. `body` is copied.
 */
void call_post(struct event_base *, const char *url, const char *path, const char *token,
	       const char *body, size_t n, call_done *done, void *arg);
