#include "clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}
int64_t clock_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}
int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

void clock_format(int64_t wall_ms, char out[CLOCK_RFC3339_SZ])
{
	time_t sec = (time_t)(wall_ms / 1000);
	struct tm tm;
	char date[32];

	gmtime_r(&sec, &tm);
	if (!strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		date[0] = '\0';
	snprintf(out, CLOCK_RFC3339_SZ, "%.19s.%03uZ", date, (unsigned)(wall_ms % 1000) % 1000);
}

/* Exactly `n` digits at *s; moves past them. */
static bool digits(const char **s, int n, int lo, int hi, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*out = v;
	return v >= lo && v <= hi;
}

static bool zone(const char **s, int *minutes)
{
	int sign = **s == '-' ? -1 : 1, h, m;

	*minutes = 0;
	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		return true;
	}
	if (**s != '+' && **s != '-')
		return false;
	(*s)++;
	if (!digits(s, 2, 0, 23, &h) || *(*s)++ != ':' || !digits(s, 2, 0, 59, &m))
		return false;
	*minutes = sign * (h * 60 + m);
	return true;
}

bool clock_parse(const char *s, int64_t *wall_ms)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct tm tm = { 0 };
	int ms = 0, scale = 100, off, year, leap;

	if (!digits(&s, 4, 1970, 9999, &year) || *s++ != '-' || !digits(&s, 2, 1, 12, &tm.tm_mon) ||
	    *s++ != '-' || !digits(&s, 2, 1, 31, &tm.tm_mday) ||
	    (*s != 'T' && *s != 't' && *s != ' '))
		return false;
	s++;
	if (!digits(&s, 2, 0, 23, &tm.tm_hour) || *s++ != ':' ||
	    !digits(&s, 2, 0, 59, &tm.tm_min) || *s++ != ':' || !digits(&s, 2, 0, 60, &tm.tm_sec))
		return false;
	if (*s == '.') {
		int n = 0;

		for (s++; *s >= '0' && *s <= '9' && n < 9; s++, n++, scale /= 10)
			ms += (*s - '0') * scale;
		if (!n)
			return false;
	}
	if (!zone(&s, &off) || *s)
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (tm.tm_mday > month_days[tm.tm_mon - 1] + (tm.tm_mon == 2 ? leap : 0))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon--;
	*wall_ms = ((int64_t)timegm(&tm) - off * 60) * 1000 + ms;
	return *wall_ms >= 0;
}
