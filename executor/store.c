/* store.c: one file to storage, or out of it. */
#include <fcntl.h>
#include <stdio.h>

#include "../lib/base/jsn.h"
#include "../lib/base/wspath.h"
#include "beneath.h"
#include "sync.h"

#define SHRUNK_MAX 3 /* tries to store a file that grows shorter while it is read */

struct sending {
	struct sync *s;
	struct file *f;
	int slot;
	int64_t size;   /* -1: a deletion */
	int64_t before; /* bytes that storage had of it */
	char *path;     /* only while it is fetched */
};

void store_done(struct sync *s, struct file *f, int64_t size, struct json_object *o)
{
	struct json_object *etag = json_object_object_get(o, "etag"),
			   *sum = json_object_object_get(o, "checksum");

	f->state = FILE_STORED;
	f->tries = 0;
	f->alone = false;
	sync_count(s, f, size);
	sync_etag(f, etag ? json_object_get_string(etag) : "",
		  etag ? (size_t)json_object_get_string_len(etag) : 0);
	snprintf(f->checksum, sizeof(f->checksum), "%s", sum ? json_object_get_string(sum) : "");
}

static void stored(struct sending *x, const char *body)
{
	AUTO_JSON struct json_object *o = json_tokener_parse(body);

	store_done(x->s, x->f, x->size, o);
}

static void release(const struct sending *x)
{
	x->s->flying[x->slot] = 0;
	*(x->size < 0 ? &x->s->ndeletes : &x->s->nputs) -= 1;
}

/* Another try, should it have failed: what is here is stored, what is not is deleted, and refused again. */
static void on_refetched(struct sync_pulled *out, void *arg)
{
	AUTO_FREE struct sending *x = arg;
	AUTO_FREE char *path = x->path;
	struct sync *s = x->s;
	struct file *f = manifest_find(&s->files, path);
	int64_t ticket = s->flying[x->slot];

	release(x);
	if (out->failed && !s->stopped && f && f->state == FILE_STORED && !f->queued) {
		f->state = FILE_DIRTY;
		f->ticket = ticket;
		sync_put_back(s, f);
		sync_back_off(s, 0);
	}
	sync_pump(s);
	sync_wake(s);
}

/* Somebody stored another version before the deletion came: that is to be had here again, and whoever waits, waits for it. */
static void refetch(struct sending *x)
{
	struct json_object *one =
		jsn_push(json_object_new_array(), json_object_new_string(x->f->path));

	x->f->state = FILE_STORED;
	if (!(x->path = strdup(x->f->path)))
		abort(); /* as call_do() */
	sync_pull(x->s, one, on_refetched, x);
	json_object_put(one);
}

static void deleted(struct sending *x)
{
	struct file *f = x->f;

	sync_count(x->s, f, 0);
	free(TAKE_PTR(f->etag));
	f->state = FILE_GONE;
}

/* An answer that another try will not change. */
static const struct {
	int status;
	const char *why;
} refusals[] = {
	{ 400, "its name is not allowed" },
	{ 409, "a file or directory of another kind has its name" },
	{ 413, "the session's disk is full" },
	{ 422, "its name is not allowed" },
};

static const char *refusal(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].status == status)
			return refusals[i].why;
	return NULL;
}

/* It is not known what storage has now; unless what was sent broke off, which storage never takes for a file. */
static void failed(struct sending *x, const struct call_answer *a, int64_t ticket)
{
	struct file *f = x->f;
	bool del = x->size < 0;

	f->state = del && !f->again ? FILE_GONE : FILE_DIRTY;
	f->again = false;
	if (a->shrunk)
		sync_count(x->s, f, f->etag ? x->before : 0);
	else if (!del)
		sync_etag(f, "", 0);
	f->ticket = ticket;
	sync_put_back(x->s, f);
	if (!a->shrunk)
		sync_back_off(x->s, a->status);
}

static void on_sent(const struct call_answer *a, void *arg)
{
	AUTO_FREE struct sending *x = arg;
	struct sync *s = x->s;
	struct file *f = x->f;
	int64_t ticket = s->flying[x->slot];
	bool del = x->size < 0, gone = del && (a->status == 412 || a->status == 404);

	if (del && a->status == 412 && !f->again) {
		s->fails = 0;
		refetch(TAKE_PTR(x));
		return;
	}
	release(x);
	if (a->status / 100 == 2 || gone) {
		s->fails = 0;
		sync_crossed(s, f->path);
		if (del)
			deleted(x);
		else
			stored(x, a->body);
	} else if (a->status == 401 || a->status == 403 || a->status == 404) {
		f->state = FILE_DIRTY;
		sync_stop(s); /* the session has ended: nothing of it will be kept */
		return;
	} else if (refusal(a->status) || (a->shrunk && ++f->tries >= SHRUNK_MAX)) {
		if (!del)
			sync_count(s, f, f->etag ? x->before : 0);
		sync_refuse(f, refusal(a->status) ?: "it changes while it is being stored");
	} else {
		failed(x, a, ticket);
	}
	sync_settle(s, f);
	sync_pump(s);
	sync_wake(s);
}

static void fly(struct sync *s, struct file *f, const struct call_req *rq, int64_t size)
{
	struct sending *x = malloc(sizeof(*x));

	if (!x)
		abort(); /* as call_do() */
	*x = (struct sending){ .s = s, .f = f, .size = size, .before = f->stored };
	if (size >= 0)
		sync_count(s, f, size);
	x->slot = sync_take_off(s, f->ticket);
	*(size < 0 ? &s->ndeletes : &s->nputs) += 1;
	f->state = FILE_SENDING;
	call_do(&s->to, rq, on_sent, x);
}

/* It vanished between walk and now, or became something that is not stored. */
static void vanished(struct sync *s, struct file *f)
{
	f->state = FILE_GONE;
	if (f->etag)
		sync_put_back(s, f);
	else
		sync_drop(s, f);
}

/*
 * What code writes through a mapping changes the file's times only at the first write to a page since it went to disk: so all
 * pages start to go there before we look.
 */
static void catch_mappings(const struct sync *s, int fd)
{
	if (*s->running)
		(void)sync_file_range(fd, 0, 0,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
}

/* Errors of open(2) that tell of this program or its host, not of the file: it waits. */
static bool passing(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOMEM || e == EAGAIN || e == EINTR;
}

/* And those that tell that there is no regular file of this name. */
static bool absent(int e)
{
	return e == ENOENT || e == ENOTDIR || e == ELOOP || e == ENXIO || e == ENODEV;
}

static void wait_for_room(struct sync *s, struct file *f)
{
	sync_put_back(s, f);
	sync_back_off(s, 0);
}

int store_open(struct sync *s, struct file *f, struct stat *st)
{
	int fd = beneath_open(s->root, f->path, O_RDONLY);

	if (fd >= 0)
		catch_mappings(s, fd);
	if (fd < 0 && passing(errno)) {
		wait_for_room(s, f);
	} else if (fd < 0 && !absent(errno)) {
		sync_refuse(f, "it cannot be read");
	} else if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		vanished(s, f);
	} else if (s->set->disk_bytes && s->stored - f->stored + st->st_size > s->set->disk_bytes) {
		sync_look(s, f, st);
		sync_refuse(f, "the session's disk is full");
	} else {
		sync_look(s, f, st);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

void store_put(struct sync *s, struct file *f)
{
	AUTO_FREE char *path = sync_path(s, f->path);
	struct stat st;
	int fd;

	if (!path) {
		wait_for_room(s, f);
		return;
	}
	if ((fd = store_open(s, f, &st)) < 0)
		return;
	fly(s, f,
	    &(struct call_req){ .method = "PUT",
				.path = path,
				.type = wspath_type(f->path),
				.send_file = true,
				.send_fd = fd,
				.n = (size_t)st.st_size },
	    st.st_size);
}

void store_delete(struct sync *s, struct file *f)
{
	AUTO_FREE char *path = sync_path(s, f->path);
	char match[140];

	if (!f->etag) {
		sync_drop(s, f);
		return;
	}
	if (!path) {
		wait_for_room(s, f);
		return;
	}
	snprintf(match, sizeof(match), "If-Match: \"%.100s\"", f->etag);
	fly(s, f,
	    &(struct call_req){
		    .method = "DELETE", .path = path, .header = *f->etag ? match : NULL },
	    -1);
}
