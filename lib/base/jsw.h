/*
 * jsw.h: JSON text written straight into an arena, for answers that are made
 * thousands of times a second; jsn.h builds trees where that does not matter.
 * One flat object per writer. A failed allocation shows at jsw_end().
 */
#pragma once

#include "arena.h"

struct jsw {
	struct arena *a;
	char *b;
	size_t n, cap;
	bool failed;
};

void jsw_begin(struct jsw *, struct arena *);                 /* opens the object */
void jsw_str(struct jsw *, const char *key, const char *val); /* NULL: null; valid UTF-8 */
void jsw_strn(struct jsw *, const char *key, const char *val, size_t n);
void jsw_int(struct jsw *, const char *key, int64_t val); /* INT64_MIN: null */
void jsw_bool(struct jsw *, const char *key, bool val);
void jsw_raw(struct jsw *, const char *key, const char *json); /* valid JSON; NULL: null */
/* A database time "2026-01-06 10:00:00.123" (UTC) as RFC 3339; NULL: null. */
void jsw_time(struct jsw *, const char *key, const char *db_time);
/* Closes the object. Its text, arena-owned; NULL: no room. */
const char *jsw_end(struct jsw *);
