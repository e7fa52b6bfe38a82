#include "publish.h"

#include <fcntl.h>
#include <stdio.h>

#include "../lib/base/log.h"
#include "call.h"
#include "meter.h"

#define BATCH     200 /* artifacts of one call: paths at their longest stay below the body limit */
#define PIECE     ((int64_t)8 << 20) /* bytes of a log in one call */
#define ARENA_MAX ((size_t)1 << 20)  /* for NAMED_MAX names */
#define MOVES_MAX 5                  /* times that a log's end may be elsewhere than we thought */

enum step { STEP_FILES, STEP_ARTIFACTS, STEP_STDOUT, STEP_STDERR, STEP_DONE };

struct publish {
	struct publish *next;
	struct job *j;
	void (*done)(struct job *);
	enum step step;
	size_t at, batch; /* artifacts that were told, or refused */
	int64_t offset;   /* of the log under way */
	int moves, tries;
	bool waiting;
	struct event *again;
};

static struct sync *files;
static const struct settings *set;
static struct event_base *base;
static struct publish *all;
static bool stopping;

static void go_on(struct publish *p);

/* ---- calls and their repetition ---- */

static void later(struct publish *p, int status)
{
	static const int pauses[] = { 1, 1, 2, 4, 8 };
	struct timeval tv = { .tv_sec = p->tries < (int)ARRAY_LEN(pauses) ? pauses[p->tries] : 10 };

	log_warn("publish.waiting", S("execution_id", p->j->id), I("status", status),
		 I("tries", p->tries + 1), I("retry_in_ms", tv.tv_sec * 1000));
	p->tries++;
	p->waiting = true;
	event_add(p->again, &tv);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct publish *p = arg;

	(void)fd;
	(void)what;
	p->waiting = false;
	go_on(p);
}

/* ---- artifacts ---- */

static void list_artifacts(struct job *j)
{
	size_t max = (size_t)set->max_artifacts, n;
	const struct file **list = calloc(max, sizeof(struct file *));

	j->artifacts = json_object_new_array();
	n = list ? sync_artifacts(files, j->mark, list, max, &j->artifacts_more) : 0;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = jsn_str(json_object_new_object(), "path", list[i]->path);

		o = jsn_int(o, "size", list[i]->stored);
		j->artifacts = jsn_push(j->artifacts, jsn_str(o, "checksum", list[i]->checksum));
	}
	free(list);
}

static void note_refused(struct job *j)
{
	struct arena *a = arena_new(ARENA_MAX);
	const char *text = a ? sync_refused(files, j->mark, j->started_file_ns, a) : "";

	if (*text)
		j->not_stored = strdup(text);
	arena_free(a);
}

static void on_artifacts(const struct call_answer *a, void *arg)
{
	struct publish *p = arg;

	if (a->status / 100 == 2) {
		p->at += p->batch;
	} else if (a->status == 409 && p->batch > 1) {
		p->batch = 1; /* one of them is no longer there: which, single calls tell */
	} else if (a->status == 409) {
		json_object_array_del_idx(p->j->artifacts, p->at, 1);
	} else if (a->status / 100 == 4) {
		log_error("artifacts.refused", S("execution_id", p->j->id), I("status", a->status),
			  S("answer", a->body));
		p->at = json_object_array_length(p->j->artifacts);
	} else {
		later(p, a->status);
		return;
	}
	go_on(p);
}

static void send_artifacts(struct publish *p)
{
	size_t n = json_object_array_length(p->j->artifacts), len = 0;
	struct json_object *list = json_object_new_array(), *o;
	const char *text;
	char path[160];

	if (p->batch > n - p->at)
		p->batch = n - p->at;
	for (size_t i = p->at; i < p->at + p->batch; i++)
		list = jsn_push(list,
				json_object_get(json_object_array_get_idx(p->j->artifacts, i)));
	o = jsn_put(json_object_new_object(), "artifacts", list);
	text = jsn_text(o, &len);
	snprintf(path, sizeof(path), "/internal/executions/%s/artifacts", p->j->id);
	call_post(&files->to, path, text, len, on_artifacts, p);
	json_object_put(o);
}

/* ---- logs ---- */

static const struct output *log_of(const struct publish *p)
{
	return p->step == STEP_STDOUT ? p->j->out : p->j->err;
}

/* The end of what is stored, as the answer tells; -1: it does not. */
static int64_t next_of(const char *body)
{
	AUTO_JSON struct json_object *o = json_tokener_parse(body);
	struct json_object *next = json_object_object_get(o, "next");

	return json_object_is_type(next, json_type_int) ? json_object_get_int64(next) : -1;
}

static void on_log(const struct call_answer *a, void *arg)
{
	struct publish *p = arg;
	bool good = a->status / 100 == 2, moved = a->status == 409 && p->moves++ < MOVES_MAX;
	int64_t next = good || moved ? next_of(a->body) : -1;

	if (next >= 0 && (!good || next > p->offset)) {
		p->offset = next;
		p->tries = 0;
	} else if (a->status / 100 == 4 || good) {
		log_error("log.refused", S("execution_id", p->j->id), I("status", a->status),
			  S("answer", a->body));
		p->j->logs_stored = false;
		p->step++;
		p->offset = 0;
	} else {
		later(p, a->status);
		return;
	}
	go_on(p);
}

static void send_log(struct publish *p)
{
	const struct output *o = log_of(p);
	int64_t left = output_kept(o) - p->offset;
	struct call_req rq = { .method = "PUT",
			       .type = "application/octet-stream",
			       .send_file = true,
			       .send_fd = fcntl(output_fd(o), F_DUPFD_CLOEXEC, 3),
			       .send_at = p->offset,
			       .n = (size_t)(left < PIECE ? left : PIECE) };
	char path[200];

	if (rq.send_fd < 0) {
		later(p, 0);
		return;
	}
	snprintf(path, sizeof(path),
		 "/internal/executions/%s/output?stream=%s&after=%lld&attempt=%lld", p->j->id,
		 p->step == STEP_STDOUT ? "stdout" : "stderr", (long long)p->offset,
		 (long long)p->j->attempt);
	rq.path = path;
	call_do(&files->to, &rq, on_log, p);
}

/* ---- the steps ---- */

static bool log_left(const struct publish *p)
{
	const struct output *o = log_of(p);

	return output_total(o) > p->j->output_inline && p->offset < output_kept(o);
}

static void finish(struct publish *p)
{
	struct publish **at = &all;
	struct job *j = p->j;
	void (*done)(struct job *) = p->done;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	event_free(p->again);
	free(p);
	done(j);
}

/* Once files are settled there is one call at a time; each answer leads back here. */
static void go_on(struct publish *p)
{
	if (p->waiting) /* stopped meanwhile: its timer is not needed */
		event_del(p->again);
	p->waiting = false;
	if (stopping && p->tries &&
	    p->step > STEP_FILES) { /* the rest of the time belongs to the result */
		p->step = STEP_DONE;
		p->j->logs_stored = false;
	}
	if (p->step == STEP_ARTIFACTS && p->at < json_object_array_length(p->j->artifacts)) {
		send_artifacts(p);
		return;
	}
	if (p->step == STEP_ARTIFACTS)
		p->step = STEP_STDOUT;
	for (; p->step < STEP_DONE; p->step++, p->offset = 0)
		if (log_left(p)) {
			send_log(p);
			return;
		}
	finish(p);
}

static void on_files(void *arg)
{
	struct publish *p = arg;

	list_artifacts(p->j);
	note_refused(p->j);
	p->j->workspace_bytes = files->stopped ? meter_disk(set->workspace) : sync_bytes(files);
	p->step = STEP_ARTIFACTS;
	go_on(p);
}

void publish(struct job *j, void (*done)(struct job *))
{
	struct publish *p = calloc(1, sizeof(*p));

	if (p)
		p->again = evtimer_new(base, on_again, p);
	if (!p || !p->again) {
		free(p);
		done(j);
		return;
	}
	p->j = j;
	p->done = done;
	p->batch = BATCH;
	p->next = all;
	all = p;
	j->logs_stored = true; /* until one is refused */
	sync_push(files, on_files, p);
}

void publish_stop(void)
{
	stopping = true;
	sync_stop(files);
	for (struct publish *p = all, *next; p; p = next) {
		next = p->next;
		if (p->waiting)
			go_on(p);
	}
}

void publish_open(struct event_base *b, struct sync *s, const struct settings *st)
{
	base = b;
	files = s;
	set = st;
}
