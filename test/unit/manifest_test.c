/* manifest_test.c: the table of files, and what counts as a change. */
#include "unit.h"

#include <stdio.h>

#include "../../executor/call.h"
#include "../../executor/manifest.h"

#define FILES 5000

static void drop_even(struct file *f, void *arg)
{
	if (f->size % 2 == 0)
		manifest_drop(arg, f);
}

static void test_many(void **state)
{
	struct manifest m = { 0 };
	char path[32];

	(void)state;
	for (int i = 0; i < FILES; i++) {
		struct file *f;

		snprintf(path, sizeof(path), "d%d/f%d", i % 7, i);
		assert_null(manifest_find(&m, path));
		f = manifest_make(&m, path);
		assert_non_null(f);
		assert_string_equal(f->path, path);
		assert_int_equal(f->state, FILE_STORED);
		assert_null(f->etag);
		f->size = i;
		assert_ptr_equal(manifest_make(&m, path), f);
	}
	assert_int_equal(m.n, FILES);
	manifest_each(&m, drop_even, &m);
	assert_int_equal(m.n, FILES / 2);
	for (int i = 0; i < FILES; i++) {
		const struct file *f;

		snprintf(path, sizeof(path), "d%d/f%d", i % 7, i);
		f = manifest_find(&m, path);
		assert_int_equal(f != NULL, i % 2);
		assert_true(!f || f->size == i);
	}
	while (m.n)
		for (size_t i = 0; i < m.nbuckets; i++)
			if (m.bucket[i])
				manifest_drop(&m, m.bucket[i]);
	free(m.bucket);
}

static void test_full(void **state)
{
	struct manifest m = { .max_bytes = 100000 };
	char path[32];
	int n = 0;

	(void)state;
	do
		snprintf(path, sizeof(path), "file-%d", n);
	while (manifest_make(&m, path) && ++n < FILES);
	assert_in_range(n, 100, 1000); /* some hundred bytes each */
	assert_non_null(manifest_make(&m, "file-0"));
	manifest_drop(&m, manifest_find(&m, "file-0"));
	assert_non_null(manifest_make(&m, "file-x"));
	assert_null(manifest_make(&m, "file-y"));
	while (m.n)
		for (size_t i = 0; i < m.nbuckets; i++)
			if (m.bucket[i])
				manifest_drop(&m, m.bucket[i]);
	assert_int_equal(m.bytes, 0);
	free(m.bucket);
}

static void test_changes(void **state)
{
	const struct stat base = {
		.st_ino = 7, .st_size = 10, .st_mtim = { 100, 5 }, .st_ctim = { 100, 6 }
	};
	struct stat st[] = { base, base, base, base, base, base };
	AUTO_FREE struct file *f = calloc(1, sizeof(*f) + 2);

	(void)state;
	file_note(f, &base);
	assert_true(file_same(f, &base));
	st[0].st_ino++;
	st[1].st_size++;
	st[2].st_mtim.tv_nsec++;
	st[3].st_mtim.tv_sec++;
	st[4].st_ctim.tv_nsec++; /* a change whose other times were set back */
	st[5].st_ctim.tv_sec++;
	for (size_t i = 0; i < ARRAY_LEN(st); i++)
		CHECK_ROW(!file_same(f, &st[i]), i, NULL);
}

static void test_encoded(void **state)
{
	static const struct {
		const char *path, *encoded;
	} rows[] = {
		{ "", "" },
		{ "a/b-c_d.e~f", "a/b-c_d.e~f" },
		{ "a b", "a%20b" },
		{ "100%+#?&=\"'", "100%25%2B%23%3F%26%3D%22%27" },
		{ "\303\274", "%C3%BC" },
		{ "\r\n", "%0D%0A" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = call_encode(rows[i].path, out, sizeof(out));

		CHECK_ROW(!strcmp(out, rows[i].encoded), i, out);
		CHECK_ROW(n == strlen(out), i, out);
	}
	assert_int_equal(call_encode("aaaaaaaa", out, 8),
			 5); /* room for one more as %XX is always kept */
	assert_string_equal(out, "aaaaa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
