/* submit.c: execute and execute-sync (CONTRACT 4.1, 4.2). */
#include <ctype.h>
#include <poll.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/log.h"
#include "../lib/digest.h"
#include "../lib/store/artifact.h"
#include "../lib/work/dispatch.h"
#include "../lib/work/logs.h"
#include "envvars.h"
#include "execution.h"
#include "handlers.h"
#include "idem.h"
#include "when.h"

#define STDIN_MAX      (1 << 20)
#define ENTRYPOINT_MAX 128
#define NAP_MIN_MS     10
#define NAP_MAX_MS     250
#define SLICE_MS       10000 /* the longest wait between two looks at the Idempotency-Key's lease */

struct submit {
	const char *code, *language, *entrypoint, *id, *stdin_text;
	struct json_object *event, *env_vars;
	int64_t timeout, max_retries, retry_on_crash;
};

static const char *const languages[] = { "python", "javascript", "shell", NULL };

/* Which languages an image of each runtime type holds (CONTRACT 5); shell is in all. */
static bool language_in(const char *language_runtime, const char *language)
{
	return !strcmp(language, "shell") ||
	       (!strcmp(language, "python") && str_starts(language_runtime, "python")) ||
	       (!strcmp(language, "javascript") && str_starts(language_runtime, "nodejs"));
}

static bool identifier(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_' && *s != '$')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '$')
			return false;
	return true;
}

static void read_fields(struct req *r, struct jsn_check *c, struct submit *in)
{
	const struct conf *cf = r->t->work.cf;
	const struct jsn_field fields[] = {
		{ "code", NULL, JSN_STR, true, offsetof(struct submit, code), 1,
		  cf->execution_max_code_bytes, NULL },
		{ "language", NULL, JSN_ENUM, true, offsetof(struct submit, language), 0, 0,
		  languages },
		{ "timeout", NULL, JSN_INT, false, offsetof(struct submit, timeout), 1,
		  cf->execution_max_timeout, NULL },
		{ "event", NULL, JSN_OBJ, false, offsetof(struct submit, event), 0, 0, NULL },
		{ "stdin", NULL, JSN_STR, false, offsetof(struct submit, stdin_text), 0, STDIN_MAX,
		  NULL },
		{ "env_vars", NULL, JSN_OBJ, false, offsetof(struct submit, env_vars), 0, 0, NULL },
		{ "entrypoint", NULL, JSN_STR, false, offsetof(struct submit, entrypoint), 1,
		  ENTRYPOINT_MAX, NULL },
		{ "execution_id", "id", JSN_STR, false, offsetof(struct submit, id), 1, 0x7fff,
		  NULL },
		{ "max_retries", NULL, JSN_INT, false, offsetof(struct submit, max_retries), 0, 3,
		  NULL },
		{ "retry_on_crash", NULL, JSN_BOOL, false, offsetof(struct submit, retry_on_crash),
		  0, 0, NULL },
	};

	jsn_read(c, r->in, NULL, fields, ARRAY_LEN(fields), in);
	if (in->entrypoint && !identifier(in->entrypoint))
		jsn_bad(c, "value_error", "entrypoint", NULL, "must be an identifier");
	if (in->id && !ident_ok(in->id))
		jsn_bad(c, "value_error",
			json_object_object_get(r->in, "execution_id") ? "execution_id" : "id", NULL,
			"must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
	if (in->env_vars)
		envvars_check(c, "env_vars", in->env_vars);
}

/* The event exactly as it was sent. */
static const char *raw_event(struct req *r, struct jsn_check *c, const struct submit *in)
{
	const char *raw;
	size_t n = in->event ? jsn_span(r->body, r->body_len, "event", &raw) : 0;

	if (!in->event)
		return "{}";
	if ((int64_t)n > r->t->work.cf->execution_max_event_bytes) {
		jsn_bad(c, "too_long", "event", NULL, "must have at most %lld bytes",
			(long long)r->t->work.cf->execution_max_event_bytes);
		return "{}";
	}
	return n ? arena_strndup(r->a, raw, n) : arena_strdup(r->a, jsn_text(in->event, &n));
}

/* Session's variables overlaid by the execution's, as JSON text. */
static const char *merged_env(struct req *r, const struct session *s, struct json_object *own)
{
	AUTO_JSON struct json_object *all = json_tokener_parse(s->env_vars);
	size_t n;

	if (!own)
		return s->env_vars;
	json_object_object_foreach (own, name, value) {
		if (all)
			json_object_object_add(all, name, json_object_get(value));
	}
	return all ? arena_strdup(r->a, jsn_text(all, &n)) : NULL;
}

static int read_body(struct req *r, struct execution_new *x, struct json_object **env,
		     struct fault *f)
{
	const struct conf *cf = r->t->work.cf;
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct submit in = { .timeout = cf->execution_default_timeout,
			     .max_retries = cf->execution_max_retries };
	char *canonical = jsn_canonical(r->in, r->a), *hash = arena_alloc(r->a, 65);
	char id[IDENT_SZ];

	read_fields(r, &c, &in);
	x->event = raw_event(r, &c, &in);
	if (jsn_done(&c, f) < 0)
		return -1;
	if (!canonical || !hash || !x->event)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	digest_sha256_hex(canonical, strlen(canonical), hash);
	ident_execution(id);
	x->id = in.id ? in.id : arena_strdup(r->a, id);
	x->id_given = in.id != NULL;
	x->code = in.code;
	x->language = in.language;
	x->entrypoint = in.entrypoint ? in.entrypoint : "handler";
	x->entrypoint_given = in.entrypoint != NULL;
	x->stdin_text = in.stdin_text;
	x->timeout_s = in.timeout;
	x->max_retries = in.max_retries;
	x->retry_on_crash = in.retry_on_crash;
	x->request_hash = hash;
	x->request_id = r->id;
	x->created_by = r->who.key_id;
	x->lease_owner = r->t->work.owner;
	*env = in.env_vars;
	return 0;
}

/* Checks everything and writes the row. */
static int create(struct req *r, struct execution_new *x, struct execution_made *made,
		  struct fault *f)
{
	struct json_object *env = NULL;
	struct session s;
	struct db *db;

	x->session_id = r->params[0];
	if (read_body(r, x, &env, f) < 0 || !(db = req_db(r, f)) ||
	    session_load(db, x->session_id, &s, r->a, f) < 0)
		return -1;
	if (r->idem.object_id) { /* an earlier call with this key made it */
		x->id = r->idem.object_id;
		made->existing = true;
		made->session = s;
		return 0;
	}
	if (!language_in(s.language_runtime, x->language))
		return fault_set(f, FAULT_REFUSED, "language: the session's runtime %s has no %s",
				 s.language_runtime, x->language);
	if (!(x->env_vars = merged_env(r, &s, env)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (execution_create(db, r->t->work.cf, x, idem_of(r), made, r->a, f) < 0)
		return -1;
	if (!made->existing)
		log_info("execution.submitted", S("execution_id", x->id),
			 S("session_id", x->session_id), S("language", x->language));
	return 0;
}

static int submit(struct req *r, const struct execution_new *x, const struct session *s,
		  struct fault *f)
{
	struct execution row = {
		.id = x->id,
		.session_id = x->session_id,
		.attempt = 1,
		.code = x->code,
		.language = x->language,
		.timeout_s = x->timeout_s,
		.event = x->event,
		.stdin_text = x->stdin_text,
		.entrypoint = x->entrypoint,
		.entrypoint_given = x->entrypoint_given,
	};
	struct executor e;

	req_db_done(r);
	if (executor_of(&r->t->work, s->container_id, s->id, s->token_epoch, &e, r->a, f) < 0)
		return -1;
	return dispatch_submit(&r->t->work, &e, &row, x->env_vars, r->a, f);
}

/* Hands a new row to a running session's executor; on failure the row stays pending for the next one to try. */
static void try_submit(struct req *r, const struct execution_new *x,
		       const struct execution_made *made)
{
	struct fault f = { 0 };
	struct db *db;

	if (made->existing || strcmp(made->session.state, "running"))
		return;
	if (submit(r, x, &made->session, &f) == 0)
		return;
	log_warn("execution.dispatch_failed", S("execution_id", x->id), S("error", f.detail));
	if ((db = req_db(r, &f)) && execution_release(db, x->id, r->t->work.owner, &f) < 0)
		log_warn("execution.lease_kept", S("execution_id", x->id), S("error", f.detail));
}

/* POST /api/v1/sessions/{id}/execute */
int execute(struct req *r, struct fault *f)
{
	struct execution_new x = { 0 };
	struct execution_made made = { 0 };
	struct execution_brief row;
	struct json_object *o;
	struct db *db;

	if (create(r, &x, &made, f) < 0 || !(db = req_db(r, f)) ||
	    execution_brief(db, x.id, &row, r->a, f) < 0)
		return -1;
	r->replayed = made.existing;
	try_submit(r, &x, &made);
	o = jsn_str(json_object_new_object(), "execution_id", x.id);
	o = jsn_str(o, "session_id", x.session_id);
	o = jsn_str(o, "status", row.state);
	o = when(o, "created_at", row.created_at, r->a);
	req_header(r, "Location", arena_printf(r->a, "/api/v1/executions/%s", x.id));
	return req_reply(r, 201, o, f);
}

/* ---- waiting ---- */

/* Sleeps; true: the web server gave the request up. */
static bool nap(struct req *r, int ms)
{
	struct pollfd pf = { .fd = req_watch_fd(r), .events = POLLRDHUP };

	return poll(&pf, 1, ms) > 0 && (pf.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

struct ack {
	struct executor e;
	const char *id;
};

/* After the answer: the executor may forget a result whose logs the row or storage holds. */
static void acknowledge(struct req *r)
{
	struct ack *k = r->after_arg;

	dispatch_ack(&r->t->work, &k->e, k->id, r->a);
}

static void plan_ack(struct req *r, const struct executor *e, const char *id)
{
	struct ack *k = arena_alloc(r->a, sizeof(*k));

	if (!k)
		return; /* the executor offers the result again */
	*k = (struct ack){ .e = *e, .id = id };
	r->after_arg = k;
	r->after = acknowledge;
}

/* One step of waiting: 1 ended, 0 not yet, -1 the client is gone or a fault. */
static int wait_step(struct req *r, const char *id, int64_t deadline, int *nap_ms, struct fault *f)
{
	struct db *db = req_db(r, f);
	struct execution_brief x;
	struct executor e;
	struct fault own = { 0 };
	bool gone = false;
	int64_t until = clock_ms() + SLICE_MS;
	int rc = 0;

	if (!db || execution_brief(db, id, &x, r->a, f) < 0)
		return -1;
	req_db_done(r);
	if (!execution_open(x.state))
		return 1;
	if (str_eq(x.session_state, "running")) {
		if (executor_of(&r->t->work, x.container_id, x.session_id, x.token_epoch, &e, r->a,
				f) < 0)
			return -1;
		rc = dispatch_wait(&r->t->work, &e, id, until < deadline ? until : deadline,
				   req_watch_fd(r), &gone, r->a, &own);
		if (rc > 0)
			plan_ack(r, &e, id);
	}
	if (rc == 1)
		return 1;
	if (gone || (rc < 0 || strcmp(x.session_state, "running") ? nap(r, *nap_ms) : false))
		return fault_set(f, FAULT_SYNC_TIMEOUT, "the client is gone");
	*nap_ms = *nap_ms * 2 < NAP_MAX_MS ? *nap_ms * 2 : NAP_MAX_MS;
	return 0;
}

static int wait_end(struct req *r, const char *id, int64_t deadline, struct fault *f)
{
	int nap_ms = NAP_MIN_MS, rc = 0;

	while (rc == 0 && clock_ms() < deadline) {
		idem_keep(r);
		rc = wait_step(r, id, deadline, &nap_ms, f);
	}
	if (rc > 0)
		return 0;
	if (rc == 0)
		fault_set(f, FAULT_SYNC_TIMEOUT, "the execution goes on; read it later by its id");
	f->execution_id = id;
	return -1;
}

static bool log_stored(struct req *r, const struct execution *x)
{
	const struct log_id l = { x->session_id, x->id, x->attempt, false };

	return logs_noted(&l, x->log_prefix, r->a);
}

/* POST /api/v1/sessions/{id}/execute-sync: nothing polls; poll_interval is checked for older clients. */
int execute_sync(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	struct execution_new x = { 0 };
	struct execution_made made = { 0 };
	struct execution row;
	struct db *db;
	int64_t timeout_s;

	(void)req_query_num(r, &c, "poll_interval", 0.5, 0.1, 10);
	timeout_s = req_query_int(r, &c, "sync_timeout", 300, 10, 3600);
	if (jsn_done(&c, f) < 0 || create(r, &x, &made, f) < 0)
		return -1;
	r->replayed = made.existing;
	try_submit(r, &x, &made);
	req_db_done(r);
	if (wait_end(r, x.id, clock_ms() + timeout_s * 1000, f) < 0 || !(db = req_db(r, f)) ||
	    execution_load(db, x.id, &row, r->a, f) < 0 ||
	    artifact_attach(db, &row, 1, INT64_MAX, r->a, f) < 0)
		return -1;
	if ((row.stdout_truncated || row.stderr_truncated) && !log_stored(r, &row))
		r->after = NULL; /* the executor has the only whole log */
	return req_reply(r, 200, execution_json(r, &row, false), f);
}
