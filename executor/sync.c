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
	int64_t size; /* -1: a deletion */
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

/* With its old ticket: among the first, for at most SYNC_PARALLEL were sent after it. */
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

	if (!s->paused)
		log_warn("storage.waiting", I("status", status), I("tries", s->fails + 1),
			 I("retry_in_ms", tv.tv_sec * 1000));
	s->paused = true;
	event_add(s->pause, &tv);
}

/* What is left of a file whose sending is over, whatever came out. */
static void settle(struct sync *s, struct file *f)
{
	if (f->again && f->state != FILE_SENDING) {
		f->again = false;
		f->state = FILE_DIRTY;
		sync_enqueue(s, f);
	}
	if (f->state == FILE_GONE && !f->queued)
		manifest_drop(&s->files, f);
}

static void stored(struct sending *x, const char *body)
{
	AUTO_JSON struct json_object *o = json_tokener_parse(body);
	struct json_object *etag = json_object_object_get(o, "etag"),
			   *sum = json_object_object_get(o, "checksum");
	struct file *f = x->f;

	f->state = FILE_STORED;
	f->tries = 0;
	sync_etag(f, etag ? json_object_get_string(etag) : "",
		  etag ? (size_t)json_object_get_string_len(etag) : 0);
	snprintf(f->checksum, sizeof(f->checksum), "%s", sum ? json_object_get_string(sum) : "");
}

/* A deletion is done; or somebody stored another version meanwhile (412), which is to be had here again. */
static void deleted(struct sending *x, int status)
{
	struct file *f = x->f;

	if (status == 412) {
		struct json_object *one =
			jsn_push(json_object_new_array(), json_object_new_string(f->path));

		f->state = FILE_STORED;
		sync_pull(x->s, one, NULL, NULL);
		json_object_put(one);
		return;
	}
	x->s->stored -= f->stored;
	f->stored = 0;
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

static void on_sent(const struct call_answer *a, void *arg)
{
	AUTO_FREE struct sending *x = arg;
	struct sync *s = x->s;
	struct file *f = x->f;
	bool del = x->size < 0, good = a->status / 100 == 2 || (del && a->status == 412);

	s->flying[x->slot] = 0;
	*(del ? &s->ndeletes : &s->nputs) -= 1;
	if (!good && !del) {
		s->stored += f->stored - x->size;
	} else if (!del) {
		f->stored = x->size;
	}
	if (good) {
		s->fails = 0;
		if (del)
			deleted(x, a->status);
		else
			stored(x, a->body);
	} else if (a->status == 401 || a->status == 403 || a->status == 404) {
		f->state = FILE_DIRTY;
		sync_stop(s); /* the session has ended: nothing of it will be kept */
		return;
	} else if (refusal(a->status) || (a->shrunk && ++f->tries >= SHRUNK_MAX)) {
		refuse(f, refusal(a->status) ?: "it changes while it is being stored");
	} else {
		f->state = del ? FILE_GONE : FILE_DIRTY;
		f->again = false;
		put_back(s, f);
		if (!a->shrunk) {
			back_off(s, a->status);
			s->fails++;
		}
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
	*x = (struct sending){ .s = s, .f = f, .size = size };
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
		sync_enqueue(s, f);
	else
		manifest_drop(&s->files, f);
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

	if (fd < 0 && errno == EACCES) {
		refuse(f, "it cannot be read");
	} else if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !path) {
		vanished(s, f);
	} else if (s->set->disk_bytes && s->stored - f->stored + st.st_size > s->set->disk_bytes) {
		sync_look(s, f, &st);
		refuse(f, "the session's disk is full");
	} else {
		sync_look(s, f, &st);
		s->stored += st.st_size - f->stored;
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

	if (!f->etag || !path) {
		manifest_drop(&s->files, f);
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
