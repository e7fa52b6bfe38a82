#include "form.h"

#include <ctype.h>
#include <strings.h>

/*
 * What may follow a delimiter on its line: blanks (RFC 2046 "transport padding"), as many as nobody sends. The text of
 * a delimiter that something else follows is data.
 */
#define PADDING_MAX 64
/* A decision about a delimiter needs so many bytes in the buffer, or the end of the body. */
#define LOOK_AHEAD (sizeof(((struct form *)0)->delimiter) + PADDING_MAX + 2)

static int bad(struct fault *f, const char *why)
{
	return fault_set(f, FAULT_REFUSED, "the form is not well-formed: %s", why);
}

/* ---- parameters of a header's value ---- */

static bool token_char(char c)
{
	return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f &&
	       !strchr("()<>@,;:\\\"/[]?=", c);
}

/* The value at *s, without its quotes, into `out`. False: malformed. */
static bool take_value(const char **s, char *out)
{
	const char *p = *s, *start = out;

	if (*p == '"') {
		for (p++; *p && *p != '"'; *out++ = *p++)
			if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
				p++;
		if (*p++ != '"')
			return false;
	} else {
		while (token_char(*p))
			*out++ = *p++;
		if (out == start)
			return false;
	}
	*out = '\0';
	*s = p;
	return true;
}

/* `; name=value` after the first word of a header. 1 found, 0 absent, -1 malformed, or given twice. */
static int parameter(const char *header, const char *name, const char **value, struct arena *a)
{
	const char *s = header + strcspn(header, "; \t");
	size_t n = strlen(header), k = strlen(name);
	int found = 0;

	for (;;) {
		char *text = arena_alloc(a, n + 1);
		const char *key;
		size_t len = 0;

		s += strspn(s, " \t");
		if (!*s || !text)
			return text ? found : -1;
		if (*s++ != ';')
			return -1;
		s += strspn(s, " \t");
		if (!*s) /* a last semicolon */
			return found;
		for (key = s; token_char(*s); s++)
			len++;
		if (!len || *s++ != '=' || !take_value(&s, text))
			return -1;
		if (len != k || strncasecmp(key, name, k))
			continue;
		if (found++)
			return -1;
		*value = text;
	}
}

/* Is the header's first word this one? */
static bool is_word(const char *header, const char *word)
{
	size_t n = strcspn(header, "; \t");

	return n == strlen(word) && !strncasecmp(header, word, n);
}

/* ---- the stream ---- */

/* bchars of RFC 2046, not ending in a blank. */
static bool boundary_ok(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("'()+_,-./:=? ", s[i]))
			return false;
	return n && n <= FORM_BOUNDARY_MAX && s[n - 1] != ' ';
}

int form_open(struct form *x, const char *content_type,
	      ssize_t (*source)(void *, char *, size_t, struct fault *), void *arg, struct arena *a,
	      struct fault *f)
{
	const char *boundary = NULL;

	*x = (struct form){ .source = source, .arg = arg, .a = a };
	if (!content_type || !is_word(content_type, "multipart/form-data"))
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA,
				 "Content-Type must be multipart/form-data");
	if (parameter(content_type, "boundary", &boundary, a) <= 0 || !boundary_ok(boundary))
		return fault_set(
			f, FAULT_UNSUPPORTED_MEDIA,
			"multipart/form-data needs a boundary of at most %d of the characters of RFC 2046",
			FORM_BOUNDARY_MAX);
	if (!(x->buf = arena_alloc(a, FORM_BUFFER)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	x->ndelimiter = strlen(boundary) + 4;
	memcpy(x->delimiter, "\r\n--", 4);
	memcpy(x->delimiter + 4, boundary, x->ndelimiter - 3);
	/* The first delimiter needs no line break before it: it gets ours. */
	memcpy(x->buf, "\r\n", 2);
	x->end = 2;
	return 0;
}

/* Until the buffer holds `need` bytes or the source has no more. */
static int fill(struct form *x, size_t need, struct fault *f)
{
	if (x->end - x->at >= need || x->eof)
		return 0;
	memmove(x->buf, x->buf + x->at, x->end - x->at);
	x->end -= x->at;
	x->at = 0;
	while (x->end < need && !x->eof) {
		ssize_t k = x->source(x->arg, x->buf + x->end, FORM_BUFFER - x->end, f);

		if (k < 0)
			return -1;
		x->eof = k == 0;
		x->end += (size_t)k;
	}
	return 0;
}

/* The delimiter at `at`: past it, with the state that follows. False: it is data. */
static bool take_delimiter(struct form *x)
{
	const char *p = x->buf + x->at + x->ndelimiter, *end = x->buf + x->end;
	size_t blanks = 0;

	if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
		x->state = FORM_END;
		x->at = (size_t)(p + 2 - x->buf);
		return true;
	}
	while (blanks < PADDING_MAX && p + blanks < end && (p[blanks] == ' ' || p[blanks] == '\t'))
		blanks++;
	p += blanks;
	if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return false;
	x->state = FORM_HEADERS;
	x->at = (size_t)(p + 2 - x->buf);
	return true;
}

/* Counts the bytes in the buffer that are data, or goes past the delimiter. */
static int look(struct form *x, struct fault *f)
{
	const char *p;

	if (fill(x, LOOK_AHEAD, f) < 0)
		return -1;
	p = memmem(x->buf + x->at, x->end - x->at, x->delimiter, x->ndelimiter);
	if (p == x->buf + x->at) {
		if (take_delimiter(x))
			return 0;
		x->data = 1;
	} else if (p) {
		x->data = (size_t)(p - (x->buf + x->at));
	} else if (x->eof) {
		return bad(f, "it ends before its closing boundary");
	} else { /* the last bytes may begin a delimiter */
		x->data = x->end - x->at - (x->ndelimiter - 1);
	}
	return 0;
}

ssize_t form_read(struct form *x, char *buf, size_t n, struct fault *f)
{
	if (x->state != FORM_DATA)
		return 0;
	if (!x->data && look(x, f) < 0)
		return -1;
	if (n > x->data)
		n = x->data;
	memcpy(buf, x->buf + x->at, n);
	x->at += n;
	x->data -= n;
	return (ssize_t)n;
}

static int skip_data(struct form *x, struct fault *f)
{
	while (x->state == FORM_DATA) {
		if (!x->data && look(x, f) < 0)
			return -1;
		x->at += x->data;
		x->data = 0;
	}
	return 0;
}

/* ---- a part's headers ---- */

/* One line without its CRLF, NUL-terminated: what a part needs of it. */
static int header_line(struct form *x, char *line, const char **disposition, struct form_part *part,
		       struct fault *f)
{
	size_t n = 0;
	char *value;

	while (token_char(line[n]))
		n++;
	if (!n || line[n] != ':')
		return bad(f, "a line among a part's headers is none");
	line[n] = '\0';
	value = line + n + 1;
	value += strspn(value, " \t");
	for (n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = '\0';
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t')
			return bad(f, "a part's header has a control character");
	if (!strcasecmp(line, "Content-Disposition")) {
		if (*disposition)
			return bad(f, "a part has two Content-Disposition headers");
		*disposition = value;
	} else if (!strcasecmp(line, "Content-Type")) {
		if (part->type)
			return bad(f, "a part has two Content-Type headers");
		part->type = arena_strdup(x->a, value);
	} else if (!strcasecmp(line, "Content-Transfer-Encoding") && strcasecmp(value, "binary") &&
		   strcasecmp(value, "8bit") && strcasecmp(value, "7bit")) {
		return bad(f, "a part has a Content-Transfer-Encoding (RFC 7578 4.7)");
	}
	return 0;
}

/* `block`: the lines, each with its CRLF. */
static int headers(struct form *x, char *block, struct form_part *part, struct fault *f)
{
	const char *disposition = NULL;

	*part = (struct form_part){ 0 };
	while (*block) {
		char *eol = strstr(block, "\r\n");

		if (!eol)
			return bad(f, "a part's headers do not end");
		*eol = '\0';
		if (header_line(x, block, &disposition, part, f) < 0)
			return -1;
		block = eol + 2;
	}
	if (!disposition || !is_word(disposition, "form-data") ||
	    parameter(disposition, "name", &part->name, x->a) <= 0)
		return bad(f, "a part has no Content-Disposition: form-data with a name");
	return 0;
}

/* Bytes of the header block with the empty line that ends it; 0: it does not end in the buffer. */
static size_t block_size(const struct form *x)
{
	const char *s = x->buf + x->at;
	size_t n = x->end - x->at;
	const char *p;

	if (n > FORM_HEADERS_MAX)
		n = FORM_HEADERS_MAX;
	if (n >= 2 && s[0] == '\r' && s[1] == '\n')
		return 2;
	p = memmem(s, n, "\r\n\r\n", 4);
	return p ? (size_t)(p + 4 - s) : 0;
}

int form_next(struct form *x, struct form_part *part, struct fault *f)
{
	char *block;
	size_t n;

	if (skip_data(x, f) < 0)
		return -1;
	if (x->state == FORM_END)
		return 0;
	if (x->parts++ == FORM_PARTS_MAX)
		return bad(f, "it has more than 100 parts");
	if (fill(x, FORM_HEADERS_MAX, f) < 0)
		return -1;
	if (!(n = block_size(x)))
		return bad(f, "a part's headers do not end within 8 KiB");
	if (!(block = arena_strndup(x->a, x->buf + x->at, n - 2)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (strlen(block) != n - 2)
		return bad(f, "a part's header has a control character");
	x->at += n - 2;
	if (headers(x, block, part, f) < 0 || fill(x, LOOK_AHEAD, f) < 0)
		return -1;
	/* The empty line's own break may begin the delimiter already: a part without a body. */
	if (x->end - x->at >= x->ndelimiter &&
	    !memcmp(x->buf + x->at, x->delimiter, x->ndelimiter) && take_delimiter(x))
		return 1;
	x->at += 2;
	x->state = FORM_DATA;
	return 1;
}

int form_finish(struct form *x, struct fault *f)
{
	struct form_part part;
	int more;

	while ((more = form_next(x, &part, f)) > 0)
		;
	while (more == 0 && !x->eof) { /* what follows the form */
		x->at = x->end;
		more = fill(x, 1, f);
	}
	return more;
}
