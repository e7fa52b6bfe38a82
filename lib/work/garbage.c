#include "garbage.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "../s3/s3.h"
#include "../store/garbage.h"
#include "files.h"

#define LEASE_S 60    /* two pages with their repetitions; whoever loses it lets go */
#define TURN_MS 20000 /* of one row: then others have theirs, and the row is due again */
#define PAGE    1000  /* objects listed and removed at once: the most that S3 takes */
#define MEM     ((size_t)16 << 20) /* PAGE keys at their longest, and escaped in a document */
#define SKEW_S  3600 /* an upload that began "in an hour" by the store's clock is one of ours, too */

enum outcome { DONE, MORE, LOST, FAILED };

/* ---- what may be deleted ---- */

/*
 * The name is all that stands between a slip and everybody's files: "sessions/ID/" or "logs/ID/", or deeper, of the row's own
 * session.
 */
bool garbage_prefix_ok(const char *key, const char *session_id)
{
	static const char *const roots[] = { "sessions/", "logs/" };
	size_t n = strlen(key);

	if (str_empty(session_id) || strchr(session_id, '/') || !n || key[n - 1] != '/')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		size_t k = strlen(roots[i]), id = strlen(session_id);

		if (!strncmp(key, roots[i], k))
			return !strncmp(key + k, session_id, id) && key[k + id] == '/';
	}
	return false;
}

static bool object_ok(const char *key)
{
	return *key && *key != '/' && key[strlen(key) - 1] != '/';
}

/* ---- deleting ---- */

static bool renew(struct work *w, const struct garbage *g, struct fault *f)
{
	struct db *db = db_get(w->pool, f);
	int n = db ? garbage_renew(db, g, LEASE_S, f) : -1;

	db_put(w->pool, db);
	return n > 0;
}

/* One page. The count; 0: nothing is left. */
static int remove_page(struct s3 *s3, const char *prefix, struct arena *a, struct fault *f)
{
	struct s3_object *page = arena_alloc(a, PAGE * sizeof(*page));
	const char **keys = arena_alloc(a, PAGE * sizeof(*keys));
	bool more;
	int n;

	if (!page || !keys)
		return fault_set(f, FAULT_INTERNAL, "no memory");
	if ((n = s3_list(s3, prefix, NULL, page, PAGE, &more, a, f)) <= 0)
		return n;
	for (int i = 0; i < n; i++)
		keys[i] = page[i].key;
	return s3_remove_many(s3, keys, n, a, f) < 0 ? -1 : n;
}

/* Uploads first: none of them becomes an object behind our back. */
static enum outcome remove_prefix(struct work *w, struct s3 *s3, const struct garbage *g,
				  int64_t *objects, struct arena *a, struct fault *f)
{
	int64_t until = clock_ms() + TURN_MS;
	int n;

	if (s3_abort_uploads(s3, g->object_key, -SKEW_S, a, f) < 0)
		return FAILED;
	do {
		arena_reset(a);
		if ((n = remove_page(s3, g->object_key, a, f)) < 0)
			return FAILED;
		*objects += n;
		if (n && !renew(w, g, f))
			return LOST;
	} while (n && clock_ms() < until);
	return n ? MORE : DONE;
}

static enum outcome remove_row(struct work *w, const struct garbage *g, int64_t *objects,
			       struct fault *f)
{
	bool prefix = !strcmp(g->kind, "prefix");
	struct s3 *s3;
	struct arena *a;
	enum outcome rc;

	if (prefix ? !garbage_prefix_ok(g->object_key, g->session_id) : !object_ok(g->object_key)) {
		log_error("garbage.refused", I("id", g->id), S("kind", g->kind),
			  S("key", g->object_key), S("session_id", g->session_id));
		fault_set(f, FAULT_INTERNAL, "this may not be deleted: %.200s", g->object_key);
		return FAILED;
	}
	if (g->session_active) {
		log_error("garbage.dropped", I("id", g->id), S("key", g->object_key),
			  S("session_id", g->session_id), S("error", "the session is active"));
		return DONE;
	}
	if (!(s3 = files_s3(w, f)))
		return FAILED;
	if (!prefix)
		return s3_remove(s3, g->object_key, f) < 0 ? FAILED : DONE;
	if (!(a = arena_new(MEM))) {
		fault_set(f, FAULT_INTERNAL, "no memory");
		return FAILED;
	}
	rc = remove_prefix(w, s3, g, objects, a, f);
	arena_free(a);
	return rc;
}

/* ---- rows ---- */

static bool close_row(struct work *w, const struct garbage *g, enum outcome how,
		      const struct fault *why)
{
	struct fault f = { 0 };
	struct db *db = how == LOST ? NULL : db_get(w->pool, &f);
	int n = 0;

	if (db)
		n = how == DONE   ? garbage_finish(db, g, &f)
		    : how == MORE ? garbage_release(db, g, &f)
				  : garbage_fail(db, g, why->detail, &f);
	db_put(w->pool, db);
	return how == DONE && n > 0;
}

/* *on: there is sense in taking the next row: nothing waits for storage, and this one has had its turn. */
static bool work_off(struct work *w, const struct garbage *g, bool *on)
{
	struct fault f = { 0 };
	int64_t from = clock_ms(), objects = 0;
	enum outcome how = remove_row(w, g, &objects, &f);
	bool gone = close_row(w, g, how, &f);

	*on = how == DONE || how == LOST ||
	      (how == FAILED && !fault_is(&f, FAULT_STORAGE_UNAVAILABLE));

	if (how == FAILED)
		log_warn("garbage.failed", S("session_id", g->session_id), S("key", g->object_key),
			 I("attempts", g->attempts + 1), S("error", f.detail));
	else
		log_info("garbage.removed", S("session_id", g->session_id), S("key", g->object_key),
			 I("objects", objects), I("finished", gone),
			 I("duration_ms", clock_ms() - from));
	return gone;
}

int garbage_sweep(struct work *w, const char *session_id, int max, struct arena *a)
{
	bool on = true;
	int done = 0;

	if (!*w->cf->storage_endpoint) /* no storage, nothing in it */
		return 0;
	for (int i = 0; on && i < max; i++) {
		struct garbage g;
		struct fault f = { 0 };
		struct db *db = db_get(w->pool, &f);
		int n = db ? garbage_claim(db, session_id, w->owner, LEASE_S, &g, a, &f) : -1;

		db_put(w->pool, db);
		if (n <= 0)
			break;
		done += work_off(w, &g, &on);
	}
	return done;
}
