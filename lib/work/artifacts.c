#include "artifacts.h"

#include <stdio.h>

#include "files.h"

#define FEW      20                /* asked one by one: an answer costs a tenth of a page's */
#define PAGE     1000              /* the most that S3 lists at once */
#define PAYS     16                /* of so many objects that a page lists one has to be wanted */
#define KEY_MAX  1024              /* bytes: the limit of S3 */
#define PAGE_MEM ((size_t)4 << 20) /* PAGE rows with keys at their longest */

struct search {
	struct s3 *s3;
	const char *session_id, **keys; /* sorted */
	int n, at;                      /* keys before `at` are there */
	struct arena *a;                /* of one call */
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 1 all there, 0 keys[at] is not, -1. */
static int ask_each(struct search *x, struct fault *f)
{
	for (; x->at < x->n; x->at++) {
		struct s3_object o;
		int found;

		arena_reset(x->a);
		if (strlen(x->keys[x->at]) > KEY_MAX)
			return 0;
		if ((found = s3_stat(x->s3, x->keys[x->at], &o, x->a, f)) <= 0)
			return found;
	}
	return 1;
}

/* The key without its last character: so little before it that it is among the next ones. */
static char *just_before(const char *key, struct arena *a)
{
	size_t n = strlen(key) - 1;

	while (n && ((unsigned char)key[n] & 0xc0) == 0x80)
		n--;
	return arena_strndup(a, key, n);
}

/* One page from keys[at] on. 1 go on, 0 keys[at] is not there, -1; *paid: listing is worth it. */
static int ask_page(struct search *x, const char *prefix, bool *paid, struct fault *f)
{
	struct s3_object *page;
	int first = x->at, n;
	bool more;
	char *after;

	arena_reset(x->a);
	page = arena_alloc(x->a, PAGE * sizeof(*page));
	after = just_before(x->keys[x->at], x->a);
	if (!page || !after)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if ((n = s3_list(x->s3, prefix, after, page, PAGE, &more, x->a, f)) < 0)
		return -1;
	for (int i = 0; i < n && x->at < x->n;) {
		int order = strcmp(x->keys[x->at], page[i].key);

		if (order < 0)
			return 0;
		if (order == 0)
			x->at++;
		else
			i++;
	}
	*paid = (x->at - first) * PAYS >= n;
	return x->at == x->n || more;
}

static int search(struct search *x, struct fault *f)
{
	bool paid = x->n > FEW;
	const char *prefix = files_prefix(x->session_id, x->a);
	char head[96];
	int rc = 1;

	if (!prefix)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	snprintf(head, sizeof(head), "%s", prefix);
	while (rc > 0 && paid && x->at < x->n)
		rc = ask_page(x, head, &paid, f);
	return rc > 0 ? ask_each(x, f) : rc;
}

int artifacts_stored(struct work *w, const char *session_id, const struct artifact *list, int n,
		     const char **missing, struct arena *a, struct fault *f)
{
	struct search x = { .session_id = session_id, .n = n };
	int rc = -1;

	*missing = "";
	if (!(x.s3 = files_s3(w, f)))
		return -1;
	x.keys = arena_alloc(a, (size_t)(n + 1) * sizeof(*x.keys));
	for (int i = 0; x.keys && i < n; i++)
		if (!(x.keys[i] = files_key(session_id, list[i].path, a)))
			x.keys = NULL;
	if (!x.keys || !(x.a = arena_new(PAGE_MEM)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	qsort(x.keys, (size_t)n, sizeof(*x.keys), by_bytes);
	rc = search(&x, f);
	if (rc == 0)
		*missing = strchr(x.keys[x.at], '/') + strlen(session_id) + 2;
	arena_free(x.a);
	return rc;
}
