/* object_test.c: what an object store's answers say about an object. */
#include "unit.h"

#include "../../lib/s3/call.h"

static const struct {
	const char *encoded, *plain;
} keys[] = {
	{ "", "" },
	{ "a/b", "a/b" },
	{ "a%20b+c", "a b c" },
	{ "a%2Bb", "a+b" },
	{ "%C3%BC%f0%9f%98%80", "\303\274\360\237\230\200" },
	{ "100%", "100%" },
	{ "%4", "%4" },
	{ "%zz%4g", "%zz%4g" },
	{ "%2541", "%41" },
};

static const struct {
	const char *given, *told;
} etags[] = {
	{ "\"abc\"", "abc" }, { "abc", "abc" }, { "\"\"", "" },
	{ "", "" },           { "\"", "\"" },   { "\"a", "\"a" },
};

static const struct {
	const char *given, *told;
} times[] = {
	{ "2026-01-06T10:00:00.123Z", "2026-01-06T10:00:00.000Z" },
	{ "2026-01-06T10:00:00Z", "2026-01-06T10:00:00.000Z" },
	{ "2026-01-06T11:00:00.999999999+01:00", "2026-01-06T10:00:00.000Z" },
	{ "never", "1970-01-01T00:00:00.000Z" },
};

static const struct {
	const char *headers;
	int64_t size;
	const char *etag, *modified, *type; /* modified NULL: now, whatever that is */
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\nContent-Type: text/x; a=b\r\n"
	  "Last-Modified: Fri, 24 May 2013 10:20:30 GMT\r\nDate: Sat, 25 May 2013 00:00:00 GMT\r\n",
	  5, "e", "2013-05-24T10:20:30.000Z", "text/x; a=b" },
	{ "HTTP/1.1 206 Partial\r\ncontent-length: 2\r\ncontent-range: bytes 3-4/100\r\netag: e\r\n"
	  "last-modified: Mon, 29 Feb 2016 23:59:59 GMT\r\n",
	  100, "e", "2016-02-29T23:59:59.000Z", "application/octet-stream" },
	{ "HTTP/1.1 206 Partial\r\nContent-Length: 2\r\nContent-Range: bytes 3-4/*\r\n"
	  "Date: Sat, 01 Dec 2029 00:00:00 GMT\r\n",
	  2, "", "2029-12-01T00:00:00.000Z", "application/octet-stream" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -5\r\nLast-Modified: yesterday\r\n", 0, "", NULL,
	  "application/octet-stream" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n"
	  "Last-Modified: Fri, 24 Mai 2013 10:20:30 GMT\r\n",
	  0, "", NULL, "application/octet-stream" },
};

static void decoding(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		CHECK_ROW(str_eq(s3_decode(keys[i].encoded, a), keys[i].plain), i, keys[i].encoded);
	for (size_t i = 0; i < ARRAY_LEN(etags); i++)
		CHECK_ROW(str_eq(s3_unquote(etags[i].given, a), etags[i].told), i, etags[i].given);
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		CHECK_ROW(str_eq(s3_time(times[i].given, a), times[i].told), i, times[i].given);
	arena_free(a);
}

static void headers(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct httpc_resp rs = { .status = 200, .headers = answers[i].headers };
		struct s3_object o;

		CHECK_ROW(s3_object_of(&rs, "k", &o, a) == 0, i, rs.headers);
		CHECK_ROW(!strcmp(o.key, "k") && o.size == answers[i].size, i, rs.headers);
		CHECK_ROW(!strcmp(o.etag, answers[i].etag), i, o.etag);
		CHECK_ROW(!strcmp(o.type, answers[i].type), i, o.type);
		CHECK_ROW(answers[i].modified ? !strcmp(o.modified, answers[i].modified)
					      : strcmp(o.modified, "2026") > 0,
			  i, o.modified);
	}
	arena_free(a);
}

static void names(void **state)
{
	char longest[S3_KEY_MAX + 2];
	struct fault f;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[S3_KEY_MAX + 1] = '\0';
	assert_false(s3_key_ok(longest, &f));
	assert_true(fault_is(&f, FAULT_REFUSED));
	longest[S3_KEY_MAX] = '\0';
	assert_true(s3_key_ok(longest, &f));
	assert_false(s3_key_ok("", &f));
	assert_false(s3_key_ok("/a", &f));
	assert_false(s3_key_ok("a\377", &f));
	assert_true(s3_key_ok("a/", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding),
		cmocka_unit_test(headers),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
