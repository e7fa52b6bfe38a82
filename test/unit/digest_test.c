/* digest_test.c: SHA-256, HMAC-SHA-256 and MD5 against published vectors. */
#include "unit.h"

#include "../../lib/base/text.h"
#include "../../lib/digest.h"

/* FIPS 180-4, examples of NIST; the empty text is of its CAVP file. */
static const struct {
	const char *text, *hex;
} sums[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
static const char long_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";

static void sha256(void **state)
{
	char hex[2 * DIGEST_SZ + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
		digest_sha256_hex(sums[i].text, strlen(sums[i].text), hex);
		CHECK_ROW(!strcmp(hex, sums[i].hex), i, sums[i].text);
	}
}

static void hmac_sha256(void **state)
{
	unsigned char raw[DIGEST_SZ], key[131];
	char hex[2 * DIGEST_SZ + 1];

	(void)state;
	digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, raw);
	text_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	digest_hmac_sha256(key, sizeof(key), long_text, strlen(long_text), raw);
	text_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex,
			    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* A million times 'a' (FIPS 180-4), in pieces of all lengths; the sum is used twice. */
static void sha256_in_pieces(void **state)
{
	struct digest_sum *d = digest_new();
	char hex[2 * DIGEST_SZ + 1], as[997];

	(void)state;
	assert_non_null(d);
	memset(as, 'a', sizeof(as));
	for (int again = 0; again < 2; again++) {
		size_t left = 1000000;

		for (size_t n = 1; left; n = n % sizeof(as) + 1) {
			size_t k = n < left ? n : left;

			digest_add(d, as, k);
			left -= k;
		}
		digest_hex(d, hex);
		assert_string_equal(
			hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
		digest_begin(d);
	}
	digest_hex(d, hex);
	assert_string_equal(hex, sums[0].hex);
	digest_free(d);
	digest_free(NULL);
}

/* RFC 1321, A.5. */
static void md5(void **state)
{
	unsigned char raw[DIGEST_MD5_SZ];
	char hex[2 * DIGEST_MD5_SZ + 1];

	(void)state;
	digest_md5("message digest", 14, raw);
	text_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sha256), cmocka_unit_test(hmac_sha256),
					    cmocka_unit_test(sha256_in_pieces),
					    cmocka_unit_test(md5) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
