/* etag_test.c: If-Match (RFC 9110). */
#include "unit.h"

#include "../../lib/base/etag.h"

static const struct {
	const char *header;
	bool ok, matches;
} rows[] = {
	/* against "v2" */
	{ "*", true, true },
	{ "\"v2\"", true, true },
	{ "\"v1\", \"v2\"", true, true },
	{ "\"v1\",\"v2\"", true, true },
	{ " \t\"v2\" ", true, true },
	{ ",, \"v2\",", true, true },
	{ "\"v,2\", \"v2\"", true, true },
	{ "\"v1\"", true, false },
	{ "W/\"v2\"", true, false },
	{ "W/\"v2\", \"v3\"", true, false },
	{ "\"\"", true, false },
	{ "\"V2\"", true, false },
	{ "\"v22\"", true, false },
	{ "\"v\"", true, false },
	{ "", false, false },
	{ " ", false, false },
	{ ",", false, false },
	{ "v2", false, false },
	{ "\"v2", false, false },
	{ "v2\"", false, false },
	{ "\"v2\" x", false, false },
	{ "\"v2\"\"v3\"", false, false },
	{ "\"v 2\"", false, false },
	{ "w/\"v2\"", false, false },
	{ "W/v2", false, false },
	{ "*, \"v2\"", false, false },
	{ "**", false, false },
	{ "\"v2\x01\"", false, false },
	{ "\"v2\x7f\"", false, false },
	{ "\xff", false, false },
};

static void if_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_ROW(etag_list_ok(rows[i].header) == rows[i].ok, i, rows[i].header);
		CHECK_ROW(etag_matches(rows[i].header, "\"v2\"") == rows[i].matches || !rows[i].ok,
			  i, rows[i].header);
	}
	assert_true(etag_matches(NULL, "\"v2\""));
	assert_false(etag_matches("\"v2\"", NULL));
}

static const struct {
	const char *header, *etag;
	bool named;
} none_rows[] = {
	{ NULL, "\"a\"", false },
	{ "*", "\"a\"", true },
	{ "*", NULL, false },
	{ "\"a\"", "\"a\"", true },
	{ "W/\"a\"", "\"a\"", true },
	{ "\"b\"", "\"a\"", false },
	{ "\"b\", W/\"a\"", "\"a\"", true },
	{ "\"a\"", NULL, false },
	{ "a", "\"a\"", false },
	{ "\"a\" x", "\"a\"", false },
	{ "", "\"a\"", false },
};

static void if_none_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none_rows); i++)
		CHECK_ROW(etag_named(none_rows[i].header, none_rows[i].etag) == none_rows[i].named,
			  i, none_rows[i].header);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(if_match),
					    cmocka_unit_test(if_none_match) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
