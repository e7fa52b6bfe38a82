#include "workspace.h"

#include "../digest.h"
#include "session.h"

#define COUNT_AGAIN_S \
	20 /* a sum counted so recently is believed: full disks must not cost listings */

/* ---- claims ---- */

static const struct query Q_CLAIM = {
	"workspace.claim",
	"INSERT IGNORE INTO workspace_write (session_id, path_hash, lease_owner, lease_until)"
	" VALUES (?, ?, ?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND)"
};
static const struct query Q_EXPIRE = {
	"workspace.expire",
	"DELETE FROM workspace_write WHERE session_id = ? AND path_hash = ? AND lease_until < UTC_TIMESTAMP(3)"
};
static const struct query Q_OWNER = {
	"workspace.owner",
	"SELECT lease_owner FROM workspace_write WHERE session_id = ? AND path_hash = ? AND lease_until >= UTC_TIMESTAMP(3)"
};
static const struct query Q_DROP = {
	"workspace.drop",
	"DELETE FROM workspace_write WHERE session_id = ? AND path_hash = ? AND lease_owner = ?"
};
static const struct query Q_EXTEND = {
	"workspace.extend",
	"UPDATE workspace_write SET lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ?"
};
static const struct query Q_END_CLAIM = { "workspace.end_claim",
					  "DELETE FROM workspace_write WHERE id = ?" };

struct claiming {
	const struct conf *cf;
	const char *session_id, *owner, *hash;
	int64_t claim;
	const char *other;
	struct arena *a;
};

static int find_other(struct db *db, struct claiming *x, struct fault *f)
{
	static const struct db_col cols[] = { { DB_STR, 0, 0 } };
	static const struct db_map map = { cols, 1, sizeof(const char *) };

	return db_rows(db, &Q_OWNER, VALS(VSTR(x->session_id), VBLOB(x->hash, DIGEST_SZ)), &map,
		       &x->other, 1, x->a, f);
}

/* The session's row is locked first, by every writer: its claims are made and ended one after the other. */
static int claim_tx(struct db *db, void *arg, struct fault *f)
{
	struct claiming *x = arg;
	struct session s;
	int64_t n = session_touch(db, x->cf, x->session_id, INT64_MIN, f);

	if (n == 0 && session_load(db, x->session_id, &s, x->a, f) == 0)
		return session_inactive_fault(&s, f);
	if (n <= 0 ||
	    db_exec(db, &Q_EXPIRE, VALS(VSTR(x->session_id), VBLOB(x->hash, DIGEST_SZ)), f) < 0)
		return -1;
	n = db_exec(db, &Q_CLAIM,
		    VALS(VSTR(x->session_id), VBLOB(x->hash, DIGEST_SZ), VSTR(x->owner),
			 VINT(WORKSPACE_LEASE_S)),
		    f);
	if (n > 0)
		x->claim = db_insert_id(db);
	if (n != 0)
		return n < 0 ? -1 : 1;
	return find_other(db, x, f) < 0 ? -1 : 0;
}

int workspace_claim(struct db *db, const struct conf *cf, const char *session_id, const char *path,
		    const char *owner, int64_t *claim, const char **other, struct arena *a,
		    struct fault *f)
{
	unsigned char hash[DIGEST_SZ];
	struct claiming x = { .cf = cf,
			      .session_id = session_id,
			      .owner = owner,
			      .hash = (const char *)hash,
			      .a = a };
	int rc;

	digest_sha256(path, strlen(path), hash);
	/* Those who wait for another only look, most of the time. */
	if ((rc = find_other(db, &x, f)) >= 0)
		rc = rc ? 0 : db_tx(db, claim_tx, &x, f);
	*claim = x.claim;
	*other = x.other;
	return rc;
}

int workspace_drop(struct db *db, const char *session_id, const char *path, const char *owner,
		   struct fault *f)
{
	unsigned char hash[DIGEST_SZ];
	const char *h = (const char *)hash;

	digest_sha256(path, strlen(path), hash);
	return (int)db_exec(db, &Q_DROP, VALS(VSTR(session_id), VBLOB(h, DIGEST_SZ), VSTR(owner)),
			    f);
}

int workspace_extend(struct db *db, int64_t claim, struct fault *f)
{
	return (int)db_exec(db, &Q_EXTEND, VALS(VINT(WORKSPACE_LEASE_S), VINT(claim)), f);
}

/* ---- the sum ---- */

static const struct query Q_RESERVE = {
	"workspace.reserve",
	"UPDATE session SET workspace_bytes = workspace_bytes + ? WHERE id = ? AND (? OR workspace_bytes + ? <= disk_bytes)"
};
static const struct query Q_BOUND = {
	"workspace.bound",
	"UPDATE workspace_write SET bytes = ?, lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ?"
};
static const struct query Q_USED = {
	"workspace.used", "SELECT workspace_bytes, disk_bytes FROM session WHERE id = ?"
};
static const struct query Q_SETTLE = {
	"workspace.settle",
	"UPDATE session SET workspace_bytes = GREATEST(workspace_bytes + ?, 0),"
	" pull_pending = IF(? AND state = 'creating', 1, pull_pending) WHERE id = ?"
};
static const struct query Q_STATE = {
	"workspace.state", "SELECT state, container_id, token_epoch FROM session WHERE id = ?"
};

struct reserving {
	const char *session_id;
	int64_t claim, more, bound;
	bool force;
};

static int reserve_tx(struct db *db, void *arg, struct fault *f)
{
	const struct reserving *x = arg;
	int64_t n =
		db_exec(db, &Q_RESERVE,
			VALS(VINT(x->more), VSTR(x->session_id), VINT(x->force), VINT(x->more)), f);

	if (n <= 0)
		return (int)n;
	return (int)db_exec(db, &Q_BOUND,
			    VALS(VINT(x->bound), VINT(WORKSPACE_LEASE_S), VINT(x->claim)), f) < 0
		       ? -1
		       : 1;
}

struct used {
	int64_t used, limit;
};

int workspace_reserve(struct db *db, const char *session_id, int64_t claim, int64_t more,
		      int64_t bound, bool force, int64_t *used, int64_t *limit, struct fault *f)
{
	static const struct db_col cols[] = { COL_I64(struct used, used),
					      COL_I64(struct used, limit) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct used) };
	struct reserving x = { session_id, claim, more, bound, force };
	struct used u = { 0 };
	int rc = db_tx(db, reserve_tx, &x, f);

	if (rc == 0 && db_rows(db, &Q_USED, VALS(VSTR(session_id)), &map, &u, 1, NULL, f) < 0)
		return -1;
	*used = u.used;
	*limit = u.limit;
	return rc;
}

struct settling {
	const struct workspace_end *end;
	struct workspace_session *out;
	struct arena *a;
};

static int settle_tx(struct db *db, void *arg, struct fault *f)
{
	static const struct db_col cols[] = { COL_STR(struct workspace_session, state),
					      COL_STR(struct workspace_session, container_id),
					      COL_I64(struct workspace_session, token_epoch) };
	static const struct db_map map = { cols, ARRAY_LEN(cols),
					   sizeof(struct workspace_session) };
	struct settling *x = arg;
	const struct workspace_end *e = x->end;
	int64_t n;

	if (db_exec(db, &Q_SETTLE, VALS(VINT(e->delta), VINT(e->changed), VSTR(e->session_id)), f) <
		    0 ||
	    (n = db_exec(db, &Q_END_CLAIM, VALS(VINT(e->claim)), f)) < 0)
		return -1;
	if (n == 0 && db_exec(db, &Q_SETTLE,
			      VALS(VINT(e->lost - e->delta), VINT(0), VSTR(e->session_id)), f) < 0)
		return -1;
	*x->out = (struct workspace_session){ .state = "" };
	return db_rows(db, &Q_STATE, VALS(VSTR(e->session_id)), &map, x->out, 1, x->a, f) < 0 ? -1
											      : 0;
}

int workspace_settle(struct db *db, const struct workspace_end *end, struct workspace_session *out,
		     struct arena *a, struct fault *f)
{
	struct settling x = { end, out, a };

	return db_tx(db, settle_tx, &x, f);
}

/* ---- counting anew ---- */

#define PENDING \
	"(SELECT COALESCE(SUM(bytes), 0) FROM workspace_write w WHERE w.session_id = session.id AND w.id <> ?" \
	" AND w.lease_until > UTC_TIMESTAMP(3))"

static const struct query Q_LOOK = {
	"workspace.look",
	"SELECT workspace_bytes, CAST(" PENDING " AS SIGNED),"
	" COALESCE(workspace_counted_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND, 0) FROM session WHERE id = ?"
};
static const struct query Q_SET = {
	"workspace.set",
	"UPDATE session SET workspace_bytes = ?, workspace_counted_at = UTC_TIMESTAMP(3)"
	" WHERE id = ? AND workspace_bytes = ? AND " PENDING " = ?"
};

int workspace_look(struct db *db, const char *session_id, int64_t claim, struct workspace_sum *sum,
		   struct arena *a, struct fault *f)
{
	static const struct db_col cols[] = { COL_I64(struct workspace_sum, bytes),
					      COL_I64(struct workspace_sum, pending),
					      COL_I64(struct workspace_sum, recent) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct workspace_sum) };
	int n = db_rows(db, &Q_LOOK, VALS(VINT(claim), VINT(COUNT_AGAIN_S), VSTR(session_id)), &map,
			sum, 1, a, f);

	return n <= 0 ? n : !sum->recent;
}

int workspace_set(struct db *db, const char *session_id, int64_t claim,
		  const struct workspace_sum *sum, int64_t bytes, struct fault *f)
{
	return (int)db_exec(db, &Q_SET,
			    VALS(VINT(bytes + sum->pending), VSTR(session_id), VINT(sum->bytes),
				 VINT(claim), VINT(sum->pending)),
			    f);
}
