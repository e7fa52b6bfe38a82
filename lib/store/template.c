#include "template.h"

#define SELECT_FROM \
	"SELECT t.id, v.name, v.description, v.image_url, v.image_digest, v.runtime_type, v.env_vars, v.network," \
	" v.dependencies, v.dependency_install_status, v.dependency_install_error, v.labels, v.layer_id," \
	" v.created_by, t.created_at, v.created_at, v.version, t.current_version, CAST(v.cpu * 1000 AS SIGNED)," \
	" v.memory_bytes, v.disk_bytes, v.timeout_s, v.max_processes, v.run_as_user, v.read_only_root, v.is_active," \
	" t.is_active FROM template t JOIN template_version v ON v.template_id = t.id"
#define LIVE " t.deleted_at IS NULL AND v.version >= t.first_version"

static const struct db_col columns[] = {
	COL_STR(struct template, id),
	COL_STR(struct template, name),
	COL_STR(struct template, description),
	COL_STR(struct template, image_url),
	COL_STR(struct template, image_digest),
	COL_STR(struct template, runtime_type),
	COL_STR(struct template, env_vars),
	COL_STR(struct template, network),
	COL_STR(struct template, dependencies),
	COL_STR(struct template, dependency_install_status),
	COL_STR(struct template, dependency_install_error),
	COL_STR(struct template, labels),
	COL_STR(struct template, layer_id),
	COL_STR(struct template, created_by),
	COL_STR(struct template, created_at),
	COL_STR(struct template, version_created_at),
	COL_I64(struct template, version),
	COL_I64(struct template, current_version),
	COL_I64(struct template, cpu_millis),
	COL_I64(struct template, memory_bytes),
	COL_I64(struct template, disk_bytes),
	COL_I64(struct template, timeout_s),
	COL_I64(struct template, max_processes),
	COL_I64(struct template, run_as_user),
	COL_I64(struct template, read_only_root),
	COL_I64(struct template, version_active),
	COL_I64(struct template, is_active),
};
static const struct db_map template_map = { columns, ARRAY_LEN(columns), sizeof(struct template) };

/* ---- reading ---- */

static const struct query Q_FIND = {
	"template.find", SELECT_FROM
	" WHERE t.id = ? AND v.version = COALESCE(NULLIF(?, 0), t.current_version) AND" LIVE
};
static const struct query Q_LOCK = { "template.lock", SELECT_FROM
				     " WHERE t.id = ? AND v.version = t.current_version AND" LIVE
				     " FOR UPDATE" };
static const struct query Q_HOLD = {
	"template.hold",
	"SELECT 1 FROM template WHERE id = ? AND deleted_at IS NULL AND is_active LOCK IN SHARE MODE"
};
static const struct query Q_KNOWN = { "template.known", "SELECT 1 FROM template WHERE id = ?" };
static const struct query Q_LIST = {
	"template.list", SELECT_FROM
	" WHERE v.version = t.current_version AND (? IS NULL OR t.live_name > ?) AND" LIVE
	" ORDER BY t.live_name LIMIT ? OFFSET ?"
};
static const struct query Q_COUNT = { "template.count",
				      "SELECT COUNT(*) FROM template WHERE deleted_at IS NULL" };
static const struct query Q_VERSIONS = { "template.versions", SELECT_FROM
					 " WHERE t.id = ? AND (? = 0 OR v.version < ?) AND" LIVE
					 " ORDER BY v.version DESC LIMIT ? OFFSET ?" };
static const struct query Q_VERSIONS_COUNT = {
	"template.versions_count",
	"SELECT current_version - first_version + 1 FROM template WHERE id = ? AND deleted_at IS NULL"
};

int template_find(struct db *db, const char *id, int64_t version, struct template *t,
		  struct arena *a, struct fault *f)
{
	return db_rows(db, &Q_FIND, VALS(VSTR(id), VINT(version)), &template_map, t, 1, a, f);
}

int template_lock(struct db *db, const char *id, struct template *t, struct arena *a,
		  struct fault *f)
{
	return db_rows(db, &Q_LOCK, VALS(VSTR(id)), &template_map, t, 1, a, f);
}

int template_hold(struct db *db, const char *id, struct fault *f)
{
	int64_t one;

	return db_number(db, &Q_HOLD, VALS(VSTR(id)), &one, f);
}

int template_known(struct db *db, const char *id, struct fault *f)
{
	int64_t one;

	return db_number(db, &Q_KNOWN, VALS(VSTR(id)), &one, f);
}

int template_list(struct db *db, const char *after, int64_t offset, struct template *out, int max,
		  struct arena *a, struct fault *f)
{
	return db_rows(db, &Q_LIST,
		       VALS(VSTR(after), VSTR(after), VINT(max), VINT(after ? 0 : offset)),
		       &template_map, out, max, a, f);
}

int template_count(struct db *db, int64_t *n, struct fault *f)
{
	return db_number(db, &Q_COUNT, NOVALS, n, f) < 0 ? -1 : 0;
}

int template_versions(struct db *db, const char *id, int64_t below, int64_t offset,
		      struct template *out, int max, struct arena *a, struct fault *f)
{
	return db_rows(db, &Q_VERSIONS,
		       VALS(VSTR(id), VINT(below), VINT(below), VINT(max),
			    VINT(below ? 0 : offset)),
		       &template_map, out, max, a, f);
}

int template_versions_count(struct db *db, const char *id, int64_t *n, struct fault *f)
{
	*n = 0;
	return db_number(db, &Q_VERSIONS_COUNT, VALS(VSTR(id)), n, f) < 0 ? -1 : 0;
}

/* ---- writing ---- */

static const struct query Q_OLD = {
	"template.old",
	"SELECT current_version, deleted_at IS NULL FROM template WHERE id = ? FOR UPDATE"
};
static const struct query Q_NAME = { "template.name",
				     "SELECT 1 FROM template WHERE live_name = ?" };
static const struct query Q_INSERT = {
	"template.insert",
	"INSERT INTO template (id, live_name, current_version, first_version, is_active, created_at, updated_at)"
	" VALUES (?, ?, 1, 1, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
};
static const struct query Q_REVIVE = {
	"template.revive",
	"UPDATE template SET live_name = ?, current_version = ?, first_version = current_version, is_active = ?,"
	" created_at = UTC_TIMESTAMP(3), updated_at = created_at, deleted_at = NULL, row_version = row_version + 1"
	" WHERE id = ?"
};
static const struct query Q_ADVANCE = {
	"template.advance",
	"UPDATE template SET live_name = ?, current_version = ?, is_active = ?, updated_at = UTC_TIMESTAMP(3),"
	" row_version = row_version + 1 WHERE id = ?"
};
static const struct query Q_VERSION = {
	"template.version",
	"INSERT INTO template_version (template_id, version, name, description, image_url, image_digest, runtime_type,"
	" cpu, memory_bytes, disk_bytes, timeout_s, max_processes, env_vars, network, run_as_user, read_only_root,"
	" dependencies, dependency_install_status, dependency_install_error, labels, is_active, layer_id, created_by,"
	" created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ? / 1000, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
	" UTC_TIMESTAMP(3))"
};

static int insert_version(struct db *db, const struct template *t, struct fault *f)
{
	return db_exec(db, &Q_VERSION,
		       VALS(VSTR(t->id), VINT(t->version), VSTR(t->name), VSTR(t->description),
			    VSTR(t->image_url), VSTR(t->image_digest), VSTR(t->runtime_type),
			    VINT(t->cpu_millis), VINT(t->memory_bytes), VINT(t->disk_bytes),
			    VINT(t->timeout_s), VINT(t->max_processes), VSTR(t->env_vars),
			    VSTR(t->network), VINT(t->run_as_user), VINT(t->read_only_root),
			    VSTR(t->dependencies), VSTR(t->dependency_install_status),
			    VSTR(t->dependency_install_error), VSTR(t->labels),
			    VINT(t->version_active), VSTR(t->layer_id), VSTR(t->created_by)),
		       f) < 0
		       ? -1
		       : 0;
}

/* A duplicate key in words: which of the two unique things it was. Other faults stay. */
static int taken(struct db *db, const struct template *t, struct fault *f)
{
	int64_t one;
	int found;

	if (!fault_is(f, FAULT_CONFLICT))
		return -1;
	if ((found = db_number(db, &Q_NAME, VALS(VSTR(t->name)), &one, f)) < 0)
		return -1;
	return found ? fault_set(f, FAULT_CONFLICT, "name: another template has the name %.200s",
				 t->name)
		     : fault_set(f, FAULT_CONFLICT, "id: the template id %s is taken", t->id);
}

struct old {
	int64_t version, live;
};

int template_insert(struct db *db, struct template *t, struct fault *f)
{
	static const struct db_col cols[] = { COL_I64(struct old, version),
					      COL_I64(struct old, live) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct old) };
	struct old old = { 0 };
	int found = db_rows(db, &Q_OLD, VALS(VSTR(t->id)), &map, &old, 1, NULL, f);
	int64_t rc;

	if (found < 0)
		return -1;
	if (found && old.live)
		return fault_set(f, FAULT_CONFLICT, "id: the template id %s is taken", t->id);
	t->version = old.version + 1;
	if (found)
		rc = db_exec(db, &Q_REVIVE,
			     VALS(VSTR(t->name), VINT(t->version), VINT(t->version_active),
				  VSTR(t->id)),
			     f);
	else
		rc = db_exec(db, &Q_INSERT,
			     VALS(VSTR(t->id), VSTR(t->name), VINT(t->version_active)), f);
	return rc < 0 ? taken(db, t, f) : insert_version(db, t, f);
}

int template_add_version(struct db *db, struct template *t, struct fault *f)
{
	t->version = t->current_version + 1;
	if (db_exec(db, &Q_ADVANCE,
		    VALS(VSTR(t->name), VINT(t->version), VINT(t->version_active), VSTR(t->id)),
		    f) < 0)
		return taken(db, t, f);
	return insert_version(db, t, f);
}

static const struct query Q_USERS = {
	"template.users",
	"SELECT COUNT(*) FROM session WHERE template_id = ? AND state IN ('creating', 'running')"
};
static const struct query Q_DELETE = {
	"template.delete",
	"UPDATE template SET live_name = NULL, is_active = 0, deleted_at = UTC_TIMESTAMP(3), updated_at = deleted_at,"
	" row_version = row_version + 1 WHERE id = ?"
};

int template_delete(struct db *db, const char *id, struct fault *f)
{
	int64_t users;

	if (db_number(db, &Q_USERS, VALS(VSTR(id)), &users, f) < 0)
		return -1;
	if (users)
		return fault_set(f, FAULT_TEMPLATE_IN_USE,
				 "Template %s is used by %lld active session%s", id,
				 (long long)users, users == 1 ? "" : "s");
	return db_exec(db, &Q_DELETE, VALS(VSTR(id)), f) < 0 ? -1 : 0;
}
