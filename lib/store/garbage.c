#include "garbage.h"

#include <stdio.h>

#include "../base/text.h"

#define ERROR_MAX 255 /* last_error */

#define FREE "(lease_until IS NULL OR lease_until < UTC_TIMESTAMP(3))"
#define ROW \
	"SELECT id, kind, object_key, session_id, attempts, lease_epoch, (SELECT COUNT(*) FROM session s" \
	" WHERE s.id = storage_garbage.session_id AND s.state IN ('creating', 'running')) FROM storage_garbage WHERE "

static const struct query Q_DUE = {
	"garbage.due",
	"SELECT EXISTS(SELECT 1 FROM storage_garbage WHERE not_before <= UTC_TIMESTAMP(3) AND " FREE
	")"
};
static const struct query Q_NEXT = { "garbage.next",
				     ROW "not_before <= UTC_TIMESTAMP(3) AND " FREE
					 " ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED" };
static const struct query Q_NEXT_OF = {
	"garbage.next_of_session", ROW "session_id = ? AND not_before <= UTC_TIMESTAMP(3) AND " FREE
				       " LIMIT 1 FOR UPDATE SKIP LOCKED"
};
static const struct query Q_LEASE = {
	"garbage.lease",
	"UPDATE storage_garbage SET lease_owner = ?, lease_epoch = lease_epoch + 1,"
	" lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ?"
};
static const struct query Q_RENEW = {
	"garbage.renew",
	"UPDATE storage_garbage SET lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE id = ? AND lease_epoch = ?"
};
static const struct query Q_FINISH = {
	"garbage.finish", "DELETE FROM storage_garbage WHERE id = ? AND lease_epoch = ?"
};
static const struct query Q_RELEASE = {
	"garbage.release",
	"UPDATE storage_garbage SET lease_owner = NULL, lease_until = NULL WHERE id = ? AND lease_epoch = ?"
};
/* MariaDB assigns from left to right: not_before sees the attempts there were before this one. */
static const struct query Q_FAIL = {
	"garbage.fail",
	"UPDATE storage_garbage SET not_before = UTC_TIMESTAMP(3) + INTERVAL LEAST(300, POW(2, LEAST(attempts, 9))) SECOND,"
	" attempts = attempts + 1, last_error = ?, lease_owner = NULL, lease_until = NULL WHERE id = ? AND lease_epoch = ?"
};
static const struct query Q_AGAIN = {
	"garbage.again",
	"UPDATE storage_garbage SET lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1"
	" WHERE session_id = ? AND object_key = ?"
};

int garbage_due(struct db *db, struct fault *f)
{
	int64_t n = 0;

	return db_number(db, &Q_DUE, NOVALS, &n, f) < 0 ? -1 : n > 0;
}

struct claim {
	const char *session_id, *owner;
	int64_t lease_s;
	struct garbage *out;
	struct arena *a;
};

static int claim_tx(struct db *db, void *arg, struct fault *f)
{
	static const struct db_col cols[] = {
		COL_I64(struct garbage, id),
		COL_STR(struct garbage, kind),
		COL_STR(struct garbage, object_key),
		COL_STR(struct garbage, session_id),
		COL_I64(struct garbage, attempts),
		COL_I64(struct garbage, lease_epoch),
		COL_I64(struct garbage, session_active),
	};
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct garbage) };
	struct claim *x = arg;
	int n = x->session_id ? db_rows(db, &Q_NEXT_OF, VALS(VSTR(x->session_id)), &map, x->out, 1,
					x->a, f)
			      : db_rows(db, &Q_NEXT, NOVALS, &map, x->out, 1, x->a, f);

	if (n <= 0)
		return n;
	if (db_exec(db, &Q_LEASE, VALS(VSTR(x->owner), VINT(x->lease_s), VINT(x->out->id)), f) < 0)
		return -1;
	x->out->lease_epoch++;
	return 1;
}

int garbage_claim(struct db *db, const char *session_id, const char *owner, int64_t lease_s,
		  struct garbage *out, struct arena *a, struct fault *f)
{
	struct claim x = { session_id, owner, lease_s, out, a };

	return db_tx(db, claim_tx, &x, f);
}

int garbage_renew(struct db *db, const struct garbage *g, int64_t lease_s, struct fault *f)
{
	return (int)db_exec(db, &Q_RENEW, VALS(VINT(lease_s), VINT(g->id), VINT(g->lease_epoch)),
			    f);
}

int garbage_finish(struct db *db, const struct garbage *g, struct fault *f)
{
	return (int)db_exec(db, &Q_FINISH, VALS(VINT(g->id), VINT(g->lease_epoch)), f);
}

int garbage_release(struct db *db, const struct garbage *g, struct fault *f)
{
	return (int)db_exec(db, &Q_RELEASE, VALS(VINT(g->id), VINT(g->lease_epoch)), f);
}

int garbage_fail(struct db *db, const struct garbage *g, const char *error, struct fault *f)
{
	char text[ERROR_MAX + 1];

	snprintf(text, sizeof(text), "%s", error);
	text_utf8_trim(text);
	return (int)db_exec(db, &Q_FAIL, VALS(VSTR(text), VINT(g->id), VINT(g->lease_epoch)), f);
}

int garbage_again(struct db *db, const char *session_id, const char *prefix, struct fault *f)
{
	int64_t n = db_exec(db, &Q_AGAIN, VALS(VSTR(session_id), VSTR(prefix)), f);

	return n < 0 ? -1 : n > 0;
}

static const struct query Q_OBJECT = {
	"garbage.object",
	"INSERT INTO storage_garbage (kind, object_key, session_id, not_before, created_at)"
	" VALUES ('object', ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"
};

int garbage_object(struct db *db, const char *session_id, const char *key, struct fault *f)
{
	return db_exec(db, &Q_OBJECT, VALS(VSTR(key), VSTR(session_id)), f) < 0 ? -1 : 0;
}
