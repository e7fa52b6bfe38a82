/* range_test.c: Range (RFC 9110 14.2). */
#include "unit.h"

#include "../../fcgi/range.h"

/* Of a body of 10 bytes. given false: ignored; from -1: 416. */
static const struct {
	const char *header;
	bool given;
	int64_t from, to;
} rows[] = {
	{ NULL, false, 0, 0 },
	{ "", false, 0, 0 },
	{ "bytes=0-0", true, 0, 1 },
	{ "bytes=0-9", true, 0, 10 },
	{ "bytes=3-5", true, 3, 6 },
	{ "bytes=3-", true, 3, 10 },
	{ "bytes=0-", true, 0, 10 },
	{ "bytes=9-", true, 9, 10 },
	{ "bytes=9-99", true, 9, 10 },
	{ "bytes=0-9223372036854775807", true, 0, 10 },
	{ "bytes=0-99999999999999999999", true, 0, 10 },
	{ "bytes=10-", true, -1, 0 },
	{ "bytes=10-20", true, -1, 0 },
	{ "bytes=99999999999999999999-", true, -1, 0 },
	{ "bytes=-1", true, 9, 10 },
	{ "bytes=-10", true, 0, 10 },
	{ "bytes=-11", true, 0, 10 },
	{ "bytes=-99999999999999999999", true, 0, 10 },
	{ "bytes=-0", true, -1, 0 },
	{ "bytes=5-4", false, 0, 0 },
	{ "bytes=-", false, 0, 0 },
	{ "bytes=", false, 0, 0 },
	{ "bytes=a-b", false, 0, 0 },
	{ "bytes=1", false, 0, 0 },
	{ "bytes=1-2-3", false, 0, 0 },
	{ "bytes=1-2,4-5", false, 0, 0 },
	{ "bytes= 1-2", false, 0, 0 },
	{ "bytes=1-2 ", false, 0, 0 },
	{ "bytes=+1-2", false, 0, 0 },
	{ "bytes=1--2", false, 0, 0 },
	{ "bytes=--2", false, 0, 0 },
	{ "bytes=0x1-2", false, 0, 0 },
	{ "items=0-1", false, 0, 0 },
	{ "Bytes=0-1", false, 0, 0 },
};

static void reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct range x;
		int64_t from = -1, to = 0;

		CHECK_ROW(range_read(rows[i].header, &x) == rows[i].given, i, rows[i].header);
		CHECK_ROW(x.given == rows[i].given, i, rows[i].header);
		if (!x.given)
			continue;
		if (!range_resolve(&x, 10, &from, &to))
			from = -1;
		CHECK_ROW(from == rows[i].from, i, rows[i].header);
		CHECK_ROW(from < 0 || to == rows[i].to, i, rows[i].header);
	}
}

static void of_nothing(void **state)
{
	static const char *const headers[] = { "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct range x;
		int64_t from, to;

		CHECK_ROW(range_read(headers[i], &x) && !range_resolve(&x, 0, &from, &to), i,
			  headers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads), cmocka_unit_test(of_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
