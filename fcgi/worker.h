/* worker.h: one worker process: T threads that accept and answer, and one that keeps house. */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>

#include "../lib/base/conf.h"
#include "../lib/db.h"
#include "../lib/rt/runtime.h"

enum health { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY };

/* What the threads of one process share. */
struct shared {
	const struct conf *cf;
	struct db_pool *pool;
	const struct rt_ops *ops;
	struct rt *rt;
	char owner[80]; /* host/pid */
	int listen_fd;
	int64_t started_ms;        /* of the master, clock_ms() */
	_Atomic int slow;          /* threads in slow routes now */
	_Atomic int busy;          /* threads that serve a request now */
	_Atomic int health;        /* enum health, from the last probe */
	_Atomic bool storage_down; /* it did not answer the last probe, or not as it should */
	_Atomic bool stopping;
	sem_t garbage; /* posted when there is something to delete from storage */
};

/* Serves until SIGTERM, then drains within [server] shutdown_grace. The exit status of the process. */
int worker_run(const struct conf *, int listen_fd, int64_t started_ms);

/* Answers the one request that the environment describes (plain CGI). */
int worker_cgi(const struct conf *);

/* house.c: the loop that probes the database, keeps this node's row and finishes what dead workers left. */
void *house_keep(void *shared);
/* The loop that deletes from storage what is due: a thread of its own, since storage may keep it waiting. */
void *house_sweep(void *shared);
/* The same work once, for a CGI program, which has no threads: before the request, and what may take longer after it. */
void house_once(struct shared *);
void house_late(struct shared *);
/* After the answer that ended a session (req.after_arg: its id): its container and what it stored go at once. */
struct req;
void house_end_session(struct req *);
