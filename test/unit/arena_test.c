/* arena_test.c: memory of one request. */
#include "unit.h"

#include "../../lib/base/arena.h"

#define LIMIT 100000

static int setup(void **state)
{
	*state = arena_new(LIMIT);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Sizes around the alignment, the quarter chunk and the whole chunk (16384). */
static const size_t sizes[] = { 0, 1, 15, 16, 17, 4095, 4096, 4097, 16383, 16384, 16385 };

static void every_size_is_zeroed_aligned_and_its_own(void **state)
{
	struct arena *a = *state;
	unsigned char *p[ARRAY_LEN(sizes)];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			p[i] = arena_alloc(a, sizes[i]);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % 16, 0);
			assert_true(all_zero(p[i], sizes[i]));
			memset(p[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(p[i][k], i + 1);
		arena_reset(a); /* used memory must come back zeroed */
	}
}

static void small_objects_do_not_overlap(void **state)
{
	struct arena *a = *state;
	unsigned char *p[2000];

	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		p[i] = arena_alloc(a, 1 + i % 37);
		assert_non_null(p[i]);
		memset(p[i], (int)(i % 251), 1 + i % 37);
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		for (size_t k = 0; k < 1 + i % 37; k++)
			assert_int_equal(p[i][k], i % 251);
}

static void the_limit_is_exact_and_comes_back_on_reset(void **state)
{
	struct arena *a = *state;

	for (int round = 0; round < 2; round++) {
		assert_null(arena_alloc(a, LIMIT + 1));
		assert_null(arena_alloc(a, SIZE_MAX));
		assert_null(arena_alloc(a, SIZE_MAX - 8));
		assert_non_null(arena_alloc(a, LIMIT - 10));
		assert_null(arena_alloc(a, 11));
		assert_null(arena_strdup(a, "0123456789")); /* its NUL is the eleventh byte */
		assert_null(arena_printf(a, "%d", 1234567890));
		assert_non_null(arena_alloc(a, 10));
		assert_null(arena_alloc(a, 1));
		arena_reset(a);
	}
}

static void strings(void **state)
{
	struct arena *a = *state;

	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_strdup(a, ""), "");
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "abcdef", 0), "");
	assert_memory_equal(arena_strndup(a, "a\0b", 3), "a\0b", 4);
	assert_null(arena_strndup(a, "x", SIZE_MAX));
	assert_string_equal(arena_printf(a, "%s-%05d", "x", 42), "x-00042");
	assert_string_equal(arena_printf(a, "%s", ""), "");
	assert_int_equal(strlen(arena_printf(a, "%05000d", 7)), 5000);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_size_is_zeroed_aligned_and_its_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(small_objects_do_not_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(the_limit_is_exact_and_comes_back_on_reset, setup,
						teardown),
		cmocka_unit_test_setup_teardown(strings, setup, teardown),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
