#include "digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/text.h"

void digest_sha256(const void *data, size_t n, unsigned char out[DIGEST_SZ])
{
	unsigned len;

	if (!EVP_Digest(data, n, out, &len, EVP_sha256(), NULL))
		abort(); /* no memory for a digest: no answer can be trusted */
}

void digest_sha256_hex(const void *data, size_t n, char out[2 * DIGEST_SZ + 1])
{
	unsigned char raw[DIGEST_SZ];

	digest_sha256(data, n, raw);
	text_hex(raw, sizeof(raw), out);
}

void digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
			unsigned char out[DIGEST_SZ])
{
	unsigned len;

	if (!HMAC(EVP_sha256(), key, (int)key_len, data, n, out, &len))
		abort();
}
