#include "sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "../lib/base/jsn.h"
#include "../lib/base/log.h"
#include "../lib/base/wspath.h"
#include "beneath.h"

#define SHRUNK_MAX 3 /* tries to store a file that grows shorter while it is read */

struct sending {
	struct sync *s;
	struct file *f;
	int slot;
	int64_t size;   /* -1: a deletion */
	int64_t before; /* bytes that storage had of it */
	char *path;     /* only while it is fetched */
};

/* ---- tickets ---- */

/* The lowest that is not settled; INT64_MAX: none. */
static int64_t outstanding(const struct sync *s)
{
	int64_t low = s->head ? s->head->ticket : INT64_MAX;

	for (size_t i = 0; i < SYNC_PARALLEL; i++)
		if (s->flying[i] && s->flying[i] < low)
			low = s->flying[i];
	return low;
}

void sync_wake(struct sync *s)
{
	struct sync_push **p = &s->pushes, *x;

	while ((x = *p)) {
		if (!s->stopped && (!x->walked || outstanding(s) <= x->ticket)) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		x->done(x->arg);
		free(x);
		p = &s->pushes; /* it may have changed the list */
	}
}

void sync_append(struct sync *s, struct file *f)
{
	f->ticket = ++s->tickets;
	f->qnext = NULL;
	f->queued = true;
	*s->end = f;
	s->end = &f->qnext;
}

void sync_enqueue(struct sync *s, struct file *f)
{
	if (!f->queued)
		sync_append(s, f);
}

/* By its ticket: mostly among the first, for at most SYNC_PARALLEL were sent after it. */
static void put_back(struct sync *s, struct file *f)
{
	struct file **p = &s->head;

	while (*p && (*p)->ticket < f->ticket)
		p = &(*p)->qnext;
	f->qnext = *p;
	f->queued = true;
	*p = f;
	if (!f->qnext)
		s->end = &f->qnext;
}

/* Whoever waits from now on waits for that, too; who waited before does not. */
void sync_again(struct sync *s, struct file *f)
{
	if (!f->again)
		f->ticket = ++s->tickets;
	f->again = true;
}

static struct file *pop(struct sync *s)
{
	struct file *f = s->head;

	s->head = f->qnext;
	if (!s->head)
		s->end = &s->head;
	f->queued = false;
	return f;
}

/* ---- storing ---- */

char *sync_path(const struct sync *s, const char *path)
{
	size_t n = strlen(s->set->session_id) + 3 * strlen(path) + 40;
	char *out = malloc(n);
	int k;

	if (!out)
		return NULL;
	k = snprintf(out, n, "/internal/sessions/%s/files/", s->set->session_id);
	call_encode(path, out + k, n - (size_t)k);
	return out;
}

void sync_etag(struct file *f, const char *etag, size_t n)
{
	free(f->etag);
	f->etag = strndup(etag, n);
}

void sync_count(struct sync *s, struct file *f, int64_t n)
{
	s->stored += n - f->stored;
	f->stored = n;
}

void sync_drop(struct sync *s, struct file *f)
{
	sync_count(s, f, 0);
	manifest_drop(&s->files, f);
}

/* The kernel's own clock for file times ticks every few ms: a second change within the tick leaves no trace. */
void sync_look(struct sync *s, struct file *f, const struct stat *st)
{
	struct timespec now;

	file_note(f, st);
	f->unsure = *s->running && clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 &&
		    f->ctime_ns >= (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void refuse(struct file *f, const char *why)
{
	f->state = FILE_REFUSED;
	f->why = why;
}

static void back_off(struct sync *s, int status)
{
	static const int pauses[] = { 1, 1, 2, 4, 8 };
	struct timeval tv = { .tv_sec = s->fails < (int)ARRAY_LEN(pauses) ? pauses[s->fails] : 10 };

	if (s->paused) /* several calls at once met the same failure */
		return;
	log_warn("storage.waiting", I("status", status), I("tries", s->fails + 1),
		 I("retry_in_ms", tv.tv_sec * 1000));
	s->paused = true;
	s->fails++;
	event_add(s->pause, &tv);
}

/* What is left of a file whose sending is over, whatever came out. */
static void settle(struct sync *s, struct file *f)
{
	if (f->mixed)
		sync_etag(f, "", 0);
	f->mixed = false;
	if (f->again && f->state != FILE_SENDING) {
		f->again = false;
		f->state = FILE_DIRTY;
		put_back(s, f);
	}
	if (f->state == FILE_GONE && !f->queued)
		sync_drop(s, f);
}

static void stored(struct sending *x, const char *body)
{
	AUTO_JSON struct json_object *o = json_tokener_parse(body);
	struct json_object *etag = json_object_object_get(o, "etag"),
			   *sum = json_object_object_get(o, "checksum");
	struct file *f = x->f;

	f->state = FILE_STORED;
	f->tries = 0;
	sync_count(x->s, f, x->size);
	sync_etag(f, etag ? json_object_get_string(etag) : "",
		  etag ? (size_t)json_object_get_string_len(etag) : 0);
	snprintf(f->checksum, sizeof(f->checksum), "%s", sum ? json_object_get_string(sum) : "");
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
		put_back(s, f);
		back_off(s, 0);
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
	put_back(x->s, f);
	if (!a->shrunk)
		back_off(x->s, a->status);
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
		refuse(f, refusal(a->status) ?: "it changes while it is being stored");
	} else {
		failed(x, a, ticket);
	}
	settle(s, f);
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
	while (s->flying[x->slot])
		x->slot++;
	s->flying[x->slot] = f->ticket;
	*(size < 0 ? &s->ndeletes : &s->nputs) += 1;
	f->state = FILE_SENDING;
	call_do(&s->to, rq, on_sent, x);
}

/* It vanished between walk and now, or became something that is not stored. */
static void vanished(struct sync *s, struct file *f)
{
	f->state = FILE_GONE;
	if (f->etag)
		put_back(s, f);
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
	put_back(s, f);
	back_off(s, 0);
}

static void send_put(struct sync *s, struct file *f)
{
	AUTO_FREE char *path = sync_path(s, f->path);
	int fd = beneath_open(s->root, f->path, O_RDONLY);
	struct call_req rq = { .method = "PUT",
			       .path = path,
			       .type = wspath_type(f->path),
			       .send_file = true,
			       .send_fd = fd };
	struct stat st;

	if (fd >= 0)
		catch_mappings(s, fd);
	if (!path || (fd < 0 && passing(errno))) {
		wait_for_room(s, f);
	} else if (fd < 0 && !absent(errno)) {
		refuse(f, "it cannot be read");
	} else if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		vanished(s, f);
	} else if (s->set->disk_bytes && s->stored - f->stored + st.st_size > s->set->disk_bytes) {
		sync_look(s, f, &st);
		refuse(f, "the session's disk is full");
	} else {
		sync_look(s, f, &st);
		rq.n = (size_t)st.st_size;
		fly(s, f, &rq, st.st_size);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void send_delete(struct sync *s, struct file *f)
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

/* Deletions first: a directory may take the place of a file, and storage may know no such thing as both. */
void sync_pump(struct sync *s)
{
	while (s->head && !s->paused && !s->stopped && s->nputs + s->ndeletes < SYNC_PARALLEL) {
		struct file *f;

		if (s->head->state == FILE_DIRTY && s->ndeletes)
			return;
		f = pop(s);
		if (f->state == FILE_DIRTY)
			send_put(s, f);
		else if (f->state == FILE_GONE)
			send_delete(s, f);
	}
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct sync *s = arg;

	(void)fd;
	(void)what;
	s->paused = false;
	sync_pump(s);
	sync_wake(s);
}

/* ---- for the rest of the executor ---- */

int sync_open(struct sync *s, struct event_base *base, const struct settings *set,
	      const int64_t *running, char *why, size_t whysz)
{
	*s = (struct sync){ .to = { base, set->control_url, set->token },
			    .set = set,
			    .running = running };
	s->end = &s->head;
	s->fresh_end = &s->fresh;
	s->root = open(set->workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->more = evtimer_new(base, sync_walk_on, s);
	s->pause = evtimer_new(base, on_pause_over, s);
	if (s->root >= 0 && s->more && s->pause)
		return 0;
	snprintf(why, whysz, "cannot open the workspace %s: %s", set->workspace, strerror(errno));
	return -1;
}

int64_t sync_mark(const struct sync *s)
{
	return s->walk ? s->walks - 1
		       : s->walks; /* one under way may find this execution's work too */
}

void sync_push(struct sync *s, sync_done *done, void *arg)
{
	struct sync_push *p = s->stopped ? NULL : malloc(sizeof(*p));

	if (!p) {
		done(arg);
		return;
	}
	*p = (struct sync_push){
		.next = s->pushes, .walk = s->walks + 1, .done = done, .arg = arg
	};
	s->pushes = p;
	if (!s->walk)
		sync_walk(s);
}

void sync_stop(struct sync *s)
{
	s->stopped = true;
	sync_wake(s);
}

int64_t sync_bytes(const struct sync *s)
{
	return s->bytes;
}
