/* conf_value.c: the forms of sizes and fractions, in sandbox.ini and in requests. Pure. */
#include <ctype.h>
#include <stdlib.h>

#include "conf.h"

bool conf_size(const char *s, int64_t *bytes)
{
	static const struct {
		const char *unit;
		int shift;
	} units[] = { { "", 0 }, { "Ki", 10 }, { "Mi", 20 }, { "Gi", 30 } };
	char *end;
	long long n;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtoll(s, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (!errno && !strcmp(end, units[i].unit)) {
			*bytes = n > (INT64_MAX >> units[i].shift) ? INT64_MAX
								   : (int64_t)n << units[i].shift;
			return true;
		}
	return false;
}

bool conf_millis(const char *s, int64_t *millis)
{
	int64_t n = 0, frac = 0;
	int scale = 100;
	const char *from = s;

	for (; isdigit((unsigned char)*s); s++)
		n = n < INT32_MAX ? n * 10 + (*s - '0')
				  : n; /* a huge number stays huge: out of every range */
	if (s == from)
		return false;
	if (!strcmp(s, "m")) {
		*millis = n;
		return true;
	}
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return false;
		for (; isdigit((unsigned char)*s); s++, scale /= 10)
			frac += (*s - '0') * scale;
	}
	*millis = n * 1000 + frac;
	return !*s;
}
