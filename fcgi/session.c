/* session.c: /api/v1/sessions (CONTRACT 3). */
#include "session.h"

#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/jsw.h"
#include "../lib/base/log.h"
#include "handlers.h"
#include "idem.h"
#include "page.h"
#include "worker.h"

/* ---- out ---- */

static void dependency_fields(struct jsw *w, const struct session *s)
{
	jsw_str(w, "python_package_index_url", s->python_package_index_url);
	jsw_raw(w, "requested_dependencies", s->requested_dependencies);
	jsw_raw(w, "installed_dependencies", s->installed_dependencies);
	jsw_str(w, "dependency_install_status", s->dependency_install_status);
	jsw_str(w, "dependency_install_error", s->dependency_install_error);
	jsw_time(w, "dependency_install_started_at", s->dependency_install_started_at);
	jsw_time(w, "dependency_install_completed_at", s->dependency_install_completed_at);
}

struct json_object *session_json(struct req *r, const struct session *s)
{
	struct jsw out, *w = &out;
	const char *text;

	jsw_begin(w, r->a);
	jsw_str(w, "id", s->id);
	jsw_str(w, "session_id", s->id);
	jsw_str(w, "template_id", s->template_id);
	jsw_int(w, "template_version", s->template_version);
	jsw_str(w, "status", s->state);
	jsw_str(w, "ended_reason", s->ended_reason);
	jsw_str(w, "error_message", s->error_message);
	jsw_str(w, "error", s->error_message);
	jsw_raw(w, "resource_limit", s->resources_given);
	jsw_raw(w, "resources", s->resources_given);
	jsw_str(w, "workspace_path",
		arena_printf(r->a, "s3://%s/sessions/%s/", r->t->work.cf->storage_bucket, s->id));
	jsw_str(w, "runtime_type", s->runtime_type);
	jsw_str(w, "language_runtime", s->language_runtime);
	jsw_str(w, "runtime_node", s->node_id);
	jsw_str(w, "container_id", s->container_id);
	jsw_str(w, "pod_name", s->pod_name);
	jsw_raw(w, "isolation", s->isolation);
	jsw_str(w, "network", s->network);
	jsw_raw(w, "env_vars", s->env_vars);
	jsw_int(w, "timeout", s->timeout_s);
	jsw_int(w, "recovery_count", s->recovery_count);
	dependency_fields(w, s);
	jsw_time(w, "created_at", s->created_at);
	jsw_time(w, "updated_at", s->updated_at);
	jsw_time(w, "started_at", s->started_at);
	jsw_time(w, "last_activity_at", s->last_activity_at);
	jsw_time(w, "expires_at", s->expires_at);
	jsw_time(w, "completed_at", s->completed_at);
	text = jsw_end(w);
	return text ? jsn_rawval(text) : NULL;
}

int session_reply(struct req *r, int status, const char *id, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct session s;

	if (!db || session_load(db, id, &s, r->a, f) < 0)
		return -1;
	return req_reply(r, status, session_json(r, &s), f);
}

/* ---- reading ---- */

/* GET /api/v1/sessions/{id} */
int get_session(struct req *r, struct fault *f)
{
	return session_reply(r, 200, r->params[0], f);
}

/* A time of the query as the database compares it. */
static const char *time_filter(struct req *r, struct jsn_check *c, const char *name)
{
	const char *s = req_query(r, name);
	char text[CLOCK_RFC3339_SZ];
	int64_t ms;

	if (!s)
		return NULL;
	if (!clock_parse(s, &ms)) {
		AUTO_JSON struct json_object *in = json_object_new_string(s);

		jsn_bad(c, "value_error", name, in,
			"must be an RFC 3339 time such as 2026-01-06T10:00:00Z");
		return NULL;
	}
	clock_format(ms, text);
	return arena_printf(r->a, "%.10s %.12s", text, text + 11);
}

/* GET /api/v1/sessions */
int list_sessions(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	struct session_filter x = {
		.state = req_query(r, "status"),
		.template_id = req_query(r, "template_id"),
		.created_after = time_filter(r, &c, "created_after"),
		.created_before = time_filter(r, &c, "created_before"),
	};
	struct json_object *items = json_object_new_array();
	struct session *rows;
	struct page p;
	struct db *db;
	int64_t total = 0;
	int n, show;

	if (jsn_done(&c, f) < 0 || page_read(r, &p, f) < 0 || !(db = req_db(r, f)))
		goto fail;
	if (!(rows = arena_alloc(r->a, (size_t)(p.limit + 1) * sizeof(*rows)))) {
		fault_set(f, FAULT_INTERNAL, "request memory");
		goto fail;
	}
	n = session_list(db, &x, p.after_at, p.after_id, p.offset, rows, (int)p.limit + 1, r->a, f);
	if (n < 0 || session_count(db, &x, &total, f) < 0)
		goto fail;
	show = n > p.limit ? (int)p.limit : n;
	for (int i = 0; i < show; i++)
		items = jsn_push(items, session_json(r, &rows[i]));
	return req_reply(r, 200,
			 page_body(r, &p, items, n > show, total,
				   n > show ? rows[show - 1].created_at : NULL,
				   n > show ? rows[show - 1].id : NULL),
			 f);
fail:
	json_object_put(items);
	return -1;
}

/* ---- ending ---- */

static int end_session(struct req *r, const struct session_end *end, bool delete, struct fault *f)
{
	struct session s;
	struct db *db = req_db(r, f);
	int ended;

	if (!db || session_load(db, r->params[0], &s, r->a, f) < 0)
		return -1;
	if ((ended = session_finish(db, r->t->work.cf, s.id, end, delete, f)) < 0)
		return -1;
	if (ended)
		log_info("session.ended", S("session_id", s.id), S("from", s.state),
			 S("to", end->state), S("ended_reason", end->reason),
			 S("by", r->who.key_id));
	if (ended || delete) {
		r->after = house_end_session;
		r->after_arg = arena_strdup(r->a, s.id);
	}
	return 0;
}

/* POST /api/v1/sessions/{id}/terminate */
int terminate_session(struct req *r, struct fault *f)
{
	static const struct session_end end = { .state = "terminated",
						.reason = "user_terminated",
						.exec_state = "cancelled",
						.exec_reason = "session_ended" };

	if (end_session(r, &end, false, f) < 0)
		return -1;
	return session_reply(r, 200, r->params[0], f);
}

/* DELETE /api/v1/sessions/{id} */
int delete_session(struct req *r, struct fault *f)
{
	static const struct session_end end = { .state = "terminated",
						.reason = "user_deleted",
						.exec_state = "cancelled",
						.exec_reason = "session_ended" };

	if (end_session(r, &end, true, f) < 0)
		return -1;
	return req_empty(r, 204);
}

struct renewal {
	int64_t timeout;
};

/* POST /api/v1/sessions/{id}/renew */
int renew_session(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "timeout", NULL, JSN_INT, false, offsetof(struct renewal, timeout), 1, 3600,
		  NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct renewal in = { .timeout = JSN_ABSENT };
	struct session s;
	struct db *db;
	int n;

	if (r->in)
		jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (jsn_done(&c, f) < 0 || !(db = req_db(r, f)) ||
	    session_load(db, r->params[0], &s, r->a, f) < 0)
		return -1;
	if ((n = session_touch(db, r->t->work.cf, s.id, in.timeout, f)) < 0)
		return -1;
	if (n == 0 && session_load(db, s.id, &s, r->a, f) == 0)
		return session_inactive_fault(&s, f);
	return session_reply(r, 200, s.id, f);
}
