/* page.h: limit, offset and cursor of a list request, and the list body (CONTRACT 1.5). */
#pragma once

#include "req.h"

struct page {
	int64_t limit, offset;
	const char
		*after_at; /* keyset of the last row seen: created_at as the database writes it */
	const char *after_id; /* NULL: no cursor, offset counts */
	bool cursor;
};

/* 0, or -1 with a fault (422 not an integer, 400 damaged cursor). */
int page_read(struct req *, struct page *, struct fault *) MUST_CHECK;
/* Only limit and offset, for a list whose cursor is its own. */
int page_limits(struct req *, struct page *, struct fault *) MUST_CHECK;

/*
 * `rows` holds up to limit + 1 rows' JSON (the one too many shows that more follow; it is dropped).
 * last_at, last_id: created_at and id of row number min(limit, rows), for next_cursor.
 */
struct json_object *page_body(struct req *, const struct page *, struct json_object *items,
			      bool more, int64_t total, const char *last_at, const char *last_id);
