/* digest.h: SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), by libcrypto. */
#pragma once

#include "base/util.h"

#define DIGEST_SZ 32

void digest_sha256(const void *data, size_t n, unsigned char out[DIGEST_SZ]);
void digest_sha256_hex(const void *data, size_t n, char out[2 * DIGEST_SZ + 1]);
void digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
			unsigned char out[DIGEST_SZ]);
