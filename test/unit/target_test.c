/* target_test.c: request targets taken apart. */
#include "unit.h"

#include "../../fcgi/target.h"

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

/* path NULL: refused. */
static const struct {
	const char *uri, *path, *query;
} targets[] = {
	{ "/", "/", "" },
	{ "/?", "/", "" },
	{ "/a", "/a", "" },
	{ "/a/", "/a", "" },
	{ "/a/b?x=1&y=2", "/a/b", "x=1&y=2" },
	{ "/a?x=1?y=/../", "/a", "x=1?y=/../" },
	{ "/a#b?c", "/a", "" },
	{ "/a?b#c", "/a", "b#c" },
	{ "/a%20b", "/a b", "" },
	{ "/a+b", "/a+b", "" },
	{ "/a%2Bb", "/a+b", "" },
	{ "/%C3%A4", "/\xc3\xa4", "" },
	{ "/%c3%a4", "/\xc3\xa4", "" },
	{ "/\xc3\xa4", "/\xc3\xa4", "" },
	{ "/%252e%252e", "/%2e%2e", "" },
	{ "/a%3Fb", "/a?b", "" },
	{ "/...", "/...", "" },
	{ "/.a", "/.a", "" },
	{ "/..a", "/..a", "" },
	{ "/a..", "/a..", "" },
	{ "/%7e", "/~", "" },
	{ "/a%2Fb", "/a/b", "" },
	{ "/a?%zz", "/a", "%zz" },
	{ "", NULL, NULL },
	{ "a", NULL, NULL },
	{ "*", NULL, NULL },
	{ "?x", NULL, NULL },
	{ "http://h/a", NULL, NULL },
	{ "//", NULL, NULL },
	{ "//a", NULL, NULL },
	{ "/a//b", NULL, NULL },
	{ "/a//", NULL, NULL },
	{ "/.", NULL, NULL },
	{ "/..", NULL, NULL },
	{ "/./a", NULL, NULL },
	{ "/../a", NULL, NULL },
	{ "/a/..", NULL, NULL },
	{ "/a/../b", NULL, NULL },
	{ "/a/./", NULL, NULL },
	{ "/a/../", NULL, NULL },
	{ "/%2e%2e/a", NULL, NULL },
	{ "/a/%2E%2E", NULL, NULL },
	{ "/a%2F..%2Fb", NULL, NULL },
	{ "/a%2F%2Fb", NULL, NULL },
	{ "/%2e", NULL, NULL },
	{ "/a%00", NULL, NULL },
	{ "/a%00b", NULL, NULL },
	{ "/%00/../x", NULL, NULL },
	{ "/a%0Ab", NULL, NULL },
	{ "/a\nb", NULL, NULL },
	{ "/a%7F", NULL, NULL },
	{ "/a\\b", NULL, NULL },
	{ "/..%5Ca", NULL, NULL },
	{ "/%", NULL, NULL },
	{ "/%4", NULL, NULL },
	{ "/%zz", NULL, NULL },
	{ "/%4g", NULL, NULL },
	{ "/a%?41", NULL, NULL },
	{ "/%+1", NULL, NULL },
	{ "/%C3", NULL, NULL },
	{ "/%FF", NULL, NULL },
	{ "/\xff", NULL, NULL },
	{ "/%C0%AE%C0%AE", NULL, NULL },
	{ "/%ED%A0%80", NULL, NULL },
	{ "/%u0041", NULL, NULL },
};

static void targets_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const char *path = NULL, *query = NULL;
		struct fault f = { .info = NULL };
		int rc = target_parse(targets[i].uri, *state, &path, &query, &f);

		CHECK_ROW(rc == (targets[i].path ? 0 : -1), i, targets[i].uri);
		if (rc == 0)
			CHECK_ROW(str_eq(path, targets[i].path) && str_eq(query, targets[i].query),
				  i, targets[i].uri);
		else
			CHECK_ROW(fault_is(&f, FAULT_REFUSED) && f.detail[0], i, targets[i].uri);
	}
}

static void eight_kilobytes_and_no_more(void **state)
{
	AUTO_FREE char *uri = malloc(TARGET_MAX + 2);
	const char *path, *query;
	struct fault f;

	assert_non_null(uri);
	memset(uri, 'a', TARGET_MAX + 1);
	uri[0] = '/';
	uri[TARGET_MAX + 1] = '\0';
	assert_int_equal(target_parse(uri, *state, &path, &query, &f), -1);
	assert_true(fault_is(&f, FAULT_REFUSED));
	uri[TARGET_MAX] = '\0';
	assert_int_equal(target_parse(uri, *state, &path, &query, &f), 0);
	assert_int_equal(strlen(path), TARGET_MAX);
}

static void no_memory(void **state)
{
	struct arena *tiny = arena_new(2);
	const char *path, *query;
	struct fault f;

	(void)state;
	assert_int_equal(target_parse("/abc", tiny, &path, &query, &f), -1);
	assert_true(fault_is(&f, FAULT_INTERNAL));
	arena_free(tiny);
}

#define BAD "\x01"

static const struct {
	const char *query, *name, *value;
} values[] = {
	{ "", "a", NULL },
	{ "a", "a", "" },
	{ "a=", "a", "" },
	{ "a=1", "a", "1" },
	{ "a=1&b=2", "b", "2" },
	{ "b=2", "a", NULL },
	{ "aa=1", "a", NULL },
	{ "a=1", "aa", NULL },
	{ "a=1&a=2", "a", "2" },
	{ "a=1&a", "a", "" },
	{ "&&a=1&&", "a", "1" },
	{ "a=b=c", "a", "b=c" },
	{ "a=x+y%2Bz", "a", "x y+z" },
	{ "a=%C3%A4", "a", "\xc3\xa4" },
	{ "A=1", "a", NULL },
	{ "a%3D1", "a", NULL },
	{ "%61=1", "a", NULL },
	{ "a=%", "a", BAD },
	{ "a=%4", "a", BAD },
	{ "a=%4&b=1", "a", BAD },
	{ "a=%zz", "a", BAD },
	{ "a=%00", "a", BAD },
	{ "a=x%00y", "a", BAD },
	{ "a=%FF", "a", BAD },
	{ "a=%ff&a=1", "a", "1" },
	{ "a=1&a=%ff", "a", BAD },
	{ "a=1;b=2", "a", "1;b=2" },
	{ "a=1#b", "a", "1#b" },
	{ "=1", "a", NULL },
	{ "limit=10&offset=5", "offset", "5" },
};

static void query_values(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const char *v = target_query(values[i].query, values[i].name, *state);

		CHECK_ROW(values[i].value ? str_eq(v, values[i].value) : !v, i, values[i].query);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(targets_table, setup, teardown),
		cmocka_unit_test_setup_teardown(eight_kilobytes_and_no_more, setup, teardown),
		cmocka_unit_test(no_memory),
		cmocka_unit_test_setup_teardown(query_values, setup, teardown),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
