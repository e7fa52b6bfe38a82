#include "jsw.h"

#include <stdio.h>

#define FIRST_BYTES 2048 /* a session or a small execution fits */

/* Room for k more bytes and the end of the object. */
static bool room(struct jsw *w, size_t k)
{
	size_t cap = w->cap;
	char *more;

	if (w->failed)
		return false;
	if (w->n + k + 2 <= cap)
		return true;
	while (cap < w->n + k + 2)
		cap *= 2;
	if (!(more = arena_alloc(w->a, cap))) {
		w->failed = true;
		return false;
	}
	w->b = memcpy(more, w->b, w->n);
	w->cap = cap;
	return true;
}

static void put(struct jsw *w, const char *s, size_t k)
{
	if (!room(w, k))
		return;
	memcpy(w->b + w->n, s, k);
	w->n += k;
}

void jsw_begin(struct jsw *w, struct arena *a)
{
	*w = (struct jsw){ .a = a, .cap = FIRST_BYTES };
	w->b = arena_alloc(a, w->cap);
	w->failed = !w->b;
	put(w, "{", 1);
}

static void key(struct jsw *w, const char *name)
{
	if (w->n > 1)
		put(w, ",", 1);
	put(w, "\"", 1);
	put(w, name, strlen(name));
	put(w, "\":", 2);
}

static void quoted(struct jsw *w, const char *s, size_t n)
{
	char esc[8];

	put(w, "\"", 1);
	for (size_t i = 0; i < n;) {
		size_t k = i;

		/* Everything from 0x20 on but these two goes out as it is (RFC 8259 section 7). */
		while (k < n && (unsigned char)s[k] >= 0x20 && s[k] != '"' && s[k] != '\\')
			k++;
		put(w, s + i, k - i);
		if (k == n)
			break;
		if (s[k] == '"' || s[k] == '\\')
			put(w, (const char[]){ '\\', s[k] }, 2);
		else if (s[k] == '\n')
			put(w, "\\n", 2);
		else
			put(w, esc,
			    (size_t)snprintf(esc, sizeof(esc), "\\u%04x", (unsigned char)s[k]));
		i = k + 1;
	}
	put(w, "\"", 1);
}

void jsw_strn(struct jsw *w, const char *name, const char *val, size_t n)
{
	key(w, name);
	if (val)
		quoted(w, val, n);
	else
		put(w, "null", 4);
}

void jsw_str(struct jsw *w, const char *name, const char *val)
{
	jsw_strn(w, name, val, val ? strlen(val) : 0);
}

void jsw_raw(struct jsw *w, const char *name, const char *json)
{
	key(w, name);
	put(w, json ? json : "null", json ? strlen(json) : 4);
}

void jsw_int(struct jsw *w, const char *name, int64_t val)
{
	char text[24];

	key(w, name);
	if (val == INT64_MIN)
		put(w, "null", 4);
	else
		put(w, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)val));
}

void jsw_bool(struct jsw *w, const char *name, bool val)
{
	jsw_raw(w, name, val ? "true" : "false");
}

void jsw_time(struct jsw *w, const char *name, const char *t)
{
	key(w, name);
	if (!t || strlen(t) < 23) {
		put(w, "null", 4);
		return;
	}
	put(w, "\"", 1);
	put(w, t, 10);
	put(w, "T", 1);
	put(w, t + 11, 12);
	put(w, "Z\"", 2);
}

const char *jsw_end(struct jsw *w)
{
	put(w, "}", 1);
	if (w->failed)
		return NULL;
	w->b[w->n] = '\0';
	return w->b;
}
