/* packages_test.c: the grammar of package lists (CONTRACT 7). */
#include "form.h"

#include "../../fcgi/packages.h"

#define A98 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *const good_names[] = {
	"a",
	"A",
	"7",
	"requests",
	"Flask-SQLAlchemy",
	"zope.interface",
	"ruamel.yaml",
	"z3c.form",
	"py2neo",
	"jinja2",
	"psycopg2-binary",
	"python3-openid",
	"typing_extensions",
	"a--b",
	"a__b",
	"2captcha",
	A98 "aa",
};
static const char *const bad_names[] = {
	"",
	"-a",
	"a-",
	".a",
	"a.",
	"_a",
	"a_",
	"a..b",
	"a b",
	" a",
	"a\n",
	"a==1",
	"a>=1",
	"a[extra]",
	"a;x",
	"a@b",
	"git+https://x/y",
	"../a",
	"./a",
	"/a",
	"a/b",
	"--index-url",
	"-r",
	"a,b",
	"\xc3\xa9",
	"a%20",
	"requests2.31",
	"requests2.31.0",
	A98 "aaa",
};

static void names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_names); i++)
		CHECK_ROW(package_name_ok(good_names[i]), i, good_names[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++)
		CHECK_ROW(!package_name_ok(bad_names[i]), i, bad_names[i]);
}

static const char *const good_versions[] = {
	"1",           "1.0",
	"2.31.0",      "v1.0",
	"1!2.0",       "1.0a1",
	"1.0.a.1",     "1.0-alpha",
	"1.0b2",       "1.0rc1",
	"1.0c1",       "1.0pre1",
	"1.0.post1",   "1.0-1",
	"1.0-r4",      "1.0.rev2",
	"1.0.dev3",    "1.0a1.post2.dev3",
	"1.0+local.7", "1.0+ubuntu-1",
	"2026.1.1",    "==1.0",
	"==1.*",       "!=1.5.*",
	"==1.0.post1", "==1.0+local",
	">=1.0",       "<2",
	"<=2.0",       ">1.0",
	"~=1.4",       "~=1.4.2",
	">=1.0,<2",    ">=1.0, <2, !=1.5.*",
	"== 1.0",      ">=1.0rc1",
};
static const char *const bad_versions[] = {
	"",
	" ",
	"latest",
	"*",
	"1.",
	".1",
	"1..0",
	"1.0.",
	"1.0x",
	"1.0.*",
	"a1",
	"1 0",
	"=1.0",
	"===1.0",
	"~1.0",
	"^1.0",
	"~=1",
	"~=1.*",
	">=1.*",
	">=1.0+local",
	"<1.0+x",
	">=1.0,",
	",>=1.0",
	">=1.0,,<2",
	">=1.0 <2",
	"1.0,2.0",
	">=",
	"==",
	"1.0+",
	"1.0+a_",
	"1.0; python_version>'3'",
	"1.0 --hash=x",
	"@ https://x/y",
	"https://x/y.whl",
	"--pre",
	"1.0\n",
	"\n1.0",
	"1!",
	"!=1.0.**",
	"==1.0.dev1.*",
	"\xd9\xa1",
};

static void versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_versions); i++)
		CHECK_ROW(package_version_ok(good_versions[i]), i, good_versions[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad_versions); i++)
		CHECK_ROW(!package_version_ok(bad_versions[i]), i, bad_versions[i]);
}

static void a_version_has_100_bytes_at_most(void **state)
{
	char text[120] = ">=1.0";

	(void)state;
	while (strlen(text) + 4 <= 97)
		strcat(text, ",<99");
	strcat(text, ",<9");
	assert_int_equal(strlen(text), 100);
	assert_true(package_version_ok(text));
	strcat(text, "9");
	assert_false(package_version_ok(text));
}

static const struct {
	const char *url;
	bool ok;
} indexes[] = {
	{ "https://pypi.example/simple", true },
	{ "http://10.0.0.1:8080/a/b-c_d/~e/%20/", true },
	{ "https://[::1]:3141/", true },
	{ "https://pypi.example", true },
	{ "", false },
	{ " ", false },
	{ "pypi.example", false },
	{ "file:///etc", false },
	{ "ftp://pypi.example/", false },
	{ "HTTPS//x", false },
	{ "https://", false },
	{ "https:///simple", false },
	{ "https://:80/", false },
	{ "https://user:secret@pypi.example/", false },
	{ "https://pypi.example/?a=b", false },
	{ "https://pypi.example/#a", false },
	{ "https://pypi.example/a b", false },
	{ "https://pypi.example/\n--extra", false },
	{ "https://pypi.example/\xc3\xbc", false },
	{ "--index-url=https://pypi.example", false },
};

static void an_index_is_a_plain_web_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++)
		CHECK_ROW(package_index_ok(indexes[i].url) == indexes[i].ok, i, indexes[i].url);
}

static const struct {
	const char *json, *type, *path;
} lists[] = {
	{ "[]", "", "" },
	{ "[{\"name\":\"a\"}]", "", "" },
	{ "[{\"name\":\"a\",\"version\":null}]", "", "" },
	{ "[{\"name\":\"a\",\"version\":\">=1,<2\",\"extra\":1},{\"name\":\"b\"}]", "", "" },
	{ "[\"requests\"]", "dict_type", "d.0" },
	{ "[1]", "dict_type", "d.0" },
	{ "[null]", "dict_type", "d.0" },
	{ "[{\"name\":\"a\"},{}]", "missing", "d.1.name" },
	{ "[{\"name\":1}]", "string_type", "d.0.name" },
	{ "[{\"name\":\"a b\"}]", "value_error", "d.0.name" },
	{ "[{\"name\":\"a\",\"version\":1}]", "string_type", "d.0.version" },
	{ "[{\"name\":\"a\",\"version\":\"x\"}]", "value_error", "d.0.version" },
};

static void lists_are_checked_element_by_element(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		AUTO_JSON struct json_object *list = json_tokener_parse(lists[i].json);
		struct jsn_check c = { .a = *state, .where = "body" };
		struct first first;

		packages_check(&c, "d", list);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, lists[i].type), i, lists[i].json);
		CHECK_ROW(!strcmp(first.path, lists[i].path), i, lists[i].json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(versions),
		cmocka_unit_test(a_version_has_100_bytes_at_most),
		cmocka_unit_test(an_index_is_a_plain_web_address),
		cmocka_unit_test(lists_are_checked_element_by_element),
	};

	return cmocka_run_group_tests(tests, form_setup, form_teardown);
}
