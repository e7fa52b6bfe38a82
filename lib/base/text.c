#include "text.h"

#include <stdio.h>

size_t text_utf8_len(const char *str, size_t n)
{
	const unsigned char *s = (const unsigned char *)str;
	size_t k;
	unsigned char lo = 0x80, hi = 0xbf;

	if (!n)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		k = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		k = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		k = 4;
	else
		return 0;
	/* RFC 3629 section 4: the second byte excludes overlong forms and surrogates. */
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (n < k || s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < k; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return k;
}

bool text_utf8_ok(const char *s, size_t n)
{
	for (size_t i = 0, k; i < n; i += k)
		if (!(k = text_utf8_len(s + i, n - i)))
			return false;
	return true;
}

char *text_utf8_repair(struct arena *a, const char *s, size_t n, size_t *out_len)
{
	size_t bad = 0, w = 0;
	char *p;

	for (size_t i = 0, k; i < n; i += k ? k : 1)
		if (!(k = text_utf8_len(s + i, n - i)))
			bad++;
	if (!(p = arena_alloc(a, n + 2 * bad + 1)))
		return NULL;
	for (size_t i = 0, k; i < n; i += k) {
		k = text_utf8_len(s + i, n - i);
		memcpy(p + w, k ? s + i : "\xef\xbf\xbd", k ? k : 3);
		w += k ? k : 3;
		k = k ? k : 1;
	}
	p[w] = '\0';
	*out_len = w;
	return p;
}

void text_utf8_trim(char *s)
{
	size_t n = strlen(s), k = 1;

	while (k < 4 && k < n && ((unsigned char)s[n - k] & 0xc0) == 0x80)
		k++;
	if (n && (unsigned char)s[n - k] >= 0x80 && text_utf8_len(s + n - k, k) != k)
		s[n - k] = '\0';
}

static char *encode(struct arena *a, const void *data, size_t n, const char *abc, bool pad)
{
	const unsigned char *s = data;
	char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1), *w = out;

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) |
			     (i + 2 < n ? s[i + 2] : 0);

		*w++ = abc[v >> 18];
		*w++ = abc[v >> 12 & 63];
		if (i + 1 < n)
			*w++ = abc[v >> 6 & 63];
		else if (pad)
			*w++ = '=';
		if (i + 2 < n)
			*w++ = abc[v & 63];
		else if (pad)
			*w++ = '=';
	}
	return out;
}

#define ABC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

char *text_base64(struct arena *a, const void *p, size_t n)
{
	return encode(a, p, n, ABC "+/", true);
}

char *text_base64url(struct arena *a, const void *p, size_t n)
{
	return encode(a, p, n, ABC "-_", false);
}

static int sextet(char c)
{
	const char *abc = ABC, *p = c ? strchr(abc, c) : NULL;

	if (p)
		return (int)(p - abc);
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

void *text_base64_decode(struct arena *a, const char *s, size_t n, size_t *out_len)
{
	unsigned char *out, *w;
	unsigned acc = 0;
	int bits = 0, v;

	if (n && n % 4 == 0) /* padding completes a group of four or is not there at all */
		for (int k = 0; k < 2 && s[n - 1] == '='; k++)
			n--;
	if (n % 4 == 1 || !(out = w = arena_alloc(a, n / 4 * 3 + 4)))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if ((v = sextet(s[i])) < 0)
			return NULL;
		acc = acc << 6 | (unsigned)v;
		if ((bits += 6) >= 8) {
			bits -= 8;
			*w++ = (unsigned char)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	if (acc)
		return NULL; /* bits beyond the last byte must be zero */
	*out_len = (size_t)(w - out);
	return out;
}

void text_hex(const void *data, size_t n, char *out)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = "0123456789abcdef"[p[i] >> 4];
		*out++ = "0123456789abcdef"[p[i] & 15];
	}
	*out = '\0';
}

bool text_int(const char *s, int64_t lo, int64_t hi, int64_t *out)
{
	long long v;
	char *end;

	if (!s || !(*s == '-' || (*s >= '0' && *s <= '9')))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s || *end || v < lo || v > hi)
		return false;
	*out = v;
	return true;
}

bool text_equal_ct(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char diff = 0;

	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(a[i] ^ b[i]);
	return diff == 0;
}
