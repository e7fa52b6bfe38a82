/*
 * form.h: multipart/form-data (RFC 7578, RFC 2046 5.1) read from a stream in
 * constant memory. Pure: bytes come from a function.
 */
#pragma once

#include "../lib/base/arena.h"
#include "../lib/base/fault.h"

#define FORM_BOUNDARY_MAX 70        /* RFC 2046 5.1.1 */
#define FORM_HEADERS_MAX  (8 << 10) /* of one part: as much as a web server takes in a header line */
#define FORM_PARTS_MAX    100       /* nobody sends more beside a file */
#define FORM_BUFFER       (64 << 10)

struct form {
	ssize_t (*source)(void *arg, char *buf, size_t n, struct fault *);
	void *arg;
	struct arena *a;
	char *buf; /* bytes [at, end) are not used yet */
	size_t at, end;
	char delimiter[FORM_BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
	size_t ndelimiter;
	size_t data; /* bytes from `at` on that are known to be the part's */
	int parts;
	bool eof; /* of the source */
	enum { FORM_DATA, FORM_HEADERS, FORM_END } state;
};

struct form_part {
	const char *name, *type; /* arena; type NULL: not given */
};

/* UNSUPPORTED_MEDIA unless Content-Type is multipart/form-data with a boundary. Reads nothing. */
int form_open(struct form *, const char *content_type,
	      ssize_t (*source)(void *, char *, size_t, struct fault *), void *arg, struct arena *,
	      struct fault *) MUST_CHECK;

/* Goes on to the next part. 1 there is one, 0 the form has ended, -1 REFUSED (not well-formed) or the source's fault. */
int form_next(struct form *, struct form_part *, struct fault *) MUST_CHECK;

/* Bytes of the part: up to n, 0 at its end. -1 as above, also when the body ends within it. */
ssize_t form_read(struct form *, char *buf, size_t n, struct fault *) MUST_CHECK;

/* Reads on to the end of the body: whatever follows the part must be there and well-formed too. */
int form_finish(struct form *, struct fault *) MUST_CHECK;
