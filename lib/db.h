/*
 * db.h: prepared statements, and rows that land in structs.
 *
 * Every statement is a named `struct query` constant beside the code that owns
 * its table (lib/store/). There is no way here to run SQL that was built at run
 * time, but db_statement() for the migrations that the program carries.
 *
 * Connections come from a pool: a thread takes one for as long as it talks to
 * the database and never holds it while it waits for anything else. Session
 * settings (UTC, strict mode, READ COMMITTED) are made at each connect.
 */
#pragma once

#include "base/arena.h"
#include "base/conf.h"
#include "base/fault.h"

struct db;
struct db_pool;

struct query {
	const char *name, *sql;
};

enum db_type { DB_NULL, DB_STR, DB_BLOB, DB_I64, DB_F64 };

struct db_val {
	enum db_type type;
	const char *str; /* DB_STR, DB_BLOB */
	size_t len;
	int64_t num;
	double real;
};

static inline struct db_val db_str_(const char *s)
{
	return (struct db_val){ .type = s ? DB_STR : DB_NULL, .str = s, .len = s ? strlen(s) : 0 };
}

#define VSTR(s)     db_str_(s) /* NULL: SQL NULL */
#define VBLOB(p, n) ((struct db_val){ .type = (p) ? DB_BLOB : DB_NULL, .str = (p), .len = (n) })
#define VINT(n)     ((struct db_val){ .type = DB_I64, .num = (n) })
/* INT64_MIN is SQL NULL, as jsn.h's JSN_ABSENT. */
#define VOPT(n) ((struct db_val){ .type = (n) == INT64_MIN ? DB_NULL : DB_I64, .num = (n) })
#define VREAL(x) \
	((struct db_val){ .type = (x) != (x) ? DB_NULL : DB_F64, .real = (x) }) /* NAN: NULL */
#define VALS(...) \
	(const struct db_val[]){ __VA_ARGS__ }, \
		sizeof((const struct db_val[]){ __VA_ARGS__ }) / sizeof(struct db_val)
#define NOVALS NULL, 0

/* Column i of the result goes to offset .off of the row struct. */
struct db_col {
	enum db_type type;
	size_t off, len_off;
};
#define COL_STR(T, f) \
	{ \
		DB_STR, offsetof(T, f), 0 \
	} /* const char *, NULL for SQL NULL */
#define COL_BLOB(T, f, n) \
	{ \
		DB_BLOB, offsetof(T, f), offsetof(T, n) \
	} /* and its size_t length */
#define COL_I64(T, f) \
	{ \
		DB_I64, offsetof(T, f), 0 \
	} /* int64_t, INT64_MIN for SQL NULL */
#define COL_F64(T, f) \
	{ \
		DB_F64, offsetof(T, f), 0 \
	} /* double, NAN for SQL NULL */

struct db_map {
	const struct db_col *cols;
	size_t ncols, rowsz;
};

int db_library_init(void); /* once, before any thread */

/* `size` connections at most; opened when first needed. NULL: no memory. */
struct db_pool *db_pool_new(const struct conf *, int64_t size);
void db_pool_free(struct db_pool *);
/*
 * A usable connection, waiting up to [database] connect_timeout for a free one. NULL with DATABASE_UNAVAILABLE.
 * db_put() gives it back; one on which a connection error happened is closed instead.
 */
struct db *db_get(struct db_pool *, struct fault *) MUST_CHECK;
void db_put(struct db_pool *, struct db *); /* NULL is fine */
void db_thread_end(void);                   /* before a thread that used a pool ends */

/* A connection of one's own, for tools. */
struct db *db_open(const struct conf *, struct fault *) MUST_CHECK;
void db_close(struct db *);

/* Rows matched (>= 0), or -1 with a fault: CONFLICT for a duplicate key. */
int64_t db_exec(struct db *, const struct query *, const struct db_val *, size_t nv,
		struct fault *) MUST_CHECK;
int64_t db_insert_id(struct db *);

/* Up to `max` rows, arena-owned. The count, or -1 with a fault. */
int db_rows(struct db *, const struct query *, const struct db_val *, size_t nv,
	    const struct db_map *, void *rows, int max, struct arena *, struct fault *) MUST_CHECK;
/* One number of one row: 1 found, 0 no row, -1 fault. */
int db_number(struct db *, const struct query *, const struct db_val *, size_t nv, int64_t *out,
	      struct fault *) MUST_CHECK;

/*
 * Runs fn in a transaction and commits when it returns >= 0, else rolls back; returns what fn returned, or -1.
 * After a deadlock or lock time-out the whole is repeated, five times at most: fn must be repeatable.
 */
int db_tx(struct db *, int (*fn)(struct db *, void *, struct fault *), void *arg,
	  struct fault *) MUST_CHECK;

/* One statement without a result: the embedded migrations only (lib/store/migrate.c cuts them). */
int db_statement(struct db *, const char *name, const char *sql, size_t n,
		 struct fault *) MUST_CHECK;
