/* pull.c: from storage into the workspace: what a client uploaded, or all of it at the start. */
#include <fcntl.h>
#include <stdio.h>

#include "../lib/base/jsn.h"
#include "../lib/base/log.h"
#include "../lib/base/wspath.h"
#include "beneath.h"
#include "sync.h"

#define PAGE     1000              /* files of one page of the list */
#define PAGE_MAX ((size_t)8 << 20) /* bytes of it: names at their longest, escaped */
#define AGAIN_S  1                 /* between tries to pull everything */
#define TRIES    8                 /* for one file that storage or code changes while it comes */

struct pull {
	struct sync *s;
	struct json_object *paths;
	size_t next, n;
	int busy;
	struct event *soon; /* nothing to do is told from the loop, too */
	struct sync_pulled out;
	pull_done *done;
	void *arg;
};

struct pulling {
	struct pulling *next; /* of s->pulls */
	struct pull *p;
	const char *path; /* of p->paths */
	struct beneath_new file;
	int tries;
	bool late;    /* a call that began after this one has made the path equal */
	bool crossed; /* storage was written meanwhile: what comes may be older than that */
};

static void pump(struct pull *p);

static void note_done(struct json_object **list, const char *path)
{
	*list = jsn_push(*list, json_object_new_string(path));
}

/* ---- one file ---- */

/* Between walks the sum follows what comes and goes from here. */
static void seen_less(struct sync *s, int64_t n)
{
	if (s->bytes != INT64_MAX)
		s->bytes = s->bytes > n ? s->bytes - n : 0;
}

static void forget(struct sync *s, const char *path)
{
	struct file *f = manifest_find(&s->files, path);

	if (!f)
		return;
	seen_less(s, f->size);
	f->size = 0;
	sync_count(s, f, 0);
	free(TAKE_PTR(f->etag));
	f->mixed = false;
	if (f->state == FILE_SENDING)
		sync_again(s, f);
	else if (f->queued)
		f->state = FILE_GONE; /* without an etag there is nothing to delete */
	else
		sync_drop(s, f);
}

/* Storage's version stands in the workspace. */
static void know(struct sync *s, const char *path, const struct stat *st, const char *etag)
{
	struct file *f = manifest_make(&s->files, path);

	if (!f)
		return; /* the next walk tells that there are too many */
	if (f->state == FILE_SENDING) {
		sync_again(s,
			   f); /* which of the two came last is not known: this one is sent again */
		f->mixed = true;
	} else {
		f->state = FILE_STORED;
		sync_count(s, f, st->st_size);
		sync_etag(f, etag, strlen(etag));
		*f->checksum = '\0';
	}
	seen_less(s, f->size - st->st_size);
	f->seen = s->walks;
	f->changed = 0;
	sync_look(s, f, st);
}

void sync_crossed(struct sync *s, const char *path)
{
	for (struct pulling *x = s->pulls; x; x = x->next)
		x->crossed = x->crossed || !strcmp(x->path, path);
}

/* The older ones come after it in the list. */
static void outrun(const struct pulling *x)
{
	for (struct pulling *old = x->next; old; old = old->next)
		old->late = old->late || !strcmp(old->path, x->path);
}

static void unlink_pulling(struct sync *s, struct pulling *x)
{
	struct pulling **at = &s->pulls;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
}

static bool place(struct pulling *x, const char *etag)
{
	const char *slash = strrchr(x->path, '/');
	struct stat st;

	if (beneath_place(&x->file, slash ? slash + 1 : x->path) < 0 || fstat(x->file.fd, &st) < 0)
		return false;
	know(x->p->s, x->path, &st, etag);
	return true;
}

static bool fetch(struct pull *p, const char *path, int tries);

/* False: it could not be made equal to storage, with errno. *again: another call may. */
static bool apply(struct pulling *x, const struct call_answer *a, bool *again)
{
	struct pull *p = x->p;
	bool known = x->late && manifest_find(&p->s->files, x->path);

	*again = false;
	errno = 0;
	if (known || (!x->late && a->status == 200)) {
		if (!known && !place(x, a->etag)) {
			*again = errno == ENOENT; /* code removed the directory */
			return false;
		}
		note_done(&p->out.pulled, x->path);
	} else if (x->late || a->status == 404) {
		if (!x->late && beneath_remove(p->s->root, x->path) < 0)
			return false;
		if (!x->late)
			forget(p->s, x->path);
		note_done(&p->out.removed, x->path);
	} else {
		return false;
	}
	outrun(x);
	return true;
}

static void on_got(const struct call_answer *a, void *arg)
{
	AUTO_FREE struct pulling *x = arg;
	struct pull *p = x->p;
	bool again = x->crossed && !x->late, good;

	p->busy--;
	good = !again && apply(x, a, &again);
	unlink_pulling(p->s, x);
	if (!good &&
	    !(again && !p->s->stopped && x->tries < TRIES && fetch(p, x->path, x->tries + 1))) {
		log_warn("pull.failed", I("status", a->status),
			 S("error", a->status / 100 == 2 ? strerror(errno) : ""));
		p->out.failed = true;
	}
	beneath_done(&x->file);
	pump(p);
}

static bool fetch(struct pull *p, const char *path, int tries)
{
	struct pulling *x = calloc(1, sizeof(*x));
	AUTO_FREE char *url = sync_path(p->s, path);
	const char *name;
	int dir = x && url ? beneath_parent(p->s->root, path, &name) : -1;

	if (dir < 0 || beneath_create(&x->file, dir) < 0) {
		log_warn("pull.failed", S("error", strerror(errno)));
		free(x);
		return false;
	}
	x->p = p;
	x->path = path;
	x->tries = tries;
	x->next = p->s->pulls;
	p->s->pulls = x;
	p->busy++;
	call_do(&p->s->to,
		&(struct call_req){
			.method = "GET", .path = url, .save_file = true, .save_fd = x->file.fd },
		on_got, x);
	return true;
}

/* ---- several ---- */

static void finish(struct pull *p)
{
	struct sync *s = p->s;

	if (p->done)
		p->done(&p->out, p->arg);
	json_object_put(p->out.pulled);
	json_object_put(p->out.removed);
	json_object_put(p->paths);
	event_free(p->soon);
	free(p);
	sync_pump(s);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

static void pump(struct pull *p)
{
	while (p->next < p->n && p->busy < SYNC_PARALLEL && !p->s->stopped) {
		const char *path =
			json_object_get_string(json_object_array_get_idx(p->paths, p->next++));

		if (!fetch(p, path, 0))
			p->out.failed = true;
	}
	p->out.failed = p->out.failed || (p->s->stopped && p->next < p->n);
	if (!p->busy && (p->next == p->n || p->s->stopped))
		finish(p);
}

void sync_pull(struct sync *s, struct json_object *paths, pull_done *done, void *arg)
{
	static const struct timeval at_once = { 0 };
	struct pull *p = calloc(1, sizeof(*p));

	if (!p)
		abort(); /* as call_do() */
	*p = (struct pull){ .s = s,
			    .paths = json_object_get(paths),
			    .n = json_object_array_length(paths),
			    .out = { json_object_new_array(), json_object_new_array(), false },
			    .done = done,
			    .arg = arg };
	if (!(p->soon = evtimer_new(s->to.base, on_soon, p)))
		abort();
	event_add(p->soon, &at_once);
}

/* ---- everything ---- */

struct whole {
	struct sync *s;
	struct event *again;
	char *after; /* last path of the page before; NULL: the first page */
	bool more;
	sync_done *done;
	void *arg;
};

static void get_page(struct whole *w);

static void later(struct whole *w)
{
	struct timeval tv = { .tv_sec = AGAIN_S };

	if (!w->s->stopped)
		event_add(w->again, &tv);
}

static void on_page_pulled(struct sync_pulled *out, void *arg)
{
	struct whole *w = arg;

	if (out->failed) { /* what came is known by its etag and not fetched again */
		free(TAKE_PTR(w->after));
		later(w);
	} else if (w->more) {
		get_page(w);
	} else {
		w->done(w->arg);
		event_free(w->again);
		free(w->after);
		free(w);
	}
}

/* The paths of a page that the workspace has not, or in another version. */
static struct json_object *wanted(struct whole *w, struct json_object *files)
{
	struct json_object *paths = json_object_new_array();
	size_t n =
		json_object_is_type(files, json_type_array) ? json_object_array_length(files) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(files, i),
				   *path = json_object_object_get(o, "path"),
				   *etag = json_object_object_get(o, "etag");
		const char *text = path ? json_object_get_string(path) : "";
		const struct file *f = manifest_find(&w->s->files, text);

		if (i + 1 == n) {
			free(w->after);
			w->after = strdup(text);
		}
		if (!wspath_bad(text, strlen(text)) &&
		    !(f && f->etag && etag && !strcmp(f->etag, json_object_get_string(etag))))
			paths = jsn_push(paths, json_object_get(path));
	}
	return paths;
}

static void on_page(const struct call_answer *a, void *arg)
{
	struct whole *w = arg;
	AUTO_JSON struct json_object *o = a->status == 200 ? json_tokener_parse(a->body) : NULL;
	AUTO_JSON struct json_object *paths = NULL;

	if (!o) {
		log_warn("pull.list", I("status", a->status));
		later(w);
		return;
	}
	paths = wanted(w, json_object_object_get(o, "files"));
	w->more = json_object_get_boolean(json_object_object_get(o, "has_more"));
	sync_pull(w->s, paths, on_page_pulled, w);
}

static void get_page(struct whole *w)
{
	size_t n = w->after ? 3 * strlen(w->after) + 1 : 1;
	AUTO_FREE char *after = malloc(n), *path = NULL;

	if (!after)
		abort();
	call_encode(w->after ? w->after : "", after, n);
	if (asprintf(&path, "/internal/sessions/%s/files?limit=%d%s%s", w->s->set->session_id, PAGE,
		     w->after ? "&after=" : "", after) < 0)
		abort();
	call_do(&w->s->to,
		&(struct call_req){ .method = "GET", .path = path, .answer_max = PAGE_MAX },
		on_page, w);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	get_page(arg);
}

void sync_pull_all(struct sync *s, sync_done *done, void *arg)
{
	struct whole *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	*w = (struct whole){ .s = s, .done = done, .arg = arg };
	if (!(w->again = evtimer_new(s->to.base, on_again, w)))
		abort();
	get_page(w);
}
