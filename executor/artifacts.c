/* artifacts.c: what an execution made that storage has, and what storage does not have. */
#include "../lib/base/text.h"
#include "../lib/base/wspath.h"
#include "sync.h"

#define NAMED_MAX 10 /* files that a message names */

struct collected {
	int64_t mark;
	const struct file **out;
	size_t n, max;
};

static void collect(struct file *f, void *arg)
{
	struct collected *c = arg;

	if (f->changed <= c->mark || !f->etag || !*f->checksum || f->state == FILE_GONE ||
	    f->state == FILE_REFUSED || wspath_hidden(f->path))
		return;
	if (c->n < c->max)
		c->out[c->n] = f;
	c->n++;
}

static int by_path(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

size_t sync_artifacts(const struct sync *s, int64_t mark, const struct file **out, size_t max,
		      bool *more)
{
	struct collected c = { .mark = mark, .out = out, .max = max };
	struct manifest m = s->files;

	manifest_each(&m, collect, &c);
	*more = c.n > max;
	if (c.n > max)
		c.n = max;
	if (c.n)
		qsort(out, c.n, sizeof(struct file *), by_path);
	return c.n;
}

/* ---- what is not stored ---- */

struct refused {
	int64_t mark, n;
	struct arena *a;
	const char *text;
};

static void add_refused(struct refused *r, const char *path, const char *why)
{
	size_t n;
	const char *name = text_utf8_repair(r->a, path, strlen(path), &n);

	if (r->n++ < NAMED_MAX && r->text && name)
		r->text = arena_printf(r->a, "%s%s'%s' (%s)", r->text, *r->text ? ", " : "", name,
				       why);
}

static void collect_refused(struct file *f, void *arg)
{
	struct refused *r = arg;

	if (f->state == FILE_REFUSED && f->changed > r->mark)
		add_refused(r, f->path, f->why);
}

const char *sync_refused(const struct sync *s, int64_t mark, int64_t since_ns, struct arena *a)
{
	struct refused r = { .mark = mark, .a = a, .text = "" };
	struct manifest m = s->files;

	for (size_t i = 0; i < s->nnotes; i++)
		if (s->notes[i].ctime_ns >= since_ns)
			add_refused(&r, s->notes[i].path, s->notes[i].why);
	manifest_each(&m, collect_refused, &r);
	if (r.n > NAMED_MAX && r.text)
		r.text = arena_printf(a, "%s and %lld more", r.text, (long long)(r.n - NAMED_MAX));
	return r.text ? r.text : "";
}
