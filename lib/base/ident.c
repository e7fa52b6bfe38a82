#include "ident.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static bool all_of(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool ident_ok(const char *s)
{
	size_t n = s ? strnlen(s, IDENT_MAX + 1) : 0;

	return n && n <= IDENT_MAX && !strchr("._-", s[0]) && all_of(s, n);
}

bool ident_request_ok(const char *s)
{
	size_t n = s ? strnlen(s, 129) : 0;

	return n && n <= 128 && all_of(s, n);
}

void ident_random(void *out, size_t n)
{
	char *p = out;

	while (n) {
		ssize_t k = getrandom(p, n, 0);

		if (k < 0 && errno != EINTR)
			abort(); /* no id may ever be guessable */
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
}

/* n characters of [a-z0-9], each equally likely. */
static void letters(char *out, size_t n)
{
	unsigned char r;

	for (size_t i = 0; i < n;) {
		ident_random(&r, 1);
		if (r < 252) /* 7 * 36: the rest would favour the first letters */
			out[i++] = "abcdefghijklmnopqrstuvwxyz0123456789"[r % 36];
	}
	out[n] = '\0';
}

void ident_session(char out[IDENT_SZ])
{
	memcpy(out, "sess_", 5);
	letters(out + 5, 16);
}

void ident_execution(char out[IDENT_SZ])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	letters(out + strftime(out, IDENT_SZ, "exec_%Y%m%d_", &tm), 8);
}

void ident_uuid(char out[37])
{
	unsigned char b[16];

	ident_random(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
}
