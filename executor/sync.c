#include "sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "../lib/base/log.h"

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
void sync_put_back(struct sync *s, struct file *f)
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

struct file *sync_pop(struct sync *s)
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

void sync_refuse(struct file *f, const char *why)
{
	f->state = FILE_REFUSED;
	f->why = why;
}

void sync_back_off(struct sync *s, int status)
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
void sync_settle(struct sync *s, struct file *f)
{
	if (f->mixed)
		sync_etag(f, "", 0);
	f->mixed = false;
	if (f->again && f->state != FILE_SENDING) {
		f->again = false;
		f->state = FILE_DIRTY;
		sync_put_back(s, f);
	}
	if (f->state == FILE_GONE && !f->queued)
		sync_drop(s, f);
}

/* Deletions first: a directory may take the place of a file, and storage may know no such thing as both. */
void sync_pump(struct sync *s)
{
	while (s->head && !s->paused && !s->stopped && s->nputs + s->ndeletes < SYNC_PARALLEL) {
		struct file *f;

		if (s->head->state == FILE_DIRTY && s->ndeletes)
			return;
		f = sync_pop(s);
		if (f->state == FILE_DIRTY && batch_takes(f))
			batch_put(s, f);
		else if (f->state == FILE_DIRTY)
			store_put(s, f);
		else if (f->state == FILE_GONE)
			store_delete(s, f);
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

int sync_take_off(struct sync *s, int64_t ticket)
{
	int slot = 0;

	while (s->flying[slot])
		slot++;
	s->flying[slot] = ticket;
	return slot;
}

/* ---- for the rest of the executor ---- */

int sync_open(struct sync *s, struct event_base *base, const struct settings *set,
	      const int64_t *running, char *why, size_t whysz)
{
	*s = (struct sync){ .to = { base, set->control_url, set->token },
			    .set = set,
			    .running = running };
	/* It is in the memory of the container, whose limit code may have brought near: 50,000 short names in 128 MiB. */
	if (set->memory_bytes)
		s->files.max_bytes = (size_t)(set->memory_bytes / 6);
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
