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

struct digest_sum {
	EVP_MD_CTX *ctx;
};

struct digest_sum *digest_new(void)
{
	struct digest_sum *d = calloc(1, sizeof(*d));

	if (!d || !(d->ctx = EVP_MD_CTX_new())) {
		free(d);
		return NULL;
	}
	digest_begin(d);
	return d;
}

void digest_free(struct digest_sum *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_begin(struct digest_sum *d)
{
	if (!EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL))
		abort();
}

void digest_add(struct digest_sum *d, const void *data, size_t n)
{
	if (!EVP_DigestUpdate(d->ctx, data, n))
		abort();
}

void digest_hex(struct digest_sum *d, char out[2 * DIGEST_SZ + 1])
{
	unsigned char raw[EVP_MAX_MD_SIZE];

	if (!EVP_DigestFinal_ex(d->ctx, raw, NULL))
		abort();
	text_hex(raw, DIGEST_SZ, out);
}

void digest_md5(const void *data, size_t n, unsigned char out[DIGEST_MD5_SZ])
{
	unsigned len;

	if (!EVP_Digest(data, n, out, &len, EVP_md5(), NULL))
		abort();
}
