/* Which ranges are closed to egress: lib/rt/egress.h. */
#include "unit.h"

#include "../../lib/rt/egress.h"

static int setup(void **state)
{
	*state = arena_new((size_t)1 << 16);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *const *ranges(char *deny, bool v6, struct arena *a, struct fault *f)
{
	struct conf cf = { .network_egress_deny = deny };

	return egress_ranges(&cf, v6, a, f);
}

static bool has(const char *const *list, const char *s)
{
	for (; list && *list; list++)
		if (!strcmp(*list, s))
			return true;
	return false;
}

static void the_list_adds_and_never_empties(void **state)
{
	char none[] = "", some[] = "203.0.113.0/24, 2001:db8::/32\t198.51.100.7";
	struct fault f = { 0 };
	const char *const *l4 = ranges(none, false, *state, &f), *const *l6 = ranges(none, true,
										     *state, &f);

	assert_true(has(l4, "169.254.0.0/16") && has(l4, "10.0.0.0/8") &&
		    has(l4, "192.168.0.0/16") && has(l4, "127.0.0.0/8"));
	assert_true(has(l6, "fc00::/7") && has(l6, "fe80::/10") && has(l6, "::ffff:0:0/96"));
	assert_false(has(l4, "fc00::/7") || has(l6, "10.0.0.0/8"));
	l4 = ranges(some, false, *state, &f);
	l6 = ranges(some, true, *state, &f);
	assert_true(has(l4, "203.0.113.0/24") && has(l4, "198.51.100.7") &&
		    has(l4, "172.16.0.0/12"));
	assert_true(has(l6, "2001:db8::/32") && !has(l6, "203.0.113.0/24"));
}

static void what_is_no_range_is_named(void **state)
{
	static const char *const bad[] = { "private", "10.0.0.0/33",    "10.0.0/8",
					   "::/129",  "10.0.0.0/",      "10.0.0.0/x",
					   "-j",      "1.2.3.4;reboot", "fe80::1%eth0" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char copy[64] = "198.51.100.0/24,";
		struct fault f = { 0 };

		strcat(copy, bad[i]);
		CHECK_ROW(!ranges(copy, false, *state, &f), i, bad[i]);
		CHECK_ROW(strstr(f.detail, bad[i]), i, f.detail);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(the_list_adds_and_never_empties),
					    TEST(what_is_no_range_is_named) };

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
