/*
 * internal.c: what executors report (CONTRACT 9). Every call may be repeated;
 * none revives an ended session or changes a terminal execution.
 */
#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "../lib/store/container.h"
#include "../lib/store/node.h"
#include "../lib/work/dispatch.h"
#include "../lib/work/result.h"
#include "auth.h"
#include "handlers.h"
#include "internal.h"
#include "worker.h"

#define REPORT_MAX 65536 /* bytes of an isolation report; ours has fewer than 1,000 */

static int done(struct req *r, int status, const char *message, struct fault *f)
{
	return req_reply(r, status, jsn_str(json_object_new_object(), "message", message), f);
}

int internal_session(struct req *r, const char *container_id, bool late, struct session *s,
		     struct fault *f)
{
	struct db *db = req_db(r, f);
	struct container c;
	const char *id = r->params[0];
	int found;

	if (!db)
		return -1;
	if (!id) {
		if ((found = container_find(db, container_id, &c, r->a, f)) < 0)
			return -1;
		if (!found)
			return fault_set(f, FAULT_INT_NOT_FOUND,
					 "no session has the container %.128s", container_id);
		id = c.session_id;
	}
	if ((found = session_find(db, id, s, r->a, f)) < 0)
		return -1;
	if (!found)
		return fault_set(f, FAULT_INT_NOT_FOUND, "Session not found: %.64s", id);
	return auth_session(r, s->id, s->token_epoch, s->ended_ms_ago, late, f);
}

int internal_execution(struct req *r, bool late, struct execution_brief *x, struct fault *f)
{
	struct db *db = req_db(r, f);

	if (!db || execution_brief(db, r->params[0], x, r->a, f) < 0)
		return -1;
	return auth_session(r, x->session_id, x->token_epoch, x->ended_ms_ago, late, f);
}

/* ---- containers ---- */

struct ready {
	const char *container_id, *pod_name;
	struct json_object *isolation;
};

static void after_ready(struct req *r)
{
	dispatch_pending(&r->t->work, r->after_arg, r->a);
}

static int refuse_unisolated(struct req *r, struct db *db, const struct session *s,
			     const char *report, struct fault *f)
{
	static const struct session_end end = {
		.state = "failed",
		.reason = "isolation_unavailable",
		.error = "the container could not prove its isolation; nothing was run in it",
		.exec_state = "failed",
		.exec_reason = "isolation_unavailable"
	};

	if (session_set_isolation(db, s->id, report, f) < 0 ||
	    session_finish(db, r->t->work.cf, s->id, &end, false, f) < 0)
		return -1;
	log_error("isolation.failed", S("session_id", s->id), S("container_id", s->container_id),
		  S("report", report));
	r->after = house_end_session;
	r->after_arg = arena_strdup(r->a, s->id);
	return fault_set(f, FAULT_INT_CONFLICT,
			 "the session has failed: its isolation is not proven");
}

static int become_running(struct req *r, struct db *db, const struct session *s,
			  const struct ready *in, const char *report, bool *pull, struct fault *f)
{
	int n;

	if (container_running(db, s->container_id, in->pod_name, f) < 0 ||
	    node_isolation(db, s->node_id, report, f) < 0 ||
	    (n = session_ready(db, r->t->work.cf, s->id, s->container_id, report, in->pod_name,
			       pull, f)) < 0)
		return -1;
	if (n > 0) {
		log_info("session.running", S("session_id", s->id),
			 S("container_id", s->container_id), S("from", "creating"),
			 S("to", "running"));
		r->after = after_ready;
		r->after_arg = arena_strdup(r->a, s->id);
	}
	return 0;
}

/* POST /internal/sessions/{id}/container_ready */
int container_ready(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "container_id", NULL, JSN_STR, true, offsetof(struct ready, container_id), 1, 128,
		  NULL },
		{ "pod_name", NULL, JSN_STR, false, offsetof(struct ready, pod_name), 0, 128,
		  NULL },
		{ "isolation", NULL, JSN_OBJ, false, offsetof(struct ready, isolation), 0, 0,
		  NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct json_object *level, *o;
	struct ready in = { 0 };
	struct session s;
	const char *report;
	bool pull = false;
	size_t n = 0;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (jsn_done(&c, f) < 0 || internal_session(r, in.container_id, false, &s, f) < 0)
		return -1;
	if (!str_eq(s.container_id, in.container_id))
		return fault_set(f, FAULT_INT_CONFLICT,
				 "the container is not the session's current one");
	report = in.isolation ? arena_strdup(r->a, jsn_text(in.isolation, &n)) : NULL;
	level = in.isolation ? json_object_object_get(in.isolation, "level") : NULL;
	if (n > REPORT_MAX)
		return fault_set(f, FAULT_INT_REFUSED, "isolation: has more than %d bytes",
				 REPORT_MAX);
	if (!session_active(s.state))
		return fault_set(f, FAULT_INT_CONFLICT, "the session has ended");
	if ((!level || !strcmp(json_object_get_string(level), "none")) &&
	    !r->t->work.cf->executor_allow_unisolated)
		return refuse_unisolated(r, r->db, &s, report, f);
	if (become_running(r, r->db, &s, &in, report, &pull, f) < 0)
		return -1;
	o = jsn_str(json_object_new_object(), "message", "the session is running");
	o = jsn_bool(o, "pull", pull);
	return req_reply(r, 200, jsn_null(o, "layer"), f);
}

struct exited {
	const char *container_id, *exited_at, *reason, *error;
	int64_t exit_code;
};

static const char *const exit_reasons[] = { "normal",     "sigterm", "sigkill",
					    "oom_killed", "error",   NULL };

static int close_session(struct req *r, struct db *db, const struct session *s,
			 const struct exited *in, struct fault *f)
{
	bool oom = str_eq(in->reason, "oom_killed"), ok = in->exit_code == 0;
	struct session_end end = { .state = ok ? "completed" : "failed",
				   .reason = oom ? "oom" : "container_exited",
				   .error = ok    ? NULL
					    : oom ? "the container ran out of memory"
						  : "the container ended by itself",
				   .exec_state = "crashed",
				   .exec_reason = oom ? "oom" : "session_ended" };
	int n = session_finish(db, r->t->work.cf, s->id, &end, false, f);

	if (n > 0) {
		log_warn("session.ended", S("session_id", s->id), S("from", s->state),
			 S("to", end.state), S("ended_reason", end.reason), S("by", "executor"));
		r->after = house_end_session;
		r->after_arg = arena_strdup(r->a, s->id);
	}
	return n < 0 ? -1 : 0;
}

/* POST /internal/sessions/{id}/container_exited */
int container_gone(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "container_id", NULL, JSN_STR, false, offsetof(struct exited, container_id), 1,
		  128, NULL },
		{ "exit_code", NULL, JSN_INT, true, offsetof(struct exited, exit_code), 0, 255,
		  NULL },
		{ "exited_at", NULL, JSN_STR, true, offsetof(struct exited, exited_at), 1, 64,
		  NULL },
		{ "exit_reason", NULL, JSN_ENUM, false, offsetof(struct exited, reason), 0, 0,
		  exit_reasons },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct exited in = { .exit_code = JSN_ABSENT };
	struct session s;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (!r->params[0] && !in.container_id)
		jsn_bad(&c, "missing", "container_id", NULL, "is required");
	if (jsn_done(&c, f) < 0 || internal_session(r, in.container_id, true, &s, f) < 0)
		return -1;
	if (in.container_id && !str_eq(in.container_id, s.container_id))
		return done(r, 200, "an older container", f);
	if (container_exited(r->db, s.container_id, in.exit_code, in.reason, NULL, f) < 0)
		return -1;
	if (session_active(s.state) && close_session(r, r->db, &s, &in, f) < 0)
		return -1;
	return done(r, 200, "recorded", f);
}

/* ---- heartbeats ---- */

struct beat {
	struct json_object *running, *queued, *usage;
};
struct usage {
	int64_t cpu_ms, memory_bytes, disk_bytes;
};
struct item {
	const char *id;
	int64_t attempt;
};

#define BEAT_MAX 512 /* ids in one heartbeat: [execution] max_parallel + max_queue, generously */

/* Marks one as alive, or says what the executor should do with it. */
static int beat_one(struct req *r, struct db *db, const struct session *s, struct json_object *v,
		    bool running, struct json_object **cancel, struct json_object **forget,
		    struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "id", NULL, JSN_STR, true, offsetof(struct item, id), 1, 64, NULL },
		{ "attempt", NULL, JSN_INT, false, offsetof(struct item, attempt), 1, 100, NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct item it = { .attempt = 1 };
	struct execution_brief x;
	struct fault own = { 0 };
	int n = 0;

	jsn_read(&c, v, running ? "running" : "queued", fields, ARRAY_LEN(fields), &it);
	if (jsn_done(&c, f) < 0)
		return -1;
	if (running && (n = execution_alive(db, it.id, it.attempt, NULL, f)) < 0)
		return -1;
	if (n > 0)
		return 0;
	if (execution_brief(db, it.id, &x, r->a, &own) < 0) {
		if (!fault_is(&own, FAULT_EXECUTION_NOT_FOUND)) {
			*f = own;
			return -1;
		}
		*forget = jsn_push(*forget, json_object_new_string(it.id));
	} else if (strcmp(x.session_id, s->id) || !execution_open(x.state) ||
		   x.attempt != it.attempt) {
		*cancel = jsn_push(*cancel, json_object_new_string(it.id));
	}
	return 0;
}

static int beat_list(struct req *r, struct db *db, const struct session *s,
		     struct json_object *list, bool running, struct json_object **cancel,
		     struct json_object **forget, struct fault *f)
{
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && i < BEAT_MAX; i++)
		if (beat_one(r, db, s, json_object_array_get_idx(list, i), running, cancel, forget,
			     f) < 0)
			return -1;
	return 0;
}

/* POST /internal/sessions/{id}/heartbeat */
int session_heartbeat(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "running", NULL, JSN_ARR, false, offsetof(struct beat, running), 0, 0, NULL },
		{ "queued", NULL, JSN_ARR, false, offsetof(struct beat, queued), 0, 0, NULL },
		{ "usage", NULL, JSN_OBJ, false, offsetof(struct beat, usage), 0, 0, NULL },
	};
	static const struct jsn_field usage_fields[] = {
		{ "cpu_ms", NULL, JSN_INT, false, offsetof(struct usage, cpu_ms), 0, 0, NULL },
		{ "memory_bytes", NULL, JSN_INT, false, offsetof(struct usage, memory_bytes), 0, 0,
		  NULL },
		{ "disk_bytes", NULL, JSN_INT, false, offsetof(struct usage, disk_bytes), 0, 0,
		  NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct usage u = { JSN_ABSENT, JSN_ABSENT, JSN_ABSENT };
	struct json_object *cancel = json_object_new_array(), *forget = json_object_new_array(), *o;
	struct beat in = { 0 };
	struct session s;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (in.usage)
		jsn_read(&c, in.usage, "usage", usage_fields, ARRAY_LEN(usage_fields), &u);
	if (jsn_done(&c, f) < 0 || internal_session(r, NULL, false, &s, f) < 0 ||
	    beat_list(r, r->db, &s, in.running, true, &cancel, &forget, f) < 0 ||
	    beat_list(r, r->db, &s, in.queued, false, &cancel, &forget, f) < 0 ||
	    container_usage(r->db, s.container_id, u.cpu_ms, u.memory_bytes, u.disk_bytes, f) < 0) {
		json_object_put(cancel);
		json_object_put(forget);
		return -1;
	}
	o = jsn_str(json_object_new_object(), "message", "alive");
	o = jsn_put(o, "cancel", cancel);
	return req_reply(r, 200, jsn_put(o, "forget", forget), f);
}

/* POST /internal/executions/{id}/heartbeat */
int execution_heartbeat(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "attempt", NULL, JSN_INT, false, offsetof(struct item, attempt), 1, 100, NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct item in = { .attempt = 1 };
	struct execution_brief x;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (jsn_done(&c, f) < 0 || internal_execution(r, false, &x, f) < 0 ||
	    execution_alive(r->db, x.id, in.attempt, NULL, f) < 0)
		return -1;
	return done(r, 200, "alive", f);
}

/* ---- executions ---- */

struct status {
	const char *status, *started_at;
	int64_t attempt;
};

/* POST /internal/executions/{id}/status: only running moves the state, the others announce a result. */
int execution_status(struct req *r, struct fault *f)
{
	static const char *const words[] = { "running", "timeout", "crashed", NULL };
	static const struct jsn_field fields[] = {
		{ "status", NULL, JSN_ENUM, true, offsetof(struct status, status), 0, 0, words },
		{ "attempt", NULL, JSN_INT, false, offsetof(struct status, attempt), 1, 100, NULL },
		{ "started_at", NULL, JSN_STR, false, offsetof(struct status, started_at), 0, 64,
		  NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct status in = { .attempt = 1 };
	const char *started = NULL;
	struct execution_brief x;
	int64_t ms;
	int n;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (jsn_done(&c, f) < 0 || internal_execution(r, false, &x, f) < 0)
		return -1;
	if (strcmp(in.status, "running"))
		return done(r, 200, "noted; the result decides", f);
	if (in.started_at && clock_parse(in.started_at, &ms)) {
		char text[CLOCK_RFC3339_SZ];

		clock_format(ms, text);
		started = arena_printf(r->a, "%.10s %.12s", text, text + 11);
	}
	if ((n = execution_alive(r->db, x.id, in.attempt, started, f)) < 0)
		return -1;
	if (n == 0)
		return fault_set(f, FAULT_INT_CONFLICT, "the execution is %s, attempt %lld",
				 x.state, (long long)x.attempt);
	return done(r, 200, "running", f);
}

/* POST /internal/executions/{id}/result */
int execution_result(struct req *r, struct fault *f)
{
	struct execution_brief x;
	struct execution_result res;
	int n;

	if (internal_execution(r, true, &x, f) < 0)
		return -1;
	if (!json_object_object_get_ex(r->in, "exit_code", NULL)) {
		struct jsn_check c = { .a = r->a, .where = "body" };

		jsn_bad(&c, "missing", "exit_code", NULL, "is required, may be null");
		return jsn_done(&c, f);
	}
	if (result_read(r->in, r->body, r->body_len, &res, r->a, f) < 0 ||
	    (n = execution_record(r->db, r->t->work.cf, x.id, &res, r->a, f)) < 0)
		return -1;
	if (n > 0)
		log_info("execution.ended", S("execution_id", x.id), S("session_id", x.session_id),
			 S("from", x.state), S("to", res.status),
			 S("ended_reason", res.ended_reason), S("by", "executor"));
	return done(r, n > 0 ? 201 : 200, n > 0 ? "recorded" : "already recorded", f);
}
