/* key.c: sandboxctl key: API keys (CONTRACT 1.4). */
#include <stdio.h>

#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "../lib/store/apikey.h"
#include "ctl.h"

#define BATCH    100
#define DAYS_MAX 36500

static struct json_object *time_or_null(struct ctl *c, struct json_object *o, const char *key,
					const char *t)
{
	return jsn_str(o, key, t ? arena_printf(c->a, "%.10sT%.12sZ", t, t + 11) : NULL);
}

static bool is_role(const char *word)
{
	static const char *const roles[] = { "readonly", "user", "admin" };

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (str_eq(word, roles[i]))
			return true;
	return false;
}

int ctl_key_create(struct ctl *c)
{
	int64_t days = INT64_MIN;
	char key[APIKEY_SZ], id[APIKEY_ID_SZ];
	struct fault f = { 0 };
	struct json_object *o;
	struct db *db;
	int rc;

	if (!is_role(c->role))
		return ctl_fail(CTL_USAGE, "--role: must be readonly, user or admin");
	if (c->expires && !text_int(c->expires, 1, DAYS_MAX, &days))
		return ctl_fail(CTL_USAGE, "--expires: must be 1 to %d days", DAYS_MAX);
	if (!(db = ctl_db(c)))
		return CTL_FAILED;
	rc = apikey_create(db, c->args[0], c->role, days, key, id, &f);
	db_close(db);
	if (rc < 0)
		return fault_is(&f, FAULT_REFUSED) ? ctl_fail(CTL_USAGE, "%s", f.detail)
						   : ctl_fault(&f);
	log_info("key.created", S("key_id", id), S("role", c->role));
	if (!c->json) {
		fprintf(stderr, "Key %s (%s). It is shown this once:\n", id, c->role);
		printf("%s\n", key);
		return ctl_done();
	}
	o = jsn_str(json_object_new_object(), "id", id);
	o = jsn_str(o, "name", c->args[0]);
	o = jsn_str(o, "role", c->role);
	return ctl_json(jsn_str(o, "key", key));
}

static const char *word_of(const struct apikey *k)
{
	return k->revoked_at ? "revoked" : "valid";
}

static struct json_object *key_json(struct ctl *c, const struct apikey *k)
{
	struct json_object *o = jsn_str(json_object_new_object(), "id", k->id);

	o = jsn_str(o, "name", k->name);
	o = jsn_str(o, "prefix", k->prefix);
	o = jsn_str(o, "role", k->role);
	o = time_or_null(c, o, "created_at", k->created_at);
	o = time_or_null(c, o, "expires_at", k->expires_at);
	o = time_or_null(c, o, "revoked_at", k->revoked_at);
	return time_or_null(c, o, "last_used_at", k->last_used_at);
}

static void print_key(const struct apikey *k)
{
	printf("%-16s  %-8s  %-8s  %-8s  %-16.16s  %-16.16s  %-16.16s  %s\n", k->id, k->prefix,
	       k->role, word_of(k), k->created_at, k->expires_at ? k->expires_at : "never",
	       k->last_used_at ? k->last_used_at : "never", k->name);
}

/* Page by page, so that any number of keys is listed in little memory. */
static int each_key(struct ctl *c, struct db *db, struct json_object **list, struct fault *f)
{
	struct apikey rows[BATCH];
	int64_t offset = 0;
	int n;

	do {
		if ((n = apikey_list(db, offset, rows, BATCH, c->a, f)) < 0)
			return -1;
		for (int i = 0; i < n; i++) {
			if (c->json)
				*list = jsn_push(*list, key_json(c, &rows[i]));
			else
				print_key(&rows[i]);
		}
		offset += n;
		arena_reset(c->a);
	} while (n == BATCH);
	return 0;
}

int ctl_key_list(struct ctl *c)
{
	struct json_object *list = c->json ? json_object_new_array() : NULL;
	struct fault f = { 0 };
	struct db *db = ctl_db(c);
	int rc = -1;

	if (db && !c->json)
		printf("%-16s  %-8s  %-8s  %-8s  %-16s  %-16s  %-16s  %s\n", "ID", "BEGINS", "ROLE",
		       "STATE", "CREATED (UTC)", "EXPIRES", "LAST USED", "NAME");
	if (db && (rc = each_key(c, db, &list, &f)) < 0)
		ctl_fault(&f);
	db_close(db);
	if (rc == 0)
		return c->json ? ctl_json(list) : ctl_done();
	json_object_put(list);
	return CTL_FAILED;
}

int ctl_key_revoke(struct ctl *c)
{
	struct fault f = { 0 };
	struct db *db = ctl_db(c);
	int n;

	if (!db)
		return CTL_FAILED;
	n = apikey_revoke(db, c->args[0], &f);
	db_close(db);
	if (n < 0)
		return ctl_fault(&f);
	if (!n)
		return ctl_fail(CTL_FAILED, "there is no valid key '%s'; see 'sandboxctl key list'",
				c->args[0]);
	log_info("key.revoked", S("key_id", c->args[0]));
	printf("Key %s is revoked.\n", c->args[0]);
	return ctl_done();
}
