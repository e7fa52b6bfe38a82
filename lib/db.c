#include "db.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/ident.h"
#include "base/log.h"

#define MAX_STMTS 160 /* distinct queries of one connection; the cache is emptied when it is full */
#define MAX_VALS  64
#define MAX_COLS  72
#define SLOT \
	192 /* bytes of a text column that arrive with the row; longer ones are fetched on their own */
#define TX_TRIES 5
#define IDLE_MS  60000 /* a connection unused for this long is probed before use */

struct db {
	MYSQL *my;
	struct {
		const struct query *q;
		MYSQL_STMT *st;
	} cache[MAX_STMTS];
	size_t ncache;
	bool broken; /* the connection is of no more use */
	bool again;  /* the last fault was a deadlock or lock time-out */
	bool unlike; /* a text that is not ASCII was compared with an ASCII column: equal to nothing there */
	int64_t used_ms;
	struct db *next; /* in the pool's free list */
};

struct db_pool {
	const struct conf *cf;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct db *idle;
	int64_t open, size;
};

int db_library_init(void)
{
	return mysql_library_init(0, NULL, NULL) ? -1 : 0;
}

void db_thread_end(void)
{
	mysql_thread_end();
}

static bool connection_lost(unsigned no)
{
	switch (no) {
	case CR_SERVER_LOST:
	case CR_SERVER_GONE_ERROR:
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_UNKNOWN_HOST:
	case CR_SERVER_HANDSHAKE_ERR:
	case CR_COMMANDS_OUT_OF_SYNC:
	case ER_SERVER_SHUTDOWN:
	case ER_CON_COUNT_ERROR:
	case ER_ACCESS_DENIED_ERROR:
	case ER_DBACCESS_DENIED_ERROR:
	case ER_BAD_DB_ERROR:
	case ER_CONNECTION_KILLED:
	case ER_NEW_ABORTING_CONNECTION:
	case ER_NORMAL_SHUTDOWN: return true;
	default:
		return no >= 2000 &&
		       no < 3000; /* every client-side error leaves the protocol in doubt */
	}
}

/* The one place where a MariaDB error becomes a promise to the caller. */
static int db_fault(struct db *db, MYSQL_STMT *st, const char *name, struct fault *f)
{
	unsigned no = st ? mysql_stmt_errno(st) : mysql_errno(db->my);

	db->again = false;
	if (no == ER_DUP_ENTRY)
		return fault_set(f, FAULT_CONFLICT, "already exists");
	if (no == ER_LOCK_DEADLOCK || no == ER_LOCK_WAIT_TIMEOUT) {
		db->again = true;
		return fault_set(f, FAULT_CONFLICT_RETRY,
				 "changed at the same time by another request");
	}
	log_error("db.error", S("query", name), I("errno", no),
		  S("error", st ? mysql_stmt_error(st) : mysql_error(db->my)));
	if (connection_lost(no)) {
		db->broken = true;
		return fault_set(f, FAULT_DATABASE_UNAVAILABLE, "no connection to the database");
	}
	return fault_set(f, FAULT_INTERNAL, "the database refused a statement");
}

struct db *db_open(const struct conf *cf, struct fault *f)
{
	struct db *db = calloc(1, sizeof(*db));
	unsigned connect_s = (unsigned)cf->database_connect_timeout,
		 io_s = (unsigned)cf->database_query_timeout;
	bool sock = *cf->database_socket;

	if (!db || !(db->my = mysql_init(NULL))) {
		free(db);
		fault_set(f, FAULT_INTERNAL, "out of memory");
		return NULL;
	}
	mysql_options(db->my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(db->my, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(db->my, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(db->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(
		db->my, MYSQL_INIT_COMMAND,
		"SET time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', tx_isolation='READ-COMMITTED',"
		" innodb_lock_wait_timeout=5");
	if (*cf->database_tls_ca)
		mysql_ssl_set(db->my, NULL, NULL, cf->database_tls_ca, NULL, NULL);
	if (!mysql_real_connect(db->my, sock ? NULL : cf->database_host, cf->database_user,
				cf->database_password, cf->database_name,
				(unsigned)cf->database_port, sock ? cf->database_socket : NULL,
				CLIENT_FOUND_ROWS)) {
		db_fault(db, NULL, "connect", f);
		db_close(db);
		return NULL;
	}
	db->used_ms = clock_ms();
	return db;
}

static void drop_stmts(struct db *db)
{
	while (db->ncache)
		mysql_stmt_close(db->cache[--db->ncache].st);
}

void db_close(struct db *db)
{
	if (!db)
		return;
	drop_stmts(db);
	mysql_close(db->my);
	free(db);
}

/* ---- pool ---- */

struct db_pool *db_pool_new(const struct conf *cf, int64_t size)
{
	struct db_pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t at;

	if (!p)
		return NULL;
	p->cf = cf;
	p->size = size;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&at);
	pthread_condattr_setclock(&at, CLOCK_MONOTONIC);
	pthread_cond_init(&p->freed, &at);
	pthread_condattr_destroy(&at);
	return p;
}

void db_pool_free(struct db_pool *p)
{
	if (!p)
		return;
	for (struct db *db = p->idle, *next; db; db = next) {
		next = db->next;
		db_close(db);
	}
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* An idle connection, or room for a new one (*out NULL). False: neither came in time. */
static bool reserve(struct db_pool *p, struct db **out)
{
	struct timespec until;
	bool ok = true;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += p->cf->database_connect_timeout;
	pthread_mutex_lock(&p->lock);
	while (!p->idle && p->open >= p->size && ok)
		ok = pthread_cond_timedwait(&p->freed, &p->lock, &until) == 0;
	*out = p->idle;
	if (p->idle)
		p->idle = p->idle->next;
	else if (p->open < p->size)
		p->open++;
	else
		ok = false;
	pthread_mutex_unlock(&p->lock);
	return ok || *out;
}

static void release(struct db_pool *p, struct db *db)
{
	pthread_mutex_lock(&p->lock);
	if (db) {
		db->next = p->idle;
		p->idle = db;
	} else {
		p->open--;
	}
	pthread_cond_signal(&p->freed);
	pthread_mutex_unlock(&p->lock);
}

/* Has the server closed it while it lay in the pool? A readable idle connection has nothing good to say. */
static bool stale(struct db *db)
{
	char c;

	if (recv(mysql_get_socket(db->my), &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		return true;
	return clock_ms() - db->used_ms > IDLE_MS && mysql_ping(db->my);
}

struct db *db_get(struct db_pool *p, struct fault *f)
{
	struct db *db;

	if (!reserve(p, &db)) {
		fault_set(f, FAULT_DATABASE_UNAVAILABLE, "all database connections are in use");
		return NULL;
	}
	if (db && stale(db)) {
		db_close(db);
		db = NULL;
	}
	if (!db && !(db = db_open(p->cf, f))) {
		release(p, NULL);
		return NULL;
	}
	return db;
}

void db_put(struct db_pool *p, struct db *db)
{
	if (!db)
		return;
	if (db->broken) {
		db_close(db);
		db = NULL;
	} else {
		db->used_ms = clock_ms();
	}
	release(p, db);
}

/* ---- statements ---- */

static MYSQL_STMT *prepared(struct db *db, const struct query *q, struct fault *f)
{
	MYSQL_STMT *st;

	for (size_t i = 0; i < db->ncache; i++)
		if (db->cache[i].q == q)
			return db->cache[i].st;
	if (db->ncache == MAX_STMTS)
		drop_stmts(db);
	if (!(st = mysql_stmt_init(db->my))) {
		fault_set(f, FAULT_INTERNAL, "out of memory");
		return NULL;
	}
	if (mysql_stmt_prepare(st, q->sql, strlen(q->sql))) {
		db_fault(db, st, q->name, f);
		mysql_stmt_close(st);
		return NULL;
	}
	db->cache[db->ncache].q = q;
	db->cache[db->ncache++].st = st;
	return st;
}

static void bind_value(MYSQL_BIND *b, const struct db_val *v)
{
	switch (v->type) {
	case DB_NULL: b->buffer_type = MYSQL_TYPE_NULL; break;
	case DB_STR:
	case DB_BLOB:
		b->buffer_type = v->type == DB_STR ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
		b->buffer = (void *)(uintptr_t)v->str;
		b->buffer_length = v->len;
		break;
	case DB_I64:
		b->buffer_type = MYSQL_TYPE_LONGLONG;
		b->buffer = (void *)(uintptr_t)&v->num;
		break;
	case DB_F64:
		b->buffer_type = MYSQL_TYPE_DOUBLE;
		b->buffer = (void *)(uintptr_t)&v->real;
		break;
	}
}

static MYSQL_STMT *run(struct db *db, const struct query *q, const struct db_val *v, size_t nv,
		       struct fault *f)
{
	MYSQL_BIND in[MAX_VALS] = { 0 };
	MYSQL_STMT *st = prepared(db, q, f);

	db->unlike = false;
	if (!st)
		return NULL;
	if (nv > MAX_VALS || mysql_stmt_param_count(st) != nv) {
		log_error("db.params", S("query", q->name), I("given", nv),
			  I("wanted", mysql_stmt_param_count(st)));
		fault_set(f, FAULT_INTERNAL, "a statement has the wrong number of parameters");
		return NULL;
	}
	for (size_t i = 0; i < nv; i++)
		bind_value(&in[i], &v[i]);
	if ((nv && mysql_stmt_bind_param(st, in)) || mysql_stmt_execute(st)) {
		db->unlike = mysql_stmt_errno(st) == ER_CANT_AGGREGATE_2COLLATIONS;
		if (!db->unlike)
			db_fault(db, st, q->name, f);
		return NULL;
	}
	return st;
}

/* What a statement that did not run counts as: no row, or a fault. */
static int nothing(const struct db *db)
{
	return db->unlike ? 0 : -1;
}

int64_t db_exec(struct db *db, const struct query *q, const struct db_val *v, size_t nv,
		struct fault *f)
{
	MYSQL_STMT *st = run(db, q, v, nv, f);

	return st ? (int64_t)mysql_stmt_affected_rows(st) : nothing(db);
}

int64_t db_insert_id(struct db *db)
{
	return (int64_t)mysql_insert_id(db->my);
}

static bool is_text(enum db_type t)
{
	return t == DB_STR || t == DB_BLOB;
}

/* Where a row's columns arrive before they move into the arena. */
struct landing {
	MYSQL_BIND out[MAX_COLS];
	unsigned long len[MAX_COLS];
	my_bool null[MAX_COLS];
	char slots[MAX_COLS][SLOT];
};

/* Short texts are there already; a long one is fetched again, straight into the arena. */
static int fetch_texts(MYSQL_STMT *st, const struct db_map *m, struct landing *l, char *row,
		       struct arena *a)
{
	for (unsigned i = 0; i < m->ncols; i++) {
		const struct db_col *c = &m->cols[i];
		const char **dst = (const char **)(row + c->off);
		char *text;

		if (!is_text(c->type)) {
			if (l->null[i] && c->type == DB_I64)
				*(int64_t *)(row + c->off) = INT64_MIN;
			else if (l->null[i])
				*(double *)(void *)(row + c->off) = __builtin_nan("");
			continue;
		}
		*dst = NULL;
		if (l->null[i])
			continue;
		if (l->len[i] <= SLOT) {
			text = arena_strndup(a, l->slots[i], l->len[i]);
		} else {
			l->out[i].buffer = text = arena_alloc(a, l->len[i] + 1);
			l->out[i].buffer_length = l->len[i];
			if (text && mysql_stmt_fetch_column(st, &l->out[i], i, 0))
				return -1;
		}
		if (!text)
			return -1;
		*dst = text;
		if (c->type == DB_BLOB)
			*(size_t *)(row + c->len_off) = l->len[i];
	}
	return 0;
}

static void bind_row(const struct db_map *m, struct landing *l, char *row)
{
	for (size_t i = 0; i < m->ncols; i++) {
		const struct db_col *c = &m->cols[i];
		MYSQL_BIND *b = &l->out[i];

		*b = (MYSQL_BIND){ .length = &l->len[i], .is_null = &l->null[i] };
		b->buffer_type = is_text(c->type)    ? MYSQL_TYPE_BLOB
				 : c->type == DB_F64 ? MYSQL_TYPE_DOUBLE
						     : MYSQL_TYPE_LONGLONG;
		b->buffer = is_text(c->type) ? l->slots[i] : row + c->off;
		b->buffer_length = is_text(c->type) ? SLOT : 0;
	}
}

int db_rows(struct db *db, const struct query *q, const struct db_val *v, size_t nv,
	    const struct db_map *m, void *rows, int max, struct arena *a, struct fault *f)
{
	struct landing l;
	MYSQL_STMT *st = run(db, q, v, nv, f);
	int n = 0, rc = 0;

	if (!st)
		return nothing(db);
	if (m->ncols > MAX_COLS || mysql_stmt_field_count(st) != m->ncols) {
		log_error("db.map", S("query", q->name), I("columns", mysql_stmt_field_count(st)));
		mysql_stmt_free_result(st);
		return fault_set(f, FAULT_INTERNAL, "a row map does not match its statement");
	}
	for (; n < max; n++) {
		char *row = (char *)rows + (size_t)n * m->rowsz;

		bind_row(m, &l, row);
		if (mysql_stmt_bind_result(st, l.out) || (rc = mysql_stmt_fetch(st)) == 1) {
			db_fault(db, st, q->name, f);
			mysql_stmt_free_result(st);
			return -1;
		}
		if (rc == MYSQL_NO_DATA)
			break;
		if (fetch_texts(st, m, &l, row, a) < 0) {
			mysql_stmt_free_result(st);
			return fault_set(f, FAULT_INTERNAL,
					 "a row is larger than a request may hold");
		}
	}
	mysql_stmt_free_result(st);
	return n;
}

int db_number(struct db *db, const struct query *q, const struct db_val *v, size_t nv, int64_t *out,
	      struct fault *f)
{
	static const struct db_col col = { DB_I64, 0, 0 };
	static const struct db_map map = { .cols = &col, .ncols = 1, .rowsz = sizeof(int64_t) };

	return db_rows(db, q, v, nv, &map, out, 1, NULL, f);
}

/* ---- transactions ---- */

static int tx_once(struct db *db, int (*fn)(struct db *, void *, struct fault *), void *arg,
		   struct fault *f)
{
	int rc;

	db->again = false;
	if (mysql_query(db->my, "START TRANSACTION"))
		return db_fault(db, NULL, "begin", f);
	rc = fn(db, arg, f);
	if (rc >= 0 && mysql_commit(db->my))
		rc = db_fault(db, NULL, "commit", f);
	if (rc < 0 && !db->broken) {
		bool again = db->again;

		if (mysql_rollback(db->my))
			db->broken = true; /* closing the connection rolls back as well */
		db->again = again;
	}
	return rc;
}

int db_tx(struct db *db, int (*fn)(struct db *, void *, struct fault *), void *arg, struct fault *f)
{
	int rc = -1;

	for (int i = 0; i < TX_TRIES; i++) {
		uint16_t jitter;

		rc = tx_once(db, fn, arg, f);
		if (rc >= 0 || !db->again || db->broken)
			break;
		ident_random(&jitter, sizeof(jitter));
		usleep((useconds_t)(1000 + jitter % 4000) << i);
	}
	return rc;
}

int db_statement(struct db *db, const char *name, const char *sql, size_t n, struct fault *f)
{
	return mysql_real_query(db->my, sql, n) ? db_fault(db, NULL, name, f) : 0;
}
