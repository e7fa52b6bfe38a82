/* jsn_scan.c: is this text one strict JSON document (RFC 8259)? json-c alone is more lenient. */
#include "jsn.h"

#include "jsn_scan.h"
#include "text.h"

struct scan {
	const char *text;
	size_t i, n, members;
	const char *why;
};

static bool value(struct scan *s, int depth);

static bool fail(struct scan *s, const char *why)
{
	if (!s->why)
		s->why = why;
	return false;
}

static void blanks(struct scan *s)
{
	while (s->i < s->n && strchr(" \t\r\n", s->text[s->i]) && s->text[s->i])
		s->i++;
}

static bool next_is(struct scan *s, char c)
{
	if (s->i >= s->n || s->text[s->i] != c)
		return false;
	s->i++;
	return true;
}

static int hex4(struct scan *s)
{
	int v = 0;

	for (int k = 0; k < 4; k++, s->i++) {
		char c = s->i < s->n ? s->text[s->i] : '\0';

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* After a backslash. */
static bool escape(struct scan *s, bool is_name)
{
	char c = s->i < s->n ? s->text[s->i++] : '\0';
	int u;

	if (c && strchr("\"\\/bfnrt", c))
		return true;
	if (c != 'u' || (u = hex4(s)) < 0)
		return fail(s, "bad escape in a string");
	if (u == 0 && is_name)
		return fail(s, "a member name holds U+0000");
	if (u >= 0xdc00 && u <= 0xdfff)
		return fail(s, "a lone surrogate in a string");
	if (u < 0xd800 || u > 0xdbff)
		return true;
	if (!next_is(s, '\\') || !next_is(s, 'u'))
		return fail(s, "a lone surrogate in a string");
	u = hex4(s);
	return (u >= 0xdc00 && u <= 0xdfff) || fail(s, "a lone surrogate in a string");
}

static bool string(struct scan *s, bool is_name)
{
	if (!next_is(s, '"'))
		return fail(s, "expected a string");
	while (s->i < s->n) {
		unsigned char c = (unsigned char)s->text[s->i];
		size_t k;

		if (c == '"') {
			s->i++;
			return true;
		}
		if (c < 0x20)
			return fail(s, "a control character in a string");
		if (c == '\\') {
			s->i++;
			if (!escape(s, is_name))
				return false;
		} else if (c < 0x80) {
			s->i++;
		} else if ((k = text_utf8_len(s->text + s->i, s->n - s->i))) {
			s->i += k;
		} else {
			return fail(s, "not UTF-8");
		}
	}
	return fail(s, "a string without an end");
}

static bool digits(struct scan *s)
{
	size_t from = s->i;

	while (s->i < s->n && s->text[s->i] >= '0' && s->text[s->i] <= '9')
		s->i++;
	return s->i > from || fail(s, "bad number");
}

static bool number(struct scan *s)
{
	next_is(s, '-');
	if (!next_is(s, '0') && !digits(s))
		return false;
	if (next_is(s, '.') && !digits(s))
		return false;
	if (s->i < s->n && (s->text[s->i] | 32) == 'e') {
		s->i++;
		if (!next_is(s, '+'))
			next_is(s, '-');
		return digits(s);
	}
	return true;
}

static bool word(struct scan *s, const char *w)
{
	size_t k = strlen(w);

	if (s->n - s->i < k || memcmp(s->text + s->i, w, k))
		return fail(s, "expected a value");
	s->i += k;
	return true;
}

static bool members(struct scan *s, int depth)
{
	blanks(s);
	if (next_is(s, '}'))
		return true;
	for (;;) {
		blanks(s);
		if (!string(s, true))
			return false;
		blanks(s);
		if (!next_is(s, ':'))
			return fail(s, "expected ':'");
		s->members++;
		if (!value(s, depth))
			return false;
		blanks(s);
		if (next_is(s, '}'))
			return true;
		if (!next_is(s, ','))
			return fail(s, "expected ',' or '}'");
	}
}

static bool elements(struct scan *s, int depth)
{
	blanks(s);
	if (next_is(s, ']'))
		return true;
	for (;;) {
		if (!value(s, depth))
			return false;
		blanks(s);
		if (next_is(s, ']'))
			return true;
		if (!next_is(s, ','))
			return fail(s, "expected ',' or ']'");
	}
}

/* Recursion is bounded by JSN_MAX_DEPTH. */
static bool value(struct scan *s, int depth)
{
	char c;

	blanks(s);
	c = s->i < s->n ? s->text[s->i] : '\0';
	if ((c == '{' || c == '[') && depth >= JSN_MAX_DEPTH)
		return fail(s, "nested deeper than 32 levels");
	switch (c) {
	case '{': s->i++; return members(s, depth + 1);
	case '[': s->i++; return elements(s, depth + 1);
	case '"': return string(s, false);
	case 't': return word(s, "true");
	case 'f': return word(s, "false");
	case 'n': return word(s, "null");
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			return number(s);
		return fail(s, "expected a value");
	}
}

bool jsn_scan(const char *text, size_t len, size_t *members_out, size_t *at, const char **why)
{
	struct scan s = { .text = text, .n = len };
	bool ok = value(&s, 0);

	if (ok) {
		blanks(&s);
		ok = s.i == len || fail(&s, "bytes after the end of the document");
	}
	*members_out = s.members;
	*at = s.i;
	*why = s.why;
	return ok;
}

bool jsn_valid(const char *text, size_t len, size_t *at, const char **why)
{
	size_t members_;

	return jsn_scan(text, len, &members_, at, why);
}

size_t jsn_span(const char *text, size_t len, const char *name, const char **start)
{
	struct scan s = { .text = text, .n = len };
	size_t k = strlen(name);

	blanks(&s);
	if (!next_is(&s, '{'))
		return 0;
	for (;;) {
		size_t from;
		bool ours;

		blanks(&s);
		from = s.i;
		if (!string(&s, true))
			return 0;
		ours = s.i - from == k + 2 && !memcmp(text + from + 1, name, k);
		blanks(&s);
		if (!next_is(&s, ':'))
			return 0;
		blanks(&s);
		from = s.i;
		if (!value(&s, 0))
			return 0;
		if (ours) {
			*start = text + from;
			return s.i - from;
		}
		blanks(&s);
		if (!next_is(&s, ','))
			return 0;
	}
}
