/* template.c: /api/v1/templates (CONTRACT 5). */
#include <stdio.h>

#include "../lib/base/etag.h"
#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "../lib/store/template.h"
#include "handlers.h"
#include "idem.h"
#include "page.h"
#include "resources.h"
#include "template_body.h"
#include "when.h"

/* ---- out ---- */

static struct json_object *security_json(const struct template *t)
{
	struct json_object *o = jsn_int(json_object_new_object(), "run_as_user", t->run_as_user);

	return jsn_bool(o, "read_only_root", t->read_only_root);
}

static struct json_object *limits_fields(struct req *r, struct json_object *o,
					 const struct template *t)
{
	const struct limits l = { .cpu_millis = t->cpu_millis,
				  .memory_bytes = t->memory_bytes,
				  .disk_bytes = t->disk_bytes,
				  .max_processes = t->max_processes };

	o = jsn_num(o, "default_cpu_cores", (double)t->cpu_millis / 1000);
	o = jsn_int(o, "default_memory_mb", t->memory_bytes / MIB);
	o = jsn_int(o, "default_disk_mb", t->disk_bytes / MIB);
	o = jsn_int(o, "default_timeout", t->timeout_s);
	o = jsn_int(o, "default_timeout_sec", t->timeout_s);
	o = jsn_int(o, "max_processes", t->max_processes);
	return jsn_put(o, "default_resources", limits_json(&l, r->a));
}

static struct json_object *template_json(struct req *r, const struct template *t)
{
	struct json_object *o = json_object_new_object();

	o = jsn_str(o, "id", t->id);
	o = jsn_str(o, "name", t->name);
	o = jsn_str(o, "description", t->description);
	o = jsn_int(o, "version", t->version);
	o = jsn_str(o, "image_url", t->image_url);
	o = jsn_str(o, "image", t->image_url);
	o = jsn_str(o, "runtime_type", t->runtime_type);
	o = limits_fields(r, o, t);
	o = jsn_raw(o, "env_vars", t->env_vars);
	o = jsn_raw(o, "default_env_vars", t->env_vars);
	o = jsn_str(o, "network", t->network);
	o = jsn_put(o, "security", security_json(t));
	o = jsn_put(o, "security_context", security_json(t));
	o = jsn_raw(o, "dependencies", t->dependencies);
	o = jsn_raw(o, "pre_installed_packages", t->dependencies);
	o = jsn_raw(o, "labels", t->labels);
	o = jsn_bool(o, "is_active", t->version_active);
	o = jsn_str(o, "dependency_install_status", t->dependency_install_status);
	o = jsn_str(o, "dependency_install_error", t->dependency_install_error);
	o = when(o, "created_at", t->created_at, r->a);
	return when(o, "updated_at", t->version_created_at, r->a);
}

static int unknown(const char *id, struct fault *f)
{
	return fault_set(f, FAULT_TEMPLATE_NOT_FOUND, "Template not found: %.64s", id);
}

static int reply(struct req *r, int status, const char *id, int64_t version, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct template t;
	int found = db ? template_find(db, id, version, &t, r->a, f) : -1;

	if (found <= 0)
		return found < 0 ? -1 : unknown(id, f);
	req_header(r, "ETag", arena_printf(r->a, "\"v%lld\"", (long long)t.version));
	if (status == 201)
		req_header(r, "Location", arena_printf(r->a, "/api/v1/templates/%s", id));
	return req_reply(r, status, template_json(r, &t), f);
}

/* ---- reading ---- */

/* GET /api/v1/templates/{id} */
int get_template(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	int64_t version = req_query_int(r, &c, "version", 0, 1, INT32_MAX);

	if (jsn_done(&c, f) < 0)
		return -1;
	return reply(r, 200, r->params[0], version, f);
}

/* The list goes by name, so its cursor is the last name that was seen, behind a mark. */
#define CURSOR_MARK "n\n"

static int read_cursor(struct req *r, const char **after, struct fault *f)
{
	const char *text = req_query(r, "cursor");
	size_t n = 0, mark = strlen(CURSOR_MARK);
	char *raw;

	*after = NULL;
	if (str_empty(text))
		return 0;
	raw = text_base64_decode(r->a, text, strlen(text), &n);
	if (!raw || n <= mark || strncmp(raw, CURSOR_MARK, mark) || strlen(raw) != n ||
	    !text_utf8_ok(raw, n))
		return fault_set(f, FAULT_REFUSED,
				 "cursor: is damaged; take it from the Link header as it is");
	*after = raw + mark;
	return 0;
}

static char *next_link(struct req *r, const struct page *p, const char *last_name)
{
	char *raw = arena_printf(r->a, CURSOR_MARK "%s", last_name);
	char *cursor = raw ? text_base64url(r->a, raw, strlen(raw)) : NULL;

	if (!cursor)
		return NULL;
	return arena_printf(r->a, "<%s/api/v1/templates?limit=%lld&cursor=%s>; rel=\"next\"",
			    r->t->work.cf->server_public_url, (long long)p->limit, cursor);
}

/* GET /api/v1/templates: a plain array by name. */
int list_templates(struct req *r, struct fault *f)
{
	struct json_object *items;
	struct template *rows;
	const char *after;
	struct db *db;
	struct page p;
	int64_t total = 0;
	int n;

	if (page_limits(r, &p, f) < 0 || read_cursor(r, &after, f) < 0 || !(db = req_db(r, f)))
		return -1;
	if (!(rows = arena_alloc(r->a, (size_t)(p.limit + 1) * sizeof(*rows))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	n = template_list(db, after, p.offset, rows, (int)p.limit + 1, r->a, f);
	if (n < 0 || template_count(db, &total, f) < 0)
		return -1;
	items = json_object_new_array();
	for (int i = 0; i < n && i < p.limit; i++)
		items = jsn_push(items, template_json(r, &rows[i]));
	req_header(r, "X-Total-Count", arena_printf(r->a, "%lld", (long long)total));
	if (n > p.limit)
		req_header(r, "Link", next_link(r, &p, rows[p.limit - 1].name));
	return req_reply(r, 200, items, f);
}

/* GET /api/v1/templates/{id}/versions: newest first; the cursor's id is the version. */
int list_template_versions(struct req *r, struct fault *f)
{
	struct json_object *items;
	struct template *rows;
	int64_t total, below = 0;
	struct page p;
	struct db *db;
	int n, show;

	if (page_read(r, &p, f) < 0)
		return -1;
	if (p.cursor && !text_int(p.after_id, 1, INT32_MAX, &below))
		return fault_set(f, FAULT_REFUSED,
				 "cursor: is damaged; take it from next_cursor as it is");
	if (!(db = req_db(r, f)) || template_versions_count(db, r->params[0], &total, f) < 0)
		return -1;
	if (!total)
		return unknown(r->params[0], f);
	if (!(rows = arena_alloc(r->a, (size_t)(p.limit + 1) * sizeof(*rows))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	n = template_versions(db, r->params[0], below, p.offset, rows, (int)p.limit + 1, r->a, f);
	if (n < 0)
		return -1;
	show = n > p.limit ? (int)p.limit : n;
	items = json_object_new_array();
	for (int i = 0; i < show; i++)
		items = jsn_push(items, template_json(r, &rows[i]));
	return req_reply(r, 200,
			 page_body(r, &p, items, n > show, total,
				   n > show ? rows[show - 1].version_created_at : NULL,
				   n > show ? arena_printf(r->a, "%lld",
							   (long long)rows[show - 1].version)
					    : NULL),
			 f);
}

/* ---- writing ---- */

static void note(struct req *r, const char *event, const struct template *t)
{
	log_info(event, S("template_id", t->id), I("version", t->version), S("by", r->who.key_id));
}

struct write {
	struct req *r;
	struct template *t;
	const struct template_body *in;
	bool changed;
};

static int insert_tx(struct db *db, void *arg, struct fault *f)
{
	struct write *w = arg;

	if (template_insert(db, w->t, f) < 0)
		return -1;
	return idem_of(w->r) ? idem_object(db, idem_of(w->r), w->t->id, f) : 0;
}

/* POST /api/v1/templates */
int create_template(struct req *r, struct fault *f)
{
	struct template t = { 0 };
	struct template_body in;
	struct db *db;

	if (template_body_read(r, &in, true, f) < 0)
		return -1;
	if (r->idem.object_id) {
		r->replayed = true;
		return reply(r, 201, r->idem.object_id, 0, f);
	}
	t.created_by = r->who.key_id;
	if (template_body_apply(r, &in, &t, f) < 0 || !(db = req_db(r, f)) ||
	    db_tx(db, insert_tx, &(struct write){ .r = r, .t = &t }, f) < 0)
		return -1;
	note(r, "template.created", &t);
	return reply(r, 201, t.id, 0, f);
}

/* The row locked and If-Match held against it. */
static int lock(struct req *r, struct db *db, struct template *t, struct fault *f)
{
	int found = template_lock(db, r->params[0], t, r->a, f);

	if (found <= 0)
		return found < 0 ? -1 : unknown(r->params[0], f);
	if (!etag_matches(req_env(r, "HTTP_IF_MATCH"),
			  arena_printf(r->a, "\"v%lld\"", (long long)t->version)))
		return fault_set(f, FAULT_PRECONDITION_FAILED, "the template is at version %lld",
				 (long long)t->version);
	return 0;
}

static int check_if_match(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "header" };
	const char *header = req_env(r, "HTTP_IF_MATCH");

	if (header && !etag_list_ok(header))
		jsn_bad(&c, "value_error", "If-Match", NULL,
			"must be * or a list of entity tags such as \"v1\"");
	return jsn_done(&c, f);
}

static int update_tx(struct db *db, void *arg, struct fault *f)
{
	struct write *w = arg;
	struct template now;

	if (lock(w->r, db, &now, f) < 0)
		return -1;
	*w->t = now;
	if (template_body_apply(w->r, w->in, w->t, f) < 0)
		return -1;
	w->changed = template_differs(&now, w->t);
	w->t->created_by = w->r->who.key_id;
	return w->changed ? template_add_version(db, w->t, f) : 0;
}

/* PUT /api/v1/templates/{id} */
int update_template(struct req *r, struct fault *f)
{
	struct template_body in;
	struct template t = { 0 };
	struct write w = { .r = r, .t = &t, .in = &in };
	struct db *db;

	if (check_if_match(r, f) < 0 || template_body_read(r, &in, false, f) < 0 ||
	    !(db = req_db(r, f)) || db_tx(db, update_tx, &w, f) < 0)
		return -1;
	if (w.changed)
		note(r, "template.updated", &t);
	return reply(r, 200, t.id, t.version, f);
}

static int delete_tx(struct db *db, void *arg, struct fault *f)
{
	struct write *w = arg;

	return lock(w->r, db, w->t, f) < 0 ? -1 : template_delete(db, w->t->id, f);
}

/* DELETE /api/v1/templates/{id} */
int delete_template(struct req *r, struct fault *f)
{
	struct template t = { 0 };
	struct db *db;

	if (check_if_match(r, f) < 0 || !(db = req_db(r, f)) ||
	    db_tx(db, delete_tx, &(struct write){ .r = r, .t = &t }, f) < 0)
		return -1;
	note(r, "template.deleted", &t);
	return req_reply(r, 200,
			 jsn_str(json_object_new_object(), "message",
				 arena_printf(r->a, "Template %s deleted", t.id)),
			 f);
}
