/*
 * sign_test.c: Signature Version 4 against the examples of the Amazon S3 API Reference ("Signature Calculations for
 * the Authorization Header: Transferring Payload in a Single Chunk" and "Authenticating Requests: Using Query
 * Parameters"), and the encoding.
 */
#include "unit.h"

#include "../../lib/digest.h"
#include "../../lib/s3/sign.h"

#define TIME_S 1369353600 /* 2013-05-24T00:00:00Z */
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sign_param range[] = { { "range", "bytes=0-9" },
					   { "x-amz-content-sha256", EMPTY } };
static const struct sign_param put[] = {
	{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
	{ "x-amz-content-sha256",
	  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
	{ "date", "Fri, 24 May 2013 00:00:00 GMT" },
};
static const struct sign_param empty[] = { { "x-amz-content-sha256", EMPTY } };
static const struct sign_param lifecycle[] = { { "lifecycle", "" } };
static const struct sign_param list[] = { { "prefix", "J" }, { "max-keys", "2" } };

static const struct {
	const char *method, *key, *payload;
	const struct sign_param *headers;
	size_t nheaders;
	const struct sign_param *query;
	size_t nquery;
	const char *names, *signature, *encoded;
} examples[] = {
	{ "GET", "/test.txt", EMPTY, range, ARRAY_LEN(range), NULL, 0,
	  "host;range;x-amz-content-sha256;x-amz-date",
	  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "" },
	{ "PUT", "/test$file.text",
	  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", put, ARRAY_LEN(put),
	  NULL, 0, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "" },
	{ "GET", "/", EMPTY, empty, ARRAY_LEN(empty), lifecycle, ARRAY_LEN(lifecycle),
	  "host;x-amz-content-sha256;x-amz-date",
	  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "lifecycle=" },
	{ "GET", "/", EMPTY, empty, ARRAY_LEN(empty), list, ARRAY_LEN(list),
	  "host;x-amz-content-sha256;x-amz-date",
	  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	  "max-keys=2&prefix=J" },
};

static const struct {
	const char *plain, *query, *path;
} encodings[] = {
	{ "", "", "" },
	{ "AZaz09-_.~", "AZaz09-_.~", "AZaz09-_.~" },
	{ "a/b", "a%2Fb", "a/b" },
	{ "a b+c%d", "a%20b%2Bc%25d", "a%20b%2Bc%25d" },
	{ "#?&='\"<>", "%23%3F%26%3D%27%22%3C%3E", "%23%3F%26%3D%27%22%3C%3E" },
	{ "!*()[]{}|\\^`@:;,$", "%21%2A%28%29%5B%5D%7B%7D%7C%5C%5E%60%40%3A%3B%2C%24",
	  "%21%2A%28%29%5B%5D%7B%7D%7C%5C%5E%60%40%3A%3B%2C%24" },
	{ "\303\274/\360\237\230\200", "%C3%BC%2F%F0%9F%98%80", "%C3%BC/%F0%9F%98%80" },
	{ "\t\n\177", "%09%0A%7F", "%09%0A%7F" },
};

static struct sign_request request(struct arena *a, const char *method, const char *key)
{
	return (struct sign_request){
		.method = method,
		.host = "examplebucket.s3.amazonaws.com",
		.path = sign_encode_path(key, a),
		.region = "us-east-1",
		.service = "s3",
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.time_s = TIME_S,
	};
}

static void header_form(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		struct sign_request rq = request(a, examples[i].method, examples[i].key);
		struct sign_result got;
		char *want =
			arena_printf(a,
				     "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
				     "us-east-1/s3/aws4_request,SignedHeaders=%s,Signature=%s",
				     examples[i].names, examples[i].signature);

		rq.payload = examples[i].payload;
		rq.headers = examples[i].headers;
		rq.nheaders = examples[i].nheaders;
		rq.query = examples[i].query;
		rq.nquery = examples[i].nquery;
		CHECK_ROW(sign_headers(&rq, &got, a) == 0, i, rq.path);
		CHECK_ROW(str_eq(got.authorization, want), i, got.authorization);
		CHECK_ROW(str_eq(got.date, "20130524T000000Z"), i, got.date);
		CHECK_ROW(str_eq(got.query, examples[i].encoded), i, got.query);
	}
	arena_free(a);
}

static void query_form(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct sign_request rq = request(a, "GET", "/test.txt");

	(void)state;
	rq.payload = "UNSIGNED-PAYLOAD";
	assert_string_equal(
		sign_query(&rq, 86400, a),
		"X-Amz-Algorithm=AWS4-HMAC-SHA256"
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
	arena_free(a);
}

/* By encoded name, then encoded value; "a-b" before "a.b" before "aB", upper case before lower. */
static void order_of_parameters(void **state)
{
	const struct sign_param q[] = {
		{ "b", "2" },  { "a", "z" },  { "a", "\303\274" }, { "B", "1" },
		{ "a b", "" }, { "a-b", "" }, { "uploads", "" },
	};
	struct arena *a = arena_new(1 << 20);
	struct sign_request rq = request(a, "GET", "/");
	struct sign_result got;

	(void)state;
	rq.payload = EMPTY;
	rq.query = q;
	rq.nquery = ARRAY_LEN(q);
	assert_int_equal(sign_headers(&rq, &got, a), 0);
	assert_string_equal(got.query, "B=1&a=%C3%BC&a=z&a%20b=&a-b=&b=2&uploads=");
	arena_free(a);
}

static void encoding(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		CHECK_ROW(str_eq(sign_encode(encodings[i].plain, a), encodings[i].query), i,
			  encodings[i].plain);
		CHECK_ROW(str_eq(sign_encode_path(encodings[i].plain, a), encodings[i].path), i,
			  encodings[i].plain);
	}
	arena_free(a);
}

/* The end of an arena at any place is told, never half a signature. */
static void no_room(void **state)
{
	(void)state;
	for (size_t limit = 16; limit < 4096; limit += 16) {
		struct arena *a = arena_new(limit);
		struct sign_request rq = request(a, "GET", "/test.txt");
		struct sign_result got;

		rq.payload = EMPTY;
		rq.headers = empty;
		rq.nheaders = ARRAY_LEN(empty);
		if (rq.path && sign_headers(&rq, &got, a) == 0)
			assert_int_equal(strlen(strstr(got.authorization, "Signature=")), 10 + 64);
		if (rq.path) {
			const char *q = sign_query(&rq, 60, a);

			assert_true(!q || strlen(strstr(q, "X-Amz-Signature=")) == 16 + 64);
		}
		arena_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_form),
		cmocka_unit_test(query_form),
		cmocka_unit_test(order_of_parameters),
		cmocka_unit_test(encoding),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
