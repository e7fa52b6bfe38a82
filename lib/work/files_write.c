#include "files_write.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/etag.h"
#include "../base/log.h"
#include "../store/garbage.h"

#define CLAIM_WAIT_MS 30000 /* as long as an executor may be silent (CONTRACT 2) */
#define NAP_MAX_MS    50
#define KEY_MAX       1024 /* bytes; S3 */
#define PAGE          1000 /* keys of one answer; S3 */
#define PAGES_MAX     1000
#define PAGE_BYTES    ((size_t)16 << 20) /* such a page, as XML and as rows */
#define SETTLE_TRIES  3

static void nap(int64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- claims ---- */

/* A claim of a process of this host ("host/pid") that is gone: its worker was killed. */
static bool owner_died(const char *mine, const char *other)
{
	const char *slash = strrchr(mine, '/');
	size_t n = slash ? (size_t)(slash + 1 - mine) : 0;
	int pid;

	if (!n || !other || strncmp(mine, other, n))
		return false;
	pid = atoi(other + n);
	return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* 1 ours, 0 not yet, -1. */
static int try_claim(struct files_write *x, struct fault *f)
{
	struct work *w = x->w;
	struct db *db = db_get(w->pool, f);
	const char *other = NULL;
	int rc;

	if (!db)
		return -1;
	rc = workspace_claim(db, w->cf, x->session_id, x->path, w->owner, &x->claim, &other, x->a,
			     f);
	if (rc == 0 && owner_died(w->owner, other) &&
	    workspace_drop(db, x->session_id, x->path, other, f) < 0)
		rc = -1;
	db_put(w->pool, db);
	return rc;
}

static int claim(struct files_write *x, struct fault *f)
{
	int64_t deadline = clock_ms() + CLAIM_WAIT_MS, pause = 5;
	int rc;

	while ((rc = try_claim(x, f)) == 0) {
		if (clock_ms() > deadline) {
			fault_set(f, FAULT_CONFLICT_RETRY,
				  "the file is being written by another call");
			f->retry_after_s = 1;
			return -1;
		}
		nap(pause);
		pause = pause * 2 > NAP_MAX_MS ? NAP_MAX_MS : pause * 2;
	}
	return rc < 0 ? -1 : 0;
}

int files_write_begin(struct files_write *x, struct work *w, const char *session_id,
		      const char *path, struct arena *a, struct fault *f)
{
	int found;

	*x = (struct files_write){ .w = w, .session_id = session_id, .path = path, .a = a };
	if (!(x->key = files_key(session_id, path, a)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (strlen(x->key) > KEY_MAX)
		return fault_set(f, FAULT_REFUSED,
				 "the path is too long for the storage: %zu bytes remain for it",
				 KEY_MAX - (strlen(x->key) - strlen(path)));
	if (!(x->s3 = files_s3(w, f)) || claim(x, f) < 0)
		return -1;
	if ((found = s3_stat(x->s3, x->key, &x->old, a, f)) < 0)
		return files_write_fail(x, FILES_SAME, 0);
	x->found = found;
	x->size = found ? x->old.size : 0;
	return 0;
}

/* ---- conditions ---- */

int files_write_check(const struct files_write *x, const char *if_match, const char *if_none_match,
		      struct fault *f)
{
	const char *etag = x->found ? arena_printf(x->a, "\"%s\"", x->old.etag) : NULL;

	if (if_match && (!x->found || !etag_matches(if_match, etag)))
		return fault_set(f, FAULT_PRECONDITION_FAILED,
				 x->found ? "the file has changed: its ETag is \"%.100s\""
					  : "there is no file of this name%.0s",
				 x->found ? x->old.etag : "");
	if (etag_named(if_none_match, etag))
		return fault_set(f, FAULT_PRECONDITION_FAILED,
				 "the file exists: its ETag is %.100s", etag);
	return 0;
}

/* Is there anything below `key` and a slash? */
static int is_directory(struct files_write *x, const char *key, size_t n, struct fault *f)
{
	struct s3_object one;
	bool more;
	char *prefix = arena_printf(x->a, "%.*s/", (int)n, key);

	if (!prefix)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	return s3_list(x->s3, prefix, NULL, &one, 1, &more, x->a, f);
}

/* Each directory above must not be a file. */
static int check_above(struct files_write *x, struct fault *f)
{
	size_t root = strlen(x->key) - strlen(x->path);
	const char *slash = strrchr(x->path, '/');
	int rc = 0;

	for (; rc == 0 && slash; slash = memrchr(x->path, '/', (size_t)(slash - x->path))) {
		size_t n = (size_t)(slash - x->path);
		char *key = arena_strndup(x->a, x->key, root + n);
		struct s3_object dir;

		if (!key)
			return fault_set(f, FAULT_INTERNAL, "request memory");
		if ((rc = s3_stat(x->s3, key, &dir, x->a, f)) > 0)
			return fault_set(f, FAULT_CONFLICT, "%.*s is a file, not a directory",
					 n > 300 ? 300 : (int)n, x->path);
	}
	return rc;
}

static int check_below(struct files_write *x, struct fault *f)
{
	int rc = is_directory(x, x->key, strlen(x->key), f);

	return rc > 0 ? fault_set(f, FAULT_CONFLICT, "%.300s is a directory", x->path) : rc;
}

int files_write_place(struct files_write *x, struct fault *f)
{
	const char *slash = strrchr(x->path, '/');
	int rc;

	if (x->found)
		return 0;
	if (check_below(x, f) < 0)
		return -1;
	/* If something lies in the innermost directory, all of them are directories. */
	rc = slash ? is_directory(x, x->key, strlen(x->key) - strlen(slash), f) : 1;
	return rc == 0 ? check_above(x, f) : rc < 0 ? -1 : 0;
}

int files_write_placed(struct files_write *x, struct fault *f)
{
	struct fault own = { 0 };

	if (x->found || (check_below(x, f) == 0 && check_above(x, f) == 0))
		return 0;
	x->taken_back = s3_remove(x->s3, x->key, &own) == 0;
	return -1;
}

/* ---- room ---- */

/* One page of what is below `prefix`: its sizes onto *sum; *more, and after which key. */
static int count_page(struct s3 *s3, const char *prefix, char after[KEY_MAX + 1], int64_t *sum,
		      bool *more, struct arena *a, struct fault *f)
{
	struct s3_object *o = arena_alloc(a, PAGE * sizeof(*o));
	int n;

	if (!o)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if ((n = s3_list(s3, prefix, *after ? after : NULL, o, PAGE, more, a, f)) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		*sum += o[i].size;
	if (n > 0)
		snprintf(after, KEY_MAX + 1, "%s", o[n - 1].key);
	*more = *more && n > 0;
	return 0;
}

/* The sum of all sizes below a prefix; -1. */
static int64_t count_bytes(struct s3 *s3, const char *prefix, struct fault *f)
{
	struct arena *a = arena_new(PAGE_BYTES);
	char after[KEY_MAX + 1] = "";
	int64_t sum = 0;
	bool more = true;
	int rc = a ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");

	for (int page = 0; more && rc == 0; page++) {
		rc = page < PAGES_MAX ? count_page(s3, prefix, after, &sum, &more, a, f)
				      : fault_set(f, FAULT_INTERNAL, "too many files to count");
		arena_reset(a);
	}
	arena_free(a);
	return rc < 0 ? -1 : sum;
}

/* Whoever died between storing and settling left the sum too high. 1 counted, 0 not (counted a moment ago, or all in motion). */
static int count_anew(struct files_write *x, struct fault *f)
{
	struct work *w = x->w;
	struct workspace_sum sum;
	struct db *db = db_get(w->pool, f);
	int rc = db ? workspace_look(db, x->session_id, x->claim, &sum, x->a, f) : -1;
	char *prefix = files_prefix(x->session_id, x->a);
	int64_t bytes;

	db_put(w->pool, db);
	if (rc <= 0)
		return rc;
	if (!prefix)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if ((bytes = count_bytes(x->s3, prefix, f)) < 0 || !(db = db_get(w->pool, f)))
		return -1;
	rc = workspace_set(db, x->session_id, x->claim, &sum, bytes + x->reserved, f);
	db_put(w->pool, db);
	if (rc > 0 && sum.bytes != bytes + x->reserved + sum.pending)
		log_info("workspace.counted", S("session_id", x->session_id), I("was", sum.bytes),
			 I("is", bytes + x->reserved + sum.pending));
	return rc;
}

static int quota_fault(struct files_write *x, int64_t limit, int64_t used, int64_t size,
		       struct fault *f)
{
	fault_set(f, FAULT_QUOTA_EXCEEDED,
		  "the session's disk has %lld bytes, %lld are used; no room for a file of %lld",
		  (long long)limit, (long long)used, (long long)size);
	f->detail_json = arena_printf(x->a, "{\"limit\":%lld,\"used\":%lld,\"requested\":%lld}",
				      (long long)limit, (long long)used, (long long)size);
	return -1;
}

static int try_reserve(struct files_write *x, int64_t more, bool force, int64_t *used,
		       int64_t *limit, struct fault *f)
{
	struct db *db = db_get(x->w->pool, f);
	int rc = db ? workspace_reserve(db, x->session_id, x->claim, more,
					x->size + x->reserved + more, force, used, limit, f)
		    : -1;

	db_put(x->w->pool, db);
	if (rc > 0)
		x->reserved += more;
	return rc;
}

int files_write_reserve(struct files_write *x, int64_t size, int64_t step, bool force,
			struct fault *f)
{
	int64_t need = size - x->size - x->reserved, used = 0, limit = 0;
	int rc;

	if (need <= 0) { /* what is taken off is taken off at the end */
		need = 0;
		force = true;
	}
	for (;;) {
		rc = try_reserve(x, need + step, force, &used, &limit, f);
		if (rc == 0 && step)
			rc = try_reserve(x, need, force, &used, &limit, f);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (x->counted || (rc = count_anew(x, f)) == 0)
			return quota_fault(x, limit, used - x->reserved, size, f);
		if (rc < 0)
			return -1;
		x->counted = true;
	}
}

/* ---- the end ---- */

static int settle(struct files_write *x, const struct workspace_end *end,
		  struct workspace_session *s, struct fault *f)
{
	int rc = -1;

	for (int i = 0; i < SETTLE_TRIES && rc < 0; i++) {
		struct db *db;

		if (i)
			nap(200 * i);
		db = db_get(x->w->pool, f);
		rc = db ? workspace_settle(db, end, s, x->a, f) : -1;
		db_put(x->w->pool, db);
	}
	if (rc < 0)
		log_warn("workspace.not_settled", S("session_id", x->session_id),
			 S("error", f->detail));
	return rc;
}

/* The session ended while its file was stored: maybe after its prefix was emptied. */
static int remove_late(struct files_write *x, struct fault *f)
{
	struct fault own = { 0 };
	struct session s;
	struct db *db;
	bool gone = s3_remove(x->s3, x->key, &own) == 0;
	int rc = -1;

	if (!(db = db_get(x->w->pool, f)))
		return -1;
	if (!gone && garbage_object(db, x->session_id, x->key, &own) < 0)
		log_error("workspace.orphan", S("session_id", x->session_id), S("key", x->key),
			  S("error", own.detail));
	if (session_load(db, x->session_id, &s, x->a, f) == 0)
		rc = session_inactive_fault(&s, f);
	db_put(x->w->pool, db);
	return rc;
}

int files_write_end(struct files_write *x, enum files_outcome what, int64_t size, bool *running,
		    struct fault *f)
{
	struct workspace_end end = { .session_id = x->session_id,
				     .claim = x->claim,
				     .changed = what == FILES_CHANGED };
	struct workspace_session s = { 0 };

	*running = false;
	if (what == FILES_SAME)
		end.delta = -x->reserved;
	if (what == FILES_CHANGED) {
		end.lost = size > 0 ? size : 0; /* maybe it was counted before it was there */
		end.delta = end.lost - x->size - x->reserved;
	}
	if (settle(x, &end, &s, f) < 0)
		return -1;
	if (what != FILES_CHANGED)
		return 0;
	*running = str_eq(s.state, "running");
	return session_active(s.state) || size < 0 ? 0 : remove_late(x, f);
}

int files_write_fail(struct files_write *x, enum files_outcome what, int64_t size)
{
	struct fault own = { 0 };
	bool running;

	if (files_write_end(x, what, size, &running, &own) < 0)
		log_debug("workspace.end", S("session_id", x->session_id), S("error", own.detail));
	return -1;
}
