#include "target.h"

#include "../lib/base/text.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes n bytes into out (NUL-terminated). The new length, or -1 on a bad escape. */
static ssize_t decode(const char *s, size_t n, bool plus_is_blank, char *out)
{
	size_t w = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			int hi = i + 2 < n ? hex(s[i + 1]) : -1;
			int lo = hi >= 0 ? hex(s[i + 2]) : -1;

			if (lo < 0)
				return -1;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		out[w++] = c;
	}
	out[w] = '\0';
	return (ssize_t)w;
}

static const char *bad_path(const char *p, size_t n)
{
	if (p[0] != '/')
		return "the path must begin with a slash";
	if (!text_utf8_ok(p, n))
		return "the path is not UTF-8";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
			return "the path holds a control character or a backslash";
	for (const char *s = p; *s;) {
		size_t k = strcspn(++s, "/");

		if ((k == 0 && *s) || (k == 1 && s[0] == '.') ||
		    (k == 2 && s[0] == '.' && s[1] == '.'))
			return "the path has an empty, '.' or '..' segment";
		s += k;
	}
	return NULL;
}

int target_parse(const char *uri, struct arena *a, const char **path, const char **query,
		 struct fault *f)
{
	size_t n = strcspn(uri, "?#");
	const char *why;
	ssize_t len;
	char *p;

	if (strlen(uri) > TARGET_MAX)
		return fault_set(f, FAULT_REFUSED, "the request target is longer than %d bytes",
				 TARGET_MAX);
	if (!(p = arena_alloc(a, n + 1)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if ((len = decode(uri, n, false, p)) < 0)
		return fault_set(f, FAULT_REFUSED, "the path has a bad percent escape");
	if ((why = bad_path(p, (size_t)len)))
		return fault_set(f, FAULT_REFUSED, "%s", why);
	if (len > 1 && p[len - 1] == '/')
		p[len - 1] = '\0';
	*path = p;
	*query = uri[n] == '?' ? uri + n + 1 : "";
	return 0;
}

const char *target_query(const char *query, const char *name, struct arena *a)
{
	const char *found = NULL;
	size_t k = strlen(name);

	for (const char *p = query; *p;) {
		size_t n = strcspn(p, "&");

		if (n >= k && !strncmp(p, name, k) && (n == k || p[k] == '=')) {
			size_t skip = n == k ? k : k + 1;
			char *v = arena_alloc(a, n - skip + 1);
			ssize_t len = v ? decode(p + skip, n - skip, true, v) : -1;

			/* A NUL inside would hide the rest; invalid UTF-8 must not reach a reply. */
			found = len >= 0 && strlen(v) == (size_t)len && text_utf8_ok(v, (size_t)len)
					? v
					: "\x01";
		}
		p += n + (p[n] == '&');
	}
	return found;
}
