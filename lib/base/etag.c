#include "etag.h"

/* One tag at *s: its start and length, its W/ left out. False: none is there. */
static bool take(const char **s, const char **tag, size_t *n, bool *weak)
{
	const char *p = *s;

	if ((*weak = str_starts(p, "W/")))
		p += 2;
	if (*p != '"')
		return false;
	*tag = p++;
	while ((unsigned char)*p > 0x20 && *p != '"' &&
	       *p != 0x7f) /* etagc: no blank, no control character */
		p++;
	if (*p != '"')
		return false;
	*n = (size_t)(p + 1 - *tag);
	*s = p + 1;
	return true;
}

/*
 * Walks the list; *hit is set when a tag is `want`, a strong one or (`any`) a weak one too. False: malformed. Empty
 * elements are allowed (RFC 9110 5.6.1).
 */
static bool walk(const char *s, const char *want, bool any, bool *hit)
{
	size_t tags = 0;

	for (;;) {
		const char *tag = NULL;
		bool weak = false;
		size_t n = 0;

		s += strspn(s, " \t,");
		if (!*s)
			return tags > 0;
		if (!take(&s, &tag, &n, &weak))
			return false;
		tags++;
		if (want && (any || !weak) && strlen(want) == n && !memcmp(tag, want, n))
			*hit = true;
		s += strspn(s, " \t");
		if (*s && *s != ',')
			return false;
	}
}

bool etag_list_ok(const char *header)
{
	bool hit = false;

	return !strcmp(header, "*") || walk(header, NULL, false, &hit);
}

bool etag_matches(const char *header, const char *etag)
{
	bool hit = false;

	if (!header || !strcmp(header, "*"))
		return true;
	return etag && walk(header, etag, false, &hit) && hit;
}

bool etag_named(const char *header, const char *etag)
{
	bool hit = false;

	if (!header || !etag)
		return false;
	return !strcmp(header, "*") || (walk(header, etag, true, &hit) && hit);
}
