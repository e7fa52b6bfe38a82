#include "node.h"

static const struct query Q_REGISTER = {
	"node.register",
	"INSERT INTO runtime_node (id, type, url, state, cpu_usage, mem_usage, max_sessions, total_cpu, total_memory,"
	" offered_cpu, offered_memory, cached_images, labels, last_heartbeat)"
	" VALUES (?, ?, ?, 'healthy', ?, ?, ?, ? / 1000, ?, ? / 1000, ?, ?, '{}', UTC_TIMESTAMP(3))"
	" ON DUPLICATE KEY UPDATE type = VALUES(type), url = VALUES(url), cpu_usage = VALUES(cpu_usage),"
	" mem_usage = VALUES(mem_usage), max_sessions = VALUES(max_sessions), total_cpu = VALUES(total_cpu),"
	" total_memory = VALUES(total_memory), offered_cpu = VALUES(offered_cpu),"
	" offered_memory = VALUES(offered_memory), cached_images = VALUES(cached_images),"
	" last_heartbeat = VALUES(last_heartbeat), failure_count = 0,"
	" state = IF(state = 'draining', 'draining', 'healthy'), row_version = row_version + 1"
};
static const struct query Q_FAILED = {
	"node.failed",
	"UPDATE runtime_node SET failure_count = failure_count + 1,"
	" state = IF(state = 'healthy' AND failure_count >= ?, 'unhealthy', state) WHERE id = ?"
};
static const struct query Q_AGE = {
	"node.age",
	"SELECT TIMESTAMPDIFF(SECOND, last_heartbeat, UTC_TIMESTAMP(3)) FROM runtime_node WHERE id = ?"
};
/* Numbers of CONTRACT 8.2; an image is cached when the node's list names it. */
static const struct query Q_PICK = {
	"node.pick",
	"SELECT id, state, 0.28 * (1 - allocated_cpu / offered_cpu) + 0.28 * (1 - allocated_memory / offered_memory)"
	" + 0.14 * (1 - session_count / max_sessions) + IF(JSON_CONTAINS(cached_images, JSON_QUOTE(?)), 0.30, 0) AS score"
	" FROM runtime_node WHERE state = 'healthy' AND type = ? AND (? IS NULL OR id = ?)"
	" AND allocated_cpu + ? / 1000 <= offered_cpu AND allocated_memory + ? <= offered_memory"
	" AND session_count < max_sessions ORDER BY score DESC, id LIMIT 1 FOR UPDATE"
};
static const struct query Q_TAKE = {
	"node.take",
	"UPDATE runtime_node SET allocated_cpu = allocated_cpu + ? / 1000, allocated_memory = allocated_memory + ?,"
	" session_count = session_count + 1 WHERE id = ?"
};
static const struct query Q_RELEASE = {
	"node.release",
	"UPDATE runtime_node SET allocated_cpu = GREATEST(0, allocated_cpu - ? / 1000),"
	" allocated_memory = GREATEST(0, allocated_memory - ?), session_count = GREATEST(0, session_count - 1)"
	" WHERE id = ?"
};
static const struct query Q_HEALTHY = {
	"node.healthy",
	"SELECT COUNT(*) FROM runtime_node WHERE state = 'healthy' AND type = ? AND (? IS NULL OR id = ?)"
};
static const struct query Q_ISOLATION = { "node.isolation",
					  "UPDATE runtime_node SET isolation = ? WHERE id = ?" };

int node_register(struct db *db, const struct node_row *n, struct fault *f)
{
	return db_exec(db, &Q_REGISTER,
		       VALS(VSTR(n->id), VSTR(n->type), VSTR(n->url), VREAL(n->cpu_usage),
			    VREAL(n->mem_usage), VINT(n->max_sessions), VINT(n->total_cpu_millis),
			    VINT(n->total_memory), VINT(n->offered_cpu_millis),
			    VINT(n->offered_memory), VSTR(n->cached_images)),
		       f) < 0
		       ? -1
		       : 0;
}

int node_failed(struct db *db, const char *id, int64_t failures, struct fault *f)
{
	return db_exec(db, &Q_FAILED, VALS(VINT(failures), VSTR(id)), f) < 0 ? -1 : 0;
}

int node_age(struct db *db, const char *id, int64_t *age_s, struct fault *f)
{
	int found = db_number(db, &Q_AGE, VALS(VSTR(id)), age_s, f);

	if (found == 0)
		*age_s = INT64_MIN;
	return found < 0 ? -1 : 0;
}

int node_reserve(struct db *db, const char *type, const char *only, const char *image,
		 int64_t cpu_millis, int64_t memory_bytes, const char **id, struct arena *a,
		 struct fault *f)
{
	static const struct db_col cols[] = { COL_STR(struct node, id), COL_STR(struct node, state),
					      COL_F64(struct node, score) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct node) };
	struct node n;
	int found = db_rows(db, &Q_PICK,
			    VALS(VSTR(image), VSTR(type), VSTR(only), VSTR(only), VINT(cpu_millis),
				 VINT(memory_bytes)),
			    &map, &n, 1, a, f);

	if (found <= 0)
		return found;
	*id = n.id;
	return db_exec(db, &Q_TAKE, VALS(VINT(cpu_millis), VINT(memory_bytes), VSTR(n.id)), f) < 0
		       ? -1
		       : 1;
}

int node_release(struct db *db, const char *id, int64_t cpu_millis, int64_t memory_bytes,
		 struct fault *f)
{
	return db_exec(db, &Q_RELEASE, VALS(VINT(cpu_millis), VINT(memory_bytes), VSTR(id)), f) < 0
		       ? -1
		       : 0;
}

int node_healthy(struct db *db, const char *type, const char *only, int64_t *n, struct fault *f)
{
	return db_number(db, &Q_HEALTHY, VALS(VSTR(type), VSTR(only), VSTR(only)), n, f) < 0 ? -1
											     : 0;
}

int node_isolation(struct db *db, const char *id, const char *report, struct fault *f)
{
	return db_exec(db, &Q_ISOLATION, VALS(VSTR(report), VSTR(id)), f) < 0 ? -1 : 0;
}
