/* text_test.c: UTF-8, base64, hex, numbers. */
#include "unit.h"

#include "../../lib/base/text.h"

static int setup(void **state)
{
	*state = arena_new(1 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* RFC 3629 section 4, its edges. */
static const struct {
	const char *s;
	size_t n, len;
} chars[] = {
	{ "", 0, 0 },
	{ "a", 1, 1 },
	{ "\0", 1, 1 },
	{ "\x7f", 1, 1 },
	{ "\x80", 1, 0 },
	{ "\xbf", 1, 0 },
	{ "\xc0\x80", 2, 0 },
	{ "\xc1\xbf", 2, 0 },
	{ "\xc2\x80", 2, 2 },
	{ "\xdf\xbf", 2, 2 },
	{ "\xc2", 1, 0 },
	{ "\xc2\x41", 2, 0 },
	{ "\xc2\xc0", 2, 0 },
	{ "\xe0\x9f\xbf", 3, 0 },
	{ "\xe0\xa0\x80", 3, 3 },
	{ "\xe2\x82\xac", 3, 3 },
	{ "\xe2\x82", 2, 0 },
	{ "\xe2\x82\x41", 3, 0 },
	{ "\xed\x9f\xbf", 3, 3 },
	{ "\xed\xa0\x80", 3, 0 },
	{ "\xed\xbf\xbf", 3, 0 },
	{ "\xee\x80\x80", 3, 3 },
	{ "\xef\xbf\xbf", 3, 3 },
	{ "\xf0\x8f\xbf\xbf", 4, 0 },
	{ "\xf0\x90\x80\x80", 4, 4 },
	{ "\xf4\x8f\xbf\xbf", 4, 4 },
	{ "\xf4\x90\x80\x80", 4, 0 },
	{ "\xf5\x80\x80\x80", 4, 0 },
	{ "\xf0\x90\x80", 3, 0 },
	{ "\xff", 1, 0 },
	{ "\xf8\x88\x80\x80\x80", 5, 0 },
};

static void utf8_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chars); i++)
		CHECK_ROW(text_utf8_len(chars[i].s, chars[i].n) == chars[i].len, i, "");
	assert_true(text_utf8_ok("", 0));
	assert_true(text_utf8_ok("a\xe2\x82\xac\0b", 6));
	assert_false(text_utf8_ok("a\xe2\x82", 3));
}

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *in;
	size_t n;
	const char *out;
	size_t out_n;
} repairs[] = {
	{ "", 0, "", 0 },
	{ "abc", 3, "abc", 3 },
	{ "a\xff"
	  "b",
	  3, "a" FFFD "b", 5 },
	{ "\xe2\x82\xac", 3, "\xe2\x82\xac", 3 },
	{ "\xe2\x82", 2, FFFD FFFD, 6 },
	{ "\xff\xfe\xfd", 3, FFFD FFFD FFFD, 9 },
	{ "\xed\xa0\x80", 3, FFFD FFFD FFFD, 9 },
	{ "a\0b", 3, "a\0b", 3 },
	{ "\xc2", 1, FFFD, 3 },
};

static void utf8_repair(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(repairs); i++) {
		size_t n;
		char *p = text_utf8_repair(*state, repairs[i].in, repairs[i].n, &n);

		CHECK_ROW(p && n == repairs[i].out_n && !memcmp(p, repairs[i].out, n + 1), i,
			  repairs[i].in);
		assert_true(text_utf8_ok(p, n));
	}
}

static const struct {
	const char *in, *out;
} trims[] = {
	{ "", "" },
	{ "a", "a" },
	{ "a\xe2\x82\xac", "a\xe2\x82\xac" },
	{ "a\xe2\x82", "a" },
	{ "a\xe2", "a" },
	{ "\xf0\x9f\x98", "" },
	{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	{ "\xc3", "" },
	{ "\xc3\xa4\xc3", "\xc3\xa4" },
	{ "\xc3\xa4"
	  "a",
	  "\xc3\xa4"
	  "a" },
};

static void utf8_trim(void **state)
{
	char s[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(trims); i++) {
		strcpy(s, trims[i].in);
		text_utf8_trim(s);
		CHECK_ROW(!strcmp(s, trims[i].out), i, trims[i].in);
	}
}

/* RFC 4648 section 10, and the alphabet's two ends. */
static const struct {
	const char *raw;
	size_t n;
	const char *b64, *url;
} codes[] = {
	{ "", 0, "", "" },
	{ "f", 1, "Zg==", "Zg" },
	{ "fo", 2, "Zm8=", "Zm8" },
	{ "foo", 3, "Zm9v", "Zm9v" },
	{ "foob", 4, "Zm9vYg==", "Zm9vYg" },
	{ "fooba", 5, "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", 6, "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", 3, "+/+/", "-_-_" },
	{ "\0\0\0", 3, "AAAA", "AAAA" },
	{ "\xff", 1, "/w==", "_w" },
};

static void base64(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		const char *texts[] = { codes[i].b64, codes[i].url };

		assert_string_equal(text_base64(*state, codes[i].raw, codes[i].n), codes[i].b64);
		assert_string_equal(text_base64url(*state, codes[i].raw, codes[i].n), codes[i].url);
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			size_t n;
			char *p = text_base64_decode(*state, texts[k], strlen(texts[k]), &n);

			CHECK_ROW(p && n == codes[i].n && !memcmp(p, codes[i].raw, n), i, texts[k]);
		}
	}
}

static void base64_refuses(void **state)
{
	static const char *const bad[] = {
		"A",  "AAAAA", "Zh==",    "Zm9=",  "Zm9v Zm8=", "Zm8\n", "Z=8=", "=AAA",       "=",
		"==", "====",  "Zm9vYg=", "Zg===", "Zm9v=",     "A===",  "*AAA", "AA\xc3\xa4",
	};
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ROW(!text_base64_decode(*state, bad[i], strlen(bad[i]), &n), i, bad[i]);
	assert_null(text_base64_decode(*state, "AA\0A", 4, &n));
}

static void base64_round_trip(void **state)
{
	unsigned char raw[300];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (unsigned char)(i * 7);
	for (size_t len = 0; len <= sizeof(raw); len++) {
		char *text = text_base64(*state, raw, len);
		size_t n;
		unsigned char *p = text_base64_decode(*state, text, strlen(text), &n);

		assert_non_null(p);
		assert_int_equal(n, len);
		assert_memory_equal(p, raw, len);
	}
}

static void hex(void **state)
{
	char out[9];

	(void)state;
	text_hex("\x00\x0f\xf0\xff", 4, out);
	assert_string_equal(out, "000ff0ff");
	text_hex("", 0, out);
	assert_string_equal(out, "");
}

static const struct {
	const char *s;
	int64_t lo, hi;
	bool ok;
	int64_t v;
} ints[] = {
	{ "0", 0, 9, true, 0 },
	{ "9", 0, 9, true, 9 },
	{ "10", 0, 9, false, 0 },
	{ "-1", 0, 9, false, 0 },
	{ "-1", -1, 9, true, -1 },
	{ "9223372036854775807", 0, INT64_MAX, true, INT64_MAX },
	{ "-9223372036854775808", INT64_MIN, 0, true, INT64_MIN },
	{ "9223372036854775808", 0, INT64_MAX, false, 0 },
	{ "", 0, 9, false, 0 },
	{ NULL, 0, 9, false, 0 },
	{ "-", -9, 9, false, 0 },
	{ "+1", 0, 9, false, 0 },
	{ " 1", 0, 9, false, 0 },
	{ "1 ", 0, 9, false, 0 },
	{ "1.0", 0, 9, false, 0 },
	{ "0x1", 0, 9, false, 0 },
	{ "1e1", 0, 99, false, 0 },
	{ "007", 0, 9, true, 7 },
	{ "--1", -9, 9, false, 0 },
	{ "- 1", -9, 9, false, 0 },
	{ "-+1", -9, 9, false, 0 },
};

static void integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
		int64_t v = 77;

		CHECK_ROW(text_int(ints[i].s, ints[i].lo, ints[i].hi, &v) == ints[i].ok, i,
			  ints[i].s);
		CHECK_ROW(v == (ints[i].ok ? ints[i].v : 77), i, ints[i].s);
	}
}

static void constant_time_equality(void **state)
{
	(void)state;
	assert_true(text_equal_ct("", ""));
	assert_true(text_equal_ct("abc", "abc"));
	assert_false(text_equal_ct("abc", "abd"));
	assert_false(text_equal_ct("abc", "ab"));
	assert_false(text_equal_ct("", "a"));
	assert_false(text_equal_ct("\x80", "\x7f"));
}

static void no_memory_gives_null(void **state)
{
	struct arena *tiny = arena_new(4);
	size_t n;

	(void)state;
	assert_null(text_base64(tiny, "foo", 3));
	assert_null(text_base64url(tiny, "foo", 3));
	assert_null(text_base64_decode(tiny, "Zm9vYmFy", 8, &n));
	assert_null(text_utf8_repair(tiny, "\xff\xff", 2, &n));
	arena_free(tiny);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_characters),
		cmocka_unit_test_setup_teardown(utf8_repair, setup, teardown),
		cmocka_unit_test(utf8_trim),
		cmocka_unit_test_setup_teardown(base64, setup, teardown),
		cmocka_unit_test_setup_teardown(base64_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(base64_round_trip, setup, teardown),
		cmocka_unit_test(hex),
		cmocka_unit_test(integers),
		cmocka_unit_test(constant_time_equality),
		cmocka_unit_test(no_memory_gives_null),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
