/*
 * dispatch.h: executions to executors and their results back. The execution's
 * id makes every call repeatable: an executor never runs one twice.
 */
#pragma once

#include "../store/execution.h"
#include "work.h"

/* The executor of a container: how calls reach it and what they carry. Made for the life of an arena. */
struct executor {
	const char *socket, *auth; /* unix socket path; "Authorization: Bearer …" */
};

int executor_of(struct work *, const char *container_id, const char *session_id,
		int64_t token_epoch, struct executor *, struct arena *, struct fault *) MUST_CHECK;

/* One call with JSON in `body` (NULL: none). 0 for any answer; -1: none came, see rs->gone and rs->timed_out. */
int executor_call(struct work *, const struct executor *, const char *method, const char *path,
		  const char *body, size_t body_len, int64_t deadline, int watch_fd,
		  struct httpc_resp *rs, struct arena *, struct fault *) MUST_CHECK;

/* Hands it over. 0: the executor has it. -1: RUNTIME_UNAVAILABLE, BUSY (its table is full) or what it answered. */
int dispatch_submit(struct work *, const struct executor *, const struct execution *,
		    const char *env_vars, struct arena *, struct fault *) MUST_CHECK;

/*
 * Waits for the end until `deadline` and records the result. 1: recorded (or was before). 0: not ended in time, or
 * watch_fd hung up (*gone). -1: the executor cannot be reached.
 */
int dispatch_wait(struct work *, const struct executor *, const char *id, int64_t deadline,
		  int watch_fd, bool *gone, struct arena *, struct fault *) MUST_CHECK;

/* Tells the executor that the result is kept. Best effort: it offers the result again otherwise. */
void dispatch_ack(struct work *, const struct executor *, const char *id, struct arena *);

/* A piece of a stream's log, as the executor has it. */
struct dispatch_piece {
	const char *data;
	size_t n;
	int64_t size; /* bytes that can be read now, from offset 0 */
	int64_t dropped;
	bool complete; /* the execution has ended and the piece reaches the log's end */
	bool beyond;   /* `after` is beyond `size`: no bytes */
};

/* Up to `limit` bytes from an absolute offset. 1 read, 0 the executor does not have the log, -1 (EXECUTOR_TIMEOUT when silent). */
int dispatch_output(struct work *, const struct executor *, const char *id, bool is_err,
		    int64_t after, int64_t limit, int watch_fd, struct dispatch_piece *,
		    struct arena *, struct fault *) MUST_CHECK;

/* Asks for the end and records what became of it, waiting `ms` at most. As dispatch_wait(). */
int dispatch_cancel(struct work *, const struct executor *, const char *id, int64_t deadline,
		    struct arena *, struct fault *) MUST_CHECK;

/* All pending executions of a session that is ready now, oldest first. Faults are logged; the rows stay pending. */
void dispatch_pending(struct work *, const char *session_id, struct arena *);
