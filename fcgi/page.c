#include "page.h"

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/text.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     200
#define OFFSET_MAX    INT32_MAX

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* A cursor is "created_at\nid" in base64url: opaque, and checked when it comes back. */
static int read_cursor(struct req *r, const char *text, struct page *p, struct fault *f)
{
	size_t n = 0;
	char *raw = text_base64_decode(r->a, text, strlen(text), &n);
	char *nl = raw ? memchr(raw, '\n', n) : NULL;
	int64_t ms;

	if (nl)
		*nl = '\0';
	if (!nl || nl - raw != 23 || !clock_parse(arena_printf(r->a, "%sZ", raw), &ms) ||
	    !ident_ok(nl + 1) || strlen(nl + 1) != n - 24)
		return fault_set(f, FAULT_REFUSED,
				 "cursor: is damaged; take it from next_cursor as it is");
	p->after_at = raw;
	p->after_id = nl + 1;
	p->cursor = true;
	p->offset = 0;
	return 0;
}

int page_limits(struct req *r, struct page *p, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };

	*p = (struct page){ 0 };
	p->limit = clamp(req_query_int(r, &c, "limit", LIMIT_DEFAULT, INT64_MIN, INT64_MAX), 1,
			 LIMIT_MAX);
	p->offset = clamp(req_query_int(r, &c, "offset", 0, INT64_MIN, INT64_MAX), 0, OFFSET_MAX);
	return jsn_done(&c, f);
}

int page_read(struct req *r, struct page *p, struct fault *f)
{
	const char *cursor = req_query(r, "cursor");

	if (page_limits(r, p, f) < 0)
		return -1;
	return str_empty(cursor) ? 0 : read_cursor(r, cursor, p, f);
}

struct json_object *page_body(struct req *r, const struct page *p, struct json_object *items,
			      bool more, int64_t total, const char *last_at, const char *last_id)
{
	struct json_object *o = jsn_put(json_object_new_object(), "items", items);
	char *raw = more ? arena_printf(r->a, "%s\n%s", last_at, last_id) : NULL;

	o = jsn_int(o, "total", total);
	o = jsn_int(o, "limit", p->limit);
	o = jsn_int(o, "offset", p->offset);
	o = jsn_bool(o, "has_more", more);
	return jsn_str(o, "next_cursor", raw ? text_base64url(r->a, raw, strlen(raw)) : NULL);
}
