/* stage_test.c: what a source gives, cut into parts: nothing lost, doubled or changed. */
#include "unit.h"

#include <dirent.h>
#include <stdio.h>

#include "../../lib/s3/stage.h"

#define PART (600 * 1024) /* more than memory holds, no multiple of it */

struct source {
	int64_t at, size, fail_at; /* fail_at -1: never */
	size_t step;               /* bytes at a time */
	int after_end;             /* asked once more after it had ended */
	bool ended;
};

static char byte_at(int64_t i)
{
	return (char)((uint64_t)i * 2654435761u >> 13);
}

static ssize_t give(void *arg, char *buf, size_t n, struct fault *f)
{
	struct source *s = arg;

	s->after_end += s->ended;
	if (s->at == s->fail_at)
		return fault_set(f, FAULT_CONFLICT, "as told");
	n = n < s->step ? n : s->step;
	n = (int64_t)n < s->size - s->at ? n : (size_t)(s->size - s->at);
	if (s->fail_at > s->at && s->at + (int64_t)n > s->fail_at)
		n = (size_t)(s->fail_at - s->at);
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(s->at + (int64_t)i);
	s->at += (int64_t)n;
	s->ended = n == 0;
	return (ssize_t)n;
}

/* The sum of the bytes [from, from + n) of every source. */
static void sum_of(int64_t from, int64_t n, char hex[2 * DIGEST_SZ + 1])
{
	struct digest_sum *d = digest_new();

	for (int64_t i = 0; i < n; i++) {
		char c = byte_at(from + i);

		digest_add(d, &c, 1);
	}
	digest_hex(d, hex);
	digest_free(d);
}

/* What will be sent of a part: from memory or the file. */
static void check_part(const struct stage *st, int64_t from)
{
	char *bytes = malloc((size_t)st->size + 1), hex[2 * DIGEST_SZ + 1];

	if (st->filed)
		assert_int_equal(pread(st->fd, bytes, (size_t)st->size, 0), st->size);
	else
		memcpy(bytes, st->mem, (size_t)st->size);
	for (int64_t i = 0; i < st->size; i++)
		if (bytes[i] != byte_at(from + i))
			fail_msg("byte %lld of the part from %lld", (long long)i, (long long)from);
	sum_of(from, st->size, hex);
	assert_string_equal(hex, st->sha256);
	free(bytes);
}

static void cut(int64_t size, size_t step)
{
	struct source s = { .size = size, .step = step, .fail_at = -1 };
	char hex[2 * DIGEST_SZ + 1], whole[2 * DIGEST_SZ + 1];
	struct stage st;
	struct fault f;
	int64_t done = 0;

	assert_int_equal(stage_open(&st, &f), 0);
	do {
		assert_int_equal(stage_fill(&st, PART, give, &s, &f), 0);
		assert_int_equal(st.size, size - done < PART ? size - done : PART);
		check_part(&st, done);
		done += st.size;
		assert_int_equal(st.end, done == size);
	} while (!st.end);
	assert_int_equal(st.total, size);
	assert_int_equal(s.after_end, 0);
	digest_hex(st.whole, whole);
	sum_of(0, size, hex);
	assert_string_equal(whole, hex);
	stage_close(&st);
}

static void sizes(void **state)
{
	static const int64_t about[] = { 0, STAGE_MEM, PART, 2 * PART };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(about); i++)
		for (int64_t d = -1; d <= 1; d++)
			if (about[i] + d >= 0) {
				cut(about[i] + d, SIZE_MAX);
				cut(about[i] + d, 4093);
			}
	cut(1000, 1);
	cut(2 * PART + 1000, 65536); /* the last part is in memory again */
}

/* At each place where a source may fail its fault is told. */
static void failing(void **state)
{
	static const int64_t at[] = { 0, 1, STAGE_MEM, PART - 1, PART, PART + 1, 2 * PART };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct source s = { .size = 3 * PART, .step = SIZE_MAX, .fail_at = at[i] };
		struct stage st;
		struct fault f = { 0 };
		int rc;

		assert_int_equal(stage_open(&st, &f), 0);
		while (!(rc = stage_fill(&st, PART, give, &s, &f)) && !st.end)
			;
		assert_int_equal(rc, -1);
		assert_true(fault_is(&f, FAULT_CONFLICT));
		stage_close(&st);
	}
}

static int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2; /* without "." and ".." */
}

/* The file has no name; without a directory for it only what fits into memory is staged. */
static void where(void **state)
{
	char dir[] = "/tmp/stage-XXXXXX", *was = getenv("TMPDIR");
	struct source s = { .size = PART, .step = SIZE_MAX, .fail_at = -1 };
	struct stage st;
	struct fault f;

	(void)state;
	was = was ? strdup(was) : NULL;
	assert_non_null(mkdtemp(dir));
	setenv("TMPDIR", dir, 1);
	assert_int_equal(stage_open(&st, &f), 0);
	assert_int_equal(stage_fill(&st, PART, give, &s, &f), 0);
	assert_true(st.filed);
	assert_int_equal(files_in(dir), 0);
	stage_close(&st);
	assert_int_equal(rmdir(dir), 0);
	s = (struct source){ .size = PART, .step = SIZE_MAX, .fail_at = -1 };
	assert_int_equal(stage_open(&st, &f), 0);
	assert_int_equal(stage_fill(&st, PART, give, &s, &f), -1);
	assert_true(fault_is(&f, FAULT_STORAGE_UNAVAILABLE));
	stage_close(&st);
	if (was)
		setenv("TMPDIR", was, 1);
	else
		unsetenv("TMPDIR");
	free(was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(failing),
		cmocka_unit_test(where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
