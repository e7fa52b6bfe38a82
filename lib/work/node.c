#include "node.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "../store/node.h"

static int64_t or_detected(int64_t configured, int64_t detected)
{
	return configured ? configured : detected;
}

static int write_row(struct work *w, const struct rt_probe *p, struct arena *a, struct fault *f)
{
	const struct conf *cf = w->cf;
	int64_t cpu = or_detected(cf->runtime_total_cpu_millis, p->total_cpu_millis);
	int64_t memory = or_detected(cf->runtime_total_memory, p->total_memory_bytes);
	struct node_row row = {
		.id = cf->runtime_node_id,
		.type = w->ops->name,
		.url = !strcmp(w->ops->name, "docker") ? cf->runtime_endpoint
						       : arena_printf(a, "oci:%s", p->version),
		.cached_images = p->images_json ? p->images_json : "[]",
		.cpu_usage = p->cpu_usage,
		.mem_usage = p->mem_usage,
		.max_sessions = cf->runtime_max_sessions,
		.total_cpu_millis = cpu,
		.total_memory = memory,
		.offered_cpu_millis = cpu * cf->runtime_cpu_overcommit_millis / 1000,
		.offered_memory = (int64_t)((double)memory *
					    (double)cf->runtime_memory_overcommit_millis / 1000.0),
	};
	struct db *db = db_get(w->pool, f);
	int rc = db ? node_register(db, &row, f) : -1;

	db_put(w->pool, db);
	return rc;
}

int node_heartbeat(struct work *w, bool force, struct arena *a, struct fault *f)
{
	struct rt_probe p = { 0 };
	struct db *db;
	int64_t age = INT64_MIN;
	int rc;

	if (!w->rt)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "no runtime is configured");
	if (!(db = db_get(w->pool, f)))
		return -1;
	rc = node_age(db, w->cf->runtime_node_id, &age, f);
	db_put(w->pool, db);
	if (rc < 0)
		return -1;
	if (!force && age != INT64_MIN && age < w->cf->health_interval)
		return 0;
	if (w->ops->probe(w->rt, clock_ms() + w->cf->health_timeout * 1000, &p, a, f) == 0)
		return write_row(w, &p, a, f);
	if ((db = db_get(w->pool, &(struct fault){ 0 }))) {
		struct fault own = { 0 };

		if (node_failed(db, w->cf->runtime_node_id, w->cf->health_failures, &own) < 0)
			log_warn("node.row", S("error", own.detail));
	}
	db_put(w->pool, db);
	return -1;
}
