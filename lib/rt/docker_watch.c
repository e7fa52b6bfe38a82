#include <stdio.h>

#include "../base/clock.h"
#include "../base/jsn.h"
#include "docker.h"

#define ARENA_MAX ((size_t)128 << 20) /* a list of 10,000 containers, as text and as strings */
#define LOG_MAX   ((size_t)1 << 20)   /* CONTRACT 8.1 */
#define LINES_MAX 10000

/* GET, to be 200 with a JSON body. */
static struct json_object *get(const struct docker_job *j, const char *path)
{
	struct docker_call c = { .method = "GET", .path = path, .deadline = j->deadline };
	struct fault bad = { 0 };
	struct json_object *o;
	struct httpc_resp rs;
	int st = docker_api_do(j->rt->api, &c, 404, &rs, j->a, j->f);

	if (st < 0)
		return NULL;
	o = st == 200 ? jsn_parse(rs.body, rs.len, j->a, &bad) : NULL;
	if (!o)
		fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE, "the engine's answer could not be read");
	return o;
}

int docker_each(struct rt *rt, int64_t deadline,
		int (*fn)(const char *, const char *, const struct rt_status *, void *), void *arg,
		struct fault *f)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct docker_job j = { rt, NULL, deadline, a, f };
	AUTO_JSON struct json_object *list = NULL;
	const char *filter;
	size_t n;

	if (!a)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	filter = arena_printf(
		a,
		"/containers/json?all=1&filters=%%7B%%22label%%22%%3A%%5B%%22sandbox.deployment%%3D%s%%22%%5D%%7D",
		rt->cf->runtime_deployment);
	list = get(&j, filter);
	n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < n; i++) {
		struct docker_found c = { .st = { .exit_code = -1 } };
		const char *name;

		if (docker_read_listed(json_object_array_get_idx(list, i), &name, &c, a) < 0 ||
		    !str_eq(c.deployment, rt->cf->runtime_deployment))
			continue; /* one that is being removed has no name any more */
		if (fn(name, c.session, &c.st, arg))
			break;
	}
	arena_free(a);
	return list ? 0 : -1;
}

static int take_log(void *arg, const struct httpc_resp *rs, const char *p, size_t n)
{
	return rs->status == 200 ? docker_log_feed(arg, p, n) : 0;
}

int docker_logs(struct rt *rt, const char *name, int tail, int64_t deadline, const char **text,
		struct arena *a, struct fault *f)
{
	int lines = tail < 0 ? 0 : tail > LINES_MAX ? LINES_MAX : tail;
	struct docker_log log = { .max = LOG_MAX };
	struct docker_call c = {
		.method = "GET",
		.deadline = deadline,
		.sink = take_log,
		.sink_arg = &log,
		.path = arena_printf(a, "/containers/%s/logs?stdout=1&stderr=1&tail=%d", name,
				     lines)
	};
	struct httpc_resp rs;
	int st = docker_api_do(rt->api, &c, 404, &rs, a, f);

	*text = docker_log_text(&log, a);
	if (st < 0)
		return -1;
	if (st == 404)
		return 0;
	return st == 200 && *text ? 1
				  : fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
					      "the engine's answer could not be read");
}

static int64_t number(struct json_object *o, const char *const *path)
{
	for (; *path; path++)
		if (!json_object_is_type(o, json_type_object) ||
		    !json_object_object_get_ex(o, *path, &o))
			return -1;
	return json_object_is_type(o, json_type_int) ? json_object_get_int64(o) : -1;
}

#define NUMBER(o, ...) number(o, (const char *const[]){ __VA_ARGS__, NULL })

/* What could be given back at once is no use of memory: the page cache that was read once. */
static int64_t memory_used(struct json_object *o)
{
	int64_t all = NUMBER(o, "memory_stats", "usage");
	int64_t v2 = NUMBER(o, "memory_stats", "stats", "inactive_file");
	int64_t v1 = NUMBER(o, "memory_stats", "stats", "total_inactive_file");
	int64_t cache = v1 >= 0 ? v1 : v2;

	return all < 0 || cache < 0 || cache > all ? all : all - cache;
}

int docker_stats(struct rt *rt, const char *name, int64_t deadline, struct rt_usage *out,
		 struct fault *f)
{
	struct arena *a = arena_new((size_t)4 << 20);
	struct docker_job j = { rt, name, deadline, a, f };
	AUTO_JSON struct json_object *o = NULL;
	int64_t ns;

	*out = (struct rt_usage){ -1, -1 };
	if (!a)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "memory");
	/* one-shot is of 1.41: an older engine takes a second sample, a second later. */
	if ((o = get(&j,
		     arena_printf(a, "/containers/%s/stats?stream=false&one-shot=true", name)))) {
		ns = NUMBER(o, "cpu_stats", "cpu_usage", "total_usage");
		out->cpu_ms = ns < 0 ? -1 : ns / 1000000;
		out->memory_bytes = memory_used(o);
	}
	arena_free(a);
	return o ? 0 : -1;
}

/* Of this host, so only where the engine is local. */
static void read_load(struct rt_probe *out)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *m = fopen("/proc/meminfo", "re");
	long long kib, available = -1;
	char line[128];
	double load;

	if (cpus > 0 && getloadavg(&load, 1) == 1)
		out->cpu_usage = load / (double)cpus > 1 ? 1 : load / (double)cpus;
	while (m && available < 0 && fgets(line, sizeof(line), m))
		if (sscanf(line, "MemAvailable: %lld", &kib) == 1)
			available = kib * 1024;
	if (m)
		fclose(m);
	if (available >= 0 && out->total_memory_bytes > 0)
		out->mem_usage = 1.0 - (double)available / (double)out->total_memory_bytes;
}

int docker_probe(struct rt *rt, int64_t deadline, struct rt_probe *out, struct arena *a,
		 struct fault *f)
{
	struct docker_job j = { rt, NULL, deadline, a, f };
	struct docker_call images = { .method = "GET",
				      .path = "/images/json",
				      .deadline = deadline };
	AUTO_JSON struct json_object *info = get(&j, "/info");
	struct json_object *version;
	struct httpc_resp rs;
	int st;

	*out = (struct rt_probe){ .cpu_usage = NAN, .mem_usage = NAN };
	if (!info)
		return -1;
	out->total_cpu_millis = NUMBER(info, "NCPU") * 1000;
	out->total_memory_bytes = NUMBER(info, "MemTotal");
	if (!json_object_object_get_ex(info, "ServerVersion", &version))
		version = NULL;
	out->version =
		arena_printf(a, "docker %s", version ? json_object_get_string(version) : "unknown");
	if (docker_api_local(rt->api))
		read_load(out);
	if ((st = docker_api_do(rt->api, &images, 0, &rs, a, f)) < 0)
		return -1;
	out->images_json = st == 200 ? docker_read_images(rs.body, rs.len, a) : NULL;
	if (!out->version || !out->images_json)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "the engine's answer could not be read");
	return 0;
}
