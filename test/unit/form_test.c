/* form_test.c: multipart/form-data, in pieces of every size, and what hostile senders make of it. */
#include "unit.h"

#include <stdio.h>

#include "../../fcgi/form.h"

static struct arena *a;

static int setup(void **state)
{
	*state = a = arena_new((size_t)64 << 20);
	return a ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

/* A source of bytes in pieces. */
struct feed {
	const char *p;
	size_t n, piece;
	bool fails;
};

static ssize_t feed(void *arg, char *buf, size_t n, struct fault *f)
{
	struct feed *x = arg;

	if (n > x->piece)
		n = x->piece;
	if (n > x->n)
		n = x->n;
	if (!n && x->fails)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE, "no more");
	memcpy(buf, x->p, n);
	x->p += n;
	x->n -= n;
	return (ssize_t)n;
}

/* What a form says: "name|type=data;" for each part, "!" when it is refused. */
static void tell(const char *type, struct feed *src, size_t step, char *out, size_t size)
{
	struct form_part part;
	struct fault f = { 0 };
	struct form x;
	int more;

	*out = '\0';
	arena_reset(a);
	if (form_open(&x, type, feed, src, a, &f) < 0) {
		snprintf(out, size, fault_is(&f, FAULT_UNSUPPORTED_MEDIA) ? "415" : "?");
		return;
	}
	while ((more = form_next(&x, &part, &f)) > 0) {
		size_t w = strlen(out);
		ssize_t k;

		w += (size_t)snprintf(out + w, size - w, "%s|%s=", part.name,
				      part.type ? part.type : "");
		while ((k = form_read(&x, out + w, step < size - w ? step : size - w, &f)) > 0)
			w += (size_t)k;
		assert_true(w + 2 < size);
		out[w] = ';';
		out[w + 1] = '\0';
		if (k < 0)
			more = -1;
		if (more < 0)
			break;
	}
	if (more == 0 && form_finish(&x, &f) < 0)
		more = -1;
	if (more < 0) {
		assert_true(fault_is(&f, FAULT_REFUSED) || fault_is(&f, FAULT_PAYLOAD_TOO_LARGE));
		snprintf(out, size, "!");
	}
}

#define CT        "multipart/form-data; boundary=XX"
#define PART(n)   "Content-Disposition: form-data; name=\"" n "\"\r\n"
#define FILE_PART PART("file") "Content-Type: text/csv\r\n\r\n"

static const struct {
	const char *type, *body, *want;
} rows[] = {
	{ CT, "--XX\r\n" FILE_PART "hello\r\n--XX--\r\n", "file|text/csv=hello;" },
	{ CT, "--XX\r\n" FILE_PART "hello\r\n--XX--", "file|text/csv=hello;" },
	{ CT, "--XX\r\n" PART("a") "\r\n1\r\n--XX\r\n" PART("b") "\r\n2\r\n--XX--\r\n",
	  "a|=1;b|=2;" },
	{ CT, "preamble\r\n--XX\r\n" FILE_PART "x\r\n--XX--\r\nepilogue", "file|text/csv=x;" },
	{ CT, "\r\n--XX\r\n" FILE_PART "x\r\n--XX--", "file|text/csv=x;" },
	{ CT, "--XX\r\n" FILE_PART "\r\n--XX--", "file|text/csv=;" },
	{ CT, "--XX\r\n" FILE_PART "--XX--", "file|text/csv=;" }, /* no body at all */
	{ CT, "--XX--", "" },
	{ CT, "--XX--\r\n", "" },
	{ CT, "--XX \t \r\n" FILE_PART "x\r\n--XX  --\r\n--XX--",
	  "file|text/csv=x\r\n--XX  --;" }, /* padding; blanks before "--" make it data */
	/* data that looks like a delimiter */
	{ CT, "--XX\r\n" FILE_PART "a\r\n--XXX\r\nb\r\n--X\r\nc--XX\r\n\r\n-XX\r\n--XX--",
	  "file|text/csv=a\r\n--XXX\r\nb\r\n--X\r\nc--XX\r\n\r\n-XX;" },
	{ CT, "--XX\r\n" FILE_PART "a\n--XX\nb\r\n--XX--", "file|text/csv=a\n--XX\nb;" },
	{ CT, "--XX\r\n" FILE_PART "\r\r\n\r\n\n\r\n--XX--", "file|text/csv=\r\r\n\r\n\n;" },
	{ CT, "--XX\r\n" FILE_PART "\r\n\r\n--XX--", "file|text/csv=\r\n;" },
	/* headers */
	{ CT, "--XX\r\ncontent-DISPOSITION:form-data;name=file\r\n\r\nx\r\n--XX--", "file|=x;" },
	{ CT,
	  "--XX\r\nContent-Disposition: form-data; filename=\"a;b=\\\"c\\\".txt\"; name=\"file\"\r\n\r\nx\r\n--XX--",
	  "file|=x;" },
	{ CT,
	  "--XX\r\nContent-Disposition: form-data; name=\"f\\\"\\\\i\"; filename*=UTF-8''x\r\n\r\nx\r\n--XX--",
	  "f\"\\i|=x;" },
	{ CT, "--XX\r\nX-Other: \r\n" FILE_PART "x\r\n--XX--", "file|text/csv=x;" },
	{ CT, "--XX\r\nContent-Transfer-Encoding: binary\r\n" FILE_PART "x\r\n--XX--",
	  "file|text/csv=x;" },
	/* boundaries */
	{ "Multipart/Form-Data;boundary=\"X X\"", "--X X\r\n" FILE_PART "x\r\n--X X--",
	  "file|text/csv=x;" },
	{ "multipart/form-data; charset=utf-8; Boundary=XX;", "--XX\r\n" FILE_PART "x\r\n--XX--",
	  "file|text/csv=x;" },
	{ "multipart/form-data; boundary="
	  "0123456789012345678901234567890123456789012345678901234567890123456789",
	  "--0123456789012345678901234567890123456789012345678901234567890123456789\r\n" FILE_PART
	  "x\r\n--0123456789012345678901234567890123456789012345678901234567890123456789--",
	  "file|text/csv=x;" },
	{ NULL, "", "415" },
	{ "", "", "415" },
	{ "application/json", "{}", "415" },
	{ "multipart/mixed; boundary=XX", "--XX--", "415" },
	{ "multipart/form-data", "--XX--", "415" },
	{ "multipart/form-data; boundary=", "----", "415" },
	{ "multipart/form-data; boundary=\"\"", "----", "415" },
	{ "multipart/form-data; boundary=\"XX", "--XX--", "415" },
	{ "multipart/form-data; boundary=\"XX \"", "--XX --", "415" },
	{ "multipart/form-data; boundary=\"X\r\nX\"", "--XX--", "415" },
	{ "multipart/form-data; boundary=XX; boundary=YY", "--XX--", "415" },
	{ "multipart/form-data; boundary="
	  "01234567890123456789012345678901234567890123456789012345678901234567890",
	  "", "415" },
	/* cut */
	{ CT, "", "!" },
	{ CT, "--X", "!" },
	{ CT, "--XX", "!" },
	{ CT, "--XX-", "!" },
	{ CT, "--XX\r", "!" },
	{ CT, "--XX\r\n", "!" },
	{ CT, "--XX\r\nContent-Disposition: form-data; na", "!" },
	{ CT, "--XX\r\n" PART("file"), "!" },
	{ CT, "--XX\r\n" FILE_PART, "!" },
	{ CT, "--XX\r\n" FILE_PART "hello", "!" },
	{ CT, "--XX\r\n" FILE_PART "hello\r\n--XX", "!" },
	{ CT, "--XX\r\n" FILE_PART "hello\r\n--XX\r\n", "!" },
	{ CT, "--XX\r\n" FILE_PART "hello\r\n--XX-", "!" },
	{ CT, "--YY\r\n" FILE_PART "hello\r\n--YY--", "!" },
	/* malformed */
	{ CT, "--XX\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Type: text/csv\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Disposition: form-data; name\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Disposition: form-data; name=\"file\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Disposition: form-data; name=a; name=file\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\n" PART("a") PART("file") "\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\n" FILE_PART "x\r\n--XX\r\nno header\r\n\r\ny\r\n--XX--", "!" },
	{ CT, "--XX\r\n folded: x\r\n" FILE_PART "x\r\n--XX--", "!" },
	{ CT,
	  "--XX\r\n" PART("file") "Content-Type: a\x01"
				  "b\r\n\r\nx\r\n--XX--",
	  "!" },
	{ CT, "--XX\r\n" PART("file") "Content-Type: a\nb\r\n\r\nx\r\n--XX--", "!" },
	{ CT, "--XX\r\nContent-Transfer-Encoding: base64\r\n" FILE_PART "eA==\r\n--XX--", "!" },
};

static void in_pieces_of_every_size(void **state)
{
	static const size_t steps[] = { 1, 2, 3, 7, 65536 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].body) + 1; piece++) {
			struct feed src = { rows[i].body, strlen(rows[i].body), piece, false };
			char out[4096];

			tell(rows[i].type, &src, steps[piece % ARRAY_LEN(steps)], out, sizeof(out));
			if (strcmp(out, rows[i].want))
				fail_msg("row %zu, pieces of %zu: '%s', expected '%s'", i, piece,
					 out, rows[i].want);
		}
}

/* The delimiter at every place relative to the buffer's end. */
static void across_the_buffer(void **state)
{
	static char body[FORM_BUFFER * 2 + 1024], out[sizeof(body)];
	const char *head = "--XX\r\n" FILE_PART, *tail = "\r\n--XX--";

	(void)state;
	for (size_t n = FORM_BUFFER - 300; n < FORM_BUFFER + 300; n++) {
		size_t w = strlen(head);
		struct feed src = { body, w + n + strlen(tail), n % 2 ? 8191 : SIZE_MAX, false };

		memcpy(body, head, w);
		for (size_t i = 0; i < n; i++)
			body[w + i] = "\r\n--X"[i % 5];
		memcpy(body + w + n, tail, strlen(tail));
		tell(CT, &src, 65536, out, sizeof(out));
		assert_memory_equal(out, "file|text/csv=", 14);
		assert_int_equal(strlen(out), 14 + n + 1);
		assert_memory_equal(out + 14, body + w, n);
	}
}

static void bounds(void **state)
{
	static char body[1 << 20], out[1 << 20];
	size_t w = 0;
	struct feed src;

	(void)state;
	/* headers without an end */
	w = (size_t)sprintf(body, "--XX\r\nX-Long: ");
	memset(body + w, 'x', 100000);
	strcpy(body + w + 100000, "\r\n" FILE_PART "x\r\n--XX--");
	src = (struct feed){ body, strlen(body), SIZE_MAX, false };
	tell(CT, &src, 65536, out, sizeof(out));
	assert_string_equal(out, "!");
	assert_true(src.n > 0); /* and not read to their end */
	/* parts without number */
	w = 0;
	for (int i = 0; i < FORM_PARTS_MAX; i++)
		w += (size_t)sprintf(body + w, "--XX\r\n" PART("p") "\r\n\r\n");
	strcpy(body + w, "--XX--");
	src = (struct feed){ body, strlen(body), SIZE_MAX, false };
	tell(CT, &src, 65536, out, sizeof(out));
	assert_string_not_equal(out, "!");
	strcpy(body + w, "--XX\r\n" PART("p") "\r\n\r\n--XX--");
	src = (struct feed){ body, strlen(body), SIZE_MAX, false };
	tell(CT, &src, 65536, out, sizeof(out));
	assert_string_equal(out, "!");
}

static void passes_the_sources_fault_on(void **state)
{
	const char *body = "--XX\r\n" FILE_PART "hello";
	struct feed src = { body, strlen(body), 10, true };
	struct form_part part;
	struct fault f = { 0 };
	struct form x;
	char buf[64];
	ssize_t k;

	(void)state;
	arena_reset(a);
	assert_int_equal(form_open(&x, CT, feed, &src, a, &f), 0);
	k = form_next(&x, &part, &f);
	while (k > 0)
		k = form_read(&x, buf, sizeof(buf), &f);
	assert_int_equal(k, -1);
	assert_true(fault_is(&f, FAULT_PAYLOAD_TOO_LARGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(in_pieces_of_every_size),
					    cmocka_unit_test(across_the_buffer),
					    cmocka_unit_test(bounds),
					    cmocka_unit_test(passes_the_sources_fault_on) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
