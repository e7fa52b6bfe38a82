#include "container.h"

#include <stdio.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../store/container.h"
#include "../token.h"

#define BATCH      8
#define GRACE_MS   10000 /* CONTRACT 3.7: stop, then kill */
#define DESTROY_MS 40000 /* all of a removal; the lease outlives it */
#define LEASE_S    60

static const char *setting(struct arena *a, const char *key, int64_t n)
{
	return arena_printf(a, "%s=%lld", key, (long long)n);
}

/* The executor's environment (CONTRACT 10.2); nothing in it is secret. */
static const char *const *executor_env(struct work *w, const struct container_plan *p,
				       struct arena *a)
{
	const struct conf *cf = w->cf;
	const struct session_new *s = p->s;
	const char *control = cf->runtime_control_url;
	const char *const env[] = {
		arena_printf(a, "SESSION_ID=%s", s->id),
		arena_printf(a, "CONTAINER_ID=%s", p->made->container_id),
		"WORKSPACE_PATH=/workspace",
		str_starts(control, "unix://")
			? "CONTROL_PLANE_URL=unix:/run/sandbox/control/control.sock"
			: arena_printf(a, "CONTROL_PLANE_URL=%s", control),
		"INTERNAL_API_TOKEN_FILE=/var/lib/sandbox-executor/token",
		"EXECUTOR_LISTEN=/run/sandbox/executor.sock",
		arena_printf(a, "SANDBOX_EXECUTOR_TEMPLATE=%s", s->template_id),
		arena_printf(a, "SANDBOX_EXECUTOR_LANGUAGE_RUNTIME=%s", s->language_runtime),
		setting(a, "SANDBOX_EXECUTOR_ALLOW_UNISOLATED", cf->executor_allow_unisolated),
		setting(a, "SANDBOX_EXECUTOR_MEMORY_BYTES", s->memory_bytes),
		setting(a, "SANDBOX_EXECUTOR_DISK_BYTES", s->disk_bytes),
		setting(a, "SANDBOX_EXECUTOR_MAX_PROCESSES", s->max_processes),
		setting(a, "SANDBOX_EXECUTOR_EGRESS", str_eq(s->network, "egress")),
		/* A new session's workspace is empty; what comes meanwhile the answer to container_ready tells. */
		setting(a, "SANDBOX_EXECUTOR_PULL", 0),
		setting(a, "SANDBOX_EXECUTION_MAX_PARALLEL", cf->execution_max_parallel),
		setting(a, "SANDBOX_EXECUTION_MAX_QUEUE", cf->execution_max_queue),
		setting(a, "SANDBOX_EXECUTION_MAX_CODE_BYTES", cf->execution_max_code_bytes),
		setting(a, "SANDBOX_EXECUTION_MAX_EVENT_BYTES", cf->execution_max_event_bytes),
		setting(a, "SANDBOX_EXECUTION_MAX_RETURN_BYTES", cf->execution_max_return_bytes),
		setting(a, "SANDBOX_EXECUTION_OUTPUT_INLINE_BYTES",
			cf->execution_output_inline_bytes),
		setting(a, "SANDBOX_EXECUTION_OUTPUT_MAX_BYTES", cf->execution_output_max_bytes),
		arena_printf(a, "SANDBOX_EXECUTION_OUTPUT_LIMIT_ACTION=%s",
			     cf->execution_output_limit_action),
		setting(a, "SANDBOX_EXECUTION_MAX_ARTIFACTS", cf->execution_max_artifacts),
		setting(a, "SANDBOX_EXECUTION_HEARTBEAT_INTERVAL",
			cf->execution_heartbeat_interval),
	};
	const char **copy = arena_alloc(a, sizeof(env) + sizeof(env[0]));

	if (!copy)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(env); i++) {
		if (!env[i])
			return NULL;
		copy[i] = env[i];
	}
	return copy;
}

/* What the client reads and what the row keeps, by why the runtime did not make it. */
static const struct session_end *end_of(enum rt_why why, const char *detail)
{
	static _Thread_local struct session_end e;

	e = (struct session_end){ .state = "failed",
				  .error = detail,
				  .exec_state = "crashed",
				  .exec_reason = "session_ended",
				  .reason = why == RT_WHY_IMAGE_MISSING ? "image_missing"
									: "create_failed" };
	return &e;
}

static int give_up(struct work *w, const struct container_plan *p, enum rt_why why, struct arena *a,
		   struct fault *f)
{
	struct fault own = { 0 };
	struct db *db = db_get(w->pool, &own);

	if (why == RT_WHY_IMAGE_MISSING || why == RT_WHY_REFUSED) {
		enum fault_id id =
			why == RT_WHY_IMAGE_MISSING ? FAULT_INTERNAL : FAULT_RUNTIME_UNAVAILABLE;
		char detail[sizeof(f->detail)];

		memcpy(detail, f->detail, sizeof(detail));
		fault_set(f, id, "%s", detail);
	}
	f->session_id = p->s->id;
	log_error("session.create_failed", S("session_id", p->s->id),
		  S("container_id", p->made->container_id), S("error", f->detail));
	/* On a fault here the row stays creating: its clock ends it. */
	if (db && session_finish(db, w->cf, p->s->id, end_of(why, f->detail), false, &own) < 0)
		log_error("session.end_failed", S("session_id", p->s->id), S("error", own.detail));
	if (db &&
	    container_made(db, p->made->container_id, NULL, &own) < 0) /* our lease on it ends */
		log_error("container.lease_kept", S("container_id", p->made->container_id),
			  S("error", own.detail));
	db_put(w->pool, db);
	container_sweep(w, p->s->id, a);
	return -1;
}

/* The runtime's id is written down; a session that ended meanwhile loses its container at once. */
static int made(struct work *w, const struct container_plan *p, const struct rt_status *st,
		struct arena *a, struct fault *f)
{
	struct container c = { 0 };
	struct db *db = db_get(w->pool, f);
	int rc = -1;

	if (db && container_made(db, p->made->container_id, st->runtime_id, f) >= 0 &&
	    session_container_made(db, p->s->id, p->made->lease_epoch, f) >= 0 &&
	    container_find(db, p->made->container_id, &c, a, f) >= 0)
		rc = 0;
	db_put(w->pool, db);
	if (rc == 0 && str_eq(c.desired, "absent"))
		container_sweep(w, p->s->id, a);
	return rc;
}

int container_start(struct work *w, const struct container_plan *p, struct arena *a,
		    struct fault *f)
{
	const struct session_new *s = p->s;
	struct rt_status st = { 0 };
	struct rt_spec spec = {
		.name = p->made->container_id,
		.session_id = s->id,
		.template_id = s->template_id,
		.image = s->image_url,
		.token = token_make(w->cf, s->id, p->made->token_epoch, a),
		.env = executor_env(w, p, a),
		.cpu_millis = s->cpu_millis,
		.memory_bytes = s->memory_bytes,
		.disk_bytes = s->disk_bytes,
		.max_processes = s->max_processes,
		.run_as_user = p->run_as_user,
		.read_only_root = p->read_only_root,
		.egress = str_eq(s->network, "egress"),
	};
	int64_t from = clock_ms();

	if (!spec.token || !spec.env) {
		fault_set(f, FAULT_INTERNAL, "request memory");
		return give_up(w, p, RT_WHY_NONE, a, f);
	}
	if (w->ops->create(w->rt, &spec, p->deadline, &st, a, f) < 0)
		return give_up(w, p, st.why, a, f);
	log_info("container.created", S("session_id", s->id), S("container_id", spec.name),
		 I("duration_ms", clock_ms() - from));
	return made(w, p, &st, a, f);
}

static bool remove_one(struct work *w, const struct container *c, struct arena *a)
{
	struct fault f = { 0 };
	int64_t from = clock_ms();
	struct db *db;
	int rc = -1;

	(void)a;
	if (w->ops->destroy(w->rt, c->id, GRACE_MS, from + DESTROY_MS, &f) < 0) {
		log_warn("container.remove_failed", S("container_id", c->id), S("error", f.detail));
		return false; /* the lease runs out, the next sweep tries again */
	}
	if ((db = db_get(w->pool, &f)))
		rc = container_removed(db, c, &f);
	db_put(w->pool, db);
	if (rc > 0)
		log_info("container.removed", S("container_id", c->id),
			 S("session_id", c->session_id), I("duration_ms", clock_ms() - from));
	return rc > 0;
}

int container_sweep(struct work *w, const char *session_id, struct arena *a)
{
	struct container due[BATCH];
	struct fault f = { 0 };
	struct db *db;
	int n, gone = 0;

	if (!w->rt || !(db = db_get(w->pool, &f)))
		return 0;
	n = container_claim_absent(db, w->cf->runtime_node_id, session_id, w->owner, LEASE_S, due,
				   BATCH, a, &f);
	db_put(w->pool, db);
	for (int i = 0; i < n; i++)
		gone += remove_one(w, &due[i], a);
	return gone;
}
