/* files_put.c: files_put() and files_move(): what makes a file, within the quota. */
#include "../base/clock.h"
#include "../base/wspath.h"
#include "files_write.h"

#define GROW       (8 << 20) /* reserved at a time for a file whose length nobody told: one part */
#define REFRESH_MS (WORKSPACE_LEASE_S * 1000 / 6)

struct put {
	struct files_write x;
	const struct files_put *p;
	int64_t got, refreshed_ms;
	bool whole; /* all was read and found good: it may have become visible */
};

static int extend(struct put *u, struct fault *f)
{
	struct db *db = db_get(u->x.w->pool, f);
	int rc = db ? workspace_extend(db, u->x.claim, f) : -1;

	db_put(u->x.w->pool, db);
	u->refreshed_ms = clock_ms();
	if (rc == 0)
		fault_set(f, FAULT_CONFLICT_RETRY, "another call has taken the file over");
	return rc > 0 ? 0 : -1;
}

static ssize_t put_source(void *arg, char *buf, size_t n, struct fault *f)
{
	struct put *u = arg;
	ssize_t k = u->p->source(u->p->arg, buf, n, f);

	if (k <= 0)
		return k;
	u->got += k;
	if (u->got > u->x.size + u->x.reserved &&
	    files_write_reserve(&u->x, u->got, GROW, false, f) < 0)
		return -1;
	if (clock_ms() - u->refreshed_ms > REFRESH_MS && extend(u, f) < 0)
		return -1;
	return k;
}

static int put_whole(void *arg, int64_t size, const char sha256[S3_SHA256_SZ], struct fault *f)
{
	struct put *u = arg;

	if (u->p->length >= 0 && size != u->p->length)
		return fault_set(f, FAULT_REFUSED, "%lld bytes came, %lld were announced",
				 (long long)size, (long long)u->p->length);
	if (u->p->sha256 && strcmp(u->p->sha256, sha256))
		return fault_set(f, FAULT_REFUSED, "the bytes' SHA-256 is %s", sha256);
	/* Nobody takes a claim over before its lease has run out. */
	if (clock_ms() - u->refreshed_ms > REFRESH_MS && extend(u, f) < 0)
		return -1;
	u->whole = true;
	return 0;
}

/* Whether it is stored nobody knows: its last call was not answered. What the storage says now decides, if it says anything. */
static int put_failed(struct put *u)
{
	struct fault own = { 0 };
	struct s3_object now;
	int found = u->whole ? s3_stat(u->x.s3, u->x.key, &now, u->x.a, &own) : 0;

	if (!u->whole)
		return files_write_fail(&u->x, FILES_SAME, 0);
	if (found < 0)
		return files_write_fail(&u->x, FILES_UNKNOWN, 0);
	if (found && u->x.found && !strcmp(now.etag, u->x.old.etag))
		return files_write_fail(&u->x, FILES_SAME, 0);
	return files_write_fail(&u->x, FILES_CHANGED, found ? now.size : -1);
}

int files_put(struct work *w, const struct files_put *p, struct files_made *made, struct arena *a,
	      struct fault *f)
{
	struct put u = { .p = p, .refreshed_ms = clock_ms() };
	struct s3_put q = { .type = p->type ? p->type : wspath_type(p->path),
			    .source = put_source,
			    .whole = put_whole,
			    .arg = &u };

	*made = (struct files_made){ 0 };
	if (files_write_begin(&u.x, w, p->session_id, p->path, a, f) < 0)
		return -1;
	q.key = u.x.key;
	if (files_write_check(&u.x, p->if_match, p->if_none_match, f) < 0 ||
	    files_write_place(&u.x, f) < 0 ||
	    files_write_reserve(&u.x, p->length > 0 ? p->length : 0, 0, false, f) < 0 ||
	    s3_put(u.x.s3, &q, &made->object, made->sha256, a, f) < 0 ||
	    files_write_placed(&u.x, f) < 0)
		return put_failed(&u);
	made->replaced = u.x.found;
	return files_write_end(&u.x, FILES_CHANGED, made->object.size, &made->running, f);
}

/* ---- moving ---- */

/* Both ends are claimed. The copy is there before the source goes. */
static int move_claimed(struct files_write *from, struct files_write *to, bool overwrite,
			struct files_made *made, struct fault *f)
{
	int rc;

	if (!from->found)
		return fault_set(f, FAULT_FILE_NOT_FOUND, "there is no file %.300s", from->path);
	if (to->found && !overwrite)
		return fault_set(f, FAULT_CONFLICT, "%.300s exists", to->path);
	if (files_write_place(to, f) < 0 || files_write_reserve(to, from->size, 0, true, f) < 0)
		return -1;
	rc = s3_copy(to->s3, from->key, to->key, &made->object, to->a, f);
	if (rc == 0)
		fault_set(f, FAULT_FILE_NOT_FOUND, "there is no file %.300s", from->path);
	return rc > 0 ? files_write_placed(to, f) : -1;
}

static int begin_both(struct files_write *x, struct work *w, const char *session_id,
		      const char *first, const char *second, struct arena *a, struct fault *f)
{
	if (files_write_begin(&x[0], w, session_id, first, a, f) < 0)
		return -1;
	if (files_write_begin(&x[1], w, session_id, second, a, f) < 0)
		return files_write_fail(&x[0], FILES_SAME, 0);
	return 0;
}

int files_move(struct work *w, const char *session_id, const char *source, const char *destination,
	       bool overwrite, struct files_made *made, struct arena *a, struct fault *f)
{
	/* In the order of their names: two moves against each other must not wait for each other. */
	bool source_first = strcmp(source, destination) < 0;
	struct files_write x[2], *from = &x[!source_first], *to = &x[source_first];
	bool running;

	*made = (struct files_made){ 0 };
	if (begin_both(x, w, session_id, source_first ? source : destination,
		       source_first ? destination : source, a, f) < 0)
		return -1;
	if (move_claimed(from, to, overwrite, made, f) < 0) {
		/* A copy that failed may be there: what was reserved for it stays in the sum. */
		bool begun = !to->taken_back && (to->reserved || !from->size);

		(void)files_write_fail(to, begun ? FILES_UNKNOWN : FILES_SAME, 0);
		return files_write_fail(from, FILES_SAME, 0);
	}
	made->replaced = to->found;
	if (s3_remove(from->s3, from->key, f) < 0) {
		(void)files_write_fail(to, FILES_CHANGED, made->object.size);
		return files_write_fail(from, FILES_SAME, 0);
	}
	if (files_write_end(to, FILES_CHANGED, made->object.size, &made->running, f) < 0)
		return files_write_fail(from, FILES_CHANGED, -1);
	return files_write_end(from, FILES_CHANGED, -1, &running, f);
}
