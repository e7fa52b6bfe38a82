/* files_small.c: files_put_small(): what an execution leaves is often many small files. */
#include <stdatomic.h>

#include "../base/log.h"
#include "../base/wspath.h"
#include "../digest.h"
#include "../store/garbage.h"
#include "files_write.h"

struct batch {
	struct work *w;
	const char *session_id;
	struct files_small *files;
	size_t n;
	struct s3 *s3;
	int64_t claim, total, stored;
	struct arena *a;
};

/* Counts as a write under way, so that whoever counts anew adds what is reserved. No file can have such a name. */
static int claim(struct batch *b, struct fault *f)
{
	static _Atomic unsigned int serial;
	const char *other,
		*name = arena_printf(b->a, "\n%s/%u", b->w->owner, atomic_fetch_add(&serial, 1));
	struct db *db = name ? db_get(b->w->pool, f) : NULL;
	int64_t used = 0, limit = 0;
	int rc = db ? workspace_claim(db, b->w->cf, b->session_id, name, b->w->owner, &b->claim,
				      &other, b->a, f)
		    : -1;

	if (rc > 0)
		rc = workspace_reserve(db, b->session_id, b->claim, b->total, b->total, false,
				       &used, &limit, f);
	db_put(b->w->pool, db);
	if (rc == 0)
		fault_set(f, FAULT_QUOTA_EXCEEDED, "%lld of %lld bytes are used, %lld are needed",
			  (long long)used, (long long)limit, (long long)b->total);
	return rc > 0 ? 0 : -1;
}

static int store(struct batch *b, struct files_small *x, struct fault *f)
{
	char *key = files_key(b->session_id, x->path, b->a);

	if (!key)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	digest_sha256_hex(x->data, x->n, x->sha256);
	if (s3_put_bytes(b->s3, key, wspath_type(x->path), x->data, x->n, &x->object, b->a, f) < 0)
		return -1;
	b->stored += (int64_t)x->n;
	return 0;
}

/* What was stored while the session ended: maybe after its prefix was emptied. */
static int remove_late(struct batch *b, struct fault *f)
{
	struct session s;
	struct db *db = db_get(b->w->pool, f);
	int rc = db ? 0 : -1;

	for (size_t i = 0; i < b->n && rc == 0; i++)
		if (b->files[i].object.key)
			rc = garbage_object(db, b->session_id, b->files[i].object.key, f);
	if (rc == 0 && session_load(db, b->session_id, &s, b->a, f) == 0)
		session_inactive_fault(&s, f);
	db_put(b->w->pool, db);
	return -1;
}

/* Gives back what was not stored; of a file whose storing failed nobody knows: it stays in the sum. */
static int settle(struct batch *b, int64_t unknown, bool *active, struct fault *f)
{
	int64_t kept = b->stored + unknown;
	struct workspace_end end = { .session_id = b->session_id,
				     .claim = b->claim,
				     .delta = kept - b->total,
				     .lost = kept };
	struct workspace_session now = { .state = "" };
	struct db *db = db_get(b->w->pool, f);
	int rc = db ? workspace_settle(db, &end, &now, b->a, f) : -1;

	db_put(b->w->pool, db);
	*active = session_active(now.state);
	return rc;
}

int files_put_small(struct work *w, const char *session_id, struct files_small *files, size_t n,
		    struct arena *a, struct fault *f)
{
	struct batch b = { .w = w, .session_id = session_id, .files = files, .n = n, .a = a };
	struct fault own = { 0 };
	bool active = true;
	int64_t unknown = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		b.total += (int64_t)files[i].n;
	if (!(b.s3 = files_s3(w, f)) || claim(&b, f) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = store(&b, &files[i], f);
		unknown = rc < 0 ? (int64_t)files[i].n : 0;
	}
	if (settle(&b, unknown, &active, rc < 0 ? &own : f) < 0) {
		log_warn("workspace.not_settled", S("session_id", session_id));
		return -1;
	}
	return active ? rc : remove_late(&b, f);
}
