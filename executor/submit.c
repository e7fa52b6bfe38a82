/* submit.c: from the body of POST /executions to a job in the table. */
#include <ctype.h>
#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "job.h"

struct body {
	const char *execution_id, *session_id, *code, *language, *stdin_text, *entrypoint,
		*limit_action;
	struct json_object *event, *env;
	int64_t attempt, timeout, output_max, output_inline;
};

#define AT(f) offsetof(struct body, f)

static bool identifier_ok(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!strchr("_$", *p) && !isalpha((unsigned char)*p) &&
		    (p == s || !isdigit((unsigned char)*p)) && (unsigned char)*p < 0x80)
			return false;
	return true;
}

static void check_env(struct jsn_check *c, struct json_object *env)
{
	char path[160];

	if (!env)
		return;
	json_object_object_foreach (env, name, value) {
		snprintf(path, sizeof(path), "env_vars.%.128s", name);
		if (!*name || strchr(name, '='))
			jsn_bad(c, "value_error", path, NULL, "is not a name");
		else if (!json_object_is_type(value, json_type_string))
			jsn_bad(c, "string_type", path, value, "must be a string");
		else if (strlen(json_object_get_string(value)) !=
			 (size_t)json_object_get_string_len(value))
			jsn_bad(c, "value_error", path, NULL, "must not hold U+0000");
	}
}

static int read_body(struct jobs *js, struct json_object *in, struct body *b, struct arena *a,
		     struct fault *f)
{
	static const char *const actions[] = { "drop", "kill", NULL };
	const struct settings *s = js->set;
	const struct jsn_field fields[] = {
		{ "execution_id", NULL, JSN_STR, true, AT(execution_id), 1, 64, NULL },
		{ "session_id", NULL, JSN_STR, false, AT(session_id), 1, 64, NULL },
		{ "code", NULL, JSN_STR, true, AT(code), 1, s->max_code_bytes, NULL },
		{ "language", NULL, JSN_STR, true, AT(language), 1, 32, NULL },
		{ "timeout", NULL, JSN_INT, false, AT(timeout), 1, 3600, NULL },
		{ "attempt", NULL, JSN_INT, false, AT(attempt), 1, 100, NULL },
		{ "event", NULL, JSN_ANY, false, AT(event), 0, 0, NULL },
		{ "stdin", NULL, JSN_STR, false, AT(stdin_text), 0, 1 << 20, NULL },
		{ "env_vars", NULL, JSN_OBJ, false, AT(env), 0, 0, NULL },
		{ "entrypoint", NULL, JSN_STR, false, AT(entrypoint), 1, 128, NULL },
		{ "output_max_bytes", NULL, JSN_INT, false, AT(output_max), 1024,
		  s->output_max_bytes, NULL },
		{ "output_inline_bytes", NULL, JSN_INT, false, AT(output_inline), 1024,
		  s->output_inline_bytes, NULL },
		{ "output_limit_action", NULL, JSN_ENUM, false, AT(limit_action), 0, 0, actions },
	};
	struct jsn_check c = { .a = a, .where = "body" };
	char detail[sizeof(f->detail)];

	jsn_read(&c, in, NULL, fields, ARRAY_LEN(fields), b);
	if (b->execution_id && !ident_ok(b->execution_id))
		jsn_bad(&c, "value_error", "execution_id", NULL, "is not an id");
	if (b->entrypoint && !identifier_ok(b->entrypoint))
		jsn_bad(&c, "value_error", "entrypoint", NULL, "is not an identifier");
	check_env(&c, b->env);
	if (jsn_done(&c, f) == 0)
		return 0;
	memcpy(detail, f->detail, sizeof(detail));
	return fault_set(f, FAULT_EXE_INVALID, "%s", detail);
}

/* Forgets the oldest delivered one when the table is full. */
static int make_room(struct jobs *js)
{
	struct job **oldest = NULL;
	size_t n = 0;

	for (struct job **p = &js->list; *p; p = &(*p)->next, n++)
		if ((*p)->state == JOB_FREED)
			oldest = p;
	if (n < JOBS_KNOWN_MAX)
		return 0;
	if (!oldest)
		return -1;
	struct job *gone = *oldest;

	*oldest = gone->next;
	output_free(gone->out, true);
	output_free(gone->err, true);
	free(gone);
	return 0;
}

static char *event_text(const struct body *b, const char *text, size_t len)
{
	const char *raw;
	size_t n = b->event ? jsn_span(text, len, "event", &raw) : 0;

	return n ? strndup(raw, n) : strdup("{}");
}

static struct job *new_job(const struct body *b, const struct lang *l, const char *text, size_t len)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	snprintf(j->id, sizeof(j->id), "%s", b->execution_id);
	j->attempt = b->attempt;
	j->timeout_s = b->timeout;
	j->output_max = b->output_max;
	j->output_inline = b->output_inline;
	j->output_kill = !strcmp(b->limit_action, "kill");
	j->lang = l;
	j->out_fd = j->err_fd = j->result_fd = j->report_fd = j->info_fd = -1;
	j->io_read = j->io_write = -1;
	j->accepted_us = clock_us();
	j->entrypoint_given = b->entrypoint != NULL;
	j->entrypoint = strdup(b->entrypoint ? b->entrypoint : "handler");
	j->code = strdup(b->code);
	j->event = event_text(b, text, len);
	j->stdin_text = b->stdin_text ? strdup(b->stdin_text) : NULL;
	j->env = json_object_get(b->env);
	if (j->entrypoint && j->code && j->event && (j->stdin_text || !b->stdin_text))
		return j;
	job_free_input(j);
	free(j);
	return NULL;
}

/* A known id: its state, unless a higher attempt of a crashed one is asked for. */
static bool runs_anew(struct job *old, const struct body *b)
{
	if (b->attempt <= old->attempt)
		return false;
	if (job_open(old->state)) {
		old->attempt = b->attempt; /* adopted while it runs */
		return false;
	}
	return old->status && !strcmp(old->status, "crashed");
}

static void forget(struct jobs *js, struct job *old)
{
	job_free_result(js, old, true);
	old->id[0] = '\0'; /* no longer found; the row leaves with the oldest */
}

int job_submit(struct jobs *js, struct json_object *in, const char *text, size_t len,
	       struct arena *a, int *status, struct job **out, struct fault *f)
{
	struct body b = { .attempt = 1,
			  .timeout = 30,
			  .output_max = js->set->output_max_bytes,
			  .output_inline = js->set->output_inline_bytes,
			  .limit_action = js->set->limit_action };
	const struct lang *l;
	struct job *j;

	if (read_body(js, in, &b, a, f) < 0)
		return -1;
	if ((j = job_find(js, b.execution_id)) && !runs_anew(j, &b)) {
		*status = 200;
		*out = j;
		return 0;
	}
	if (j)
		forget(js, j);
	if (!js->isolated && !js->set->allow_unisolated)
		return fault_set(f, FAULT_EXE_ISOLATION, "the isolation is not proven");
	if (js->stopping ||
	    js->running + js->queued >= js->set->max_parallel + js->set->max_queue ||
	    make_room(js) < 0)
		return fault_set(f, FAULT_EXE_QUEUE_FULL,
				 js->stopping ? "the executor is stopping"
					      : "the job table is full");
	if (!(l = lang_find(b.language)))
		return fault_set(f, FAULT_EXE_INVALID, "language: the image has no %s", b.language);
	if (!(j = new_job(&b, l, text, len)))
		return fault_set(f, FAULT_EXE_INTERNAL, "out of memory");
	j->next = js->list;
	js->list = j;
	js->queued++;
	jobs_start_next(js);
	*status = 201;
	*out = j;
	return 0;
}
