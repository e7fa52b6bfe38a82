/* http.h: the executor's API (CONTRACT 10.1) on a unix socket or a TCP address. */
#pragma once

#include <event2/event.h>

#include "job.h"
#include "sync.h"
#include "trial.h"

struct http;

/* NULL with a message in `why`. */
struct http *http_open(struct event_base *, struct jobs *, struct sync *, const struct settings *,
		       const struct trial *, char *why, size_t whysz);
/* A job has a result, or new bytes of output: readers that wait for it are answered. */
void http_wake(struct http *, struct job *, bool ended);
void http_close(struct http *);

/* True: some reader waits for the job's end and will take the result inline. */
bool http_has_reader(const struct http *, const struct job *);
