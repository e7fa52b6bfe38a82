/* database.c: the way to the database that the subcommands share. */
#include "../lib/store/migrate.h"
#include "ctl.h"

struct db *ctl_db(struct ctl *c)
{
	struct fault f = { 0 };
	struct db *db = db_open(&c->cf, &f);

	if (db && migrate_check(db, &f) == 0)
		return db;
	db_close(db);
	ctl_fault(&f);
	return NULL;
}
