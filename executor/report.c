#include "report.h"

#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "call.h"
#include "meter.h"

#define RUNNING_MS 100 /* what ends sooner is told by its result alone */

static struct event_base *base;
static struct call_to to;
static struct jobs *jobs;
static const struct settings *set;
static const struct trial *trial;
static struct event *ready_timer, *beat_timer;
static void (*on_refused)(void);
static void (*on_accepted)(bool pull);
static int ready_tries;
static bool accepted;

/* Seconds before try number n, 0-based (CONTRACT 10.3). */
static int pause_s(int n)
{
	static const int first[] = { 1, 1, 2, 4, 8 };

	return n < (int)ARRAY_LEN(first) ? first[n] : 10;
}

static void post(const char *path, struct json_object *o, call_done *done, void *arg)
{
	size_t n = 0;
	const char *text = o ? jsn_text(o, &n) : NULL;

	call_post(&to, path, text ? text : "{}", text ? n : 2, done, arg);
	json_object_put(o);
}

static struct json_object *now(struct json_object *o, const char *key)
{
	char ts[CLOCK_RFC3339_SZ];

	clock_format(clock_wall_ms(), ts);
	return jsn_str(o, key, ts);
}

/* ---- ready ---- */

static void on_ready(const struct call_answer *a, void *arg)
{
	struct timeval tv = { .tv_sec = pause_s(ready_tries) };

	(void)arg;
	if (a->status / 100 == 2) {
		AUTO_JSON struct json_object *o = json_tokener_parse(a->body);

		accepted = true;
		on_accepted(json_object_get_boolean(json_object_object_get(o, "pull")));
		return;
	}
	if (a->status == 409 || a->status == 404) {
		log_warn("ready.refused", I("status", a->status), S("answer", a->body));
		on_refused();
		return;
	}
	if (ready_tries < 5) /* the first moments count: the web server may just be reloading */
		tv = (struct timeval){ .tv_usec = 100000 << ready_tries };
	ready_tries++;
	log_warn("ready.failed", I("status", a->status), I("tries", ready_tries));
	event_add(ready_timer, &tv);
}

static void send_ready(evutil_socket_t fd, short what, void *arg)
{
	struct json_object *o =
		jsn_str(json_object_new_object(), "container_id", set->container_id);
	char path[160];

	(void)fd;
	(void)what;
	(void)arg;
	if (*set->pod_name)
		o = jsn_str(o, "pod_name", set->pod_name);
	o = now(o, "ready_at");
	o = jsn_str(o, "executor_version", VERSION);
	o = jsn_int(o, "protocol", 1);
	o = jsn_put(o, "isolation", trial_report(trial));
	o = jsn_put(o, "languages", trial_languages());
	snprintf(path, sizeof(path), "/internal/sessions/%s/container_ready", set->session_id);
	post(path, o, on_ready, NULL);
}

/* ---- heartbeat ---- */

static void obey(struct json_object *list, void (*fn)(struct job *))
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct job *j =
			job_find(jobs, json_object_get_string(json_object_array_get_idx(list, i)));

		if (j)
			fn(j);
	}
}

static void cancel(struct job *j)
{
	job_cancel(jobs, j);
}

static void forget(struct job *j)
{
	if (job_open(j->state))
		job_cancel(jobs, j);
	else
		job_free_result(jobs, j, true);
}

static void on_beat(const struct call_answer *a, void *arg)
{
	struct timeval tv = { .tv_sec = set->heartbeat_s };
	AUTO_JSON struct json_object *o =
		a->status == 200 && a->n ? json_tokener_parse(a->body) : NULL;

	(void)arg;
	obey(json_object_object_get(o, "cancel"), cancel);
	obey(json_object_object_get(o, "forget"), forget);
	if (a->status != 200)
		log_debug("heartbeat.failed", I("status", a->status));
	event_add(beat_timer, &tv);
}

/* A job whose files are being stored still runs, for the control plane. */
static struct json_object *jobs_in(bool running)
{
	struct json_object *list = json_object_new_array();

	for (struct job *j = jobs->list; j; j = j->next)
		if (job_open(j->state) && running == (j->state != JOB_QUEUED))
			list = jsn_push(list,
					jsn_int(jsn_str(json_object_new_object(), "id", j->id),
						"attempt", j->attempt));
	return list;
}

static void send_beat(evutil_socket_t fd, short what, void *arg)
{
	struct json_object *o = now(json_object_new_object(), "timestamp"),
			   *u = json_object_new_object();
	int64_t cpu = meter_cpu_ms(), mem = meter_memory();
	/* At rest nothing changes but what clients store. */
	int64_t disk = jobs->running ? meter_disk(set->workspace) : jobs->disk(jobs->arg);
	char path[160];

	(void)fd;
	(void)what;
	(void)arg;
	u = jsn_int(u, "cpu_ms", cpu < 0 ? JSN_ABSENT : cpu);
	u = jsn_int(u, "memory_bytes", mem < 0 ? JSN_ABSENT : mem);
	u = jsn_int(u, "disk_bytes", disk < 0 || disk == METER_DISK_ENDLESS ? JSN_ABSENT : disk);
	o = jsn_put(o, "running", jobs_in(true));
	o = jsn_put(o, "queued", jobs_in(false));
	o = jsn_put(o, "usage", u);
	snprintf(path, sizeof(path), "/internal/sessions/%s/heartbeat", set->session_id);
	post(path, o, on_beat, NULL);
}

/* ---- results ---- */

static void again(struct job *j)
{
	struct timeval tv = { .tv_sec = pause_s(j->tries + 1) };

	j->tries++;
	event_add(j->deliver, &tv);
}

/* The job may have been acknowledged, and even forgotten, while the call was on its way: it is found by its id. */
static void on_result(const struct call_answer *a, void *arg)
{
	AUTO_FREE char *id = arg;
	struct job *j = job_find(jobs, id);
	int status = a->status;

	if (!j || j->state != JOB_ENDED)
		return;
	if (status / 100 == 2 || status == 404) {
		job_free_result(jobs, j, status == 404);
		return;
	}
	if (status / 100 == 4)
		log_error("result.refused", S("execution_id", id), I("status", status),
			  S("answer", a->body));
	else
		again(j);
}

static void send_result(const struct job *j)
{
	char path[160], *id = strdup(j->id);

	if (!j->result || !id) {
		free(id);
		return;
	}
	snprintf(path, sizeof(path), "/internal/executions/%s/result", j->id);
	call_post(&to, path, j->result, j->result_len, on_result, id);
}

/* The heartbeat says the same again: nobody waits for this answer. */
static void on_status(const struct call_answer *a, void *arg)
{
	(void)arg;
	if (a->status / 100 != 2)
		log_debug("status.failed", I("status", a->status));
}

static void send_running(const struct job *j)
{
	struct json_object *o = jsn_str(json_object_new_object(), "status", "running");
	char path[160], ts[CLOCK_RFC3339_SZ];

	clock_format(j->started_wall_ms, ts);
	o = jsn_str(jsn_int(o, "attempt", j->attempt), "started_at", ts);
	snprintf(path, sizeof(path), "/internal/executions/%s/status", j->id);
	post(path, o, on_status, NULL);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	const struct job *j = arg;

	(void)fd;
	(void)what;
	if (j->state == JOB_RUNNING || j->state == JOB_STORING)
		send_running(j);
	else if (j->state == JOB_ENDED)
		send_result(j);
}

static void due_in(struct job *j, struct timeval tv)
{
	if (!j->deliver)
		j->deliver = evtimer_new(base, on_due, j);
	if (!j->deliver || event_add(j->deliver, &tv))
		log_error("report.unscheduled", S("execution_id", j->id));
}

void report_started(struct job *j)
{
	due_in(j, (struct timeval){ .tv_usec = RUNNING_MS * 1000 });
}

void report_ended(struct job *j)
{
	if (base) /* else of an earlier life: report_open() sees to it */
		due_in(j, (struct timeval){ .tv_sec = pause_s(0) });
}

/* ---- end ---- */

static void (*exit_done)(void);
static struct event *exit_timer, *exit_limit;
static int64_t exit_until;

#define EXIT_S 8 /* of the 10 s that CONTRACT 10.3 gives the whole end */

static void on_exit_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_warn("exit.untold");
	exit_done();
}

static void on_exit_told(const struct call_answer *a, void *arg)
{
	(void)a;
	(void)arg;
	exit_done();
}

static void tell_exit(evutil_socket_t fd, short what, void *arg)
{
	struct timeval soon = { .tv_usec = 50000 };
	struct json_object *o;
	char path[160];

	(void)fd;
	(void)what;
	(void)arg;
	for (struct job *j = jobs->list; j && clock_ms() < exit_until; j = j->next)
		if (j->state != JOB_FREED) { /* results first */
			event_add(exit_timer, &soon);
			return;
		}
	o = jsn_str(json_object_new_object(), "container_id", set->container_id);
	o = jsn_int(o, "exit_code", 143);
	o = now(o, "exited_at");
	o = jsn_str(o, "exit_reason", "sigterm");
	snprintf(path, sizeof(path), "/internal/sessions/%s/container_exited", set->session_id);
	post(path, o, on_exit_told, NULL);
}

void report_exit(void (*done)(void))
{
	struct timeval now_tv = { 0 }, late = { .tv_sec = EXIT_S };

	if (!base) { /* everything in storage was not here yet: nobody knows of this life */
		done();
		return;
	}
	exit_done = done;
	exit_until = clock_ms() + 3000; /* of those 8 s */
	exit_limit = evtimer_new(base, on_exit_late, NULL);
	for (struct job *j = jobs->list; j; j = j->next)
		if (j->state == JOB_ENDED && j->deliver)
			event_add(j->deliver, &now_tv);
	exit_timer = evtimer_new(base, tell_exit, NULL);
	if (!exit_timer || !exit_limit || event_add(exit_timer, &now_tv) ||
	    event_add(exit_limit, &late))
		done();
}

void report_open(struct event_base *b, struct jobs *js, const struct settings *s,
		 const struct trial *t, void (*ready)(bool pull), void (*quit)(void))
{
	struct timeval beat = { .tv_sec = s->heartbeat_s }, at_once = { 0 };

	base = b;
	jobs = js;
	set = s;
	trial = t;
	to = (struct call_to){ b, s->control_url, s->token };
	on_accepted = ready;
	on_refused = quit;
	ready_timer = evtimer_new(base, send_ready, NULL);
	beat_timer = evtimer_new(base, send_beat, NULL);
	if (!ready_timer || !beat_timer || event_add(ready_timer, &at_once) ||
	    event_add(beat_timer, &beat))
		quit();
	for (struct job *j = jobs->list; j; j = j->next)
		if (j->state == JOB_ENDED)
			report_ended(j);
}
