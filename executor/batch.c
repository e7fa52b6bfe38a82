/*
 * batch.c: new small files, several in one call (POST /internal/sessions/{id}/files): code leaves thousands of them, and
 * each call of its own would cost more than the bytes. What a batch is refused for, each file is told by itself.
 */
#include <stdio.h>

#include "../lib/base/jsn.h"
#include "sync.h"

#define SMALL       ((int64_t)32 << 10)
#define BATCH_BYTES ((size_t)256 << 10)
#define BATCH_FILES 128

struct batch {
	struct sync *s;
	int slot;
	size_t n, len, room;
	char *body;
	struct {
		struct file *f;
		int64_t size, ticket;
	} files[BATCH_FILES];
};

bool batch_takes(const struct file *f)
{
	return !f->etag && !f->alone && f->size <= SMALL;
}

/* ---- the answer ---- */

/* The rows of a 200, as many as files; NULL: it is no such answer. */
static struct json_object *rows(const struct batch *b, struct json_object *o)
{
	struct json_object *list = json_object_object_get(o, "files");

	return json_object_is_type(list, json_type_array) && json_object_array_length(list) == b->n
		       ? list
		       : NULL;
}

/* Back into the queue; what storage has of it is not known, or (`alone`) nothing. */
static void put_back(struct batch *b, size_t i, bool alone)
{
	struct file *f = b->files[i].f;

	f->state = FILE_DIRTY;
	f->again = false;
	f->alone = alone;
	if (alone)
		sync_count(b->s, f, 0);
	else
		sync_etag(f, "", 0);
	f->ticket = b->files[i].ticket;
	sync_put_back(b->s, f);
}

static bool refused(int status)
{
	return status == 400 || status == 409 || status == 413 || status == 422;
}

static void on_sent(const struct call_answer *a, void *arg)
{
	AUTO_FREE struct batch *b = arg;
	struct sync *s = b->s;
	AUTO_JSON struct json_object *o = a->status == 200 ? json_tokener_parse(a->body) : NULL;
	struct json_object *list = rows(b, o);

	s->flying[b->slot] = 0;
	s->nputs--;
	if (a->status == 401 || a->status == 403 || a->status == 404) {
		for (size_t i = 0; i < b->n; i++)
			b->files[i].f->state = FILE_DIRTY;
		sync_stop(s); /* the session has ended */
		return;
	}
	if (list)
		s->fails = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct file *f = b->files[i].f;

		if (list) {
			sync_crossed(s, f->path);
			store_done(s, f, b->files[i].size, json_object_array_get_idx(list, i));
		} else {
			put_back(b, i, refused(a->status));
		}
		sync_settle(s, f);
	}
	if (!list && !refused(a->status))
		sync_back_off(s, a->status);
	sync_pump(s);
	sync_wake(s);
}

/* ---- the body: {"path":…,"size":N}, a newline, N bytes; and the next ---- */

static bool add_bytes(struct batch *b, const char *p, size_t n)
{
	if (b->len + n > b->room) {
		size_t room = (b->len + n) * 2;
		char *more = realloc(b->body, room);

		if (!more)
			return false;
		b->body = more;
		b->room = room;
	}
	if (p)
		memcpy(b->body + b->len, p, n);
	b->len += n;
	return true;
}

static bool add_head(struct batch *b, const struct file *f, int64_t size)
{
	struct json_object *o = jsn_str(json_object_new_object(), "path", f->path);
	size_t n = 0;
	const char *text;
	bool good;

	o = jsn_int(o, "size", size);
	text = o ? jsn_text(o, &n) : NULL;
	good = text && add_bytes(b, text, n) && add_bytes(b, "\n", 1);
	json_object_put(o);
	return good;
}

/* All of it as it was looked at: one that changes just now goes by itself. */
static bool add_content(struct batch *b, int fd, int64_t size)
{
	size_t at = b->len;
	ssize_t k = 1;

	if (!add_bytes(b, NULL, (size_t)size))
		return false;
	while (at < b->len && k > 0) {
		k = read(fd, b->body + at, b->len - at);
		at += k > 0 ? (size_t)k : 0;
	}
	return at == b->len;
}

static void add(struct batch *b, struct file *f)
{
	size_t before = b->len;
	struct stat st;
	AUTO_CLOSE int fd = store_open(b->s, f, &st);

	if (fd < 0)
		return;
	if (st.st_size > SMALL || !add_head(b, f, st.st_size) || !add_content(b, fd, st.st_size)) {
		b->len = before;
		f->alone = true;
		sync_put_back(b->s, f);
		return;
	}
	f->state = FILE_SENDING;
	sync_count(b->s, f, st.st_size);
	b->files[b->n].f = f;
	b->files[b->n].size = st.st_size;
	b->files[b->n++].ticket = f->ticket;
}

static bool goes_on(const struct batch *b)
{
	const struct file *f = b->s->head;

	return f && f->state == FILE_DIRTY && batch_takes(f) && !b->s->paused &&
	       b->n < BATCH_FILES && b->len < BATCH_BYTES;
}

void batch_put(struct sync *s, struct file *f)
{
	struct batch *b = calloc(1, sizeof(*b));
	char path[160];

	if (!b)
		abort(); /* as call_do() */
	b->s = s;
	add(b, f);
	while (goes_on(b))
		add(b, sync_pop(s));
	if (b->n) {
		b->slot = sync_take_off(s, b->files[0].ticket);
		s->nputs++;
		snprintf(path, sizeof(path), "/internal/sessions/%s/files", s->set->session_id);
		call_do(&s->to,
			&(struct call_req){ .method = "POST",
					    .path = path,
					    .type = "application/octet-stream",
					    .body = b->body,
					    .n = b->len },
			on_sent, b);
	}
	free(TAKE_PTR(b->body)); /* the call has its own copy */
	if (!b->n)
		free(b);
}
