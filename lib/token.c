#include "token.h"

#include <stdio.h>

#include "base/text.h"
#include "digest.h"

#define ID_MAX 64 /* CONTRACT 1.3 */

static void mac(const char *secret, const char *id, int64_t epoch, unsigned char out[DIGEST_SZ])
{
	char text[ID_MAX + 32];
	int n = snprintf(text, sizeof(text), "%.64s:%lld", id, (long long)epoch);

	digest_hmac_sha256(secret, strlen(secret), text, (size_t)n, out);
}

char *token_make(const struct conf *cf, const char *id, int64_t epoch, struct arena *a)
{
	unsigned char raw[DIGEST_SZ];

	mac(cf->internal_secret, id, epoch, raw);
	return text_base64url(a, raw, sizeof(raw));
}

bool token_matches(const struct conf *cf, const char *token, const char *id, int64_t epoch)
{
	const char *const secrets[] = { cf->internal_secret, cf->internal_secret_previous };
	struct arena *a = arena_new(1024);
	bool ok = false;

	for (size_t i = 0; a && i < ARRAY_LEN(secrets); i++) {
		unsigned char raw[DIGEST_SZ];
		char *want;

		if (!*secrets[i])
			continue;
		mac(secrets[i], id, epoch, raw);
		if ((want = text_base64url(a, raw, sizeof(raw))))
			ok |= text_equal_ct(token, want);
	}
	arena_free(a);
	return ok;
}
