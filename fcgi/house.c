/*
 * house.c: what a worker process does beside answering: it probes the database
 * for /health and, with [runtime] direct = on, keeps this node's row and
 * removes containers that a killed worker left half removed.
 */
#include <malloc.h>
#include <time.h>

#include "../lib/base/log.h"
#include "../lib/work/container.h"
#include "../lib/work/node.h"
#include "worker.h"

#define TICK_MS     1000
#define ARENA_BYTES ((size_t)8 << 20)

static void note(struct shared *sh, enum health h, const char *why)
{
	static const char *const words[] = { "healthy", "degraded", "unhealthy" };
	enum health was = (enum health)atomic_exchange(&sh->health, (int)h);

	if (was != h)
		log_info("health.changed", S("from", words[was]), S("to", words[h]),
			 S("error", why));
}

static void tick(struct work *w, struct shared *sh, struct arena *a, bool first)
{
	struct fault f = { 0 };
	struct db *db = db_get(w->pool, &f);

	db_put(w->pool, db);
	if (!db) {
		note(sh, HEALTH_UNHEALTHY, f.detail);
		return;
	}
	if (w->cf->runtime_direct && node_heartbeat(w, first, a, &f) < 0) {
		note(sh, HEALTH_DEGRADED, f.detail);
		return;
	}
	note(sh, HEALTH_HEALTHY, "");
	if (w->cf->runtime_direct)
		container_sweep(w, NULL, a);
}

void house_once(struct shared *sh)
{
	struct work w = { .cf = sh->cf,
			  .pool = sh->pool,
			  .ops = sh->ops,
			  .rt = sh->rt,
			  .owner = sh->owner,
			  .http = httpc_new() };
	struct arena *a = arena_new(ARENA_BYTES);

	if (a && w.http)
		tick(&w, sh, a, false);
	httpc_free(w.http);
	arena_free(a);
}

void *house_keep(void *arg)
{
	struct shared *sh = arg;
	struct work w = { .cf = sh->cf,
			  .pool = sh->pool,
			  .ops = sh->ops,
			  .rt = sh->rt,
			  .owner = sh->owner,
			  .http = httpc_new() };
	struct arena *a = arena_new(ARENA_BYTES);

	for (bool first = true; a && w.http && !atomic_load(&sh->stopping); first = false) {
		struct timespec nap = { .tv_sec = TICK_MS / 1000,
					.tv_nsec = TICK_MS % 1000 * 1000000 };

		tick(&w, sh, a, first);
		if (!atomic_load(&sh->busy))
			malloc_trim(0); /* what a busy hour took goes back at rest */
		arena_reset(a);
		nanosleep(&nap, NULL);
	}
	httpc_free(w.http);
	arena_free(a);
	db_thread_end();
	return NULL;
}
