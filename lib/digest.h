/* digest.h: SHA-256, HMAC-SHA-256 and MD5 (FIPS 180-4, RFC 2104, RFC 1321), by libcrypto. */
#pragma once

#include "base/util.h"

#define DIGEST_SZ     32
#define DIGEST_MD5_SZ 16

void digest_sha256(const void *data, size_t n, unsigned char out[DIGEST_SZ]);
void digest_sha256_hex(const void *data, size_t n, char out[2 * DIGEST_SZ + 1]);
void digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
			unsigned char out[DIGEST_SZ]);

/* SHA-256 of what comes piece by piece. */
struct digest_sum;
struct digest_sum *digest_new(void);    /* NULL: no memory */
void digest_free(struct digest_sum *);  /* NULL is fine */
void digest_begin(struct digest_sum *); /* forgets what it held */
void digest_add(struct digest_sum *, const void *data, size_t n);
void digest_hex(struct digest_sum *,
		char out[2 * DIGEST_SZ + 1]); /* the end; digest_begin() is next */

/* Where a protocol asks for it; nothing is trusted because of it. */
void digest_md5(const void *data, size_t n, unsigned char out[DIGEST_MD5_SZ]);
