/* jsn_scan_test.c: which texts are JSON, and where a member stands in one. */
#include "unit.h"

#include <stdio.h>

#include "../../lib/base/jsn.h"

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

/* ---- which texts are JSON ---- */

/* Literals with a NUL inside need their length. */
#define T(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t n;
} good[] = {
	{ T("{}") },
	{ T("[]") },
	{ T(" \t\r\n{} \t\r\n") },
	{ T("true") },
	{ T("false") },
	{ T("0") },
	{ T("-0") },
	{ T("-1") },
	{ T("10") },
	{ T("1.5") },
	{ T("1.0e5") },
	{ T("1e5") },
	{ T("1E+5") },
	{ T("1e-5") },
	{ T("0e0") },
	{ T("-0.0") },
	{ T("0.1") },
	{ T("1e999") },
	{ T("123456789012345678901234567890") },
	{ T("\"\"") },
	{ T("\"a\"") },
	{ T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"") },
	{ T("\"\\u0000\"") },
	{ T("\"\\ud83d\\ude00\"") },
	{ T("\"\\uD83D\\uDE00\"") },
	{ T("\"\xf0\x9f\x98\x80\"") },
	{ T("\"\x7f\"") },
	{ T("\"\\ufeff\"") },
	{ T("\"\\uffff\"") },
	{ T("[1,2,3]") },
	{ T("{\"a\":1,\"b\":[{\"a\":2}]}") },
	{ T("{\"\":1}") },
	{ T("{\"a\":{\"a\":1}}") },
	{ T("[{\"a\":1},{\"a\":1}]") },
	{ T("{\"a\":null}") },
	{ T("[null]") },
	{ T("{ \"a\" : 1 , \"b\" : 2 }") },
	{ T("{\"\\u0061b\":1,\"aB\":2}") },
};

static const struct {
	const char *text;
	size_t n;
} bad[] = {
	{ T("") },
	{ T(" ") },
	{ T("\0") },
	{ T("{}\0") },
	{ T("{\0}") },
	{ T("{} x") },
	{ T("{}{}") },
	{ T("1 2") },
	{ T("{") },
	{ T("}") },
	{ T("[") },
	{ T("]") },
	{ T("[1,]") },
	{ T("[,1]") },
	{ T("[1 2]") },
	{ T("[1,,2]") },
	{ T("{\"a\"}") },
	{ T("{\"a\":}") },
	{ T("{\"a\":1,}") },
	{ T("{,}") },
	{ T("{a:1}") },
	{ T("{'a':1}") },
	{ T("{\"a\" 1}") },
	{ T("{1:2}") },
	{ T("{\"a\":1 \"b\":2}") },
	{ T("{\"a\":1;}") },
	{ T("01") },
	{ T("-01") },
	{ T("00") },
	{ T("1.") },
	{ T(".1") },
	{ T("+1") },
	{ T("-") },
	{ T("--1") },
	{ T("1e") },
	{ T("1e+") },
	{ T("1.e1") },
	{ T("0x10") },
	{ T("1_000") },
	{ T("1,") },
	{ T("NaN") },
	{ T("nan") },
	{ T("Infinity") },
	{ T("-Infinity") },
	{ T("inf") },
	{ T("True") },
	{ T("TRUE") },
	{ T("tru") },
	{ T("truex") },
	{ T("nul") },
	{ T("None") },
	{ T("undefined") },
	{ T("'a'") },
	{ T("\"a") },
	{ T("a\"") },
	{ T("\"a\nb\"") },
	{ T("\"\t\"") },
	{ T("\"\0\"") },
	{ T("\"\x1f\"") },
	{ T("\"\\x41\"") },
	{ T("\"\\a\"") },
	{ T("\"\\'\"") },
	{ T("\"\\") },
	{ T("\"\\\"") },
	{ T("\"\\u12\"") },
	{ T("\"\\u12g4\"") },
	{ T("\"\\u+123\"") },
	{ T("\"\\U0041\"") },
	{ T("\"\\ud83d\"") },
	{ T("\"\\ude00\"") },
	{ T("\"\\ud83d\\u0041\"") },
	{ T("\"\\ud83d\\ud83d\"") },
	{ T("\"\\ud83dx\\ude00\"") },
	{ T("\"\\ude00\\ud83d\"") },
	{ T("\"\\ud83d\\ude0\"") },
	{ T("\"\xff\"") },
	{ T("\"\xc0\x80\"") },
	{ T("\"\xed\xa0\x80\"") },
	{ T("\"\xf4\x90\x80\x80\"") },
	{ T("\"\xe2\x82\"") },
	{ T("\"\xc3") },
	{ T("\xef\xbb\xbf{}") },
	{ T("\xff\xfe{}") },
	{ T("/**/{}") },
	{ T("{}//x") },
	{ T("[1]#") },
	{ T("{\"a\\u0000b\":1}") },
	{ T("{\"a\":1,\"a\":1}") },
	{ T("{\"a\":1,\"a\":2}") },
	{ T("{\"a\":1,\"\\u0061\":2}") },
	{ T("{\"x\":{\"a\":1,\"b\":2,\"a\":3}}") },
	{ T("[[{\"\":1,\"\":2}]]") },
	{ T("{\"a\":null,\"a\":null}") },
	{ T("{\"/\":1,\"\\/\":2}") },
	{ T("\v{}") },
	{ T("\xc2\xa0{}") },
};

static void accepts_json(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char *text = arena_strndup(*state, good[i].text, good[i].n);
		struct fault f;
		struct json_object *o = jsn_parse(text, good[i].n, *state, &f);

		CHECK_ROW(o, i, good[i].text);
		json_object_put(o);
	}
}

static void refuses_the_rest(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *text = arena_strndup(*state, bad[i].text, bad[i].n);
		struct fault f = { .info = NULL };

		CHECK_ROW(!jsn_parse(text, bad[i].n, *state, &f), i, bad[i].text);
		CHECK_ROW(fault_is(&f, FAULT_INVALID) && f.errors_json, i, bad[i].text);
		CHECK_ROW(strstr(f.errors_json, "\"json_invalid\""), i, f.errors_json);
	}
}

static void null_is_json_but_no_parameter_object(void **state)
{
	struct fault f = { .info = NULL };

	assert_null(jsn_parse("null", 4, *state, &f));
	assert_true(fault_is(&f, FAULT_INVALID));
	assert_string_equal(f.errors_json,
			    "[{\"type\":\"dict_type\",\"loc\":[\"body\"],"
			    "\"msg\":\"must be an object, not null\",\"input\":null}]");
}

static void reads_no_byte_beyond_the_length(void **state)
{
	struct fault f;
	struct json_object *o = jsn_parse("123456", 3, *state, &f);
	AUTO_FREE char *tight = malloc(4); /* ASan watches its end */

	assert_non_null(o);
	assert_int_equal(json_object_get_int64(o), 123);
	json_object_put(o);
	assert_non_null(tight);
	for (const char *const *t = (const char *const[]){ "[1,2", "\"\\u0", "\"\xf0\x9f\x98",
							   "tru[", "-1.5", NULL };
	     *t; t++) {
		size_t at;
		const char *why;

		memcpy(tight, *t, 4);
		assert_int_equal(jsn_valid(tight, 4, &at, &why), !strcmp(*t, "-1.5"));
	}
}

static void depth_is_32(void **state)
{
	static const struct {
		char open, close;
	} kinds[] = { { '[', ']' }, { '{', '}' } };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (int depth = 31; depth <= 34; depth++) {
			char text[300], *w = text;
			struct fault f;
			AUTO_JSON struct json_object *o = NULL;

			for (int i = 0; i < depth; i++)
				w += sprintf(w, "%c%s", kinds[k].open,
					     kinds[k].open == '{' && i + 1 < depth ? "\"a\":" : "");
			for (int i = 0; i < depth; i++)
				*w++ = kinds[k].close;
			o = jsn_parse(text, (size_t)(w - text), *state, &f);
			assert_int_equal(o != NULL, depth <= 32);
			if (!o)
				assert_non_null(strstr(f.detail, "nested deeper than 32 levels"));
		}
}

static void a_long_bracket_storm_does_not_overflow_the_stack(void **state)
{
	size_t n = 1 << 20, at;
	AUTO_FREE char *text = malloc(n);
	const char *why;

	(void)state;
	assert_non_null(text);
	memset(text, '[', n);
	assert_false(jsn_valid(text, n, &at, &why));
	assert_int_equal(at, 32);
}

static const struct {
	const char *text;
	size_t at;
	const char *why;
} places[] = {
	{ "", 0, "expected a value" },
	{ "{\"a\":01}", 6, "expected ',' or '}'" },
	{ "[1,x]", 3, "expected a value" },
	{ "{} x", 3, "bytes after the end of the document" },
	{ "{a", 1, "expected a string" },
	{ "{\"a\" 1}", 5, "expected ':'" },
	{ "\"abc", 4, "a string without an end" },
	{ "\"\xff\"", 1, "not UTF-8" },
	{ "\"\n\"", 1, "a control character in a string" },
	{ "1.x", 2, "bad number" },
};

static void says_where_and_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t at;
		const char *why;

		CHECK_ROW(!jsn_valid(places[i].text, strlen(places[i].text), &at, &why), i,
			  places[i].text);
		assert_int_equal(at, places[i].at);
		assert_string_equal(why, places[i].why);
	}
}

/* ---- spans ---- */

static const struct {
	const char *text, *name, *span;
} spans[] = {
	{ "{\"a\":1}", "a", "1" },
	{ " { \"a\" : [1, 2 ] , \"b\":2}", "a", "[1, 2 ]" },
	{ "{\"x\":{\"a\":1},\"a\":1.50e+1}", "a", "1.50e+1" },
	{ "{\"a\":\"\\u0041\\/\"}", "a", "\"\\u0041\\/\"" },
	{ "{\"a\": null }", "a", "null" },
	{ "{\"aa\":1,\"a\":{ \"k\":\"}\" }}", "a", "{ \"k\":\"}\" }" },
	{ "{\"b\":1}", "a", NULL },
	{ "{}", "a", NULL },
	{ "[]", "a", NULL },
	{ "", "a", NULL },
	{ "{\"ab\":1}", "a", NULL },
	{ "{\"\\u0061\":1}", "a", NULL },
	{ "{\"x\":\"a\\\":2\",\"a\":3}", "a", "3" },
	{ "{\"big\":123456789012345678901234567890.10}", "big",
	  "123456789012345678901234567890.10" },
	{ "{\"a\":1", "a", "1" },
	{ "{\"b\":1,", "a", NULL },
	{ "{\"b\"", "a", NULL },
	{ "{\"a\":tru", "a", NULL },
};

static void spans_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		const char *p = NULL;
		size_t n = jsn_span(spans[i].text, strlen(spans[i].text), spans[i].name, &p);

		if (!spans[i].span)
			CHECK_ROW(n == 0, i, spans[i].text);
		else
			CHECK_ROW(n == strlen(spans[i].span) && !memcmp(p, spans[i].span, n), i,
				  spans[i].text);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accepts_json),
		TEST(refuses_the_rest),
		TEST(null_is_json_but_no_parameter_object),
		TEST(reads_no_byte_beyond_the_length),
		TEST(depth_is_32),
		TEST(a_long_bracket_storm_does_not_overflow_the_stack),
		TEST(says_where_and_why),
		TEST(spans_are_exact),
	};

	return cmocka_run_group_tests_name("jsn_scan", tests, NULL, NULL);
}
