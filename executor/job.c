#include "job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "filter.h"
#include "init.h"
#include "meter.h"
#include "spool.h"

#define CHUNK      65536
#define SAMPLE_MS  250 /* memory of the tree */
#define DISK_EVERY 8   /* samples between two looks at the disk, at least */
#define LOGS_MAX   64  /* long logs that are kept; a descriptor for each stream */
#define LOGS_BYTES \
	((int64_t)1 \
	 << 30) /* of those, when the container tells no disk size: the default of [session] disk */
#define DISK_SHARE 20 /* a look may take 1/20 of the time between two (CONTRACT 6, Quota) */

static struct event *sampler;

const char *job_state_name(const struct job *j)
{
	switch (j->state) {
	case JOB_QUEUED: return "pending";
	case JOB_RUNNING:
	case JOB_STORING: return "running";
	case JOB_ENDED:
	case JOB_FREED: break;
	}
	return j->status ? j->status : "completed";
}

struct job *job_find(struct jobs *js, const char *id)
{
	for (struct job *j = js->list; j; j = j->next)
		if (!strcmp(j->id, id))
			return j;
	return NULL;
}

/* ---- end ---- */

void job_free_input(struct job *j)
{
	free(TAKE_PTR(j->code));
	free(TAKE_PTR(j->event));
	free(TAKE_PTR(j->stdin_text));
	free(TAKE_PTR(j->entrypoint));
	json_object_put(TAKE_PTR(j->env));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop_event(struct event **e)
{
	if (*e)
		event_free(*e);
	*e = NULL;
}

static void free_publication(struct job *j)
{
	json_object_put(TAKE_PTR(j->artifacts));
	free(TAKE_PTR(j->not_stored));
}

static void keep_result(struct jobs *js, struct job *j)
{
	j->state = JOB_ENDED;
	if (!j->ended_us)
		j->ended_us = clock_us();
	if (!j->ended_wall_ms)
		j->ended_wall_ms = clock_wall_ms();
	free(TAKE_PTR(j->result)); /* one of before its files were stored */
	j->result = outcome_build(js, j, &j->result_len);
	close_fd(&j->result_fd);
	free_publication(j);
	if (!j->result && (j->result = outcome_poor(j)))
		j->result_len = strlen(j->result);
	if (!j->result || spool_put(j->id, j->result, j->result_len) < 0)
		log_error("spool.failed", S("execution_id", j->id), S("error", strerror(errno)));
	log_info("execution.ended", S("execution_id", j->id), S("status", j->status),
		 I("duration_ms", j->started ? (j->ended_us - j->started_us) / 1000 : 0));
	js->on_end(j, js->arg);
}

static void drain(struct jobs *js, struct job *j, int *fd, struct output *o);

static struct jobs *the_jobs; /* for callbacks that have only the job */

static void on_published(struct job *j)
{
	const struct settings *set = the_jobs->set;

	if (set->disk_bytes && j->workspace_bytes >= set->disk_bytes)
		j->disk_limit = true;
	keep_result(the_jobs, j);
}

/* What it left goes to storage; should this program die meanwhile, the next one finds the result without that. */
static void store(struct jobs *js, struct job *j)
{
	AUTO_FREE char *text = NULL;
	size_t n = 0;

	j->state = JOB_STORING;
	j->ended_wall_ms = clock_wall_ms();
	js->on_exit(j, on_published, js->arg);
	if (j->state == JOB_STORING && (text = outcome_build(js, j, &n)) &&
	    spool_put(j->id, text, n) < 0)
		log_error("spool.failed", S("execution_id", j->id), S("error", strerror(errno)));
}

/* All three facts are true, or the sandbox is gone and its streams with it. */
static void finish(struct jobs *js, struct job *j)
{
	struct meter_events now = meter_events();

	j->report = (struct init_report){ .syscall = -1 };
	j->reported =
		read(j->report_fd, &j->report, sizeof(j->report)) == (ssize_t)sizeof(j->report);
	j->oom_rose = now.oom_kills > j->oom_base;
	j->pids_rose = now.pids_refused > j->pids_base;
	drain(js, j, &j->out_fd, j->out);
	drain(js, j, &j->err_fd, j->err);
	drop_event(&j->on_out);
	drop_event(&j->on_err);
	drop_event(&j->deadline);
	close_fd(&j->out_fd);
	close_fd(&j->err_fd);
	close_fd(&j->report_fd);
	close_fd(&j->info_fd);
	job_free_input(j);
	js->running--;
	store(js, j);
	jobs_start_next(js);
}

/* bwrap tells the pid of the namespace's first process as {"child-pid": N, …}. */
static void learn_first(struct job *j)
{
	char text[256], *p;
	ssize_t n = j->first || j->info_fd < 0 ? -1 : read(j->info_fd, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	if ((p = strstr(text, "\"child-pid\":")))
		j->first = (pid_t)strtol(p + 12, NULL, 10);
}

/* The sums of one look: a process that ends without being waited for takes its share with it. */
static void used(struct job *j, struct meter_tree t)
{
	j->peak_bytes = t.rss > j->peak_bytes ? t.rss : j->peak_bytes;
	j->cpu_ms = t.cpu_ms > j->cpu_ms ? t.cpu_ms : j->cpu_ms;
}

/* The whole tree: with its first process the kernel kills everything in the namespace. */
static void kill_tree(struct job *j)
{
	learn_first(j);
	if (j->exited)
		return;
	used(j, meter_tree(j->sandbox));
	if (j->first > 1)
		kill(j->first, SIGKILL);
	else
		kill(j->sandbox,
		     SIGKILL); /* before the namespace exists; --die-with-parent covers the gap */
}

void job_cancel(struct jobs *js, struct job *j)
{
	if (j->state == JOB_QUEUED) {
		j->cancelled = !js->stopping;
		j->session_ended = js->stopping;
		js->queued--;
		job_free_input(j);
		keep_result(js, j);
	} else if (j->state == JOB_RUNNING && !j->cancelled) {
		j->cancelled = !js->stopping;
		j->session_ended = js->stopping;
		kill_tree(j);
	}
}

void jobs_stop(struct jobs *js)
{
	js->stopping = true;
	for (struct job *j = js->list, *next; j; j = next) {
		next = j->next;
		job_cancel(js, j);
	}
}

static void free_logs(struct job *j)
{
	output_free(TAKE_PTR(j->out), true);
	output_free(TAKE_PTR(j->err), true);
}

/* Delivered results leave long logs on the host's disk: the newest stay, as many as the quota holds. */
static void drop_old_logs(struct jobs *js)
{
	int64_t left = js->set->disk_bytes ? js->set->disk_bytes : LOGS_BYTES;
	size_t n = 0;

	for (struct job *j = js->list; j; j = j->next) {
		if (j->state != JOB_FREED || !j->out)
			continue;
		left -= output_kept(j->out) + output_kept(j->err);
		if (n++ && (left < 0 || n > LOGS_MAX))
			free_logs(j);
	}
}

void job_free_result(struct jobs *js, struct job *j, bool all)
{
	bool long_log = j->out && !j->logs_stored &&
			(output_total(j->out) > j->output_inline ||
			 output_total(j->err) > j->output_inline);

	free(TAKE_PTR(j->result));
	spool_drop(j->id);
	drop_event(&j->deliver);
	j->state = JOB_FREED;
	j->delivered = true;
	if (all || !long_log)
		free_logs(j);
	drop_old_logs(js);
}

/* ---- run ---- */

static void drain(struct jobs *js, struct job *j, int *fd, struct output *o)
{
	char buf[CHUNK];
	ssize_t n;

	while (*fd >= 0) {
		n = read(*fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (n == 0) {
			close_fd(fd);
			return;
		}
		if (output_append(o, buf, (size_t)n) < 0)
			log_warn("output.lost", S("execution_id", j->id),
				 S("error", strerror(errno)));
		if (j->output_kill && !j->output_limit && output_total(o) > j->output_max) {
			j->output_limit = true;
			kill_tree(j);
		}
		js->on_output(j, js->arg);
		if (n < (ssize_t)sizeof(buf))
			return; /* fair to the others: the loop comes back */
	}
}

static void on_stream(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;
	bool is_out = fd == j->out_fd;

	(void)what;
	drain(the_jobs, j, is_out ? &j->out_fd : &j->err_fd, is_out ? j->out : j->err);
	if ((is_out ? j->out_fd : j->err_fd) < 0)
		drop_event(is_out ? &j->on_out : &j->on_err);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;

	(void)fd;
	(void)what;
	j->timed_out = !j->cancelled && !j->session_ended;
	kill_tree(j);
}

static void watch(struct jobs *js, struct job *j)
{
	struct timeval limit = { .tv_sec = j->timeout_s };

	j->on_out = event_new(js->base, j->out_fd, EV_READ | EV_PERSIST, on_stream, j);
	j->on_err = event_new(js->base, j->err_fd, EV_READ | EV_PERSIST, on_stream, j);
	j->deadline = evtimer_new(js->base, on_deadline, j);
	if (!j->on_out || !j->on_err || !j->deadline || event_add(j->on_out, NULL) ||
	    event_add(j->on_err, NULL) || event_add(j->deadline, &limit)) {
		log_error("job.events", S("execution_id", j->id));
		kill_tree(j);
	}
}

/* Only while something runs: at rest the loop sleeps. */
static void sample_again(struct jobs *js)
{
	const struct timeval in = { .tv_usec = SAMPLE_MS * 1000 };

	if (js->running && !event_pending(sampler, EV_TIMEOUT, NULL) && event_add(sampler, &in))
		log_warn("sampler.off");
}

/* The clock that file times are taken from. */
static int64_t file_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void start_one(struct jobs *js, struct job *j)
{
	char path[400];

	js->queued--;
	j->mark = js->mark(js->arg);
	j->disk_base = js->disk(js->arg);
	j->started_file_ns = file_clock_ns();
	spool_log_path(j->id, "stdout", path, sizeof(path));
	j->out = output_new(path, j->output_max, j->output_inline);
	spool_log_path(j->id, "stderr", path, sizeof(path));
	j->err = output_new(path, j->output_max, j->output_inline);
	if (!j->out || !j->err || launch(js, j) < 0) {
		log_error("job.launch", S("execution_id", j->id), S("error", strerror(errno)));
		job_free_input(j);
		keep_result(js, j);
		return;
	}
	j->state = JOB_RUNNING;
	j->started = true;
	js->running++;
	watch(js, j);
	js->on_start(j, js->arg);
	sample_again(js);
}

/* The oldest queued one first; the list is newest first. */
void jobs_start_next(struct jobs *js)
{
	while (!js->held && js->running < js->set->max_parallel && js->queued > 0) {
		struct job *oldest = NULL;

		for (struct job *j = js->list; j; j = j->next)
			if (j->state == JOB_QUEUED)
				oldest = j;
		if (!oldest)
			return;
		start_one(js, oldest);
	}
}

static struct job *by_sandbox(struct jobs *js, pid_t pid)
{
	for (struct job *j = js->list; j; j = j->next)
		if (j->state == JOB_RUNNING && j->sandbox == pid)
			return j;
	return NULL;
}

void jobs_reap(struct jobs *js)
{
	int64_t r0, w0, r1, w1;
	struct rusage ru;
	pid_t pid;
	int st;

	for (;;) {
		bool io = meter_io(&r0, &w0);
		struct job *j;

		if ((pid = wait4(-1, &st, WNOHANG, &ru)) <= 0)
			return;
		if (!(j = by_sandbox(js, pid)))
			continue; /* an orphan: pid 1's duty */
		learn_first(j);
		j->exited = true;
		j->sandbox_status = st;
		j->ended_us = clock_us();
		used(j, (struct meter_tree){
				.rss = ru.ru_maxrss * 1024,
				.cpu_ms = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
					  (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000,
			});
		/* What the tree read and wrote became ours with the reaping. */
		io = io && meter_io(&r1, &w1);
		j->io_read = io ? r1 - r0 : -1;
		j->io_write = io ? w1 - w0 : -1;
		finish(js, j);
	}
}

static void sample_disk(struct jobs *js)
{
	static int64_t next_us;
	int64_t from = clock_us(), used;

	if (!js->set->disk_bytes || from < next_us)
		return;
	used = meter_disk(js->set->workspace);
	next_us = clock_us() + (clock_us() - from) * DISK_SHARE + DISK_EVERY * SAMPLE_MS * 1000;
	/* One that began on a full disk may go on as long as it takes no more: it may be there to delete. */
	for (struct job *j = js->list; j && used > js->set->disk_bytes; j = j->next)
		if (j->state == JOB_RUNNING && used > j->disk_base) {
			j->disk_limit = true;
			kill_tree(j);
		}
}

static void on_sample(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *js = arg;

	(void)fd;
	(void)what;
	for (struct job *j = js->list; j; j = j->next)
		if (j->state == JOB_RUNNING)
			used(j, meter_tree(j->sandbox));
	sample_disk(js);
	sample_again(js);
}

/* ---- start-up ---- */

static void revive(const char *id, char *text, size_t n, void *arg)
{
	struct jobs *js = arg;
	AUTO_JSON struct json_object *o = json_tokener_parse(text);
	struct job *j = calloc(1, sizeof(*j));
	static const char *const words[] = { "completed", "failed", "timeout", "cancelled",
					     "crashed" };
	const char *status = json_object_get_string(json_object_object_get(o, "status"));

	if (!j || !status) {
		free(j);
		free(text);
		return;
	}
	snprintf(j->id, sizeof(j->id), "%s", id);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i], status))
			j->status = words[i];
	j->attempt = json_object_get_int64(json_object_object_get(o, "attempt"));
	j->out_fd = j->err_fd = j->result_fd = j->report_fd = j->info_fd = -1;
	j->state = JOB_ENDED;
	j->result = text;
	j->result_len = n;
	j->next = js->list;
	js->list = j;
	js->on_end(j, js->arg);
}

int jobs_open(struct jobs *js, const struct settings *set, struct event_base *base, char *why,
	      size_t whysz)
{
	ssize_t n = filter_build(js->filter, sizeof(js->filter), true);

	the_jobs = js;
	js->set = set;
	js->base = base;
	js->filter_len = n > 0 ? (size_t)n : 0;
	js->self_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (n < 0 || js->self_fd < 0 || jail_scan(&js->view) < 0 ||
	    spool_open(set->state_dir) < 0) {
		snprintf(why, whysz, "cannot prepare executions in %s: %s", set->state_dir,
			 strerror(errno));
		return -1;
	}
	sampler = evtimer_new(base, on_sample, js);
	if (!sampler) {
		snprintf(why, whysz, "out of memory");
		return -1;
	}
	spool_each(revive, js);
	return 0;
}
