/* jsn_names.c: does an object have two members of one name? Without building the document. */
#include "jsn.h"

struct names {
	uint64_t *v;
	size_t n, cap;
};

static uint64_t mix(uint64_t h, unsigned char c)
{
	return (h ^ c) *
	       0x100000001b3; /* FNV-1a: a collision only refuses a document that nobody meant */
}

static uint64_t mix_char(uint64_t h, uint32_t u)
{
	if (u < 0x80)
		return mix(h, (unsigned char)u);
	if (u < 0x800)
		return mix(mix(h, (unsigned char)(0xc0 | u >> 6)),
			   (unsigned char)(0x80 | (u & 0x3f)));
	if (u < 0x10000)
		h = mix(h, (unsigned char)(0xe0 | u >> 12));
	else
		h = mix(mix(h, (unsigned char)(0xf0 | u >> 18)),
			(unsigned char)(0x80 | (u >> 12 & 0x3f)));
	return mix(mix(h, (unsigned char)(0x80 | (u >> 6 & 0x3f))),
		   (unsigned char)(0x80 | (u & 0x3f)));
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int k = 0; k < 4; k++)
		v = v * 16 + (uint32_t)(p[k] <= '9' ? p[k] - '0' : (p[k] | 32) - 'a' + 10);
	return v;
}

/* The hash of a string by its meaning: "a" and "\u0061" are one name. *p is moved behind the closing quote. */
static uint64_t string(const char **p, uint64_t h)
{
	static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *s = *p + 1;

	for (; *s != '"'; s++) {
		uint32_t u;

		if (*s != '\\') {
			h = mix(h, (unsigned char)*s);
			continue;
		}
		if (*++s != 'u') {
			h = mix(h, (unsigned char)means[strchr(plain, *s) - plain]);
			continue;
		}
		u = hex4(s + 1);
		s += 4;
		if (u >= 0xd800 && u < 0xdc00) {
			u = 0x10000 + ((u - 0xd800) << 10) + (hex4(s + 3) - 0xdc00);
			s += 6;
		}
		h = mix_char(h, u);
	}
	*p = s + 1;
	return h;
}

static bool add(struct names *x, uint64_t h)
{
	if (x->n == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 64;
		uint64_t *v = realloc(x->v, cap * sizeof(*v));

		if (!v)
			return false;
		x->v = v;
		x->cap = cap;
	}
	x->v[x->n++] = h;
	return true;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool collect(const char *p, const char *end, struct names *x)
{
	uint64_t stack[JSN_MAX_DEPTH + 1] = { 0 }, objects = 0;
	size_t depth = 0;

	while (p < end)
		switch (*p) {
		case '{':
		case '[':
			if (depth == JSN_MAX_DEPTH)
				return false;
			stack[++depth] = *p++ == '{' ? ++objects * 0x9e3779b97f4a7c15 : 0;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			p++;
			break;
		case '"': {
			uint64_t h = string(&p, 0xcbf29ce484222325 ^ stack[depth]);

			p += strspn(p, " \t\r\n");
			if (*p == ':' && !add(x, h))
				return false;
			break;
		}
		default: p++;
		}
	return true;
}

bool jsn_unique(const char *text, size_t len)
{
	struct names x = { 0 };
	bool ok = collect(text, text + len, &x);

	if (ok && x.n > 1) {
		qsort(x.v, x.n, sizeof(*x.v), by_value);
		for (size_t i = 1; i < x.n && ok; i++)
			ok = x.v[i] != x.v[i - 1];
	}
	free(x.v);
	return ok;
}
