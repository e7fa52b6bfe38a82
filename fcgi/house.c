/*
 * house.c: what a worker process does beside answering: it probes the database
 * for /health, deletes from storage what is due and, with [runtime] direct = on,
 * keeps this node's row and removes containers that a killed worker left half
 * removed.
 */
#include <malloc.h>
#include <time.h>

#include "../lib/base/log.h"
#include "../lib/s3/s3.h"
#include "../lib/store/garbage.h"
#include "../lib/work/container.h"
#include "../lib/work/files.h"
#include "../lib/work/garbage.h"
#include "../lib/work/node.h"
#include "req.h"
#include "worker.h"

#define TICK_MS     1000
#define ARENA_BYTES ((size_t)8 << 20)
#define ROWS        16 /* of garbage in one go */
#define ROWS_LATE   4  /* after a CGI program's answer, for which the web server may be waiting */

static void note(struct shared *sh, enum health h, const char *why)
{
	static const char *const words[] = { "healthy", "degraded", "unhealthy" };
	enum health was = (enum health)atomic_exchange(&sh->health, (int)h);

	if (was != h)
		log_info("health.changed", S("from", words[was]), S("to", words[h]),
			 S("error", why));
}

static void wake_sweeper(struct shared *sh)
{
	int n;

	if (sem_getvalue(&sh->garbage, &n) == 0 && n == 0)
		sem_post(&sh->garbage);
}

static void tick(struct work *w, struct shared *sh, struct arena *a, bool first)
{
	struct fault f = { 0 };
	struct db *db = db_get(w->pool, &f);
	bool due = db && garbage_due(db, &f) > 0;

	db_put(w->pool, db);
	if (due)
		wake_sweeper(sh);
	if (!db) {
		note(sh, HEALTH_UNHEALTHY, f.detail);
		return;
	}
	if (w->cf->runtime_direct && node_heartbeat(w, first, a, &f) < 0) {
		note(sh, HEALTH_DEGRADED, f.detail);
		return;
	}
	if (atomic_load(&sh->storage_down))
		note(sh, HEALTH_UNHEALTHY, "the file storage; see storage.failed");
	else
		note(sh, HEALTH_HEALTHY, "");
	if (w->cf->runtime_direct)
		container_sweep(w, NULL, a);
}

/* A thread's tools; close_work() frees them. False: no memory. */
static bool open_work(struct work *w, struct shared *sh, struct arena **a)
{
	*w = (struct work){ .cf = sh->cf,
			    .pool = sh->pool,
			    .ops = sh->ops,
			    .rt = sh->rt,
			    .owner = sh->owner,
			    .http = httpc_new() };
	*a = arena_new(ARENA_BYTES);
	return *a && w->http;
}

static void close_work(struct work *w, struct arena *a)
{
	s3_close(w->s3);
	httpc_free(w->http);
	arena_free(a);
}

void house_once(struct shared *sh)
{
	struct work w;
	struct arena *a;

	if (open_work(&w, sh, &a))
		tick(&w, sh, a, false);
	close_work(&w, a);
}

void house_late(struct shared *sh)
{
	struct work w;
	struct arena *a;
	int due = 0;

	if (sem_getvalue(&sh->garbage, &due) < 0 || !due)
		return;
	if (open_work(&w, sh, &a))
		garbage_sweep(&w, NULL, ROWS_LATE, a);
	close_work(&w, a);
}

void house_end_session(struct req *r)
{
	wake_sweeper(r->t->shared);
	container_sweep(&r->t->work, r->after_arg, r->a);
}

void *house_keep(void *arg)
{
	struct shared *sh = arg;
	struct work w;
	struct arena *a;
	bool ready = open_work(&w, sh, &a);

	for (bool first = true; ready && !atomic_load(&sh->stopping); first = false) {
		struct timespec nap = { .tv_sec = TICK_MS / 1000,
					.tv_nsec = TICK_MS % 1000 * 1000000 };

		tick(&w, sh, a, first);
		if (!atomic_load(&sh->busy))
			malloc_trim(0); /* what a busy hour took goes back at rest */
		arena_reset(a);
		nanosleep(&nap, NULL);
	}
	close_work(&w, a);
	db_thread_end();
	return NULL;
}

/* Is the storage there, for /health? In the thread that may wait for it. */
static void probe_storage(struct work *w, struct shared *sh)
{
	struct fault f = { 0 };
	struct s3 *s3 = files_s3(w, &f);
	bool down = !s3 || s3_probe(s3, &f) != 1;

	if (atomic_exchange(&sh->storage_down, down) != down && down)
		log_warn("storage.down", S("error", f.info ? f.detail : "the bucket is not there"));
}

/* False: nothing came within [health] interval. */
static bool wait_for_garbage(struct shared *sh)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += sh->cf->health_interval;
	return sem_timedwait(&sh->garbage, &until) == 0;
}

void *house_sweep(void *arg)
{
	struct shared *sh = arg;
	struct work w;
	struct arena *a;
	bool ready = open_work(&w, sh, &a);

	if (ready)
		probe_storage(&w, sh);
	while (ready && !atomic_load(&sh->stopping)) {
		if (!wait_for_garbage(sh)) {
			probe_storage(&w, sh);
			continue;
		}
		while (garbage_sweep(&w, NULL, ROWS, a) == ROWS)
			arena_reset(a);
		arena_reset(a);
	}
	close_work(&w, a);
	db_thread_end();
	return NULL;
}
