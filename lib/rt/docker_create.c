#include "../base/clock.h"
#include "../base/log.h"
#include "apparmor.h"
#include "docker.h"
#include "egress.h"
#include "spec.h"

#define UNDO_MS \
	4000 /* kept back from the deadline, so that a failed create can be taken back within it */
#define POLL_US     20000 /* between tries while the name is being freed */
#define START_TRIES 4     /* a real refusal stays one; 60 ms are enough for another's start */

struct making {
	struct docker_job j;
	const struct rt_spec *sp;
	const char *body, *path;
	struct rt_status *out;
	bool pulled;
	bool running; /* it was there already */
	bool keep;    /* not made by this call: not ours to take back */
};

static const char *body_of(struct rt *rt, const struct rt_spec *sp, struct arena *a)
{
	struct docker_place p = {
		.deployment = rt->cf->runtime_deployment,
		.socket_dir = rt_socket_dir(rt->cf, sp->name, a),
		.control_dir = spec_control_dir(rt->cf, a),
		.network = rt->cf->network_egress_network,
		.runtime = rt->cf->runtime_runtime_class,
		.apparmor = apparmor_option(),
	};

	return p.socket_dir ? docker_body(sp, &p, a) : NULL;
}

/* The engine streams its progress; an error can come at the end of a 200. Whether the image is there decides. */
static int pull(struct making *m)
{
	const struct docker_job *j = &m->j;
	const char *name = docker_api_escape(m->sp->image, j->a);
	const char *tag =
		strchr(m->sp->image, '@') || strchr(strrchr(m->sp->image, '/') ?: m->sp->image, ':')
			? ""
			: "&tag=latest";
	int st =
		name ? docker_simple(j, "POST",
				     arena_printf(j->a, "/images/create?fromImage=%s%s", name, tag),
				     404)
		     : -1;

	m->pulled = true;
	log_info("image.pull", S("image", m->sp->image), I("status", st));
	return st < 0 ? -1 : 0;
}

static int no_image(struct making *m)
{
	m->out->why = RT_WHY_IMAGE_MISSING;
	return fault_set(m->j.f, FAULT_RUNTIME_UNAVAILABLE, "image '%.80s' is not on this node",
			 m->sp->image);
}

static int refused(struct making *m, const char *what)
{
	m->out->why = RT_WHY_REFUSED;
	return fault_set(m->j.f, FAULT_RUNTIME_UNAVAILABLE, "the container could not be %s", what);
}

/* The name is taken. 1: go on with what is there, 0: try again, -1. */
static int adopt(struct making *m)
{
	const struct docker_job *j = &m->j;
	struct docker_found had;
	int rc = docker_look(j, &had);

	m->keep = rc != 0;
	if (rc < 0)
		m->out->why = RT_WHY_REFUSED;
	if (rc <= 0)
		return rc;
	m->running = had.st.state == RT_RUNNING;
	/* Made by somebody who was killed, or ended: the same body means that it is what we would make. */
	if (m->running || (had.spec && strstr(m->body, had.spec)))
		return 1;
	rc = docker_remove(j);
	m->keep = rc < 0;
	return rc;
}

/* 0: a container of our name exists, with our body or running already. */
static int have_container(struct making *m)
{
	const struct docker_job *j = &m->j;
	struct docker_call c = {
		.method = "POST", .path = m->path, .body = m->body, .deadline = j->deadline
	};

	if (str_eq(j->rt->cf->runtime_image_pull, "always") && pull(m) < 0)
		return -1;
	for (;;) {
		struct httpc_resp rs;
		int st = docker_api_do(j->rt->api, &c, 409, &rs, j->a, j->f), rc = 0;

		if (st < 0)
			return -1;
		if (st == 201)
			return 0;
		if (st == 404 && (m->pulled || str_eq(j->rt->cf->runtime_image_pull, "never")))
			return no_image(m);
		if (st == 404)
			rc = pull(m);
		else if (st == 409)
			rc = adopt(m);
		else
			return refused(m, "made");
		if (rc)
			return rc < 0 ? -1 : 0;
		if (st == 409)
			usleep(POLL_US);
	}
}

static int start_once(struct making *m)
{
	const struct docker_job *j = &m->j;
	int st;

	if (docker_own_volumes(j, m->sp) < 0)
		return -1;
	st = docker_simple(j, "POST", arena_printf(j->a, "/containers/%s/start", j->name), 304);
	if (st < 0)
		return -1;
	return st == 204 || st == 304 ? 0 : refused(m, "started");
}

/*
 * Others may be at the same container: they start it while we prepare its volumes, or take their helper away. The
 * engine answers that with errors of many kinds, so what counts is whether it runs afterwards.
 */
static int start(struct making *m)
{
	const struct docker_job *j = &m->j;
	struct docker_found now;
	int st;

	for (int try = 1; !m->running && start_once(m) < 0; try++) {
		struct fault own = { 0 };
		struct docker_job look = { j->rt, j->name, j->deadline, j->a, &own };

		if (try == START_TRIES || docker_look(&look, &now) <= 0)
			return -1;
		m->running = now.st.state == RT_RUNNING;
		usleep(POLL_US);
	}
	st = docker_look(j, &now);
	if (st == 0)
		return refused(m, "kept"); /* removed by another meanwhile */
	if (st > 0)
		*m->out = now.st;
	return st < 0 ? -1 : 0;
}

/* What a failed create made goes again; where the engine does not answer, the next destroy finds it by its name. */
static void undo(struct making *m, int64_t deadline)
{
	struct fault own = { 0 };
	struct docker_job j = { m->j.rt, m->j.name, deadline, m->j.a, &own };

	if (docker_remove(&j) < 0 || spec_socket_dir_remove(j.rt->cf, j.name, j.a, &own) < 0)
		log_warn("docker.undo", S("container_id", j.name), S("error", own.detail));
}

int docker_create(struct rt *rt, const struct rt_spec *sp, int64_t deadline, struct rt_status *out,
		  struct arena *a, struct fault *f)
{
	int64_t room = deadline - clock_ms();
	struct making m = {
		.j = { rt, sp->name, room > 3 * UNDO_MS ? deadline - UNDO_MS : deadline, a, f },
		.sp = sp,
		.out = out,
		.body = body_of(rt, sp, a),
		.path = arena_printf(a, "/containers/create?name=%s", sp->name),
	};

	*out = (struct rt_status){ .exit_code = -1, .why = RT_WHY_REFUSED };
	if (!m.body || !m.path)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (sp->egress && egress_ready(rt->cf, f) < 0)
		return -1;
	if (spec_socket_dir_make(rt->cf, sp->name, a, f) < 0)
		return -1;
	out->why = RT_WHY_UNREACHABLE;
	if (have_container(&m) == 0 && start(&m) == 0)
		return 0;
	if (!m.keep) /* what was there has a workspace and perhaps undelivered results */
		undo(&m, deadline);
	return -1;
}
