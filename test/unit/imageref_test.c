/* imageref_test.c: names of images (CONTRACT 5). */
#include "unit.h"

#include "../../lib/base/imageref.h"

#define H64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *const good[] = {
	"a",
	"alpine",
	"alpine:3.18",
	"sandbox/python-basic:latest",
	"library/a/b/c",
	"a__b",
	"a--b",
	"a---b",
	"a.b_c-d",
	"docker.io/library/alpine",
	"localhost/x",
	"localhost:5000/x:1",
	"Registry/x",
	"registry.example.org:443/a/b:1.0",
	"10.0.0.1:5000/a",
	"a@sha256:" H64,
	"a:1@sha256:" H64,
	"r.example/a:Tag_1.x-y@sha256:" H64,
	"a:_x",
	"0",
	"host",
};
static const char *const bad[] = {
	"",
	"A",
	"a b",
	" a",
	"a\n",
	"a/",
	"/a",
	"a//b",
	":tag",
	"a:",
	"a:t:t",
	"a:-x",
	"a:.x",
	"a@",
	"@sha256:" H64,
	"a@sha256:" H64 "a",
	"a@sha256:aaaa",
	"a@md5:abc",
	"a@sha256:" H64 "@sha256:" H64,
	"http://x/y",
	"r.example:/a",
	"r.example:port/a",
	"r.example:123456/a",
	"-r.example/a",
	"r-.example/a",
	"r..example/a",
	"a:b/c",
	"a___b",
	"a..b",
	"a._b",
	"-a",
	"a-",
	"_a",
	"a_",
	".a",
	"a.",
	"a/B",
	"\xc3\xa9",
	"a@sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"../a",
	"a/../b",
	"a;b",
	"a$b",
};

static void forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK_ROW(imageref_ok(good[i]), i, good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ROW(!imageref_ok(bad[i]), i, bad[i]);
	assert_false(imageref_ok(NULL));
}

static void lengths(void **state)
{
	char name[520];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[512] = '\0';
	assert_true(imageref_ok(name));
	name[512] = 'a';
	name[513] = '\0';
	assert_false(imageref_ok(name));
	memset(name, 'a', sizeof(name));
	name[1] = ':';
	name[130] = '\0';
	assert_true(imageref_ok(name));
	name[130] = 'a';
	name[131] = '\0';
	assert_false(imageref_ok(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(lengths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
