#include "idem.h"

static const struct query Q_INSERT = {
	"idem.insert",
	"INSERT INTO idempotency_key (scope, idem_key, fingerprint, state, created_at, expires_at, lease_owner, lease_until,"
	" lease_epoch) VALUES (?, ?, ?, 'running', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL 24 HOUR, ?,"
	" UTC_TIMESTAMP(3) + INTERVAL ? SECOND, 1)"
};
static const struct query Q_LOCK = {
	"idem.lock",
	"SELECT fingerprint, state, object_id, response, http_status, lease_until >= UTC_TIMESTAMP(3), lease_epoch"
	" FROM idempotency_key WHERE scope = ? AND idem_key = ? AND expires_at > UTC_TIMESTAMP(3) FOR UPDATE"
};
static const struct query Q_TAKE = {
	"idem.take",
	"UPDATE idempotency_key SET lease_owner = ?, lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND,"
	" lease_epoch = lease_epoch + 1 WHERE scope = ? AND idem_key = ?"
};
static const struct query Q_EXPIRE = {
	"idem.expire",
	"DELETE FROM idempotency_key WHERE scope = ? AND idem_key = ? AND expires_at <= UTC_TIMESTAMP(3)"
};
static const struct query Q_OBJECT = {
	"idem.object",
	"UPDATE idempotency_key SET object_id = ? WHERE scope = ? AND idem_key = ? AND lease_epoch = ?"
};
static const struct query Q_RENEW = {
	"idem.renew",
	"UPDATE idempotency_key SET lease_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND"
	" WHERE scope = ? AND idem_key = ? AND lease_epoch = ?"
};
static const struct query Q_STORE = {
	"idem.store",
	"UPDATE idempotency_key SET state = 'done', http_status = ?, response = ?, lease_owner = NULL, lease_until = NULL"
	" WHERE scope = ? AND idem_key = ? AND lease_epoch = ?"
};
static const struct query Q_FORGET = {
	"idem.forget",
	"DELETE FROM idempotency_key WHERE scope = ? AND idem_key = ? AND lease_epoch = ? AND object_id IS NULL"
};
static const struct query Q_FREE = {
	"idem.free",
	"UPDATE idempotency_key SET lease_owner = NULL, lease_until = NULL WHERE scope = ? AND idem_key = ? AND lease_epoch = ?"
};

static const struct db_col columns[] = {
	COL_STR(struct idem_row, fingerprint), COL_STR(struct idem_row, state),
	COL_STR(struct idem_row, object_id),   COL_BLOB(struct idem_row, response, response_len),
	COL_I64(struct idem_row, http_status), COL_I64(struct idem_row, leased),
	COL_I64(struct idem_row, epoch),
};
static const struct db_map idem_map = { columns, ARRAY_LEN(columns), sizeof(struct idem_row) };

struct claim {
	struct idem_claim *claim;
	const char *fingerprint, *owner;
	struct idem_row *row;
	struct arena *a;
};

static int claim_tx(struct db *db, void *arg, struct fault *f)
{
	struct claim *c = arg;
	struct idem_claim *k = c->claim;
	int found;

	if (db_exec(db, &Q_EXPIRE, VALS(VSTR(k->scope), VSTR(k->key)), f) < 0)
		return -1;
	found = db_rows(db, &Q_LOCK, VALS(VSTR(k->scope), VSTR(k->key)), &idem_map, c->row, 1, c->a,
			f);
	if (found <= 0)
		return found;
	if (strcmp(c->row->fingerprint, c->fingerprint) || !strcmp(c->row->state, "done") ||
	    c->row->leased == 1)
		return 0;
	if (db_exec(db, &Q_TAKE,
		    VALS(VSTR(c->owner), VINT(IDEM_LEASE_S), VSTR(k->scope), VSTR(k->key)), f) < 0)
		return -1;
	k->epoch = c->row->epoch + 1;
	return 1;
}

int idem_claim(struct db *db, struct idem_claim *k, const char *fingerprint, const char *owner,
	       struct idem_row *row, struct arena *a, struct fault *f)
{
	struct claim c = { k, fingerprint, owner, row, a };

	*row = (struct idem_row){ 0 };
	if (db_exec(db, &Q_INSERT,
		    VALS(VSTR(k->scope), VSTR(k->key), VSTR(fingerprint), VSTR(owner),
			 VINT(IDEM_LEASE_S)),
		    f) > 0) {
		k->epoch = 1;
		return 1;
	}
	if (!fault_is(f, FAULT_CONFLICT))
		return -1;
	*f = (struct fault){ 0 };
	return db_tx(db, claim_tx, &c, f);
}

int idem_object(struct db *db, const struct idem_claim *k, const char *object_id, struct fault *f)
{
	int64_t n = db_exec(db, &Q_OBJECT,
			    VALS(VSTR(object_id), VSTR(k->scope), VSTR(k->key), VINT(k->epoch)), f);

	if (n == 0)
		return fault_set(f, FAULT_CONFLICT_RETRY,
				 "the Idempotency-Key was taken over by a repeated request");
	return n < 0 ? -1 : 0;
}

int idem_renew(struct db *db, const struct idem_claim *k, struct fault *f)
{
	return (int)db_exec(db, &Q_RENEW,
			    VALS(VINT(IDEM_LEASE_S), VSTR(k->scope), VSTR(k->key), VINT(k->epoch)),
			    f);
}

int idem_store(struct db *db, const struct idem_claim *k, int status, const char *response,
	       size_t n, struct fault *f)
{
	return (int)db_exec(db, &Q_STORE,
			    VALS(VINT(status), VBLOB(response, n), VSTR(k->scope), VSTR(k->key),
				 VINT(k->epoch)),
			    f);
}

int idem_release(struct db *db, const struct idem_claim *k, struct fault *f)
{
	if (db_exec(db, &Q_FORGET, VALS(VSTR(k->scope), VSTR(k->key), VINT(k->epoch)), f) < 0)
		return -1;
	return (int)db_exec(db, &Q_FREE, VALS(VSTR(k->scope), VSTR(k->key), VINT(k->epoch)), f);
}
