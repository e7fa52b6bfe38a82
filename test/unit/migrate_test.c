/* migrate_test.c: what the program carries as migrations, and how their texts are cut. */
#include "unit.h"

#include "../../lib/store/migrate.h"

static const struct {
	const char *sql;
	size_t n;
	const char *first;
} texts[] = {
	{ "", 0, "" },
	{ "  \n\t", 0, "" },
	{ "A", 1, "A" },
	{ "A;", 1, "A" },
	{ "A;\n", 1, "A" },
	{ "A;\nB;\n", 2, "A" },
	{ "\n\nA\nx;\n\n B;\nC", 3, "A\nx" },
	{ "-- c;d\nA ';' x;\nB;\n", 2, "-- c;d\nA ';' x" },
};

static void cuts_at_line_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *rest = texts[i].sql, *s, *first = "";
		size_t len, n = 0, first_len = 0;

		for (; migrate_next(&rest, &s, &len); n++)
			if (!n) {
				first = s;
				first_len = len;
			}
		CHECK_ROW(n == texts[i].n, i, texts[i].sql);
		CHECK_ROW(first_len == strlen(texts[i].first) &&
				  !memcmp(first, texts[i].first, first_len),
			  i, texts[i].sql);
	}
}

static const struct {
	const char *sql;
	bool ddl;
} kinds[] = {
	{ "CREATE TABLE a", true },
	{ "alter table a", true },
	{ "-- x\n-- y\n\nDROP TABLE a", true },
	{ "INSERT INTO a", false },
	{ "UPDATE a", false },
	{ "-- CREATE TABLE a\nDELETE FROM a", false },
	{ "", false },
	{ "-- only a comment", false },
	{ "CREATED", false },
};

static void knows_what_commits_by_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		CHECK_ROW(migrate_is_ddl(kinds[i].sql, strlen(kinds[i].sql)) == kinds[i].ddl, i,
			  kinds[i].sql);
}

static void are_numbered_from_one(void **state)
{
	int64_t want = 1;

	(void)state;
	for (const struct migration *m = migrations; m->sql; m++, want++)
		assert_int_equal(m->version, want);
	assert_true(want > 1);
}

/* The rule of migrate.h, by which a killed migration can go on. */
static void every_change_of_the_schema_may_run_twice(void **state)
{
	(void)state;
	for (const struct migration *m = migrations; m->sql; m++) {
		const char *rest = m->sql, *s;
		size_t len, no = 1;

		for (; migrate_next(&rest, &s, &len); no++) {
			char *text = strndup(s, len);

			assert_non_null(text);
			CHECK_ROW(!migrate_is_ddl(s, len) || strstr(text, "IF NOT EXISTS") ||
					  strstr(text, "IF EXISTS"),
				  no, text);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_at_line_ends),
		cmocka_unit_test(knows_what_commits_by_itself),
		cmocka_unit_test(are_numbered_from_one),
		cmocka_unit_test(every_change_of_the_schema_may_run_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
