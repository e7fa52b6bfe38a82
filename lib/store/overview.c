#include "overview.h"

static const struct query Q_SESSIONS = {
	"overview.sessions",
	"SELECT state, COUNT(*) FROM session WHERE deleted_at IS NULL GROUP BY state ORDER BY state LIMIT ?"
};
static const struct query Q_EXECUTIONS = {
	"overview.executions",
	"SELECT state, COUNT(*) FROM execution GROUP BY state ORDER BY state LIMIT ?"
};
static const struct query Q_NODES = {
	"overview.nodes",
	"SELECT id, type, state, session_count, max_sessions, CAST(allocated_cpu * 1000 AS SIGNED),"
	" CAST(offered_cpu * 1000 AS SIGNED), allocated_memory, offered_memory,"
	" TIMESTAMPDIFF(SECOND, last_heartbeat, UTC_TIMESTAMP(3)) FROM runtime_node ORDER BY id LIMIT ?"
};
static const struct query Q_SERVER = { "overview.server",
				       "SELECT VERSION(), @@max_allowed_packet" };

static const struct db_col count_cols[] = {
	COL_STR(struct overview_count, state),
	COL_I64(struct overview_count, n),
};
static const struct db_map count_map = { count_cols, ARRAY_LEN(count_cols),
					 sizeof(struct overview_count) };

int overview_sessions(struct db *db, struct overview_count *out, int max, struct arena *a,
		      struct fault *f)
{
	return db_rows(db, &Q_SESSIONS, VALS(VINT(max)), &count_map, out, max, a, f);
}

int overview_executions(struct db *db, struct overview_count *out, int max, struct arena *a,
			struct fault *f)
{
	return db_rows(db, &Q_EXECUTIONS, VALS(VINT(max)), &count_map, out, max, a, f);
}

int overview_nodes(struct db *db, struct overview_node *out, int max, struct arena *a,
		   struct fault *f)
{
	static const struct db_col cols[] = {
		COL_STR(struct overview_node, id),
		COL_STR(struct overview_node, type),
		COL_STR(struct overview_node, state),
		COL_I64(struct overview_node, sessions),
		COL_I64(struct overview_node, max_sessions),
		COL_I64(struct overview_node, cpu_millis),
		COL_I64(struct overview_node, offered_cpu_millis),
		COL_I64(struct overview_node, memory_bytes),
		COL_I64(struct overview_node, offered_memory_bytes),
		COL_I64(struct overview_node, heartbeat_age_s),
	};
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct overview_node) };

	return db_rows(db, &Q_NODES, VALS(VINT(max)), &map, out, max, a, f);
}

int overview_server(struct db *db, struct overview_server *out, struct arena *a, struct fault *f)
{
	static const struct db_col cols[] = { COL_STR(struct overview_server, version),
					      COL_I64(struct overview_server, max_allowed_packet) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct overview_server) };

	return db_rows(db, &Q_SERVER, NOVALS, &map, out, 1, a, f);
}
