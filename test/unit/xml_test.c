/* xml_test.c: the documents of object stores, and what is none of them. */
#include "unit.h"

#include <stdio.h>

#include "../../lib/s3/xml.h"

#define OUT_SZ 8192

struct seen {
	char text[OUT_SZ]; /* "path=text;" of each element */
	size_t n;
	const char *stop; /* gives up at this path */
};

static int element(void *arg, const char *path, const char *text)
{
	struct seen *s = arg;
	int k = snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s=%s;", path, text);

	s->n += (size_t)k < sizeof(s->text) - s->n ? (size_t)k : 0;
	return s->stop && !strcmp(path, s->stop) ? -1 : 0;
}

static const struct {
	const char *doc, *root, *seen; /* root NULL: malformed */
} docs[] = {
	{ "<a/>", "a", "=;" },
	{ "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code></Error>",
	  "Error", "Code=NoSuchKey;=;" },
	{ "<r xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><c><k>1</k><k>2</k></c><c/></r>",
	  "r", "c/k=1;c/k=2;c=;c=;=;" },
	{ "<r><k>a&amp;b&lt;&gt;&quot;&apos;&#252;&#x1F600;</k></r>", "r",
	  "k=a&b<>\"'\303\274\360\237\230\200;=;" },
	{ "<r><k><![CDATA[<&>]]></k></r>", "r", "k=<&>;=;" },
	{ "<r>x<k>1</k>y</r>", "r", "k=1;=y;" },
	{ "<r><a><b><c><d>1</d></c></b></a></r>", "r", "a/b/c/d=1;a/b/c=;a/b=;a=;=;" },
	{ "", NULL, NULL },
	{ "no document", NULL, NULL },
	{ "<r><k>1</r>", NULL, NULL },
	{ "<r><k>1</k>", NULL, NULL },
	{ "<r/><r/>", NULL, NULL },
	{ "<r>\001</r>", NULL, NULL },
	{ "<r>\377</r>", NULL, NULL },
	{ "<r>&nope;</r>", NULL, NULL },
	{ "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>", NULL, NULL },
	{ "<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><r/>", NULL, NULL },
	{ "<a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a>", "a",
	  "a/a/a/a/a/a/a=;a/a/a/a/a/a=;a/a/a/a/a=;a/a/a/a=;a/a/a=;a/a=;a=;=;" },
	{ "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", NULL, NULL },
};

static void documents(void **state)
{
	char root[XML_ROOT_SZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		struct seen s = { 0 };
		int rc = xml_read(docs[i].doc, strlen(docs[i].doc), root, element, &s);

		CHECK_ROW(rc == (docs[i].root ? 0 : -1), i, docs[i].doc);
		CHECK_ROW(!docs[i].root || !strcmp(root, docs[i].root), i, root);
		CHECK_ROW(!docs[i].root || !strcmp(s.text, docs[i].seen), i, s.text);
	}
}

static void given_up(void **state)
{
	static const char doc[] = "<r><k>1</k><k>2</k></r>";
	struct seen s = { .stop = "k" };
	char root[XML_ROOT_SZ];

	(void)state;
	assert_int_equal(xml_read(doc, strlen(doc), root, element, &s), -1);
	assert_string_equal(s.text, "k=1;");
}

/* A text of 4095 bytes is the longest; a name that fills the path is too long; a long root is cut. */
static void lengths(void **state)
{
	char doc[OUT_SZ], text[4097], root[XML_ROOT_SZ];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[4096] = '\0';
	for (int n = 4094; n <= 4096; n++) {
		struct seen s = { 0 };

		snprintf(doc, sizeof(doc), "<r><k>%.*s</k></r>", n, text);
		assert_int_equal(xml_read(doc, strlen(doc), root, element, &s), n < 4096 ? 0 : -1);
	}
	for (int n = 126; n <= 129; n++) {
		struct seen s = { 0 };

		snprintf(doc, sizeof(doc), "<r><%.*s/></r>", n, text);
		assert_int_equal(xml_read(doc, strlen(doc), root, element, &s), n < 127 ? 0 : -1);
		snprintf(doc, sizeof(doc), "<%.*s/>", n, text);
		assert_int_equal(xml_read(doc, strlen(doc), root, element, &s), 0);
		assert_int_equal(strlen(root), XML_ROOT_SZ - 1);
	}
}

/* No beginning of a document is one. */
static void cut_short(void **state)
{
	char root[XML_ROOT_SZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(docs); i++)
		for (size_t n = 0; docs[i].root && n < strlen(docs[i].doc); n++) {
			struct seen s = { 0 };

			CHECK_ROW(xml_read(docs[i].doc, n, root, element, &s) == -1, i,
				  docs[i].doc);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(given_up),
		cmocka_unit_test(lengths),
		cmocka_unit_test(cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
