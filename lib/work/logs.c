#include "logs.h"

#include <assert.h>
#include <stdio.h>

#include "../base/text.h"
#include "../store/garbage.h"
#include "files.h"

#define PAGE   100               /* pieces of one listing */
#define DIGITS 20                /* of an offset in a name: INT64_MAX has 19 */
#define MEM    ((size_t)1 << 20) /* a page's keys, or what a call needs */
#define TYPE   "application/octet-stream"

/* ---- names ---- */

char *logs_session_prefix(const char *session_id, struct arena *a)
{
	assert(*session_id);
	return arena_printf(a, "logs/%s/", session_id);
}

char *logs_prefix(const struct log_id *l, struct arena *a)
{
	assert(*l->session_id && *l->execution_id);
	return arena_printf(a, "logs/%s/%s/%lld/", l->session_id, l->execution_id,
			    (long long)l->attempt);
}

bool logs_noted(const struct log_id *l, const char *log_prefix, struct arena *a)
{
	return log_prefix && str_eq(log_prefix, logs_prefix(l, a));
}

static char *stream_prefix(const struct log_id *l, struct arena *a)
{
	const char *prefix = logs_prefix(l, a);

	return prefix ? arena_printf(a, "%s%s/", prefix, l->is_err ? "stderr" : "stdout") : NULL;
}

static char *piece_key(const struct log_id *l, int64_t at, struct arena *a)
{
	const char *prefix = stream_prefix(l, a);

	return prefix ? arena_printf(a, "%s%0*lld", prefix, DIGITS, (long long)at) : NULL;
}

bool logs_offset(const char *key, const char *prefix, int64_t *offset)
{
	size_t n = strlen(prefix);

	if (strncmp(key, prefix, n) || strlen(key + n) != DIGITS ||
	    strspn(key + n, "0123456789") != DIGITS)
		return false;
	key += n + strspn(key + n, "0");
	return text_int(*key ? key : "0", 0, INT64_MAX, offset);
}

bool logs_overlap(int64_t offset, int64_t size, int64_t at, int64_t to, int64_t *from,
		  int64_t *until, bool *gap)
{
	*gap = offset > at;
	*from = at;
	*until = offset + size < to ? offset + size : to;
	return !*gap && *until > *from;
}

/* ---- the row of pieces ---- */

struct walk {
	struct s3 *s3;
	const char *prefix;
	int64_t at, to; /* read so far; wanted */
	bool any, gap;
	/* NULL: only looks. */
	int (*take)(struct walk *, const char *key, int64_t from, int64_t until, struct fault *);
	int64_t offset; /* of the piece at hand */
	int (*sink)(void *, const char *, size_t);
	void *arg;
	int watch_fd;
};

static int visit(struct walk *x, const struct s3_object *o, struct fault *f)
{
	int64_t from, until;

	if (!logs_offset(o->key, x->prefix, &x->offset))
		return 0; /* not ours */
	x->any = true;
	if (!logs_overlap(x->offset, o->size, x->at, x->to, &from, &until, &x->gap))
		return 0;
	if (x->take && x->take(x, o->key, from, until, f) < 0)
		return -1;
	x->at = until;
	return 0;
}

/* Page after page, in the order of offsets, until the row is broken or all is had. */
static int walk(struct walk *x, struct fault *f)
{
	struct arena *a = arena_new(MEM);
	char after[512] = "";
	bool more = true;
	int n = 0;

	if (!a)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	while (n >= 0 && more && !x->gap && x->at < x->to) {
		struct s3_object *page;

		arena_reset(a);
		if (!(page = arena_alloc(a, PAGE * sizeof(*page)))) {
			n = fault_set(f, FAULT_INTERNAL, "request memory");
			break;
		}
		n = s3_list(x->s3, x->prefix, *after ? after : NULL, page, PAGE, &more, a, f);
		for (int i = 0; i < n && !x->gap && x->at < x->to; i++)
			if (visit(x, &page[i], f) < 0) {
				n = -1;
				break;
			}
		if (n > 0)
			snprintf(after, sizeof(after), "%s", page[n - 1].key);
		more = more && n > 0;
	}
	arena_free(a);
	return n < 0 ? -1 : 0;
}

static int begin(struct walk *x, struct work *w, const struct log_id *l, struct arena *a,
		 struct fault *f)
{
	if (!(x->s3 = files_s3(w, f)))
		return -1;
	return (x->prefix = stream_prefix(l, a)) ? 0
						 : fault_set(f, FAULT_INTERNAL, "request memory");
}

int logs_end(struct work *w, const struct log_id *l, int64_t *end, struct fault *f)
{
	struct arena *a = arena_new(MEM);
	struct walk x = { .to = INT64_MAX };
	int rc = a ? begin(&x, w, l, a, f) : fault_set(f, FAULT_INTERNAL, "request memory");

	if (rc == 0)
		rc = walk(&x, f);
	*end = x.at;
	arena_free(a);
	return rc < 0 ? -1 : x.any;
}

int logs_append(struct work *w, const struct log_id *l, int64_t at,
		ssize_t (*source)(void *, char *, size_t, struct fault *), void *arg, int64_t *next,
		struct fault *f)
{
	struct arena *a;
	struct s3_put put = { .type = TYPE, .source = source, .arg = arg };
	char sha256[S3_SHA256_SZ];
	struct s3_object o;
	int rc;

	if (logs_end(w, l, next, f) < 0)
		return -1;
	if (*next != at)
		return 1;
	if (!(a = arena_new(MEM)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (!(put.key = piece_key(l, at, a)))
		rc = fault_set(f, FAULT_INTERNAL, "request memory");
	else if ((rc = s3_put(w->s3, &put, &o, sha256, a, f)) == 0)
		*next = at + o.size;
	arena_free(a);
	return rc < 0 ? -1 : 0;
}

static int leave_to_garbage(struct work *w, const struct log_id *l, const char *key,
			    struct fault *f)
{
	struct db *db = db_get(w->pool, f);
	int rc = db ? garbage_object(db, l->session_id, key, f) : -1;

	db_put(w->pool, db);
	return rc;
}

int logs_remove(struct work *w, const struct log_id *l, int64_t at, struct fault *f)
{
	struct arena *a = arena_new(MEM);
	struct s3 *s3 = files_s3(w, f);
	const char *key = a ? piece_key(l, at, a) : NULL;
	struct fault own = { 0 };
	int rc = -1;

	if (s3 && !key)
		fault_set(f, FAULT_INTERNAL, "request memory");
	else if (s3 && (rc = s3_remove(s3, key, &own)) < 0)
		rc = leave_to_garbage(w, l, key, f);
	arena_free(a);
	return rc < 0 ? -1 : 0;
}

/* ---- reading ---- */

static int take(struct walk *x, const char *key, int64_t from, int64_t until, struct fault *f)
{
	struct arena *a = arena_new(MEM);
	struct s3_get get = { .key = key,
			      .from = from - x->offset,
			      .to = until - x->offset - 1,
			      .sink = x->sink,
			      .arg = x->arg,
			      .watch_fd = x->watch_fd };
	struct s3_object o;
	int rc = a ? s3_get(x->s3, &get, &o, a, f) : fault_set(f, FAULT_INTERNAL, "request memory");

	arena_free(a);
	if (rc == 0)
		return fault_set(f, FAULT_FILE_NOT_FOUND, "the log is no longer there");
	return rc < 0 ? -1 : 0;
}

int logs_read(struct work *w, const struct log_id *l, int64_t from, int64_t to,
	      int (*sink)(void *, const char *, size_t), void *arg, int watch_fd, struct fault *f)
{
	struct arena *a = arena_new(MEM);
	struct walk x = { .to = to, .take = take, .sink = sink, .arg = arg, .watch_fd = watch_fd };
	int rc = a ? begin(&x, w, l, a, f) : fault_set(f, FAULT_INTERNAL, "request memory");

	x.at = from;
	if (rc == 0)
		rc = walk(&x, f);
	if (rc == 0 && x.at < to)
		rc = fault_set(f, FAULT_FILE_NOT_FOUND, "the log is no longer there");
	arena_free(a);
	return rc;
}
