/* req_body.c: the body of a request, whole (JSON) or as it comes (files). */
#include "req.h"

#define READ_CHUNK 65536

/*
 * CONTENT_LENGTH absent, empty or -1: a chunked body, as Apache and Caddy pass it; the stream's end is its
 * end. Reads at most one byte more than the limit, so that "over" is known without reading the rest.
 */
int req_read_body(struct req *r, size_t max, struct fault *f)
{
	size_t cap, n = 0;
	int64_t len;
	bool known;
	char *buf;

	if (req_length(r, (int64_t)max, &len, f) < 0)
		return -1;
	known = len >= 0;
	cap = known ? (size_t)len : READ_CHUNK;
	if (!(buf = arena_alloc(r->a, cap + 1)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	for (;;) {
		ssize_t k = n < cap ? req_read(r, buf + n, cap - n) : 0;

		if (k < 0)
			return fault_set(f, FAULT_REFUSED, "the body could not be read");
		n += (size_t)k;
		if (known ? n == cap || k == 0 : n < cap && k == 0)
			break;
		if (!known &&
		    n == cap) { /* grow by doubling: at most twice the limit is ever held */
			char *more;

			if (n > max)
				return fault_set(f, FAULT_PAYLOAD_TOO_LARGE,
						 "the body has more than %zu bytes", max);
			cap = cap * 2 > max + 1 ? max + 1 : cap * 2;
			if (!(more = arena_alloc(r->a, cap + 1)))
				return fault_set(f, FAULT_INTERNAL, "request memory");
			buf = memcpy(more, buf, n);
		}
	}
	if (known ? n < cap : req_cut(r))
		return fault_set(f, FAULT_REFUSED, "the body ends after %zu bytes, before its end",
				 n);
	if (n > max)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE, "the body has more than %zu bytes",
				 max);
	buf[n] = '\0';
	r->body = buf;
	r->body_len = n;
	r->bytes_in = (int64_t)n;
	return 0;
}

/* ---- as it comes ---- */

int req_body_begin(struct req *r, int64_t max, struct fault *f)
{
	r->stream.max = max;
	return req_length(r, max, &r->stream.length, f);
}

int64_t req_body_length(const struct req *r)
{
	return r->stream.length;
}

ssize_t req_body_read(struct req *r, char *buf, size_t n, struct fault *f)
{
	bool known = r->stream.length >= 0;
	int64_t left = (known ? r->stream.length : r->stream.max) - r->bytes_in;
	ssize_t k;

	if (r->stream.ended || (known && !left))
		return 0;
	/* Of a body without a length one byte beyond the limit is asked for, to know that it is over. */
	if ((int64_t)n > left + !known)
		n = (size_t)(left + !known);
	k = req_read(r, buf, n);
	if (k > 0 && k > left)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE, "the body has more than %lld bytes",
				 (long long)r->stream.max);
	if (k > 0) {
		r->bytes_in += k;
		return k;
	}
	r->stream.ended = true;
	if (known || req_cut(r))
		return fault_set(f, FAULT_REFUSED, "the body ends after %lld bytes, before its end",
				 (long long)r->bytes_in);
	return 0;
}
