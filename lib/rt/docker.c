#include "docker.h"

#include "../base/clock.h"
#include "spec.h"

#define POLL_US   20000 /* between looks at a removal that is under way */
#define KILL_MS   3000  /* of the time for a stop: what killing and removing may take */
#define AGAIN_MS  250   /* until SIGTERM is sent again; twice as long each time */
#define ARENA_MAX ((size_t)4 << 20)

static struct rt *docker_open(const struct conf *cf, struct fault *f)
{
	struct rt *rt = calloc(1, sizeof(*rt));

	if (!rt) {
		fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
		return NULL;
	}
	rt->cf = cf;
	if (!(rt->api = docker_api_open(cf, f))) {
		free(rt);
		return NULL;
	}
	return rt;
}

static void docker_close(struct rt *rt)
{
	if (rt)
		docker_api_close(rt->api);
	free(rt);
}

int docker_simple(const struct docker_job *j, const char *method, const char *path, int expected)
{
	struct docker_call c = { .method = method, .path = path, .deadline = j->deadline };
	struct httpc_resp rs;

	return docker_api_do(j->rt->api, &c, expected, &rs, j->a, j->f);
}

int docker_look(const struct docker_job *j, struct docker_found *out)
{
	struct docker_call c = { .method = "GET",
				 .deadline = j->deadline,
				 .path = arena_printf(j->a, "/containers/%s/json", j->name) };
	struct httpc_resp rs;
	int st = docker_api_do(j->rt->api, &c, 404, &rs, j->a, j->f);

	*out = (struct docker_found){ .st = { .exit_code = -1 } };
	if (st < 0)
		return -1;
	if (st == 404)
		return 0;
	if (st != 200 || docker_read_inspect(rs.body, rs.len, out, j->a) < 0)
		return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
				 "the engine's answer could not be read");
	if (!str_eq(out->deployment, j->rt->cf->runtime_deployment))
		return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
				 "the name belongs to somebody else on this engine");
	return 1;
}

/* ---- inspect ---- */

static int docker_inspect(struct rt *rt, const char *name, int64_t deadline, struct rt_status *out,
			  struct arena *a, struct fault *f)
{
	struct fault own = { 0 };
	struct docker_job j = { rt, name, deadline, a, &own };
	struct docker_call c = { .method = "GET",
				 .deadline = deadline,
				 .path = arena_printf(a, "/containers/%s/json", name) };
	struct docker_found found = { .st = { .exit_code = -1 } };
	struct httpc_resp rs;
	int st = docker_api_do(rt->api, &c, 404, &rs, j.a, &own);

	*out = (struct rt_status){ .state = RT_UNKNOWN, .exit_code = -1 };
	if (st == 404)
		out->state = RT_ABSENT;
	else if (st == 200 && docker_read_inspect(rs.body, rs.len, &found, a) < 0)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "the engine's answer could not be read");
	else if (st == 200 && str_eq(found.deployment, rt->cf->runtime_deployment))
		*out = found.st;
	else if (st == 200)
		out->state = RT_ABSENT; /* somebody else's */
	return 0;
}

/* ---- destroy ---- */

/* 1 gone, 0 somebody is at it (409) or still uses it, -1. */
static int delete_path(const struct docker_job *j, const char *path)
{
	int st = docker_simple(j, "DELETE", path, DOCKER_API_TAKEN);

	if (st == 204 || st == 404)
		return 1;
	if (st == 409 || st < 0)
		return st < 0 ? -1 : 0;
	return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
			 "the engine could not remove the container");
}

/*
 * All of it again until all is gone: a create whose caller was killed may still be under way in the engine, and its
 * container appears after we found none. One that appears even later is found by its label.
 */
int docker_remove(const struct docker_job *j)
{
	const char *helper = docker_helper_name(j->name, j->a);
	const char *workspace = docker_volume_workspace(j->name, j->a),
		   *state = docker_volume_state(j->name, j->a);
	const char *paths[] = {
		arena_printf(j->a, "/containers/%s?force=1&v=1", j->name),
		helper ? arena_printf(j->a, "/containers/%s?force=1", helper) : NULL,
		workspace ? arena_printf(j->a, "/volumes/%s", workspace) : NULL,
		state ? arena_printf(j->a, "/volumes/%s", state) : NULL,
	};

	for (;;) {
		int rc = 1;

		for (size_t i = 0; i < ARRAY_LEN(paths) && rc > 0; i++)
			rc = delete_path(j, paths[i]);
		if (rc)
			return rc < 0 ? -1 : 0;
		if (clock_ms() + POLL_US / 1000 >= j->deadline)
			return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
					 "the engine could not remove the container in time");
		usleep(POLL_US);
	}
}

/*
 * SIGTERM, and again while it does not end: pid 1 of a container does not get a signal that it has not yet asked for,
 * and an executor that was just started has not. What goes wrong here the forced removal settles.
 */
static void stop(const struct docker_job *j, int grace_ms)
{
	int64_t now = clock_ms(), until = now + grace_ms, last = j->deadline - KILL_MS,
		step = AGAIN_MS;
	const char *kill = arena_printf(j->a, "/containers/%s/kill?signal=SIGTERM", j->name);
	const char *wait = arena_printf(j->a, "/containers/%s/wait?condition=not-running", j->name);
	struct fault own = { 0 };
	struct docker_job mine = { j->rt, j->name, j->deadline, j->a, &own };

	for (until = until < last ? until : last; now < until; now = clock_ms(), step *= 2) {
		mine.deadline = j->deadline;
		if (docker_simple(&mine, "POST", kill, 409) != 204)
			return;
		mine.deadline = now + step < until ? now + step : until;
		if (docker_simple(&mine, "POST", wait, 404) >= 0)
			return;
	}
}

static int docker_destroy(struct rt *rt, const char *name, int grace_ms, int64_t deadline,
			  struct fault *f)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct docker_job j = { rt, name, deadline, a, f };
	struct docker_found found;
	int rc;

	if (!a)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	rc = docker_look(&j, &found);
	if (rc > 0 && found.st.state == RT_RUNNING)
		stop(&j, grace_ms);
	if (rc >= 0)
		rc = docker_remove(&j);
	if (rc == 0)
		rc = spec_socket_dir_remove(rt->cf, name, a, f);
	arena_free(a);
	return rc;
}

const struct rt_ops rt_docker = {
	.name = "docker",
	.open = docker_open,
	.close = docker_close,
	.create = docker_create,
	.inspect = docker_inspect,
	.destroy = docker_destroy,
	.each = docker_each,
	.logs = docker_logs,
	.stats = docker_stats,
	.probe = docker_probe,
};
