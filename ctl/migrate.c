/* migrate.c: sandboxctl migrate. */
#include "../lib/store/migrate.h"

#include <stdio.h>

#include "ctl.h"

/* Adding an index to a large table is silent for long; nothing else waits for this connection. */
#define QUERY_TIMEOUT_S 86400

static int say(struct ctl *c, const struct migrate_state *st, int made)
{
	struct json_object *o;

	if (!c->json) {
		if (made)
			printf("schema version %lld: %d migration%s applied\n", (long long)st->have,
			       made, made == 1 ? "" : "s");
		else
			printf("schema version %lld: nothing to do\n", (long long)st->have);
		return ctl_done();
	}
	o = jsn_int(json_object_new_object(), "version", st->have);
	return ctl_json(jsn_int(o, "applied", made));
}

int ctl_migrate(struct ctl *c)
{
	struct migrate_state st;
	struct fault f = { 0 };
	struct db *db;
	int made = 0, rc = -1;

	c->cf.database_query_timeout = QUERY_TIMEOUT_S;
	if ((db = db_open(&c->cf, &f))) {
		if (c->check)
			rc = migrate_check(db, &f);
		else
			rc = made = migrate_apply(db, &c->cf, &f);
		if (rc >= 0)
			rc = migrate_look(db, &st, &f);
	}
	db_close(db);
	return rc < 0 ? ctl_fault(&f) : say(c, &st, made);
}
