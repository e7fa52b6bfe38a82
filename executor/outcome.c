/* outcome.c: the result document of an ended job (CONTRACT 9, Result). */
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../lib/base/clock.h"
#include "../lib/base/text.h"
#include "ending.h"
#include "filter.h"
#include "init.h"
#include "job.h"
#include "meter.h"

#define RESULT_SLACK 4096      /* bytes around the value in the runner's document */
#define ERROR_MAX    (1 << 20) /* bytes of a runner's error that are read */

/* What the runner wrote: {"value":…} or {"error":…}; anything else is no result. */
struct answer {
	char *text;
	const char *value, *error, *invalid;
	size_t nvalue, nerror;
	bool too_large;
};

static void read_answer(const struct jobs *js, struct job *j, struct answer *x, struct arena *a)
{
	struct stat st;
	size_t at, max = (size_t)js->set->max_return_bytes + RESULT_SLACK;
	const char *why;
	ssize_t n;

	if (j->result_fd < 0 || fstat(j->result_fd, &st) < 0 || st.st_size == 0)
		return;
	if (max < ERROR_MAX)
		max = ERROR_MAX;
	if ((size_t)st.st_size > max) {
		x->too_large = true;
		return;
	}
	if (!(x->text = arena_alloc(a, (size_t)st.st_size + 1)) ||
	    (n = pread(j->result_fd, x->text, (size_t)st.st_size, 0)) != st.st_size)
		return;
	if (!jsn_valid(x->text, (size_t)n, &at, &why)) {
		x->invalid = why;
		return;
	}
	if (!jsn_unique(
		    x->text,
		    (size_t)n)) { /* the control plane's parser refuses those, and the whole result with it */
		x->invalid = "an object has two members of the same name";
		return;
	}
	x->nvalue = jsn_span(x->text, (size_t)n, "value", &x->value);
	x->nerror = x->nvalue ? 0 : jsn_span(x->text, (size_t)n, "error", &x->error);
	x->too_large = (int64_t)x->nvalue > js->set->max_return_bytes;
}

static const char *made_error(const char *type, const char *message, struct arena *a)
{
	AUTO_JSON struct json_object *o = json_object_new_object();
	size_t n;

	o = jsn_str(o, "errorType", type);
	o = jsn_str(o, "errorMessage", message);
	o = jsn_put(o, "stackTrace", json_object_new_array());
	return o ? arena_strdup(a, jsn_text(o, &n)) : NULL;
}

static const char *message_of(const struct ending *e, const struct answer *x,
			      const struct init_report *r, const struct job *j, struct arena *a)
{
	char name[64];

	if (!strcmp(e->reason, "exec_timeout"))
		return arena_printf(a, "the execution did not end within %lld s",
				    (long long)j->timeout_s);
	if (!strcmp(e->reason, "oom"))
		return "the container ran out of memory";
	if (!strcmp(e->reason, "seccomp")) {
		if (r->syscall < 0)
			return "a forbidden system call";
		filter_name(r->syscall, name, sizeof(name));
		return arena_printf(a, "the system call %s (%d) is forbidden", name, r->syscall);
	}
	if (!strcmp(e->reason, "pids_limit"))
		return "the container's process limit was reached";
	if (!strcmp(e->reason, "disk_quota"))
		return j->not_stored ? arena_printf(a, "the session's disk is full; not stored: %s",
						    j->not_stored)
				     : "the session's disk is full";
	if (!strcmp(e->reason, "output_limit"))
		return "more output than the limit allows";
	if (e->signal)
		return arena_printf(a, "ended by signal %d", e->signal);
	if (!strcmp(e->error_type, "SandboxNotStarted"))
		return arena_printf(a, "the sandbox could not be started%s%s", r->error ? ": " : "",
				    r->error ? strerror(r->error) : "");
	if (!strcmp(e->error_type, "ReturnValueNotSerializable"))
		return arena_printf(a, "the return value is no JSON that a result can hold: %s",
				    x->invalid);
	if (!strcmp(e->error_type, "ReturnValueTooLarge"))
		return "the return value is larger than max_return_bytes";
	if (!strcmp(e->error_type, "ExitError"))
		return arena_printf(a, "exited with code %d", e->exit_code);
	return "ended by request";
}

/* Bytes that the text takes in JSON: what base64 would make shorter goes as base64, so that results stay below 32 MiB. */
static size_t escaped(const char *text, size_t n)
{
	size_t sum = n;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' && (!text[i] || !strchr("\b\f\n\r\t", text[i])))
			sum += 5;
	return sum;
}

static struct json_object *stream(struct json_object *o, const char *name, const struct output *out,
				  struct arena *a)
{
	const char *text;
	size_t n = 0;
	bool cut = false;

	if (!(text = output_inline(out, a, &n, &cut)))
		return jsn_put(o, name, NULL);
	/* Keys must outlive the object: they are arena text. */
	if (text_utf8_ok(text, n) && escaped(text, n) <= n + n / 3) {
		o = jsn_strn(o, name, text, n);
		o = jsn_str(o, arena_printf(a, "%s_encoding", name), "utf-8");
	} else {
		o = jsn_str(o, name, text_base64(a, text, n));
		o = jsn_str(o, arena_printf(a, "%s_encoding", name), "base64");
	}
	o = jsn_int(o, arena_printf(a, "%s_bytes", name), output_total(out));
	o = jsn_bool(o, arena_printf(a, "%s_truncated", name), cut);
	return jsn_int(o, arena_printf(a, "%s_dropped_bytes", name), output_dropped(out));
}

static struct json_object *metrics(const struct job *j)
{
	struct json_object *m = json_object_new_object();
	int64_t run_us = j->started ? j->ended_us - j->started_us : 0;

	m = jsn_int(m, "duration_ms", run_us / 1000);
	m = jsn_int(m, "cpu_time_ms", j->started ? j->cpu_ms : JSN_ABSENT);
	m = jsn_num(m, "peak_memory_mb",
		    j->peak_bytes ? round((double)j->peak_bytes / 10485.76) / 100 : NAN);
	m = jsn_int(m, "io_read_bytes", j->io_read < 0 ? JSN_ABSENT : j->io_read);
	m = jsn_int(m, "io_write_bytes", j->io_write < 0 ? JSN_ABSENT : j->io_write);
	return jsn_int(m, "queue_ms",
		       ((j->started ? j->started_us : j->ended_us) - j->accepted_us) / 1000);
}

static struct json_object *head(struct json_object *o, struct job *j, const struct ending *e)
{
	o = jsn_str(o, "execution_id", j->id);
	o = jsn_str(o, "status", e->status);
	o = jsn_str(o, "ended_reason", e->reason);
	o = jsn_bool(o, "retryable", e->retryable);
	o = jsn_int(o, "attempt", j->attempt);
	o = jsn_int(o, "exit_code", e->exit_code == INT32_MIN ? JSN_ABSENT : e->exit_code);
	return jsn_int(o, "signal", e->signal ? e->signal : JSN_ABSENT);
}

static struct json_object *when(struct json_object *o, const char *key, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_SZ];

	if (!wall_ms)
		return jsn_null(o, key);
	clock_format(wall_ms, text);
	return jsn_str(o, key, text);
}

/* The runner's own words win where the reason is a plain end; our reasons replace them. */
static struct json_object *put_error(struct json_object *o, const struct ending *e,
				     const struct answer *x, struct job *j, struct arena *a)
{
	const char *text = NULL, *message, *type;

	if (x->nerror && !e->error_type && strcmp(e->status, "completed")) {
		AUTO_JSON struct json_object *err = NULL;

		text = arena_strndup(a, x->error, x->nerror);
		err = text ? json_tokener_parse(text) : NULL;
		type = json_object_get_string(json_object_object_get(err, "errorType"));
		message = json_object_get_string(json_object_object_get(err, "errorMessage"));
		o = jsn_str(o, "error_message",
			    arena_printf(a, "%s: %s", type ? type : "Error",
					 message ? message : ""));
	} else if (e->error_type) {
		message = message_of(e, x, &j->report, j, a);
		text = made_error(e->error_type, message, a);
		o = jsn_str(o, "error_message", arena_printf(a, "%s: %s", e->error_type, message));
	} else if (j->not_stored) { /* it did what it should; not all it made is kept */
		message = arena_printf(a, "not stored: %s", j->not_stored);
		text = made_error("FilesNotStored", message, a);
		o = jsn_str(o, "error_message", arena_printf(a, "FilesNotStored: %s", message));
	} else {
		o = jsn_null(o, "error_message");
	}
	return jsn_raw(o, "error", text);
}

/* bwrap ends with 1 when it could not build the sandbox, else as its first process: 128 + n for a signal. */
static bool bwrap_failed(const struct job *j)
{
	return WIFEXITED(j->sandbox_status) && WEXITSTATUS(j->sandbox_status) == 1;
}

static struct ending decide(const struct job *j, const struct answer *x)
{
	const struct init_report *r = &j->report;
	bool reported = j->reported;
	struct ending_facts f = {
		.cancelled = j->cancelled,
		.session_ended = j->session_ended,
		.timed_out = j->timed_out,
		.output_limit = j->output_limit,
		.disk_limit = j->disk_limit,
		.oom_rose = j->oom_rose,
		.pids_rose = j->pids_rose,
		.reported = reported,
		.started = reported ? r->started : j->started && j->first != 0 && !bwrap_failed(j),
		.wait_status = r->status,
		.syscall = r->syscall,
		.has_error = x->nerror != 0,
	};
	struct ending e = ending_of(&f);

	if (!strcmp(e.status, "completed") && (x->too_large || x->invalid)) {
		e.status = "failed";
		e.error_type = x->too_large ? "ReturnValueTooLarge" : "ReturnValueNotSerializable";
	}
	return e;
}

/* In the result they are paths: the rest was told before (CONTRACT 9). */
static struct json_object *artifact_paths(const struct job *j)
{
	struct json_object *list = json_object_new_array();
	size_t n = j->artifacts ? json_object_array_length(j->artifacts) : 0;

	for (size_t i = 0; i < n; i++)
		list = jsn_push(list, json_object_get(json_object_object_get(
					      json_object_array_get_idx(j->artifacts, i), "path")));
	return list;
}

char *outcome_build(struct jobs *js, struct job *j, size_t *len)
{
	struct arena *a = arena_new((size_t)96 << 20);
	AUTO_JSON struct json_object *o = json_object_new_object();
	struct answer x = { 0 };
	struct ending e;
	const char *text = NULL;
	char *copy = NULL;

	if (!a)
		return NULL;
	read_answer(js, j, &x, a);
	e = decide(j, &x);
	j->status = e.status;
	o = head(o, j, &e);
	o = jsn_raw(o, "return_value",
		    !strcmp(e.status, "completed") && x.nvalue ? arena_strndup(a, x.value, x.nvalue)
							       : NULL);
	o = put_error(o, &e, &x, j, a);
	o = stream(o, "stdout", j->out, a);
	o = stream(o, "stderr", j->err, a);
	o = jsn_put(o, "metrics", metrics(j));
	o = jsn_put(o, "artifacts", artifact_paths(j));
	o = jsn_bool(o, "artifacts_truncated", j->artifacts_more);
	o = when(o, "started_at", j->started ? j->started_wall_ms : 0);
	o = when(o, "completed_at", j->ended_wall_ms);
	if (o && (text = jsn_text(o, len)))
		copy = strdup(text);
	json_object_put(TAKE_PTR(o));
	arena_free(a);
	return copy;
}

char *outcome_poor(struct job *j)
{
	char *text = NULL;

	j->status = "failed";
	if (asprintf(
		    &text,
		    "{\"execution_id\":\"%s\",\"status\":\"failed\",\"ended_reason\":\"internal\",\"retryable\":true,"
		    "\"attempt\":%lld,\"exit_code\":null}",
		    j->id, (long long)j->attempt) < 0)
		return NULL;
	return text;
}
