/* jsn_test.c: members by table, errors, canonical text, JSON out. */
#include "unit.h"

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

/* ---- members by table ---- */

struct body {
	const char *s, *e;
	int64_t i, b;
	double n;
	struct json_object *o, *l, *any;
};

static const char *const words[] = { "user", "admin", NULL };

static const struct jsn_field fields[] = {
	{ "s", NULL, JSN_STR, false, offsetof(struct body, s), 2, 4, NULL },
	{ "e", NULL, JSN_ENUM, false, offsetof(struct body, e), 0, 0, words },
	{ "i", "integer", JSN_INT, false, offsetof(struct body, i), -5, 300, NULL },
	{ "n", NULL, JSN_NUM, false, offsetof(struct body, n), 0, 0, NULL },
	{ "b", NULL, JSN_BOOL, false, offsetof(struct body, b), 0, 0, NULL },
	{ "o", NULL, JSN_OBJ, false, offsetof(struct body, o), 0, 0, NULL },
	{ "l", NULL, JSN_ARR, false, offsetof(struct body, l), 1, 2, NULL },
	{ "any", NULL, JSN_ANY, false, offsetof(struct body, any), 0, 0, NULL },
};

/* Reads `text` with `fields`; the fault's errors_json or NULL. `o` keeps what `out` borrows from. */
static const char *read_body(struct arena *a, const char *text, struct body *out,
			     struct json_object **o)
{
	struct jsn_check c = { .a = a, .where = "body" };
	struct fault f = { .info = NULL };

	*out = (struct body){ .i = JSN_ABSENT, .b = JSN_ABSENT, .n = NAN };
	*o = jsn_parse(text, strlen(text), a, &f);
	if (!*o)
		fail_msg("test text is no JSON: %s", text);
	jsn_read(&c, *o, NULL, fields, ARRAY_LEN(fields), out);
	return jsn_done(&c, &f) == 0 ? NULL : f.errors_json;
}

static void reads_each_type(void **state)
{
	AUTO_JSON struct json_object *o = NULL;
	struct body b;

	assert_null(read_body(
		*state,
		"{\"s\":\"abcd\",\"e\":\"admin\",\"i\":300,\"n\":0.25,\"b\":true,\"o\":{},"
		"\"l\":[1,2],\"any\":\"x\",\"unknown\":[{}]}",
		&b, &o));
	assert_string_equal(b.s, "abcd");
	assert_string_equal(b.e, "admin");
	assert_int_equal(b.i, 300);
	assert_true(b.n == 0.25);
	assert_int_equal(b.b, 1);
	assert_true(json_object_is_type(b.o, json_type_object));
	assert_int_equal(json_object_array_length(b.l), 2);
	assert_string_equal(json_object_get_string(b.any), "x");
}

static void null_and_nothing_leave_the_default(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"s\":null,\"e\":null,\"i\":null,\"n\":null,\"b\":null,\"o\":null,"
		      "\"l\":null,\"any\":null,\"integer\":null}"
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_JSON struct json_object *o = NULL;
		struct body b;

		assert_null(read_body(*state, texts[i], &b, &o));
		assert_true(!b.s && !b.e && !b.o && !b.l && !b.any && isnan(b.n));
		assert_true(b.i == JSN_ABSENT && b.b == JSN_ABSENT);
	}
}

static const struct {
	const char *text;
	int64_t i;
} int_forms[] = {
	{ "{\"i\":-5}", -5 },
	{ "{\"i\":300.0}", 300 },
	{ "{\"i\":3e2}", 300 },
	{ "{\"i\":-0}", 0 },
	{ "{\"i\":-0.0}", 0 },
	{ "{\"integer\":7}", 7 },
	{ "{\"i\":7,\"integer\":7}", 7 },
	{ "{\"i\":null,\"integer\":7}", 7 },
	{ "{\"i\":7,\"integer\":null}", 7 },
};

static void integers_and_aliases(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(int_forms); i++) {
		AUTO_JSON struct json_object *o = NULL;
		struct body b;

		CHECK_ROW(!read_body(*state, int_forms[i].text, &b, &o), i, int_forms[i].text);
		CHECK_ROW(b.i == int_forms[i].i, i, int_forms[i].text);
	}
}

/* type and loc of the one error that each body has. */
static const struct {
	const char *text, *type, *loc;
} refused[] = {
	{ "{\"s\":1}", "string_type", "[\"body\",\"s\"]" },
	{ "{\"s\":\"a\"}", "string_too_short", "[\"body\",\"s\"]" },
	{ "{\"s\":\"abcde\"}", "string_too_long", "[\"body\",\"s\"]" },
	{ "{\"s\":\"\xe2\x82\xac\xe2\x82\xac\"}", "string_too_long",
	  "[\"body\",\"s\"]" }, /* bytes, not characters */
	{ "{\"s\":\"a\\u0000b\"}", "value_error", "[\"body\",\"s\"]" },
	{ "{\"e\":\"root\"}", "literal_error", "[\"body\",\"e\"]" },
	{ "{\"e\":\"\"}", "literal_error", "[\"body\",\"e\"]" },
	{ "{\"e\":\"Admin\"}", "literal_error", "[\"body\",\"e\"]" },
	{ "{\"e\":\"admin\\u0000x\"}", "value_error", "[\"body\",\"e\"]" },
	{ "{\"e\":true}", "string_type", "[\"body\",\"e\"]" },
	{ "{\"i\":\"300\"}", "int_type", "[\"body\",\"i\"]" },
	{ "{\"i\":1.5}", "int_type", "[\"body\",\"i\"]" },
	{ "{\"i\":true}", "int_type", "[\"body\",\"i\"]" },
	{ "{\"i\":1e999}", "int_type", "[\"body\",\"i\"]" },
	{ "{\"i\":1e17}", "int_type", "[\"body\",\"i\"]" },
	{ "{\"i\":301}", "less_than_equal", "[\"body\",\"i\"]" },
	{ "{\"i\":99999999999999999999}", "less_than_equal", "[\"body\",\"i\"]" },
	{ "{\"i\":-99999999999999999999}", "greater_than_equal", "[\"body\",\"i\"]" },
	{ "{\"integer\":301}", "less_than_equal", "[\"body\",\"integer\"]" },
	{ "{\"i\":1,\"integer\":2}", "value_error", "[\"body\",\"i\"]" },
	{ "{\"n\":\"1\"}", "float_type", "[\"body\",\"n\"]" },
	{ "{\"n\":1e999}", "float_type", "[\"body\",\"n\"]" },
	{ "{\"b\":1}", "bool_type", "[\"body\",\"b\"]" },
	{ "{\"b\":\"true\"}", "bool_type", "[\"body\",\"b\"]" },
	{ "{\"o\":[]}", "dict_type", "[\"body\",\"o\"]" },
	{ "{\"l\":{}}", "list_type", "[\"body\",\"l\"]" },
	{ "{\"l\":[]}", "too_short", "[\"body\",\"l\"]" },
	{ "{\"l\":[1,2,3]}", "too_long", "[\"body\",\"l\"]" },
	{ "[1]", "dict_type", "[\"body\"]" },
	{ "\"x\"", "dict_type", "[\"body\"]" },
	{ "5", "dict_type", "[\"body\"]" },
};

static void refuses_by_type_and_range(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO_JSON struct json_object *o = NULL;
		struct body b;
		const char *errors = read_body(*state, refused[i].text, &b, &o);
		const char *want = arena_printf(*state, "[{\"type\":\"%s\",\"loc\":%s,\"msg\":\"",
						refused[i].type, refused[i].loc);

		CHECK_ROW(errors && str_starts(errors, want), i, refused[i].text);
	}
}

static void required_members(void **state)
{
	static const struct jsn_field must[] = { { "a", NULL, JSN_INT, true, 0, 0, 0, NULL } };
	struct jsn_check c = { .a = *state, .where = "body" };
	AUTO_JSON struct json_object *o = json_object_new_object();
	struct fault f;
	int64_t v;

	jsn_read(&c, o, "x.3.y", must, 1, &v);
	assert_int_equal(jsn_done(&c, &f), -1);
	assert_string_equal(f.errors_json,
			    "[{\"type\":\"missing\",\"loc\":[\"body\",\"x\",3,\"y\",\"a\"],"
			    "\"msg\":\"is required\",\"input\":null}]");
	assert_string_equal(f.detail, "x.3.y.a: is required");
}

/* ---- errors ---- */

static const struct {
	const char *path, *loc;
} paths[] = {
	{ NULL, "[\"body\"]" },      { "", "[\"body\"]" },
	{ "a", "[\"body\",\"a\"]" }, { "a.0.b", "[\"body\",\"a\",0,\"b\"]" },
	{ "12", "[\"body\",12]" },   { "env.1A", "[\"body\",\"env\",\"1A\"]" },
};

static void paths_become_locations(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct jsn_check c = { .a = *state, .where = "body" };
		struct fault f;

		jsn_bad(&c, "value_error", paths[i].path, NULL, "x");
		assert_int_equal(jsn_done(&c, &f), -1);
		CHECK_ROW(strstr(f.errors_json, paths[i].loc), i, f.errors_json);
	}
}

static void no_more_than_twenty_errors(void **state)
{
	struct jsn_check c = { .a = *state, .where = "query" };
	AUTO_JSON struct json_object *errors = NULL;
	struct fault f;

	for (int i = 0; i < 50; i++)
		jsn_bad(&c, "int_parsing", "limit", NULL, "error %d", i);
	assert_int_equal(jsn_done(&c, &f), -1);
	assert_string_equal(f.detail, "limit: error 0");
	errors = jsn_parse(f.errors_json, strlen(f.errors_json), *state, &f);
	assert_int_equal(json_object_array_length(errors), 20);
	assert_null(c.errors);
}

static void no_error_is_no_fault(void **state)
{
	struct jsn_check c = { .a = *state, .where = "body" };
	struct fault f = { .info = NULL };

	assert_int_equal(jsn_done(&c, &f), 0);
	assert_null(f.info);
}

/* The member `input` of the error about a value. */
static struct json_object *shown(struct arena *a, struct json_object *v)
{
	struct jsn_check c = { .a = a, .where = "body" };
	struct json_object *errors, *input;
	struct fault f;

	jsn_bad(&c, "value_error", "a", v, "x");
	assert_int_equal(jsn_done(&c, &f), -1);
	errors = jsn_parse(f.errors_json, strlen(f.errors_json), a, &f);
	assert_non_null(errors);
	input = json_object_get(
		json_object_object_get(json_object_array_get_idx(errors, 0), "input"));
	json_object_put(errors);
	return input;
}

static void input_is_cut_to_256_bytes_at_a_character(void **state)
{
	char text[600];
	AUTO_JSON struct json_object *whole = NULL, *part = NULL, *list = json_object_new_array(),
				     *cut = NULL;

	memset(text, 'a', sizeof(text));
	for (size_t i = 255; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	part = json_object_new_string_len(text, (int)sizeof(text));
	whole = shown(*state, part);
	assert_int_equal(json_object_get_string_len(whole), 255);
	for (int i = 0; i < 300; i++)
		json_object_array_add(list, json_object_new_int(7));
	cut = shown(*state, list);
	assert_true(json_object_is_type(cut, json_type_string));
	assert_int_equal(json_object_get_string_len(cut), 256);
}

static void input_keeps_small_values(void **state)
{
	static const char *const texts[] = {
		"5", "0.5", "true", "\"x\"", "[1,{\"a\":null}]", "{}"
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct fault f;
		AUTO_JSON struct json_object *v = jsn_parse(texts[i], strlen(texts[i]), *state, &f);
		AUTO_JSON struct json_object *in = shown(*state, v);
		size_t n;

		assert_string_equal(jsn_text(in, &n), texts[i]);
	}
}

static void a_cut_detail_is_still_utf8(void **state)
{
	struct jsn_check c = { .a = *state, .where = "body" };
	char name[300];
	struct fault f;
	size_t at;
	const char *why;

	for (size_t i = 0; i + 3 <= sizeof(name); i += 3)
		memcpy(name + i, "\xe2\x82\xac", 3);
	name[sizeof(name) - 1] = name[sizeof(name) - 2] = name[sizeof(name) - 3] = '\0';
	jsn_bad(&c, "value_error", NULL, NULL, "%s", name);
	assert_int_equal(jsn_done(&c, &f), -1);
	assert_true(jsn_valid(f.errors_json, strlen(f.errors_json), &at, &why));
	assert_true(strlen(f.detail) > 190 && (strlen(f.detail) - strlen("body: ")) % 3 == 0);
}

/* ---- canonical text ---- */

static const struct {
	const char *in, *out;
} canon[] = {
	{ "{}", "{}" },
	{ "{ \"b\" : 1 , \"a\" : 2 }", "{\"a\":2,\"b\":1}" },
	{ "{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":null}",
	  "{\"a\":null,\"b\":{\"c\":[{\"y\":2,\"z\":1}],\"d\":1}}" },
	{ "[3,1,2]", "[3,1,2]" },
	{ "[null,true]", "[null,true]" },
	{ "\"\\u0061\"", "\"a\"" },
	{ "{\"B\":1,\"a\":2,\"A\":3}", "{\"A\":3,\"B\":1,\"a\":2}" },
	{ "1.50", "1.50" },
	{ "{\"a\":[null,{}]}", "{\"a\":[null,{}]}" },
};

static void canonical_text_has_one_form(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(canon); i++) {
		struct fault f;
		AUTO_JSON struct json_object *o =
			jsn_parse(canon[i].in, strlen(canon[i].in), *state, &f);
		const char *text = jsn_canonical(o, *state);

		CHECK_ROW(str_eq(text, canon[i].out), i, text);
	}
}

/* ---- out ---- */

static void builders(void **state)
{
	struct json_object *o = json_object_new_object();
	AUTO_JSON struct json_object *owner = NULL;
	size_t n;

	(void)state;
	o = jsn_str(o, "s", "a\"/\n\xe2\x82\xac");
	o = jsn_str(o, "s0", NULL);
	o = jsn_strn(o, "sn", "abc", 2);
	o = jsn_strn(o, "sn0", NULL, 0);
	o = jsn_int(o, "i", -5);
	o = jsn_int(o, "max", INT64_MAX);
	o = jsn_int(o, "i0", JSN_ABSENT);
	o = jsn_num(o, "n0", NAN);
	o = jsn_num(o, "inf", INFINITY);
	o = jsn_bool(o, "b", false);
	o = jsn_null(o, "nil");
	o = jsn_raw(o, "raw", "[1.50, 2]");
	o = jsn_raw(o, "raw0", NULL);
	o = jsn_put(o, "l",
		    jsn_push(jsn_push(json_object_new_array(), json_object_new_int(1)),
			     jsn_rawval("{ }")));
	owner = o;
	assert_string_equal(
		jsn_text(o, &n),
		"{\"s\":\"a\\\"/\\n\xe2\x82\xac\",\"s0\":null,\"sn\":\"ab\",\"sn0\":null,"
		"\"i\":-5,\"max\":9223372036854775807,\"i0\":null,\"n0\":null,\"inf\":null,\"b\":"
		"false,"
		"\"nil\":null,\"raw\":[1.50, 2],\"raw0\":null,\"l\":[1,{ }]}");
	assert_int_equal(n, strlen(jsn_text(o, &n)));
}

static const struct {
	double v;
	const char *text;
} numbers[] = {
	{ 0, "0" },
	{ 1, "1" },
	{ 300, "300" },
	{ -100, "-100" },
	{ 0.1, "0.1" },
	{ 0.5, "0.5" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 123456.75, "123456.75" },
	{ 1e22, "1e+22" },
	{ 5e-324, "5e-324" },
	{ 1e-7, "1e-07" },
	{ 999999999999999, "999999999999999" },
	{ 0.30000000000000004, "0.30000000000000004" },
	{ 1e15, "1e+15" },
};

static void numbers_are_shortest_and_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		AUTO_JSON struct json_object *o =
			jsn_num(json_object_new_object(), "n", numbers[i].v);
		const char *text = json_object_to_json_string(json_object_object_get(o, "n"));

		CHECK_ROW(!strcmp(text, numbers[i].text) && strtod(text, NULL) == numbers[i].v, i,
			  text);
	}
}

static void builders_carry_failure_on(void **state)
{
	(void)state;
	assert_null(jsn_str(NULL, "a", "b"));
	assert_null(jsn_strn(NULL, "a", "b", 1));
	assert_null(jsn_int(NULL, "a", 1));
	assert_null(jsn_num(NULL, "a", 1));
	assert_null(jsn_bool(NULL, "a", true));
	assert_null(jsn_null(NULL, "a"));
	assert_null(jsn_raw(NULL, "a", "1"));
	assert_null(jsn_put(NULL, "a", json_object_new_int(1)));
	assert_null(jsn_put(json_object_new_object(), "a", NULL));
	assert_null(jsn_push(NULL, json_object_new_int(1)));
	assert_null(jsn_push(json_object_new_array(), NULL));
}

static void a_full_arena_is_a_fault_not_a_crash(void **state)
{
	struct arena *tiny = arena_new(8);
	struct fault f = { .info = NULL };
	AUTO_JSON struct json_object *o = jsn_parse("{\"a\":1}", 7, *state, &f);

	assert_null(jsn_parse("{", 1, tiny, &f));
	assert_true(fault_is(&f, FAULT_INVALID));
	assert_null(f.errors_json);
	arena_reset(tiny);
	assert_non_null(arena_alloc(tiny, 4));
	assert_null(jsn_canonical(o, tiny));
	arena_free(tiny);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_each_type),
		TEST(null_and_nothing_leave_the_default),
		TEST(integers_and_aliases),
		TEST(refuses_by_type_and_range),
		TEST(required_members),
		TEST(paths_become_locations),
		TEST(no_more_than_twenty_errors),
		TEST(no_error_is_no_fault),
		TEST(input_is_cut_to_256_bytes_at_a_character),
		TEST(input_keeps_small_values),
		TEST(a_cut_detail_is_still_utf8),
		TEST(canonical_text_has_one_form),
		TEST(builders),
		TEST(numbers_are_shortest_and_exact),
		TEST(builders_carry_failure_on),
		TEST(a_full_arena_is_a_fault_not_a_crash),
	};

	return cmocka_run_group_tests_name("jsn", tests, NULL, NULL);
}
