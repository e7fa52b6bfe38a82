/* token_test.c: session tokens (CONTRACT 1.4). */
#include "unit.h"

#include "../../lib/token.h"

static char one[] = "0123456789abcdef0123456789abcdef", two[] = "fedcba9876543210fedcba9876543210",
	    none[] = "";

static struct conf settings(char *secret, char *previous)
{
	return (struct conf){ .internal_secret = secret, .internal_secret_previous = previous };
}

/* Computed by: printf 'sess_a:1' | openssl dgst -sha256 -hmac 0123...def -binary | basenc --base64url */
static void has_the_documented_form(void **state)
{
	struct conf cf = settings(one, none);
	struct arena *a = arena_new(4096);

	(void)state;
	assert_string_equal(token_make(&cf, "sess_a", 1, a),
			    "RNbBTw6CXOMghfEeT_W6368sf5NTsRPUI6eBOLaR1oY");
	arena_free(a);
}

static void is_good_for_its_session_and_epoch_only(void **state)
{
	struct conf cf = settings(one, none);
	struct arena *a = arena_new(4096);
	char *t = token_make(&cf, "sess_a", 1, a);
	char cut[64], longer[64];

	(void)state;
	assert_true(token_matches(&cf, t, "sess_a", 1));
	assert_false(token_matches(&cf, t, "sess_a", 2));
	assert_false(token_matches(&cf, t, "sess_b", 1));
	assert_false(token_matches(&cf, "", "sess_a", 1));
	memcpy(cut, t, 42);
	cut[42] = '\0';
	assert_false(token_matches(&cf, cut, "sess_a", 1));
	memcpy(longer, t, 43);
	memcpy(longer + 43, "A", 2);
	assert_false(token_matches(&cf, longer, "sess_a", 1));
	t[0] = t[0] == 'A' ? 'B' : 'A';
	assert_false(token_matches(&cf, t, "sess_a", 1));
	arena_free(a);
}

static void survives_one_rotation_of_the_secret(void **state)
{
	struct conf before = settings(one, none), during = settings(two, one),
		    after = settings(two, none);
	struct arena *a = arena_new(4096);
	const char *old = token_make(&before, "sess_a", 7, a),
		   *new = token_make(&during, "sess_a", 7, a);

	(void)state;
	assert_string_not_equal(old, new);
	assert_true(token_matches(&during, old, "sess_a", 7));
	assert_true(token_matches(&during, new, "sess_a", 7));
	assert_false(token_matches(&after, old, "sess_a", 7));
	assert_false(token_matches(&before, new, "sess_a", 7));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_documented_form),
		cmocka_unit_test(is_good_for_its_session_and_epoch_only),
		cmocka_unit_test(survives_one_rotation_of_the_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
