/*
 * apikey.h: the api_key table (CONTRACT 1.4). A key is shown once, when it is
 * made; the table holds its SHA-256.
 */
#pragma once

#include "../db.h"

#define APIKEY_SZ    64 /* room for a key's text, `sbx_` + 40 of [0-9A-Za-z], and the NUL */
#define APIKEY_ID_SZ 20 /* `key_` + 12 of [0-9A-Za-z] */

/* Times are text as the database prints them (UTC), NULL for never. */
struct apikey {
	const char *id, *name, *prefix, *role, *created_at, *expires_at, *revoked_at, *last_used_at;
};

/* 1: good, neither expired nor revoked by the database's clock. 0: no such key. Notes its use, once a minute at most. */
int apikey_find(struct db *, const char *key_text, struct apikey *, struct arena *,
		struct fault *) MUST_CHECK;

/* `expires_days` INT64_MIN: never. 0, or -1: REFUSED for a name, role or time that cannot be. */
int apikey_create(struct db *, const char *name, const char *role, int64_t expires_days,
		  char key[APIKEY_SZ], char id[APIKEY_ID_SZ], struct fault *) MUST_CHECK;

/* Newest first, in pages: keys after `offset`. The count. */
int apikey_list(struct db *, int64_t offset, struct apikey *out, int max, struct arena *,
		struct fault *) MUST_CHECK;

/* 1 revoked now, 0 no such key or revoked before. */
int apikey_revoke(struct db *, const char *id, struct fault *) MUST_CHECK;
