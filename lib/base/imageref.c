#include "imageref.h"

#define TAG_MAX    128 /* of the distribution specification, as the grammar of the parts */
#define DIGEST_LEN 64

static bool lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return lower(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]+ parts joined by one '.', one or two '_', or any number of '-' */
static bool component_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t from = i, k = 0;

		while (i < n && lower(s[i]))
			i++;
		if (i == from)
			return false;
		if (i == n)
			return true;
		while (i + k < n && s[i + k] == s[i])
			k++;
		if ((s[i] == '.' && k > 1) || (s[i] == '_' && k > 2) || !strchr("._-", s[i]))
			return false;
		i += k;
	}
	return false;
}

/* Host labels of letters, digits and inner '-', joined by '.', and an optional port. */
static bool registry_ok(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t host = colon ? (size_t)(colon - s) : n, digits = 0;

	for (size_t i = host + 1; i < n; i++, digits++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	if (!host || (colon && (digits < 1 || digits > 5)))
		return false;
	for (size_t i = 0; i < host; i++) {
		bool edge = i == 0 || i == host - 1 || s[i - 1] == '.' || s[i + 1] == '.';

		if (!alnum(s[i]) && (edge || (s[i] != '-' && s[i] != '.')))
			return false;
	}
	return true;
}

static bool tag_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!alnum(s[i]) && s[i] != '_' && (i == 0 || !strchr(".-", s[i])))
			return false;
	return n >= 1 && n <= TAG_MAX;
}

static bool digest_ok(const char *s)
{
	return str_starts(s, "sha256:") && strspn(s + 7, "0123456789abcdef") == DIGEST_LEN &&
	       !s[7 + DIGEST_LEN];
}

/* Only something with a dot, a port or a capital, or "localhost", before the first slash is a registry. */
static size_t registry_len(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t k = slash ? (size_t)(slash - s) : 0;

	for (size_t i = 0; i < k; i++)
		if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
			return k;
	return k == 9 && !memcmp(s, "localhost", 9) ? k : 0;
}

bool imageref_ok(const char *s)
{
	size_t n = s ? strnlen(s, IMAGEREF_MAX + 1) : 0, k;
	const char *at, *end, *tag = NULL;

	if (!n || n > IMAGEREF_MAX)
		return false;
	at = memchr(s, '@', n);
	if (at && !digest_ok(at + 1))
		return false;
	end = at ? at : s + n;
	if ((k = registry_len(s, (size_t)(end - s)))) {
		if (!registry_ok(s, k))
			return false;
		s += k + 1;
	}
	for (const char *p = s; p < end; p++)
		tag = *p == ':' && !tag ? p : tag;
	if (tag && !tag_ok(tag + 1, (size_t)(end - tag - 1)))
		return false;
	for (end = tag ? tag : end;; s += k + 1) {
		const char *slash = memchr(s, '/', (size_t)(end - s));

		k = slash ? (size_t)(slash - s) : (size_t)(end - s);
		if (!component_ok(s, k))
			return false;
		if (!slash)
			return true;
	}
}
