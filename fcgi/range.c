#include "range.h"

#include <ctype.h>

/* Digits and nothing else; what is too large for a number is as far as one reaches. */
static bool number(const char **s, int64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	*v = strtoll(*s, &end, 10);
	*s = end;
	return true;
}

bool range_read(const char *header, struct range *x)
{
	const char *h = header;
	bool ok;

	*x = (struct range){ .to = -1 };
	if (!str_starts(h, "bytes="))
		return false;
	h += 6;
	if (*h == '-') {
		h++;
		ok = number(&h, &x->from);
		x->from = x->from ? -x->from : INT64_MAX; /* the last 0 bytes: never there */
	} else {
		ok = number(&h, &x->from) && *h++ == '-';
		ok = ok && (!*h || (number(&h, &x->to) && x->to >= x->from));
	}
	return x->given = ok && !*h;
}

bool range_resolve(const struct range *x, int64_t size, int64_t *from, int64_t *to)
{
	*from = x->from;
	*to = x->to < 0 || x->to >= size ? size : x->to + 1;
	if (x->from < 0)
		*from = size + x->from > 0 ? size + x->from : 0;
	return *from < size;
}
