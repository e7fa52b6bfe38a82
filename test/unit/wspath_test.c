/* wspath_test.c: names of files in a workspace (CONTRACT 6, Paths; 4.4, artifacts). */
#include "unit.h"

#include "../../lib/base/wspath.h"

#define B(s) s, sizeof(s) - 1

static const struct {
	const char *path;
	size_t n;
	bool ok;
} rows[] = {
	{ B("a"), true },
	{ B("a/b/c.txt"), true },
	{ B(".hidden"), true },
	{ B("a/.git/config"), true },
	{ B("..."), true },
	{ B("..a"), true },
	{ B("a.."), true },
	{ B(" "), true },
	{ B("a b"), true },
	{ B("~"), true },
	{ B("-rf"), true },
	{ B("%2e%2e"), true }, /* decoded before, by the caller: here it is a name */
	{ B("a?b#c&d=e+f"), true },
	{ B("'\"<>|*;"), true },
	{ B("ü/日本語/😀"), true },
	{ B("u\xcc\x88"), true }, /* not normalised */
	{ B("\xc2\xa0"), true },  /* U+00A0, the first beyond C1 */
	{ B("\xef\xbf\xbd"), true },
	{ B("\xef\xbb\xbf"), true },
	{ B("\xf4\x8f\xbf\xbf"), true }, /* U+10FFFF */
	{ B(""), false },
	{ B("/"), false },
	{ B("/a"), false },
	{ B("a/"), false },
	{ B("a//b"), false },
	{ B("."), false },
	{ B(".."), false },
	{ B("./a"), false },
	{ B("../a"), false },
	{ B("a/."), false },
	{ B("a/.."), false },
	{ B("a/./b"), false },
	{ B("a/../b"), false },
	{ B("\\"), false },
	{ B("a\\b"), false },
	{ B("..\\a"), false },
	{ B("a\0"), false },
	{ B("\0a"), false },
	{ B("a\0b"), false },
	{ B("a\nb"), false },
	{ B("a\rb"), false },
	{ B("a\tb"), false },
	{ B("\x01"), false },
	{ B("\x1f"), false },
	{ B("\x1b[2J"), false },
	{ B("\x7f"), false },
	{ B("\xc2\x80"), false }, /* C1 */
	{ B("a\xc2\x85"
	    "b"),
	  false },
	{ B("\xc2\x9b"), false },
	{ B("\xc2\x9f"), false },
	{ B("\x80"), false }, /* not UTF-8 */
	{ B("\xff"), false },
	{ B("a\xc3"), false },
	{ B("\xe2\x82"), false },
	{ B("\xe2\x82/"), false },
	{ B("\xc0\xaf"), false },           /* overlong '/' */
	{ B("\xc0\xae\xc0\xae/a"), false }, /* overlong ".." */
	{ B("\xe0\x80\xaf"), false },
	{ B("\xf0\x80\x80\xaf"), false },
	{ B("\xc1\xbf"), false },
	{ B("\xed\xa0\x80"), false }, /* surrogates */
	{ B("\xed\xbf\xbf"), false },
	{ B("\xed\xa0\xbd\xed\xb8\x80"), false },
	{ B("\xf4\x90\x80\x80"), false }, /* beyond U+10FFFF */
	{ B("\xf8\x88\x80\x80\x80"), false },
};

static void paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ROW(!wspath_bad(rows[i].path, rows[i].n) == rows[i].ok, i, rows[i].path);
}

/* A path of `n` bytes whose segments have `seg` bytes, the last one the rest. */
static void fill(char *p, size_t n, size_t seg)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (i + 1) % (seg + 1) ? 'x' : '/';
	p[n] = '\0';
}

static void lengths(void **state)
{
	char p[WSPATH_MAX + 2];

	(void)state;
	fill(p, WSSEG_MAX, 9999);
	assert_null(wspath_bad(p, WSSEG_MAX));
	fill(p, WSSEG_MAX + 1, 9999);
	assert_non_null(wspath_bad(p, WSSEG_MAX + 1));
	fill(p, WSPATH_MAX, 100);
	assert_null(wspath_bad(p, WSPATH_MAX));
	fill(p, WSPATH_MAX + 1, 100);
	assert_non_null(wspath_bad(p, WSPATH_MAX + 1));
	fill(p, 600, WSSEG_MAX); /* the limit holds for each segment, the last too */
	assert_null(wspath_bad(p, 600));
	fill(p, 600, WSSEG_MAX + 1);
	assert_non_null(wspath_bad(p, 600));
	/* 255 bytes are counted, not characters */
	memset(p, 'x', 254);
	memcpy(p + 254, "ü", 3);
	assert_non_null(wspath_bad(p, 256));
}

/* Every byte alone and between letters: exactly the forbidden ones are refused. */
static void bytes(void **state)
{
	(void)state;
	for (int b = 0; b < 256; b++) {
		char p[] = { 'a', (char)b, 'b' };
		bool ok = b >= 0x20 && b < 0x7f && b != '\\';

		CHECK_ROW(!wspath_bad(p, 3) == ok, b, "a?b");
	}
}

static const struct {
	const char *path, *type, *artifact;
	bool hidden;
} kinds[] = {
	{ "a", "application/octet-stream", "artifact", false },
	{ "a.txt", "text/plain", "artifact", false },
	{ "a.TXT", "text/plain", "artifact", false },
	{ "a.txt/b", "application/octet-stream", "artifact", false },
	{ "d/a.tar.gz", "application/gzip", "artifact", false },
	{ "a.", "application/octet-stream", "artifact", false },
	{ ".txt", "application/octet-stream", "artifact", true },
	{ "d/.txt", "application/octet-stream", "artifact", true },
	{ "d/.x/a.png", "image/png", "artifact", true },
	{ "a.unknown", "application/octet-stream", "artifact", false },
	{ "output/a.csv", "text/csv", "output", false },
	{ "output", "application/octet-stream", "artifact", false },
	{ "outputs/a", "application/octet-stream", "artifact", false },
	{ "x/output/a", "application/octet-stream", "artifact", false },
	{ "output/a.log", "text/plain", "output", false },
	{ "logs/a", "application/octet-stream", "log", false },
	{ "a.log", "text/plain", "log", false },
	{ "d/a.log", "text/plain", "log", false },
	{ ".log", "application/octet-stream", "artifact", true },
	{ "a.html", "text/html", "artifact", false },
	{ "a.json", "application/json", "artifact", false },
};

static void names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CHECK_ROW(!strcmp(wspath_type(kinds[i].path), kinds[i].type), i, kinds[i].path);
		CHECK_ROW(!strcmp(wspath_artifact(kinds[i].path), kinds[i].artifact), i,
			  kinds[i].path);
		CHECK_ROW(wspath_hidden(kinds[i].path) == kinds[i].hidden, i, kinds[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(paths), cmocka_unit_test(lengths),
					    cmocka_unit_test(bytes), cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
