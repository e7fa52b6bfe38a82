/* object.c: what answers say about an object. */
#include <stdio.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/text.h"
#include "call.h"

char *s3_unquote(const char *etag, struct arena *a)
{
	size_t n = strlen(etag);

	if (n >= 2 && etag[0] == '"' && etag[n - 1] == '"')
		return arena_strndup(a, etag + 1, n - 2);
	return arena_strdup(a, etag);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* AWS writes a blank as '+', others as %20; a plus is %2B with all of them. */
char *s3_decode(const char *s, struct arena *a)
{
	char *out = arena_alloc(a, strlen(s) + 1), *w = out;

	for (; out && *s; s++) {
		int hi = *s == '%' ? hex_digit(s[1]) : -1;
		int lo = hi >= 0 ? hex_digit(s[2]) : -1;

		if (lo >= 0) {
			*w++ = (char)(hi << 4 | lo);
			s += 2;
		} else {
			*w++ = *s == '+' ? ' ' : *s;
		}
	}
	return out;
}

static char *format(int64_t ms, struct arena *a)
{
	char text[CLOCK_RFC3339_SZ];

	clock_format(ms - ms % 1000, text);
	return arena_strdup(a, text);
}

char *s3_time(const char *text, struct arena *a)
{
	int64_t ms;

	return format(clock_parse(text, &ms) ? ms : 0, a);
}

/* "Fri, 24 May 2013 00:00:00 GMT" (RFC 9110 section 5.6.7), in whatever locale. */
static bool http_date(const char *s, int64_t *ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char month[4] = "";
	const char *m;

	if (!s ||
	    sscanf(s, "%*3c, %2d %3c %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6 ||
	    !(m = strstr(months, month)) || tm.tm_year < 1970)
		return false;
	tm.tm_mon = (int)(m - months) / 3;
	tm.tm_year -= 1900;
	*ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

/* "bytes 0-9/100": the 100; -1: not there, or unknown. */
static int64_t whole_size(const char *range)
{
	const char *slash = range ? strchr(range, '/') : NULL;
	int64_t n;

	return slash && text_int(slash + 1, 0, INT64_MAX, &n) ? n : -1;
}

int s3_object_of(const struct httpc_resp *rs, const char *key, struct s3_object *o, struct arena *a)
{
	const char *length = httpc_header(rs, "Content-Length", a);
	const char *etag = httpc_header(rs, "ETag", a), *type = httpc_header(rs, "Content-Type", a);
	const char *modified = httpc_header(rs, "Last-Modified", a);
	int64_t ms = 0;

	if (!modified) /* of an answer to a PUT: now */
		modified = httpc_header(rs, "Date", a);
	*o = (struct s3_object){
		.key = arena_strdup(a, key),
		.size = whole_size(httpc_header(rs, "Content-Range", a)),
		.etag = s3_unquote(etag ? etag : "", a),
		.modified = format(http_date(modified, &ms) ? ms : clock_wall_ms(), a),
		.type = arena_strdup(a, type ? type : "application/octet-stream"),
	};
	if (o->size < 0 && (!length || !text_int(length, 0, INT64_MAX, &o->size)))
		o->size = 0;
	return o->key && o->etag && o->modified && o->type ? 0 : -1;
}
