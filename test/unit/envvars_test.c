/* envvars_test.c: the rules of environment variables (CONTRACT 3.3). */
#include "form.h"

#include "../../fcgi/envvars.h"

#define A31  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A127 A31 "A" A31 "A" A31 "A" A31

static const struct {
	const char *name, *type, *path;
} names[] = {
	{ "A", "", "" },
	{ "_", "", "" },
	{ "a_9Z", "", "" },
	{ A127, "", "" },
	{ A127 "A", "", "" },
	{ "PATH", "", "" },
	{ "HOME", "", "" },
	{ "TMPDIR", "", "" },
	{ "PYTHONPATH", "", "" },
	{ "LDX", "", "" },
	{ "SANDBOX", "", "" },
	{ "session_id", "", "" },
	{ "XLD_", "", "" },
	{ "SESSION_IDS", "", "" },
	{ A127 "AA", "value_error", "e" },
	{ "", "value_error", "e" },
	{ "1A", "value_error", "e" },
	{ "A-B", "value_error", "e" },
	{ "A B", "value_error", "e" },
	{ "A=B", "value_error", "e" },
	{ "\xc3\xa9", "value_error", "e" },
	{ "a.b", "value_error", "e" },
	{ "A\n", "value_error", "e" },
	{ "SANDBOX_", "value_error", "e" },
	{ "SANDBOX_X", "value_error", "e" },
	{ "EXECUTOR_URL", "value_error", "e" },
	{ "LD_PRELOAD", "value_error", "e" },
	{ "SESSION_ID", "value_error", "e" },
	{ "WORKSPACE_PATH", "value_error", "e" },
	{ "CONTROL_PLANE_URL", "value_error", "e" },
	{ "INTERNAL_API_TOKEN", "value_error", "e" },
	{ "INTERNAL_API_TOKEN_FILE", "value_error", "e" },
	{ "CONTAINER_ID", "value_error", "e" },
	{ "POD_NAME", "value_error", "e" },
	{ "EVENT_JSON", "value_error", "e" },
};

static void names_are_checked(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_JSON struct json_object *map = json_object_new_object();
		struct jsn_check c = { .a = *state, .where = "body" };
		struct first first;

		json_object_object_add(map, names[i].name, json_object_new_string("v"));
		envvars_check(&c, "e", map);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, names[i].type), i, names[i].name);
		CHECK_ROW(!strcmp(first.path, names[i].path), i, names[i].name);
	}
}

static const struct {
	const char *json, *type, *path;
} values[] = {
	{ "{}", "", "" },
	{ "{\"A\":\"\"}", "", "" },
	{ "{\"A\":\"\xe2\x82\xac \\n\"}", "", "" },
	{ "{\"A\":1}", "string_type", "e.A" },
	{ "{\"A\":null}", "string_type", "e.A" },
	{ "{\"A\":true}", "string_type", "e.A" },
	{ "{\"A\":[]}", "string_type", "e.A" },
	{ "{\"A\":{}}", "string_type", "e.A" },
	{ "{\"A\":\"a\\u0000b\"}", "value_error", "e.A" },
};

static void values_are_checked(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		AUTO_JSON struct json_object *map = json_tokener_parse(values[i].json);
		struct jsn_check c = { .a = *state, .where = "body" };
		struct first first;

		envvars_check(&c, "e", map);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, values[i].type), i, values[i].json);
		CHECK_ROW(!strcmp(first.path, values[i].path), i, values[i].json);
	}
}

/* `count` variables of `size` bytes; names are A000, A001, ... */
static const struct {
	size_t count, size;
	const char *type;
} sizes[] = {
	{ 1, 32768, "" },         { 1, 32769, "string_too_long" },
	{ 100, 1, "" },           { 101, 1, "too_long" },
	{ 2, 32764, "" }, /* 2 * (4 + 32764) is 64 KiB exactly */
	{ 2, 32765, "too_long" }, { 100, 651, "" },
	{ 100, 652, "too_long" }, /* 100 * (4 + 651) = 65500 */
};

static void sizes_are_bounded(void **state)
{
	AUTO_FREE char *text = malloc(40000);

	assert_non_null(text);
	memset(text, 'v', 40000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_JSON struct json_object *map = json_object_new_object();
		struct jsn_check c = { .a = *state, .where = "body" };
		struct first first;

		for (size_t k = 0; k < sizes[i].count; k++) {
			char name[24];

			snprintf(name, sizeof(name), "A%03zu", k);
			json_object_object_add(map, name,
					       json_object_new_string_len(text,
									  (int)sizes[i].size));
		}
		envvars_check(&c, "e", map);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, sizes[i].type), i, first.detail);
	}
}

/* A value may be a secret: it must not come back in an error. */
static void values_are_not_echoed(void **state)
{
	AUTO_JSON struct json_object *map =
		json_tokener_parse("{\"TOKEN\":\"hunter2\\u0000\",\"N\":4711}");
	struct jsn_check c = { .a = *state, .where = "body" };
	struct fault f = { 0 };

	envvars_check(&c, "e", map);
	assert_int_equal(jsn_done(&c, &f), -1);
	assert_null(strstr(f.errors_json, "hunter2"));
	assert_null(strstr(f.errors_json, "4711"));
	assert_null(strstr(f.detail, "hunter2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(values_are_not_echoed),
	};

	return cmocka_run_group_tests(tests, form_setup, form_teardown);
}
