/* changes.c: what code created, changed and deleted, found by a walk and compared with the manifest. */
#include "../lib/base/wspath.h"
#include "sync.h"
#include "walk.h"

#define SLICE      512 /* entries between two turns of the loop: about a millisecond */
#define NAME_SHOWN 200 /* bytes of a name in a note */

static void note(struct sync *s, const char *path, const struct stat *st, const char *why)
{
	struct sync_note *n = s->nnotes < SYNC_NOTES_MAX ? &s->notes[s->nnotes] : NULL;

	if (!n)
		return;
	n->why = why;
	n->ctime_ns =
		st ? (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec : INT64_MAX;
	if ((n->path = strndup(path, NAME_SHOWN)))
		s->nnotes++;
}

static void found(struct sync *s, struct file *f, const struct stat *st)
{
	bool same = file_same(f, st) && (f->etag || f->state != FILE_STORED);

	f->seen = s->walks;
	if (!same)
		f->changed = s->walks;
	if (f->state == FILE_SENDING) {
		if (!same || f->unsure)
			sync_again(s, f);
	} else if (!same || f->unsure || f->state == FILE_REFUSED || f->state == FILE_GONE) {
		f->state = FILE_DIRTY;
		if (!f->queued) { /* behind this walk's deletions */
			f->queued = true;
			f->qnext = NULL;
			*s->fresh_end = f;
			s->fresh_end = &f->qnext;
		}
	}
	f->unsure = false;
	file_note(f, st);
}

/* Nothing is known of what is below. The root itself, or too many: of nothing at all. */
static bool note_closed(struct sync *s, const char *path)
{
	size_t n = strlen(path);

	if (n && path[n - 1] == '/') /* its entries have names, but cannot be looked at */
		n--;
	if (n > WSPATH_MAX) /* so is no file below it that storage could have */
		return true;
	if (s->nclosed && !strncmp(s->closed[s->nclosed - 1], path, n) &&
	    !s->closed[s->nclosed - 1][n])
		return true;
	if (!n || s->nclosed == SYNC_CLOSED_MAX || !(s->closed[s->nclosed] = strndup(path, n)))
		return false;
	s->nclosed++;
	return true;
}

static bool in_closed(const struct sync *s, const char *path)
{
	for (size_t i = 0; i < s->nclosed; i++) {
		size_t n = strlen(s->closed[i]);

		if (!strncmp(s->closed[i], path, n) && path[n] == '/')
			return true;
	}
	return false;
}

static void on_entry(enum walk_kind kind, const char *path, const struct stat *st, void *arg)
{
	struct sync *s = arg;
	struct file *f;

	if (kind != WALK_FILE) {
		s->whole = false;
		s->blind = s->blind || kind == WALK_MANY || !note_closed(s, path);
		note(s, path, NULL,
		     kind == WALK_MANY ? "there are too many files" : "it cannot be looked into");
		return;
	}
	s->walk_bytes += st->st_size;
	if (wspath_bad(path, strlen(path)))
		note(s, path, st, "its name is not allowed");
	else if ((f = manifest_make(&s->files, path)))
		found(s, f, st);
	else
		note(s, path, st, "there are too many files");
}

static void on_unseen(struct file *f, void *arg)
{
	struct sync *s = arg;

	if (f->seen >= s->walks || f->state == FILE_GONE || in_closed(s, f->path))
		return;
	if (f->state == FILE_SENDING) {
		sync_again(s, f); /* it will be found to have vanished */
	} else if (f->etag) {
		f->state = FILE_GONE;
		sync_enqueue(s, f);
	} else if (f->queued) {
		f->state = FILE_GONE;
	} else {
		sync_drop(s, f);
	}
}

static void end_walk(struct sync *s)
{
	bool again = false;

	walk_free(TAKE_PTR(s->walk));
	s->bytes = s->whole ? s->walk_bytes : INT64_MAX;
	if (!s->blind)
		manifest_each(&s->files, on_unseen, s);
	for (struct file *f = TAKE_PTR(s->fresh), *next; f; f = next) {
		next = f->qnext;
		sync_append(s, f);
	}
	s->fresh_end = &s->fresh;
	for (struct sync_push *p = s->pushes; p; p = p->next) {
		if (p->walk <= s->walks && !p->walked) {
			p->walked = true;
			p->ticket = s->tickets;
		}
		again = again || !p->walked;
	}
	sync_pump(s);
	if (again)
		sync_walk(s);
	sync_wake(s);
}

void sync_walk_on(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = { 0 };
	struct sync *s = arg;

	(void)fd;
	(void)what;
	if (s->walk && walk_step(s->walk, SLICE))
		event_add(s->more, &at_once);
	else
		end_walk(s);
}

void sync_walk(struct sync *s)
{
	s->walks++;
	s->whole = true;
	s->blind = false;
	while (s->nclosed)
		free(s->closed[--s->nclosed]);
	s->walk_bytes = 0;
	while (s->nnotes)
		free(s->notes[--s->nnotes].path);
	if (!(s->walk = walk_new(s->root, on_entry, s)))
		s->blind = !(s->whole = false);
	sync_walk_on(-1, 0, s);
}
