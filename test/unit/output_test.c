/* output_test.c: one stream's log: offsets, the cap, and the view of its two ends. */
#include "unit.h"

#include <stdio.h>

#include "../../executor/output.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/output-test-XXXXXX");
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	return unlink(path);
}

/* n bytes that tell their own offset: "0000000\n0000008\n…". */
static void feed(struct output *o, size_t from, size_t n, size_t chunk)
{
	char text[4096];

	while (n) {
		size_t k = n < chunk ? n : chunk;

		assert_true(chunk <= sizeof(text) - 16);
		for (size_t i = 0; i < k; i++) {
			char line[16];

			snprintf(line, sizeof(line), "%07zu\n", ((from + i) / 8 * 8) % 10000000);
			text[i] = line[(from + i) % 8];
		}
		assert_int_equal(output_append(o, text, k), 0);
		from += k;
		n -= k;
	}
}

static const struct {
	int64_t keep, view;
	size_t bytes, chunk;
	int64_t kept, dropped;
	bool cut;
} rows[] = {
	{ 10000, 1000, 0, 100, 0, 0, false },
	{ 10000, 1000, 1, 1, 1, 0, false },
	{ 10000, 1000, 1000, 7, 1000, 0, false },
	{ 10000, 1000, 1001, 7, 1001, 0, true },
	{ 10000, 1000, 10000, 4000, 10000, 0, true },
	{ 10000, 1000, 10001, 4000, 10000, 1, true },
	{ 10000, 1000, 10008, 1, 10000, 8, true },
	{ 10000, 1000, 1000000, 4000, 10000, 990000, true },
	{ 10000, 1000, 1000003, 13, 10000, 990003, true },
	{ 2048, 2048, 1 << 20, 4000, 2048, (1 << 20) - 2048, true },
	{ 100, 1000, 300, 7, 100, 200, false }, /* the log is full, but the end is still at hand */
	{ 100, 1000, 900, 7, 100, 800, true },
	{ 100, 1000, 5000, 7, 100, 4900, true },
};

/* The head is the log's head, the tail its end, and the line between names exactly what is missing. */
static void check_view(size_t i, const char *text, size_t n)
{
	size_t total = rows[i].bytes, omitted = 0, head, tail;
	struct output *whole = output_new(path, 1 << 21, 1 << 21);
	struct arena *a = arena_new(8 << 20);
	const char *line = memmem(text, n, "\n... ", 5), *end;
	char *all;
	size_t len;
	bool cut;

	feed(whole, 0, total, 4000);
	all = output_inline(whole, a, &len, &cut);
	assert_non_null(all);
	assert_int_equal(len, total);
	CHECK_ROW(line && sscanf(line, "\n... %zu bytes omitted ...\n", &omitted) == 1, i,
		  "the line");
	end = line + 1 + strcspn(line + 1, "\n") + 1;
	head = (size_t)(line - text);
	tail = n - (size_t)(end - text);
	CHECK_ROW(!memcmp(all, text, head), i, "head");
	CHECK_ROW(!memcmp(all + total - tail, end, tail), i, "tail");
	CHECK_ROW(head + tail + omitted == total, i, "omitted");
	CHECK_ROW(tail > (size_t)rows[i].view / 3 &&
			  (head > (size_t)rows[i].view / 3 || head == (size_t)rows[i].keep),
		  i, "two halves");
	arena_free(a);
	output_free(whole, true);
}

static void the_two_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct output *o = output_new(path, rows[i].keep, rows[i].view);
		struct arena *a = arena_new(8 << 20);
		size_t n;
		bool cut;
		char *text;

		assert_non_null(o);
		feed(o, 0, rows[i].bytes, rows[i].chunk);
		CHECK_ROW(output_total(o) == (int64_t)rows[i].bytes, i, "total");
		CHECK_ROW(output_kept(o) == rows[i].kept, i, "kept");
		CHECK_ROW(output_dropped(o) == rows[i].dropped, i, "dropped");
		text = output_inline(o, a, &n, &cut);
		CHECK_ROW(text && cut == rows[i].cut, i, "cut");
		CHECK_ROW(n <= (size_t)rows[i].view, i, "within the limit");
		if (cut) {
			char keep[sizeof(path)];

			memcpy(keep, path, sizeof(path));
			snprintf(path, sizeof(path), "%.50s-all",
				 keep); /* beside the log that is looked at */
			check_view(i, text, n);
			memcpy(path, keep, sizeof(path));
		} else {
			CHECK_ROW(n == rows[i].bytes, i, "whole");
		}
		arena_free(a);
		output_free(o, true);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void reading_by_offset(void **state)
{
	struct output *o = output_new(path, 100, 1000);
	char buf[64] = "";

	(void)state;
	assert_int_equal(output_read(o, 0, buf, 10), 0);
	feed(o, 0, 150, 50);
	assert_int_equal(output_read(o, 8, buf, 8), 8);
	assert_memory_equal(buf, "0000008\n", 8);
	assert_int_equal(output_read(o, 96, buf, 64), 4); /* the cap is a multiple of nothing */
	assert_int_equal(output_read(o, 100, buf, 64), 0);
	output_free(o, true);
}

/* A character of several bytes is not torn by the view: the ends stay valid UTF-8. */
static void characters_stay_whole(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct output *o = output_new(path, 1 << 20, 1000);
		struct arena *a = arena_new(1 << 20);
		size_t n, ok = 0;
		bool cut;
		char *text;

		assert_int_equal(output_append(o, "xyz", shift), 0);
		for (int i = 0; i < 1000; i++)
			assert_int_equal(output_append(o, "\xf0\x9f\x98\x80", 4), 0);
		text = output_inline(o, a, &n, &cut);
		assert_non_null(text);
		assert_true(cut);
		for (size_t i = 0; i < n; i++)
			ok += ((unsigned char)text[i] & 0xc0) != 0x80;
		/* whole characters only: three following bytes each */
		for (size_t i = 0; i < n;) {
			size_t k = (unsigned char)text[i] < 0x80 ? 1 : 4;

			CHECK_ROW(k == 1 ||
					  (i + 4 <= n && !memcmp(text + i, "\xf0\x9f\x98\x80", 4)),
				  shift, "torn");
			i += k;
		}
		assert_true(ok > 200);
		arena_free(a);
		output_free(o, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_two_ends, make_path),
		cmocka_unit_test_setup(reading_by_offset, make_path),
		cmocka_unit_test_setup(characters_stay_whole, make_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
