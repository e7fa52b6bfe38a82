/* ident_test.c: identifiers (CONTRACT 1.3). */
#include "unit.h"

#include <stdio.h>

#include "../../lib/base/ident.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *s;
	bool id, request;
} cases[] = {
	{ NULL, false, false },
	{ "", false, false },
	{ "a", true, true },
	{ "Z", true, true },
	{ "0", true, true },
	{ "a.b_c-d", true, true },
	{ "sess_0123456789abcdef", true, true },
	{ ".a", false, true },
	{ "_a", false, true },
	{ "-a", false, true },
	{ "..", false, true },
	{ "a.", true, true },
	{ "a b", false, false },
	{ "a/b", false, false },
	{ "a\n", false, false },
	{ "a%", false, false },
	{ "a\xc3\xa4", false, false },
	{ "a'", false, false },
	{ "a@", false, false },
	{ "a[", false, false },
	{ "a`", false, false },
	{ "a{", false, false },
	{ "a:", false, false },
	{ A64, true, true },
	{ A64 "a", false, true },
	{ A64 A64, false, true },
	{ A64 A64 "a", false, false },
};

static void well_formed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_ROW(ident_ok(cases[i].s) == cases[i].id, i, cases[i].s);
		CHECK_ROW(ident_request_ok(cases[i].s) == cases[i].request, i, cases[i].s);
	}
}

static bool letters_only(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static void new_ones_have_their_form(void **state)
{
	char s[IDENT_SZ], again[IDENT_SZ];
	int y, m, d;

	(void)state;
	ident_session(s);
	ident_session(again);
	assert_string_not_equal(s, again);
	assert_true(str_starts(s, "sess_") && letters_only(s + 5, 16) && ident_ok(s));
	ident_execution(s);
	ident_execution(again);
	assert_string_not_equal(s, again);
	assert_int_equal(sscanf(s, "exec_%4d%2d%2d_", &y, &m, &d), 3);
	assert_true(y >= 2024 && m >= 1 && m <= 12 && d >= 1 && d <= 31);
	assert_int_equal(s[13], '_');
	assert_true(letters_only(s + 14, 8) && ident_ok(s));
}

static void uuids_are_version_4(void **state)
{
	char u[37], again[37];

	(void)state;
	for (int i = 0; i < 100; i++) {
		ident_uuid(u);
		ident_uuid(again);
		assert_string_not_equal(u, again);
		assert_int_equal(strlen(u), 36);
		assert_int_equal(strspn(u, "0123456789abcdef-"), 36);
		assert_true(u[8] == '-' && u[13] == '-' && u[18] == '-' && u[23] == '-');
		assert_int_equal(u[14], '4');
		assert_non_null(strchr("89ab", u[19]));
	}
}

/* 36 letters, 8000 draws: 222 each on average, sigma below 15. Ten sigmas off is no accident. */
static void every_letter_is_equally_likely(void **state)
{
	int count[256] = { 0 };
	char s[IDENT_SZ];

	(void)state;
	for (int i = 0; i < 500; i++) {
		ident_session(s);
		for (const char *p = s + 5; *p; p++)
			count[(unsigned char)*p]++;
	}
	for (const char *p = "abcdefghijklmnopqrstuvwxyz0123456789"; *p; p++)
		assert_in_range(count[(unsigned char)*p], 72, 372);
}

static void random_fills_all_bytes(void **state)
{
	unsigned char seen[1000] = { 0 }, b[1000];

	(void)state;
	for (int round = 0; round < 4; round++) { /* a byte stays 0 by chance once in 2^32 */
		ident_random(b, sizeof(b));
		for (size_t i = 0; i < sizeof(b); i++)
			seen[i] |= b[i];
	}
	for (size_t i = 0; i < sizeof(b); i++)
		assert_int_not_equal(seen[i], 0);
	ident_random(b, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed),
		cmocka_unit_test(new_ones_have_their_form),
		cmocka_unit_test(uuids_are_version_4),
		cmocka_unit_test(every_letter_is_equally_likely),
		cmocka_unit_test(random_fills_all_bytes),
	};

	return cmocka_run_group_tests_name("ident", tests, NULL, NULL);
}
