/*
 * job.h: executions in this container, from acceptance to acknowledgement.
 *
 * QUEUED -> RUNNING -> STORING (its files and logs go to storage) -> ENDED (its
 * result is in the spool) -> FREED (delivered; only the id stays known). A job ends when three facts are true: both streams
 * are closed and the sandbox has exited; the kill of the namespace's first
 * process makes all three true, whatever the code left behind.
 */
#pragma once

#include <event2/event.h>

#include "../lib/base/fault.h"
#include "../lib/base/jsn.h"
#include "init.h"
#include "jail.h"
#include "output.h"
#include "settings.h"

#define JOBS_KNOWN_MAX 4096 /* ids remembered; the oldest freed ones go first */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_STORING, JOB_ENDED, JOB_FREED };

/* For everybody outside: it has no result yet. */
static inline bool job_open(enum job_state st)
{
	return st == JOB_QUEUED || st == JOB_RUNNING || st == JOB_STORING;
}

struct job {
	struct job *next; /* newest first */
	char id[65];
	int64_t attempt, timeout_s, output_max, output_inline;
	bool output_kill; /* more output than that ends it */
	enum job_state state;
	const struct lang *lang;
	char *entrypoint;
	bool entrypoint_given;
	char *code, *event, *stdin_text; /* freed at the start */
	struct json_object *env;

	int64_t accepted_us, started_us, ended_us;
	int64_t started_wall_ms, ended_wall_ms;
	pid_t sandbox, first; /* bwrap; pid 1 of the namespace as seen here (0: not known yet) */
	int sandbox_status;   /* of waitpid() on bwrap */
	int out_fd, err_fd, result_fd, report_fd, info_fd; /* -1: closed */
	struct event *on_out, *on_err, *deadline;
	struct output *out, *err;
	bool cancelled, session_ended, timed_out, output_limit, disk_limit, started, exited;
	struct init_report report; /* when reported: what pid 1 of its namespace told */
	bool reported;
	bool oom_rose, pids_rose; /* counters of the container, over its life */
	int64_t oom_base, pids_base, peak_bytes, cpu_ms, io_read,
		io_write; /* cpu_ms, peak_bytes: the most seen */

	int64_t mark, disk_base,
		started_file_ns; /* its start: for the walk, and in the clock of file times */
	struct json_object
		*artifacts; /* {path,size,checksum} of what it made; NULL: not looked yet */
	bool artifacts_more, logs_stored;
	char *not_stored;        /* what storage does not have of it, in words; NULL: nothing */
	int64_t workspace_bytes; /* sum of sizes at its end */

	char *result; /* JSON of CONTRACT 9, Result; NULL unless ENDED */
	size_t result_len;
	const char *status;    /* of the result: a constant */
	bool delivered;        /* a callback or a reader's DELETE took it */
	int tries;             /* of delivery */
	struct event *deliver; /* report.c: when it is told next */
};

struct jobs {
	const struct settings *set;
	struct event_base *base;
	struct jail_view view;
	bool private_proc, isolated;
	int64_t running, queued;
	struct job *list;
	int self_fd; /* this program, for --init */
	unsigned char filter[16384];
	size_t filter_len;
	bool stopping;
	bool held;                              /* the workspace is not there yet: nothing starts */
	void (*on_start)(struct job *, void *); /* it runs */
	/* It has ended; calls done() when its files are stored. */
	void (*on_exit)(struct job *, void (*done)(struct job *), void *);
	int64_t (*mark)(void *);                 /* struct job's, at its start */
	int64_t (*disk)(void *);                 /* bytes in the workspace, as last seen */
	void (*on_end)(struct job *, void *);    /* the result is there */
	void (*on_output)(struct job *, void *); /* bytes came */
	void *arg;
};

/* Prepares filter and view; spooled results of an earlier life come back as ENDED. -1 with a message in `why`. */
int jobs_open(struct jobs *, const struct settings *, struct event_base *, char *why,
	      size_t whysz) MUST_CHECK;

/* submit.c. `in`: the parsed body of POST /executions, `text` its raw form. 201 or 200 (known) in *status; -1 with a fault. */
int job_submit(struct jobs *, struct json_object *in, const char *text, size_t len, struct arena *,
	       int *status, struct job **out, struct fault *) MUST_CHECK;
struct job *job_find(struct jobs *, const char *id);

void job_cancel(struct jobs *, struct job *);
/* The result is kept elsewhere: frees it and the spool; the log stays when it is longer than the inline view, unless `all`. */
void job_free_result(struct jobs *, struct job *, bool all);
void jobs_stop(struct jobs *); /* SIGTERM: running ones end crashed, session_ended */
void jobs_reap(struct jobs *); /* SIGCHLD; also everybody else's orphans */

void jobs_start_next(struct jobs *); /* as many of the queued ones as may run, the oldest first */
void job_free_input(struct job *);

const char *job_state_name(const struct job *);

/* launch.c: starts the sandbox of a queued job. -1 with errno. */
int launch(struct jobs *, struct job *) MUST_CHECK;
/* outcome.c: the result document of a job whose three facts are true; malloc()ed. NULL: no memory. */
char *outcome_build(struct jobs *, struct job *, size_t *len) MUST_CHECK;
/* What can be said without memory for more: it ended, with the service's fault. */
char *outcome_poor(struct job *) MUST_CHECK;
