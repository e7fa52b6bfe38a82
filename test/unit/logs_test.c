/* logs_test.c: rows of pieces, and the names that may be deleted. */
#include "unit.h"

#include "../../lib/work/garbage.h"
#include "../../lib/work/logs.h"

static void offsets(void **state)
{
	static const char prefix[] = "logs/s/x/1/stdout/";
	static const struct {
		const char *key;
		bool ok;
		int64_t offset;
	} rows[] = {
		{ "logs/s/x/1/stdout/00000000000000000000", true, 0 },
		{ "logs/s/x/1/stdout/00000000000033554432", true, 33554432 },
		{ "logs/s/x/1/stdout/09223372036854775807", true, INT64_MAX },
		{ "logs/s/x/1/stdout/09223372036854775808", false, 0 },
		{ "logs/s/x/1/stdout/99999999999999999999", false, 0 },
		{ "logs/s/x/1/stdout/0000000000000000000", false, 0 },
		{ "logs/s/x/1/stdout/000000000000000000000", false, 0 },
		{ "logs/s/x/1/stdout/0000000000000000000a", false, 0 },
		{ "logs/s/x/1/stdout/-0000000000000000001", false, 0 },
		{ "logs/s/x/1/stdout/", false, 0 },
		{ "logs/s/x/1/stderr/00000000000000000000", false, 0 },
		{ "logs/s/x/10/stdout/00000000000000000000", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t at = -1;

		if (logs_offset(rows[i].key, prefix, &at) != rows[i].ok)
			fail_msg("%s", rows[i].key);
		if (rows[i].ok)
			assert_int_equal(at, rows[i].offset);
	}
}

static void overlaps(void **state)
{
	static const struct {
		int64_t offset, size, at, to;
		bool ok, gap;
		int64_t from, until;
	} rows[] = {
		/* piece        read   wanted */
		{ 0, 10, 0, INT64_MAX, true, false, 0, 10 },   /* the first */
		{ 10, 5, 10, INT64_MAX, true, false, 10, 15 }, /* the next */
		{ 0, 10, 4, 8, true, false, 4, 8 },            /* the middle of one */
		{ 0, 10, 10, 20, false, false, 0, 0 },         /* read already */
		{ 5, 10, 10, 20, true, false, 10, 15 },        /* written twice, longer */
		{ 5, 3, 10, 20, false, false, 0, 0 },          /* written twice, shorter */
		{ 11, 5, 10, 20, false, true, 0, 0 },          /* one is missing */
		{ 0, 0, 0, 20, false, false, 0, 0 },           /* empty */
		{ 0, 10, 0, 0, false, false, 0, 0 },           /* nothing wanted */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t from, until;
		bool gap;
		bool ok = logs_overlap(rows[i].offset, rows[i].size, rows[i].at, rows[i].to, &from,
				       &until, &gap);

		if (ok != rows[i].ok || gap != rows[i].gap)
			fail_msg("row %zu: %d, gap %d", i, ok, gap);
		if (ok && (from != rows[i].from || until != rows[i].until))
			fail_msg("row %zu: %lld to %lld", i, (long long)from, (long long)until);
	}
}

static void names(void **state)
{
	struct arena *a = arena_new(1 << 16);
	const struct log_id l = { "s", "x", 2, false };

	(void)state;
	assert_string_equal(logs_session_prefix("s", a), "logs/s/");
	assert_string_equal(logs_prefix(&l, a), "logs/s/x/2/");
	assert_true(logs_noted(&l, "logs/s/x/2/", a));
	assert_false(logs_noted(&l, "logs/s/x/1/", a)); /* an older attempt's */
	assert_false(logs_noted(&l, NULL, a));
	arena_free(a);
}

static void garbage(void **state)
{
	static const struct {
		const char *key, *session_id;
		bool ok;
	} rows[] = {
		{ "sessions/a/", "a", true },
		{ "logs/a/", "a", true },
		{ "logs/a/x/1/", "a", true },
		{ "sessions/a/dir/", "a", true },
		{ "sessions/a", "a", false }, /* would take "ab" as well */
		{ "sessions/ab/", "a", false },
		{ "sessions/a/", "ab", false },
		{ "sessions/a/x", "a", false },
		{ "sessions/", "", false },
		{ "sessions//", "", false },
		{ "sessions//", NULL, false },
		{ "sessions/", NULL, false },
		{ "sessions/a/", NULL, false },
		{ "sessions/a/", "", false },
		{ "sessions/a/b/", "a/b", false },
		{ "logs/", "logs", false },
		{ "layers/a/", "a", false },
		{ "/sessions/a/", "a", false },
		{ "xsessions/a/", "a", false },
		{ "/", "a", false },
		{ "", "a", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (garbage_prefix_ok(rows[i].key, rows[i].session_id) != rows[i].ok)
			fail_msg("row %zu: '%s'", i, rows[i].key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(names),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests_name("logs", tests, NULL, NULL);
}
