/*
 * migrate.h: the schema that this program carries, and the database's.
 *
 * Migrations are forward-only and numbered without gaps. MariaDB commits each
 * change of the schema by itself, so a migration is no transaction: table
 * schema_migration counts the statements that are done, and applied_at is null
 * until the last one is. A killed migration goes on where it stood. The
 * statement that it was at may run twice, hence the rule for migrations:
 * CREATE, ALTER and DROP say IF [NOT] EXISTS; any other statement is committed
 * together with the count and so runs once.
 */
#pragma once

#include "../base/conf.h"
#include "../db.h"

struct migration {
	int64_t version;
	const char *name, *sql;
};

extern const struct migration migrations[]; /* by version from 1; ends with .sql == NULL */

/* Where the database stands. */
struct migrate_state {
	int64_t have, need; /* versions; have 0: empty */
	bool halfway;       /* the last one was interrupted */
	bool changed;       /* an applied migration is not the text that this program carries */
};

int migrate_look(struct db *, struct migrate_state *, struct fault *) MUST_CHECK;

/* 0 when the schema is just what this program needs; else -1 with DATABASE_UNAVAILABLE and what to do about it. */
int migrate_check(struct db *, struct fault *) MUST_CHECK;

/*
 * Brings the schema up and seeds the templates that never were there (CONTRACT 5), under a lock of the database server;
 * waits a minute for another one. The number of migrations applied, or -1.
 */
int migrate_apply(struct db *, const struct conf *, struct fault *) MUST_CHECK;

/* Cuts the next statement off *sql: its start and length, without the ';'. False: none is left. Pure. */
bool migrate_next(const char **sql, const char **statement, size_t *len);
/* Does it change the schema, by its first word after comments? Pure. */
bool migrate_is_ddl(const char *statement, size_t len);
