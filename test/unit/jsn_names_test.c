/* jsn_names_test.c: jsn_unique() says the same as building the document does, with less. */
#include "unit.h"

#include <stdio.h>

#include "../../lib/base/jsn.h"

static const struct {
	const char *text;
	bool unique;
} rows[] = {
	{ "1", true },
	{ "\"a\"", true },
	{ "[]", true },
	{ "{}", true },
	{ "[\"a\",\"a\",\"a\"]", true },
	{ "{\"a\":1}", true },
	{ "{\"a\":1,\"b\":2}", true },
	{ "{\"a\":1,\"a\":2}", false },
	{ "{ \"a\" : 1 , \"a\"\t:\n2 }", false },
	{ "{\"a\":\"a\",\"b\":\"a\"}", true },
	{ "{\"a\":{\"a\":{\"a\":1}}}", true },
	{ "{\"a\":{\"b\":1},\"c\":{\"b\":1}}", true },
	{ "{\"a\":{\"b\":1,\"b\":1}}", false },
	{ "[{\"a\":1},{\"a\":1}]", true },
	{ "[{\"a\":1},{\"a\":1,\"x\":[],\"a\":2}]", false },
	{ "{\"a\":[{\"a\":1},\"a\"],\"b\":1,\"a\":0}", false },
	{ "{\"\":1,\"\":2}", false },
	{ "{\"\":1,\"a\":2}", true },
	{ "{\"a\":1,\"\\u0061\":2}", false },
	{ "{\"\\u00e4\":1,\"ä\":2}", false },
	{ "{\"€\":1,\"\\u20AC\":2}", false },
	{ "{\"\\ud83d\\ude00\":1,\"😀\":2}", false },
	{ "{\"\\n\":1,\"\\u000a\":2}", false },
	{ "{\"\\\\\":1,\"\\\"\":2}", true },
	{ "{\"\\\"\":1,\"\\u0022\":2}", false },
	{ "{\"/\":1,\"\\/\":2}", false },
	{ "{\"a:\":1,\"a\":\":\"}", true },
	{ "{\"x\":\"{\\\"a\\\":1\",\"a\":2,\"b\":3}", true },
};

static void as_the_document_says(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fault f = { 0 };
		AUTO_JSON struct json_object *o =
			jsn_parse(rows[i].text, strlen(rows[i].text), a, &f);
		const char *why;
		size_t at;

		CHECK_ROW(jsn_valid(rows[i].text, strlen(rows[i].text), &at, &why), i,
			  rows[i].text);
		CHECK_ROW((o != NULL) == rows[i].unique, i, rows[i].text);
		CHECK_ROW(jsn_unique(rows[i].text, strlen(rows[i].text)) == rows[i].unique, i,
			  rows[i].text);
	}
	arena_free(a);
}

static void many_names(void **state)
{
	size_t n = 0, size = 4 << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, size, "{");
	for (int i = 0; i < 100000; i++)
		n += (size_t)snprintf(text + n, size - n, "%s\"k%d\":{\"v\":%d}", i ? "," : "", i,
				      i);
	snprintf(text + n, size - n, "}");
	assert_true(jsn_unique(text, n + 1));
	snprintf(text + n, size - n, ",\"k77\":1}");
	assert_false(jsn_unique(text, strlen(text)));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_document_says),
		cmocka_unit_test(many_names),
	};

	return cmocka_run_group_tests_name("jsn_names", tests, NULL, NULL);
}
