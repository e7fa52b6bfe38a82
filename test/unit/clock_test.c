/* clock_test.c: RFC 3339 both ways. */
#include "unit.h"

#include <time.h>

#include "../../lib/base/clock.h"

static const struct {
	int64_t ms;
	const char *text;
} formats[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 1, "1970-01-01T00:00:00.001Z" },
	{ 999, "1970-01-01T00:00:00.999Z" },
	{ 1767693600123, "2026-01-06T10:00:00.123Z" },
	{ 951782400000, "2000-02-29T00:00:00.000Z" },
	{ 4102444799999, "2099-12-31T23:59:59.999Z" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z" },
};

static void formats_utc(void **state)
{
	char out[CLOCK_RFC3339_SZ];
	int64_t back;

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1); /* the local zone must not matter */
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		clock_format(formats[i].ms, out);
		assert_string_equal(out, formats[i].text);
		CHECK_ROW(clock_parse(out, &back) && back == formats[i].ms, i, out);
	}
}

static const struct {
	const char *text;
	int64_t ms;
} good[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "1970-01-01t00:00:00z", 0 },
	{ "1970-01-01 00:00:01Z", 1000 },
	{ "1970-01-01T01:00:00+01:00", 0 },
	{ "1970-01-01T00:00:00-00:30", 1800000 },
	{ "1970-01-01T23:59:00+23:59", 0 },
	{ "1970-01-01T00:00:00.5Z", 500 },
	{ "1970-01-01T00:00:00.05Z", 50 },
	{ "1970-01-01T00:00:00.123456789Z", 123 },
	{ "1970-01-01T00:00:00.999999999Z", 999 },
	{ "2000-02-29T00:00:00Z", 951782400000 },
	{ "2024-02-29T12:00:00Z", 1709208000000 },
	{ "2016-12-31T23:59:60Z", 1483228800000 },
};

static void parses_every_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ms = -1;

		CHECK_ROW(clock_parse(good[i].text, &ms) && ms == good[i].ms, i, good[i].text);
	}
}

static const char *const bad[] = {
	"",
	"2026",
	"2026-01-06",
	"2026-01-06T10:00:00",
	"2026-01-06T10:00Z",
	"2026-1-6T10:00:00Z",
	"26-01-06T10:00:00Z",
	"2026-00-06T10:00:00Z",
	"2026-13-06T10:00:00Z",
	"2026-01-00T10:00:00Z",
	"2026-01-32T10:00:00Z",
	"2026-04-31T10:00:00Z",
	"2023-02-29T10:00:00Z",
	"2100-02-29T10:00:00Z",
	"2026-01-06T24:00:00Z",
	"2026-01-06T10:60:00Z",
	"2026-01-06T10:00:61Z",
	"2026-01-06T10:00:00.Z",
	"2026-01-06T10:00:00.1234567890Z",
	"2026-01-06T10:00:00,5Z",
	"2026-01-06T10:00:00+1:00",
	"2026-01-06T10:00:00+0100",
	"2026-01-06T10:00:00+24:00",
	"2026-01-06T10:00:00+01:60",
	"2026-01-06T10:00:00+01:00x",
	"2026-01-06T10:00:00ZZ",
	" 2026-01-06T10:00:00Z",
	"2026-01-06T10:00:00Z ",
	"2026-01-06X10:00:00Z",
	"1969-12-31T23:59:59Z",
	"1970-01-01T00:00:00+00:01",
	"2026-01-06T10:00:00UTC",
	"2026/01/06T10:00:00Z",
	"+2026-01-06T10:00:00Z",
	"20a6-01-06T10:00:00Z",
};

static void refuses_what_is_no_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t ms;

		CHECK_ROW(!clock_parse(bad[i], &ms), i, bad[i]);
	}
}

static void clocks_agree_with_the_kernel(void **state)
{
	int64_t ms = clock_ms(), us = clock_us(), wall = clock_wall_ms();

	(void)state;
	assert_true(us / 1000 - ms >= 0 && us / 1000 - ms < 1000);
	assert_true(wall / 1000 - time(NULL) <= 1 && time(NULL) - wall / 1000 <= 1);
	usleep(20000);
	assert_true(clock_ms() - ms >= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_utc),
		cmocka_unit_test(parses_every_offset),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(clocks_agree_with_the_kernel),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
