/*
 * sync.h: the workspace and its copy in storage (CONTRACT 6, DESIGN 5). Storage
 * is the truth; the executor reaches it through the control plane only.
 *
 * After each execution a walk finds what code created, changed or deleted; each
 * such file waits in one queue until storage has it. What cannot be delivered is
 * tried again, after 1, 2, 4, 8, then every 10 s, until the session ends.
 */
#pragma once

#include <event2/event.h>

#include "../lib/base/arena.h"
#include "call.h"
#include "manifest.h"
#include "settings.h"

#define SYNC_PARALLEL 8 /* calls at once; of pulls as many more */
#define SYNC_CLOSED_MAX \
	64 /* directories that a walk may leave out and still tell what is deleted elsewhere */
#define SYNC_NOTES_MAX 64 /* files that are named when they cannot be stored; the rest is counted */

/* A file that has no place in storage: its name is not allowed, or there are too many. */
struct sync_note {
	char *path;
	const char *why;
	int64_t ctime_ns;
};

typedef void sync_done(void *arg);

/* Somebody who waits: for walk number `walk`, then for all that it found. */
struct sync_push {
	struct sync_push *next;
	int64_t walk, ticket;
	bool walked;
	sync_done *done;
	void *arg;
};

struct sync {
	struct call_to to;
	const struct settings *set;
	const int64_t *running; /* executions that may write meanwhile */
	int root;
	struct manifest files;

	struct walk *walk;             /* NULL: none runs */
	struct event *more;            /* goes on with it */
	int64_t walks;                 /* number of the one that runs or ran last */
	bool whole;                    /* nothing was left out of it */
	bool blind;                    /* too much was, to tell what is deleted */
	char *closed[SYNC_CLOSED_MAX]; /* directories that it could not look into */
	size_t nclosed;
	int64_t walk_bytes, bytes;
	struct file *fresh, **fresh_end; /* found by it */
	struct sync_note notes[SYNC_NOTES_MAX];
	size_t nnotes;

	struct file *head, **end;      /* the queue */
	int64_t tickets, stored;       /* last ticket; sum of sizes in storage */
	int64_t flying[SYNC_PARALLEL]; /* tickets under way, 0: free */
	int nputs, ndeletes;
	struct event *pause;
	int fails; /* in a row */
	bool paused, stopped;
	struct sync_push *pushes;
	struct pulling *pulls; /* pull.c: on their way, the newest first */
};

/* -1 with a message in `why`. */
int sync_open(struct sync *, struct event_base *, const struct settings *, const int64_t *running,
	      char *why, size_t whysz) MUST_CHECK;

/* At the start of an execution: what is found changed after this mark may be its work. */
int64_t sync_mark(const struct sync *);

/* Walks and stores; done() may be called before it returns. */
void sync_push(struct sync *, sync_done *done, void *arg);
/* No further calls: whoever waits goes on with what is stored. */
void sync_stop(struct sync *);

/* Sum of sizes that the last walk saw, and what was pulled since; INT64_MAX: more than a walk takes in. */
int64_t sync_bytes(const struct sync *);

/* ---- artifacts.c ---- */

/* Files changed since the mark that storage has and that are no hidden ones, by path; at most max. *more: there are others. */
size_t sync_artifacts(const struct sync *, int64_t mark, const struct file **out, size_t max,
		      bool *more);

/* What code made since the mark (and the time, for names that are not allowed) and storage does not have. "" when nothing. */
const char *sync_refused(const struct sync *, int64_t mark, int64_t since_ns, struct arena *);

/* ---- pull.c ---- */

struct sync_pulled {
	struct json_object *pulled, *removed; /* arrays of paths; the callee's to keep */
	bool failed;                          /* some path could not be made equal */
};
typedef void pull_done(struct sync_pulled *, void *arg);

/* Makes these paths equal to storage. done() is called once, never before it has returned. `paths`: array of strings. */
void sync_pull(struct sync *, struct json_object *paths, pull_done *done, void *arg);
/* All of storage, again until it works or the executor stops; then done(). */
void sync_pull_all(struct sync *, sync_done *done, void *arg);

/* ---- changes.c ---- */

void sync_walk(struct sync *); /* starts one; none must run */
void sync_walk_on(evutil_socket_t, short what, void *sync);

/* ---- between these files ---- */

/* "/internal/sessions/{id}/files/{path}", malloc()ed; NULL: no memory. */
char *sync_path(const struct sync *, const char *path);
void sync_enqueue(struct sync *, struct file *); /* unless it is queued already */
void sync_append(struct sync *, struct file *);
void sync_again(struct sync *, struct file *); /* once more, when its sending is over */
void sync_wake(struct sync *);                 /* whoever need wait no longer */
void sync_pump(struct sync *);
void sync_look(struct sync *, struct file *, const struct stat *); /* notes how it looks now */
void sync_etag(struct file *, const char *etag, size_t n);
void sync_count(struct sync *, struct file *,
		int64_t n); /* storage has, or may have, n bytes of it */
void sync_drop(struct sync *, struct file *);
void sync_put_back(struct sync *, struct file *); /* into the queue, by its ticket */
struct file *sync_pop(struct sync *);             /* there must be one */
void sync_settle(struct sync *, struct file *);   /* its sending is over */
void sync_refuse(struct file *, const char *why);
void sync_back_off(struct sync *, int status);    /* nothing is sent for a while */
int sync_take_off(struct sync *, int64_t ticket); /* a slot of `flying`; there must be one */

/* store.c: one file. The state says what became of it when it could not be sent. */
void store_put(struct sync *, struct file *);
void store_delete(struct sync *, struct file *);
/* As it is now; -1: what is to be done with it was done. */
int store_open(struct sync *, struct file *, struct stat *);
/* Storage has `size` bytes of it; the answer's object tells etag and checksum. */
void store_done(struct sync *, struct file *, int64_t size, struct json_object *);

/* batch.c: new small files, several in one call: this one and what follows in the queue. */
bool batch_takes(const struct file *);
void batch_put(struct sync *, struct file *);

/* pull.c: it was stored or deleted: what is on its way from storage may be older. */
void sync_crossed(struct sync *, const char *path);
