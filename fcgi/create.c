/* create.c: POST /sessions (CONTRACT 3.2): validate, reserve, commit, start, answer. */
#include <poll.h>
#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/log.h"
#include "../lib/store/node.h"
#include "../lib/store/template.h"
#include "../lib/work/container.h"
#include "../lib/work/node.h"
#include "envvars.h"
#include "handlers.h"
#include "idem.h"
#include "packages.h"
#include "resources.h"
#include "session.h"

#define WAIT_MAX_S 60
#define NAP_MS     20
#define URL_MAX    512

struct create {
	const char *id, *template_id, *network, *index_url;
	struct json_object *env_vars, *dependencies;
	int64_t version, timeout, install_timeout, fail_on_dep, allow_conflicts;
};

static const char *const networks[] = { "none", "egress", NULL };

#define AT(f) offsetof(struct create, f)
static const struct jsn_field fields[] = {
	{ "id", "session_id", JSN_STR, false, AT(id), 1, 0x7fff, NULL },
	{ "template_id", NULL, JSN_STR, true, AT(template_id), 1, 0x7fff, NULL },
	{ "template_version", NULL, JSN_INT, false, AT(version), 1, INT32_MAX, NULL },
	{ "timeout", NULL, JSN_INT, false, AT(timeout), 1, 3600, NULL },
	{ "network", NULL, JSN_ENUM, false, AT(network), 0, 0, networks },
	{ "env_vars", NULL, JSN_OBJ, false, AT(env_vars), 0, 0, NULL },
	{ "dependencies", NULL, JSN_ARR, false, AT(dependencies), 0, 50, NULL },
	{ "install_timeout", NULL, JSN_INT, false, AT(install_timeout), 30, 1800, NULL },
	{ "fail_on_dependency_error", NULL, JSN_BOOL, false, AT(fail_on_dep), 0, 0, NULL },
	{ "allow_version_conflicts", NULL, JSN_BOOL, false, AT(allow_conflicts), 0, 0, NULL },
	{ "python_package_index_url", NULL, JSN_STR, false, AT(index_url), 0, URL_MAX, NULL },
};

/* The body against the tables; ids and formats, nothing that needs the database. */
static int read_body(struct req *r, struct create *in, struct resources *res, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "body" };

	*in = (struct create){ .version = JSN_ABSENT,
			       .timeout = JSN_ABSENT,
			       .install_timeout = 300 };
	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), in);
	if (in->id && !ident_ok(in->id))
		jsn_bad(&c, "value_error",
			json_object_object_get(r->in, "id") ? "id" : "session_id", NULL,
			"must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
	if (in->template_id && !ident_ok(in->template_id))
		jsn_bad(&c, "value_error", "template_id", NULL,
			"must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
	if (in->env_vars)
		envvars_check(&c, "env_vars", in->env_vars);
	if (in->dependencies)
		packages_check(&c, "dependencies", in->dependencies);
	if (!str_empty(in->index_url) && !package_index_ok(in->index_url))
		jsn_bad(&c, "value_error", "python_package_index_url", NULL,
			"must be an http or https URL without credentials, query and fragment");
	resources_read(&c, r->in, res);
	return jsn_done(&c, f);
}

/* Template's variables overlaid by the session's: what is in force. */
static const char *merged_env(struct req *r, const struct template *t, struct json_object *own)
{
	AUTO_JSON struct json_object *all = json_tokener_parse(t->env_vars);
	size_t n;

	if (!own)
		return t->env_vars;
	json_object_object_foreach (own, name, value) {
		if (all)
			json_object_object_add(all, name, json_object_get(value));
	}
	return all ? arena_strdup(r->a, jsn_text(all, &n)) : NULL;
}

static int check_template(const struct create *in, const struct template *t, int found,
			  struct fault *f)
{
	if (!found)
		return fault_set(
			f, FAULT_REFUSED,
			in->version == JSN_ABSENT
				? "template_id: there is no template %.64s"
				: "template_id, template_version: there is no such version of %.64s",
			in->template_id);
	if (!t->is_active)
		return fault_set(f, FAULT_REFUSED, "template_id: the template %.64s is not active",
				 in->template_id);
	if (str_eq(in->network, "egress") && strcmp(t->network, "egress"))
		return fault_set(f, FAULT_REFUSED, "network: the template does not allow egress");
	if (in->dependencies && json_object_array_length(in->dependencies) &&
	    !str_starts(t->runtime_type, "python"))
		return fault_set(f, FAULT_REFUSED,
				 "dependencies: the runtime %s has no package installation",
				 t->runtime_type);
	return 0;
}

/* The row to be, from body, template and configuration. */
static int complete(struct req *r, const struct create *in, const struct resources *res,
		    const struct template *t, struct session_new *s, struct fault *f)
{
	const struct conf *cf = r->t->work.cf;
	char id[IDENT_SZ];

	ident_session(id);
	*s = (struct session_new){
		.id = in->id ? in->id : arena_strdup(r->a, id),
		.template_id = t->id,
		.template_version = t->version,
		.language_runtime = t->runtime_type,
		.runtime_type = r->t->work.ops->name,
		.network = in->network ? in->network : "none",
		.env_vars = merged_env(r, t, in->env_vars),
		.timeout_s = in->timeout != JSN_ABSENT ? in->timeout
			     : t->timeout_s            ? t->timeout_s
						       : cf->session_default_timeout,
		.requested_dependencies =
			in->dependencies ? json_object_to_json_string_ext(in->dependencies,
									  JSON_C_TO_STRING_PLAIN)
					 : "[]",
		.dependency_install_status = "completed",
		.fail_on_dep_error = in->fail_on_dep,
		.index_url = str_empty(in->index_url) ? NULL : in->index_url,
		.image_url = t->image_url,
		.created_by = r->who.key_id,
		.node_only = cf->runtime_node_id,
		.lease_owner = r->t->work.owner,
		.lease_s = cf->runtime_start_timeout + 30,
	};
	if (resources_apply(cf, res, t, s, r->a, f) < 0)
		return -1;
	return s->id && s->env_vars ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");
}

struct insert {
	struct req *r;
	const struct session_new *s;
	struct session_made *made;
};

static int insert_tx(struct db *db, void *arg, struct fault *f)
{
	struct insert *x = arg;
	const struct session_new *s = x->s;
	const struct conf *cf = x->r->t->work.cf;
	const char *node;
	int64_t healthy = 0;
	int got = template_hold(db, s->template_id, f);

	if (got <= 0)
		return got < 0 ? -1
			       : fault_set(f, FAULT_REFUSED,
					   "template_id: the template %.64s is not active",
					   s->template_id);
	got = node_reserve(db, s->runtime_type, s->node_only, s->image_url, s->cpu_millis,
			   s->memory_bytes, &node, x->r->a, f);

	if (got < 0)
		return -1;
	if (!got) {
		if (node_healthy(db, s->runtime_type, s->node_only, &healthy, f) < 0)
			return -1;
		return healthy ? fault_set(f, FAULT_BUSY, "no node has room for the session")
			       : fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "no healthy node");
	}
	if (session_insert(db, cf, s, node, x->made, x->r->a, f) < 0)
		return -1;
	return idem_of(x->r) ? idem_object(db, idem_of(x->r), s->id, f) : 0;
}

/* Polls the row, not the runtime: a crash here loses nothing but the wait. */
static int wait_started(struct req *r, const char *id, int64_t wait_s, struct fault *f)
{
	int64_t until = clock_ms() + wait_s * 1000;
	struct session s;

	while (wait_s > 0 && clock_ms() < until) {
		struct pollfd pf = { .fd = req_watch_fd(r), .events = POLLRDHUP };
		struct db *db = req_db(r, f);

		if (!db || session_find(db, id, &s, r->a, f) < 0)
			return -1;
		req_db_done(r);
		if (strcmp(s.state, "creating"))
			break;
		if (poll(&pf, 1, NAP_MS) > 0)
			break;
		idem_keep(r);
	}
	return 0;
}

static int start(struct req *r, const struct session_new *s, const struct session_made *made,
		 const struct template *t, struct fault *f)
{
	struct container_plan plan = {
		.s = s,
		.made = made,
		.run_as_user = t->run_as_user,
		.read_only_root = t->read_only_root,
		.deadline = clock_ms() + r->t->work.cf->runtime_start_timeout * 1000,
	};

	req_db_done(r);
	log_info("session.created", S("session_id", s->id), S("template_id", s->template_id),
		 S("container_id", made->container_id), S("node_id", made->node_id));
	return container_start(&r->t->work, &plan, r->a, f);
}

static int answer(struct req *r, const char *id, int64_t wait_s, struct fault *f)
{
	if (wait_started(r, id, wait_s, f) < 0)
		return -1;
	req_header(r, "Location", arena_printf(r->a, "/api/v1/sessions/%s", id));
	return session_reply(r, 201, id, f);
}

/* POST /api/v1/sessions */
int create_session(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	int64_t wait_s = req_query_int(r, &c, "wait", 0, 0, WAIT_MAX_S);
	struct resources res;
	struct session_new s;
	struct session_made made;
	struct template t;
	struct create in;
	struct db *db;
	int found;

	if (jsn_done(&c, f) < 0 || read_body(r, &in, &res, f) < 0)
		return -1;
	if (r->idem.object_id) {
		r->replayed = true;
		return answer(r, r->idem.object_id, wait_s, f);
	}
	if (!r->t->work.rt)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "no runtime is configured on this host");
	if (!(db = req_db(r, f)) ||
	    (found = template_find(db, in.template_id, in.version == JSN_ABSENT ? 0 : in.version,
				   &t, r->a, f)) < 0)
		return -1;
	if (check_template(&in, &t, found, f) < 0 || complete(r, &in, &res, &t, &s, f) < 0)
		return -1;
	if (db_tx(db, insert_tx, &(struct insert){ r, &s, &made }, f) < 0 ||
	    start(r, &s, &made, &t, f) < 0)
		return -1;
	return answer(r, s.id, wait_s, f);
}
