#include "apikey.h"

#include "../base/ident.h"
#include "../base/text.h"
#include "../digest.h"

#define KEY_CHARS    40 /* 238 bits */
#define ID_CHARS     12
#define PREFIX_CHARS 8 /* `sbx_` and four more: tells keys apart, helps nobody to guess one */
#define DAYS_MAX     36500

static const struct query Q_FIND = {
	"apikey.find",
	"SELECT id, name, prefix, role, created_at, expires_at, revoked_at, last_used_at,"
	" last_used_at IS NULL OR last_used_at < UTC_TIMESTAMP(3) - INTERVAL 60 SECOND FROM api_key"
	" WHERE key_hash = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(3))"
};
static const struct query Q_USED = {
	"apikey.used", "UPDATE api_key SET last_used_at = UTC_TIMESTAMP(3) WHERE id = ?"
};
static const struct query Q_INSERT = {
	"apikey.insert",
	"INSERT INTO api_key (id, name, prefix, key_hash, role, created_at, expires_at)"
	" VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL ? DAY)"
};
static const struct query Q_LIST = {
	"apikey.list",
	"SELECT id, name, prefix, role, created_at, expires_at, revoked_at, last_used_at FROM api_key"
	" ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?"
};
static const struct query Q_REVOKE = {
	"apikey.revoke",
	"UPDATE api_key SET revoked_at = UTC_TIMESTAMP(3) WHERE id = ? AND revoked_at IS NULL"
};

struct found {
	struct apikey k;
	int64_t stale;
};

#define K(f) COL_STR(struct found, k.f)
static const struct db_col columns[] = {
	K(id),         K(name),         K(prefix),
	K(role),       K(created_at),   K(expires_at),
	K(revoked_at), K(last_used_at), COL_I64(struct found, stale),
};
static const struct db_map found_map = { columns, ARRAY_LEN(columns), sizeof(struct found) };
/* struct found begins with its key, so the offsets serve lists too. */
static const struct db_map list_map = { columns, ARRAY_LEN(columns) - 1, sizeof(struct apikey) };

int apikey_find(struct db *db, const char *text, struct apikey *k, struct arena *a, struct fault *f)
{
	char hash[2 * DIGEST_SZ + 1];
	struct found row = { 0 };
	int n;

	digest_sha256_hex(text, strlen(text), hash);
	n = db_rows(db, &Q_FIND, VALS(VSTR(hash)), &found_map, &row, 1, a, f);
	if (n <= 0)
		return n;
	if (row.stale && db_exec(db, &Q_USED, VALS(VSTR(row.k.id)), f) < 0)
		return -1;
	*k = row.k;
	return 1;
}

/* n characters of [0-9A-Za-z], each equally likely. */
static void letters(char *out, size_t n)
{
	unsigned char r;

	for (size_t i = 0; i < n;) {
		ident_random(&r, 1);
		if (r < 248) /* 4 * 62: the rest would favour the first characters */
			out[i++] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				[r % 62];
	}
	out[n] = '\0';
}

static int check(const char *name, const char *role, int64_t days, struct fault *f)
{
	size_t n = strlen(name);

	if (!n || n > 255 || !text_utf8_ok(name, n))
		return fault_set(f, FAULT_REFUSED, "name: must be 1 to 255 bytes of UTF-8");
	if (strcmp(role, "readonly") && strcmp(role, "user") && strcmp(role, "admin"))
		return fault_set(f, FAULT_REFUSED, "role: must be readonly, user or admin");
	if (days != INT64_MIN && (days < 1 || days > DAYS_MAX))
		return fault_set(f, FAULT_REFUSED, "expires: must be 1 to %d days", DAYS_MAX);
	return 0;
}

int apikey_create(struct db *db, const char *name, const char *role, int64_t days,
		  char key[APIKEY_SZ], char id[APIKEY_ID_SZ], struct fault *f)
{
	char hash[2 * DIGEST_SZ + 1];
	struct db_val prefix;

	if (check(name, role, days, f) < 0)
		return -1;
	memcpy(key, "sbx_", 4);
	letters(key + 4, KEY_CHARS);
	memcpy(id, "key_", 4);
	letters(id + 4, ID_CHARS);
	digest_sha256_hex(key, strlen(key), hash);
	prefix = (struct db_val){ .type = DB_STR, .str = key, .len = PREFIX_CHARS };
	return db_exec(db, &Q_INSERT,
		       VALS(VSTR(id), VSTR(name), prefix, VSTR(hash), VSTR(role), VOPT(days)),
		       f) < 0
		       ? -1
		       : 0;
}

int apikey_list(struct db *db, int64_t offset, struct apikey *out, int max, struct arena *a,
		struct fault *f)
{
	return db_rows(db, &Q_LIST, VALS(VINT(max), VINT(offset)), &list_map, out, max, a, f);
}

int apikey_revoke(struct db *db, const char *id, struct fault *f)
{
	return (int)db_exec(db, &Q_REVOKE, VALS(VSTR(id)), f);
}
