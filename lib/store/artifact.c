#include "artifact.h"

#include "../digest.h"

#define BATCH 50 /* executions of one query: the default page */

static const struct query Q_LOCK = {
	"artifact.lock_execution",
	"SELECT session_id, attempt, stdout IS NOT NULL FROM execution WHERE id = ? FOR UPDATE"
};
static const struct query Q_PUT = {
	"artifact.put",
	"INSERT INTO artifact (execution_id, session_id, path, path_hash, size, mime_type, type, checksum, created_at)"
	" VALUES (?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE size = VALUES(size),"
	" mime_type = VALUES(mime_type), type = VALUES(type), checksum = VALUES(checksum)"
};
static const struct query Q_COUNT = { "artifact.count",
				      "SELECT COUNT(*) FROM artifact WHERE execution_id = ?" };
static const struct query Q_CUT = {
	"artifact.cut", "DELETE FROM artifact WHERE execution_id = ? ORDER BY id DESC LIMIT ?"
};
static const struct query Q_TRUNCATED = {
	"artifact.truncated",
	"UPDATE execution SET artifacts_truncated = 1, row_version = row_version + 1 WHERE id = ?"
};

struct record {
	const char *execution_id;
	int64_t attempt, max;
	const struct artifact *list;
	int n;
	struct arena *a;
};

struct owner {
	const char *session_id;
	int64_t attempt, recorded;
};

static int put_all(struct db *db, const struct record *c, const char *session_id, struct fault *f)
{
	for (int i = 0; i < c->n; i++) {
		const struct artifact *x = &c->list[i];
		char hash[DIGEST_SZ], *sum = hash;

		digest_sha256(x->path, strlen(x->path), (unsigned char *)hash);
		if (db_exec(db, &Q_PUT,
			    VALS(VSTR(c->execution_id), VSTR(session_id), VSTR(x->path),
				 VBLOB(sum, sizeof(hash)), VINT(x->size), VSTR(x->mime_type),
				 VSTR(x->type), VSTR(x->checksum)),
			    f) < 0)
			return -1;
	}
	return 0;
}

static int cut(struct db *db, const struct record *c, struct fault *f)
{
	int64_t have = 0;

	if (db_number(db, &Q_COUNT, VALS(VSTR(c->execution_id)), &have, f) < 0)
		return -1;
	if (have <= c->max)
		return 0;
	if (db_exec(db, &Q_CUT, VALS(VSTR(c->execution_id), VINT(have - c->max)), f) < 0)
		return -1;
	return db_exec(db, &Q_TRUNCATED, VALS(VSTR(c->execution_id)), f) < 0 ? -1 : 0;
}

static int record_tx(struct db *db, void *arg, struct fault *f)
{
	static const struct db_col cols[] = {
		COL_STR(struct owner, session_id),
		COL_I64(struct owner, attempt),
		COL_I64(struct owner, recorded),
	};
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct owner) };
	struct record *c = arg;
	struct owner o;
	int found = db_rows(db, &Q_LOCK, VALS(VSTR(c->execution_id)), &map, &o, 1, c->a, f);

	if (found == 0)
		return fault_set(f, FAULT_EXECUTION_NOT_FOUND, "Execution not found: %.64s",
				 c->execution_id);
	if (found < 0)
		return -1;
	if (o.recorded || o.attempt != c->attempt)
		return 0;
	return put_all(db, c, o.session_id, f) < 0 || cut(db, c, f) < 0 ? -1 : 1;
}

int artifact_record(struct db *db, const char *execution_id, int64_t attempt,
		    const struct artifact *list, int n, int64_t max, struct arena *a,
		    struct fault *f)
{
	struct record c = { execution_id, attempt, max, list, n, a };

	return db_tx(db, record_tx, &c, f);
}

/* ---- reading ---- */

#define TEN "?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
static const struct query Q_LIST = {
	"artifact.list",
	"SELECT execution_id, path, mime_type, type, checksum, created_at, size FROM"
	" (SELECT a.*, ROW_NUMBER() OVER (PARTITION BY execution_id ORDER BY id) AS nth FROM artifact a"
	" WHERE execution_id IN (" TEN ", " TEN ", " TEN ", " TEN ", " TEN "))"
	" x WHERE nth <= ? ORDER BY execution_id, nth"
};

static const struct db_col columns[] = {
	COL_STR(struct artifact, execution_id), COL_STR(struct artifact, path),
	COL_STR(struct artifact, mime_type),    COL_STR(struct artifact, type),
	COL_STR(struct artifact, checksum),     COL_STR(struct artifact, created_at),
	COL_I64(struct artifact, size),
};
static const struct db_map artifact_map = { columns, ARRAY_LEN(columns), sizeof(struct artifact) };

/* Rows of one execution stand together. */
static void hand_out(struct execution *x, int n, const struct artifact *rows, int nrows)
{
	for (int from = 0, to; from < nrows; from = to) {
		for (to = from + 1;
		     to < nrows && !strcmp(rows[to].execution_id, rows[from].execution_id);)
			to++;
		for (int i = 0; i < n; i++)
			if (!strcmp(x[i].id, rows[from].execution_id)) {
				x[i].artifacts = &rows[from];
				x[i].nartifacts = to - from;
			}
	}
}

static int attach(struct db *db, struct execution *x, int n, int64_t each, struct arena *a,
		  struct fault *f)
{
	struct db_val ids[BATCH + 1];
	struct artifact *rows;
	int64_t room = 0;
	int nrows;

	for (int i = 0; i < BATCH; i++) {
		bool has = i < n && x[i].artifact_count > 0;

		ids[i] = has ? VSTR(x[i].id) : VSTR(NULL);
		if (has)
			room += x[i].artifact_count < each ? x[i].artifact_count : each;
	}
	ids[BATCH] = VINT(each);
	if (!room)
		return 0;
	if (!(rows = arena_alloc(a, (size_t)room * sizeof(*rows))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if ((nrows = db_rows(db, &Q_LIST, ids, ARRAY_LEN(ids), &artifact_map, rows, (int)room, a,
			     f)) < 0)
		return -1;
	hand_out(x, n, rows, nrows);
	return 0;
}

int artifact_attach(struct db *db, struct execution *x, int n, int64_t each, struct arena *a,
		    struct fault *f)
{
	for (int i = 0; i < n; i++) {
		x[i].artifacts = NULL;
		x[i].nartifacts = 0;
	}
	for (int i = 0; i < n; i += BATCH)
		if (attach(db, x + i, n - i < BATCH ? n - i : BATCH, each, a, f) < 0)
			return -1;
	return 0;
}
