#include "sign.h"

#include <time.h>

#include "../base/text.h"
#include "../digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SZ   17 /* "20130524T000000Z" and the NUL */
#define HEX_SZ    (2 * DIGEST_SZ + 1)

static char *encode(const char *s, bool path, struct arena *a)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = strlen(s);
	char *out = n < SIZE_MAX / 3 ? arena_alloc(a, 3 * n + 1) : NULL, *p = out;

	if (!out)
		return NULL;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    strchr("-_.~", c) || (path && c == '/')) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return out;
}

char *sign_encode(const char *s, struct arena *a)
{
	return encode(s, false, a);
}

char *sign_encode_path(const char *s, struct arena *a)
{
	return encode(s, true, a);
}

/* ---- lists of pairs ---- */

static int by_name(const void *va, const void *vb)
{
	const struct sign_param *x = va, *y = vb;
	int d = strcmp(x->name, y->name);

	return d ? d : strcmp(x->value, y->value);
}

/* "name=value" with what stands between and after each; the pairs in their order. */
static char *join(const struct sign_param *p, size_t n, const char *between, const char *after,
		  bool values, struct arena *a)
{
	size_t len = 1;
	char *out, *w;

	for (size_t i = 0; i < n; i++)
		len += strlen(p[i].name) + strlen(p[i].value) + strlen(between) + strlen(after);
	if (!(out = w = arena_alloc(a, len)))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		w = stpcpy(w, p[i].name);
		if (values)
			w = stpcpy(stpcpy(w, between), p[i].value);
		w = stpcpy(w, after);
	}
	*w = '\0';
	return out;
}

/* Without the separator that ends the list too. */
static char *cut_last(char *s)
{
	if (s && *s)
		s[strlen(s) - 1] = '\0';
	return s;
}

static char *query_string(const struct sign_param *p, size_t n, struct arena *a)
{
	struct sign_param *e = arena_alloc(a, (n + 1) * sizeof(*e));

	for (size_t i = 0; e && i < n; i++) {
		e[i].name = sign_encode(p[i].name, a);
		e[i].value = sign_encode(p[i].value, a);
		if (!e[i].name || !e[i].value)
			return NULL;
	}
	if (!e)
		return NULL;
	qsort(e, n, sizeof(*e), by_name); /* sorted as encoded, says the specification */
	return cut_last(join(e, n, "=", "&", true, a));
}

/* ---- the signature ---- */

struct signing {
	const struct sign_request *rq;
	char date[DATE_SZ];
	char *scope;
	const char *headers, *names; /* canonical */
	const char *query;
	struct arena *a;
};

static int begin(struct signing *s, const struct sign_request *rq, bool with_date, struct arena *a)
{
	struct sign_param *h = arena_alloc(a, (rq->nheaders + 2) * sizeof(*h));
	time_t t = (time_t)rq->time_s;
	size_t n = 0;
	struct tm tm;

	*s = (struct signing){ .rq = rq, .a = a };
	if (!h || !gmtime_r(&t, &tm) ||
	    strftime(s->date, sizeof(s->date), "%Y%m%dT%H%M%SZ", &tm) != DATE_SZ - 1)
		return -1;
	h[n++] = (struct sign_param){ "host", rq->host };
	if (with_date)
		h[n++] = (struct sign_param){ "x-amz-date", s->date };
	for (size_t i = 0; i < rq->nheaders; i++)
		h[n++] = rq->headers[i];
	qsort(h, n, sizeof(*h), by_name);
	s->headers = join(h, n, ":", "\n", true, a);
	s->names = cut_last(join(h, n, "", ";", false, a));
	s->scope = arena_printf(a, "%.8s/%s/%s/aws4_request", s->date, rq->region, rq->service);
	return s->headers && s->names && s->scope ? 0 : -1;
}

static void hmac(const unsigned char *key, size_t n, const char *text, unsigned char out[DIGEST_SZ])
{
	digest_hmac_sha256(key, n, text, strlen(text), out);
}

static int signature(const struct signing *s, char hex[HEX_SZ])
{
	const struct sign_request *rq = s->rq;
	const char *canonical = arena_printf(s->a, "%s\n%s\n%s\n%s\n%s\n%s", rq->method, rq->path,
					     s->query, s->headers, s->names, rq->payload);
	const char *key = arena_printf(s->a, "AWS4%s", rq->secret_key), *text;
	unsigned char k[DIGEST_SZ], next[DIGEST_SZ];
	char day[9];

	if (!canonical || !key)
		return -1;
	digest_sha256_hex(canonical, strlen(canonical), hex);
	if (!(text = arena_printf(s->a, ALGORITHM "\n%s\n%s\n%s", s->date, s->scope, hex)))
		return -1;
	memcpy(day, s->date, 8);
	day[8] = '\0';
	hmac((const unsigned char *)key, strlen(key), day, k);
	hmac(k, sizeof(k), rq->region, next);
	hmac(next, sizeof(next), rq->service, k);
	hmac(k, sizeof(k), "aws4_request", next);
	hmac(next, sizeof(next), text, k);
	text_hex(k, sizeof(k), hex);
	return 0;
}

int sign_headers(const struct sign_request *rq, struct sign_result *out, struct arena *a)
{
	struct signing s;
	char hex[HEX_SZ];

	if (begin(&s, rq, true, a) < 0 || !(s.query = query_string(rq->query, rq->nquery, a)) ||
	    signature(&s, hex) < 0)
		return -1;
	out->query = s.query;
	out->date = arena_strdup(a, s.date);
	out->authorization =
		arena_printf(a, ALGORITHM " Credential=%s/%s,SignedHeaders=%s,Signature=%s",
			     rq->access_key, s.scope, s.names, hex);
	return out->date && out->authorization ? 0 : -1;
}

char *sign_query(const struct sign_request *rq, int64_t expires_s, struct arena *a)
{
	struct sign_param *q = arena_alloc(a, (rq->nquery + 5) * sizeof(*q));
	struct signing s;
	char hex[HEX_SZ];
	size_t n = 0;
	char *who, *expires;

	if (!q || begin(&s, rq, false, a) < 0)
		return NULL;
	who = arena_printf(a, "%s/%s", rq->access_key, s.scope);
	expires = arena_printf(a, "%lld", (long long)expires_s);
	if (!who || !expires)
		return NULL;
	q[n++] = (struct sign_param){ "X-Amz-Algorithm", ALGORITHM };
	q[n++] = (struct sign_param){ "X-Amz-Credential", who };
	q[n++] = (struct sign_param){ "X-Amz-Date", s.date };
	q[n++] = (struct sign_param){ "X-Amz-Expires", expires };
	q[n++] = (struct sign_param){ "X-Amz-SignedHeaders", s.names };
	for (size_t i = 0; i < rq->nquery; i++)
		q[n++] = rq->query[i];
	if (!(s.query = query_string(q, n, a)) || signature(&s, hex) < 0)
		return NULL;
	return arena_printf(a, "%s&X-Amz-Signature=%s", s.query, hex);
}
