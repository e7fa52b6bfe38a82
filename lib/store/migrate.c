#include "migrate.h"

#include <stdio.h>

#include "../base/embed.h"
#include "../base/log.h"
#include "../digest.h"
#include "template.h"

#define LOCK_WAIT_S 10 /* a try; below [database] query_timeout, which ends a silent connection */
#define LOCK_TRIES  6
#define APPLIED_MAX 1000 /* rows of schema_migration that are read: more is not ours */

EMBED(migration_0001);
EMBED(migration_0002);

const struct migration migrations[] = {
	{ 1, "initial", migration_0001_text },
	{ 2, "workspace", migration_0002_text },
	{ 0, NULL, NULL },
};

/* ---- texts ---- */

bool migrate_next(const char **sql, const char **statement, size_t *len)
{
	const char *s = *sql + strspn(*sql, " \t\r\n"), *end = strstr(s, ";\n");

	if (!*s)
		return false;
	*statement = s;
	*len = end ? (size_t)(end - s) : strlen(s);
	if (!end && s[*len - 1] == ';')
		--*len;
	*sql = end ? end + 2 : s + strlen(s);
	return true;
}

bool migrate_is_ddl(const char *s, size_t len)
{
	static const char *const words[] = { "CREATE ", "ALTER ", "DROP ", "RENAME ", "TRUNCATE " };
	const char *end = s + len;

	for (;;) {
		s += strspn(s, " \t\r\n");
		if (s >= end || strncmp(s, "--", 2))
			break;
		s += strcspn(s, "\n");
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (s < end && !strncasecmp(s, words[i], strlen(words[i])))
			return true;
	return false;
}

/* ---- what the database says ---- */

static const struct query Q_TABLE = {
	"migrate.table",
	"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
	" AND table_name = 'schema_migration'"
};
static const struct query Q_APPLIED = {
	"migrate.applied",
	"SELECT checksum, version, statements, applied_at IS NOT NULL FROM schema_migration ORDER BY version LIMIT ?"
};
static const struct query Q_BEGIN = {
	"migrate.begin",
	"INSERT INTO schema_migration (version, name, checksum, statements) VALUES (?, ?, ?, 0)"
};
static const struct query Q_PROGRESS = {
	"migrate.progress",
	"UPDATE schema_migration SET statements = ? WHERE version = ? AND applied_at IS NULL"
};
static const struct query Q_RETEXT = {
	"migrate.retext",
	"UPDATE schema_migration SET checksum = ? WHERE version = ? AND applied_at IS NULL AND statements = 0"
};
static const struct query Q_DONE = {
	"migrate.done",
	"UPDATE schema_migration SET applied_at = UTC_TIMESTAMP(3) WHERE version = ?"
};
static const struct query Q_GET_LOCK = {
	"migrate.lock", "SELECT COALESCE(GET_LOCK(CONCAT('sandbox.migrate.', DATABASE()), ?), 0)"
};
static const struct query Q_RELEASE_LOCK = {
	"migrate.unlock", "SELECT RELEASE_LOCK(CONCAT('sandbox.migrate.', DATABASE()))"
};

static const char table_sql[] =
	"CREATE TABLE IF NOT EXISTS schema_migration ("
	" version INT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
	" checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256 of its text',"
	" statements INT NOT NULL COMMENT 'done so far', applied_at DATETIME(3) NULL COMMENT 'null: not complete'"
	") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

struct applied {
	const char *checksum;
	int64_t version, statements, done;
};

static int read_applied(struct db *db, struct applied *rows, struct arena *a, struct fault *f)
{
	static const struct db_col cols[] = { COL_STR(struct applied, checksum),
					      COL_I64(struct applied, version),
					      COL_I64(struct applied, statements),
					      COL_I64(struct applied, done) };
	static const struct db_map map = { cols, ARRAY_LEN(cols), sizeof(struct applied) };
	int64_t there;

	if (db_number(db, &Q_TABLE, NOVALS, &there, f) < 0)
		return -1;
	return there ? db_rows(db, &Q_APPLIED, VALS(VINT(APPLIED_MAX)), &map, rows, APPLIED_MAX, a,
			       f)
		     : 0;
}

static const struct migration *of_version(int64_t version)
{
	for (const struct migration *m = migrations; m->sql; m++)
		if (m->version == version)
			return m;
	return NULL;
}

static bool same_text(const struct migration *m, const char *checksum)
{
	char hex[2 * DIGEST_SZ + 1];

	digest_sha256_hex(m->sql, strlen(m->sql), hex);
	return !strcmp(hex, checksum);
}

static void judge(const struct applied *rows, int n, struct migrate_state *st)
{
	*st = (struct migrate_state){ 0 };
	for (const struct migration *m = migrations; m->sql; m++)
		st->need = m->version;
	for (int i = 0; i < n; i++) {
		const struct migration *m = of_version(rows[i].version);

		st->halfway |= !rows[i].done;
		st->changed |= m && !same_text(m, rows[i].checksum) &&
			       (rows[i].done || rows[i].statements);
		if (rows[i].done || !m)
			st->have = rows[i].version;
	}
}

int migrate_look(struct db *db, struct migrate_state *st, struct fault *f)
{
	AUTO_FREE struct applied *rows = calloc(APPLIED_MAX, sizeof(*rows));
	struct arena *a = arena_new((size_t)1 << 20);
	int n = rows && a ? read_applied(db, rows, a, f)
			  : fault_set(f, FAULT_INTERNAL, "out of memory");

	if (n >= 0)
		judge(rows, n, st);
	arena_free(a);
	return n < 0 ? -1 : 0;
}

/* What stands in the way of any work with this schema, newer and changed, in words. */
static int refuse(const struct migrate_state *st, struct fault *f)
{
	if (st->have > st->need)
		return fault_set(
			f, FAULT_DATABASE_UNAVAILABLE,
			"the database is newer than this program: its schema has version %lld, the program knows %lld;"
			" install the newer program",
			(long long)st->have, (long long)st->need);
	if (st->changed)
		return fault_set(
			f, FAULT_DATABASE_UNAVAILABLE,
			"a migration that the database has applied differs from the one in this program;"
			" they are of different builds, use the one that made the database");
	return 0;
}

int migrate_check(struct db *db, struct fault *f)
{
	struct migrate_state st;

	if (migrate_look(db, &st, f) < 0 || refuse(&st, f) < 0)
		return -1;
	if (st.halfway)
		return fault_set(
			f, FAULT_DATABASE_UNAVAILABLE,
			"a migration of the database was interrupted: run 'sandboxctl migrate'");
	if (st.have < st.need)
		return fault_set(
			f, FAULT_DATABASE_UNAVAILABLE,
			"the database's schema has version %lld, this program needs %lld: run 'sandboxctl migrate'",
			(long long)st.have, (long long)st.need);
	return 0;
}

/* ---- applying ---- */

struct step {
	const struct migration *m;
	const char *sql;
	size_t len;
	int64_t no;
};

static int count_step(struct db *db, const struct step *s, struct fault *f)
{
	int64_t n = db_exec(db, &Q_PROGRESS, VALS(VINT(s->no), VINT(s->m->version)), f);

	if (n < 0)
		return -1;
	return n == 1 ? 0
		      : fault_set(f, FAULT_CONFLICT, "the row of migration %lld changed meanwhile",
				  (long long)s->m->version);
}

static int row_step(struct db *db, void *arg, struct fault *f)
{
	const struct step *s = arg;

	return db_statement(db, s->m->name, s->sql, s->len, f) < 0 ? -1 : count_step(db, s, f);
}

static int run_step(struct db *db, struct step *s, struct fault *f)
{
	if (!migrate_is_ddl(s->sql, s->len))
		return db_tx(db, row_step, s, f);
	if (db_statement(db, s->m->name, s->sql, s->len, f) < 0)
		return -1;
	return count_step(db, s, f);
}

static int apply_one(struct db *db, const struct migration *m, const struct applied *begun,
		     struct fault *f)
{
	struct step s = { .m = m };
	const char *rest = m->sql;
	char hex[2 * DIGEST_SZ + 1];

	digest_sha256_hex(m->sql, strlen(m->sql), hex);
	if (!begun &&
	    db_exec(db, &Q_BEGIN, VALS(VINT(m->version), VSTR(m->name), VSTR(hex)), f) < 0)
		return -1;
	if (begun && !begun->statements &&
	    db_exec(db, &Q_RETEXT, VALS(VSTR(hex), VINT(m->version)), f) < 0)
		return -1;
	while (migrate_next(&rest, &s.sql, &s.len)) {
		s.no++;
		if ((!begun || s.no > begun->statements) && run_step(db, &s, f) < 0) {
			char why[sizeof(f->detail)];

			memcpy(why, f->detail, sizeof(why));
			return fault_set(f, FAULT_DATABASE_UNAVAILABLE,
					 "migration %lld (%s), statement %lld: %.300s",
					 (long long)m->version, m->name, (long long)s.no, why);
		}
	}
	return db_exec(db, &Q_DONE, VALS(VINT(m->version)), f) < 0 ? -1 : 0;
}

static int apply_missing(struct db *db, const struct applied *rows, int n, struct fault *f)
{
	int made = 0;

	for (const struct migration *m = migrations; m->sql; m++) {
		const struct applied *row = NULL;

		for (int i = 0; i < n; i++)
			row = rows[i].version == m->version ? &rows[i] : row;
		if (row && row->done)
			continue;
		if (apply_one(db, m, row, f) < 0)
			return -1;
		log_info("database.migrated", I("version", m->version), S("name", m->name));
		made++;
	}
	return made;
}

/* ---- the templates that every deployment begins with ---- */

static int seed_tx(struct db *db, void *arg, struct fault *f)
{
	struct template *t = arg;
	int known = template_known(db, t->id, f);

	if (known)
		return known < 0 ? -1 : 0;
	return template_insert(db, t, f) < 0 ? -1 : 1;
}

static int seed(struct db *db, const struct conf *cf, struct fault *f)
{
	const struct {
		const char *id, *name, *description, *runtime, *image;
		int64_t cpu_millis, memory_mib, disk_mib;
	} seeds[] = {
		{ "python-basic", "Python", "Python 3.11 and its standard library", "python3.11",
		  cf->template_python_basic_image, 1000, 512, 1024 },
		{ "python-datascience", "Python for data science",
		  "Python 3.11 with NumPy, pandas, SciPy and Matplotlib", "python3.11",
		  cf->template_python_datascience_image, 2000, 2048, 5120 },
		{ "nodejs-basic", "Node.js", "Node.js 20 and its standard library", "nodejs20",
		  cf->template_nodejs_basic_image, 1000, 512, 1024 },
	};

	for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
		struct template t = {
			.id = seeds[i].id,
			.name = seeds[i].name,
			.description = seeds[i].description,
			.image_url = seeds[i].image,
			.runtime_type = seeds[i].runtime,
			.cpu_millis = seeds[i].cpu_millis,
			.memory_bytes = seeds[i].memory_mib << 20,
			.disk_bytes = seeds[i].disk_mib << 20,
			.timeout_s = 300,
			.max_processes = 128,
			.env_vars = "{}",
			.network = "none",
			.dependencies = "[]",
			.labels = "{}",
			.dependency_install_status = "completed",
			.run_as_user = 1000,
			.read_only_root = 1,
			.version_active = 1,
		};
		int made = db_tx(db, seed_tx, &t, f);

		if (made < 0 && !fault_is(f, FAULT_CONFLICT))
			return -1;
		if (made < 0) /* somebody gave its name to a template of their own: theirs stays */
			log_warn("template.not_seeded", S("template_id", t.id),
				 S("error", f->detail));
		else if (made)
			log_info("template.seeded", S("template_id", t.id),
				 S("image", t.image_url));
		*f = (struct fault){ 0 };
	}
	return 0;
}

static int apply_locked(struct db *db, const struct conf *cf, struct fault *f)
{
	AUTO_FREE struct applied *rows = calloc(APPLIED_MAX, sizeof(*rows));
	struct arena *a = arena_new((size_t)1 << 20);
	struct migrate_state st;
	int n = -1, made = -1;

	if (!rows || !a)
		fault_set(f, FAULT_INTERNAL, "out of memory");
	else if (db_statement(db, "migrate.table", table_sql, strlen(table_sql), f) == 0)
		n = read_applied(db, rows, a, f);
	if (n >= 0) {
		judge(rows, n, &st);
		if (refuse(&st, f) == 0 && (made = apply_missing(db, rows, n, f)) >= 0 &&
		    seed(db, cf, f) < 0)
			made = -1;
	}
	arena_free(a);
	return made;
}

int migrate_apply(struct db *db, const struct conf *cf, struct fault *f)
{
	struct fault own = { 0 };
	int64_t got = 0;
	int made;

	for (int i = 0; i < LOCK_TRIES && !got; i++)
		if (db_number(db, &Q_GET_LOCK, VALS(VINT(LOCK_WAIT_S)), &got, f) < 0)
			return -1;
	if (!got)
		return fault_set(f, FAULT_CONFLICT_RETRY,
				 "another migration of this database is running");
	made = apply_locked(db, cf, f);
	/* A connection that was lost has lost its locks as well. */
	if (db_number(db, &Q_RELEASE_LOCK, NOVALS, &got, &own) < 0)
		log_warn("migrate.unlock", S("error", own.detail));
	return made;
}
