/* files_internal.c: workspaces for executors (CONTRACT 9). Nothing here calls back into the executor. */
#include <ctype.h>
#include <stdio.h>

#include "../lib/base/jsw.h"
#include "../lib/base/log.h"
#include "../lib/base/wspath.h"
#include "files.h"
#include "handlers.h"
#include "internal.h"

#define KEY_SZ     1025               /* S3's limit, and NUL */
#define PAGE       1000               /* keys of one answer; S3 */
#define PAGE_BYTES ((size_t)16 << 20) /* such a page: as XML, as rows, as JSON */

/* The session that the token is for; the connection goes back. */
static int session_of(struct req *r, struct session *s, struct fault *f)
{
	if (internal_session(r, NULL, false, s, f) < 0)
		return -1;
	req_db_done(r);
	return 0;
}

/* ---- GET /internal/sessions/{id}/files: all, or `limit` of them after the path `after` ---- */

struct listing {
	struct req *r;
	struct s3 *s3;
	const char *root;
	struct arena *a; /* of one page */
	char after[KEY_SZ];
	int64_t count, limit;
	bool more;
};

static int write_one(struct listing *l, const struct s3_object *o)
{
	const char *path = o->key + strlen(l->root), *text;
	struct jsw w;

	if (wspath_bad(path, strlen(path))) /* a directory marker, say: nobody could use it */
		return 0;
	jsw_begin(&w, l->a);
	jsw_str(&w, "path", path);
	jsw_int(&w, "size", o->size);
	jsw_str(&w, "etag", o->etag);
	if (!(text = jsw_end(&w)))
		return -1;
	if (l->count++ && req_stream_write(l->r, ",", 1) < 0)
		return -1;
	return req_stream_write(l->r, text, strlen(text));
}

/* Reads the next page. The count, or -1. */
static int read_page(struct listing *l, struct s3_object **page, struct fault *f)
{
	int n;

	arena_reset(l->a);
	if (!(*page = arena_alloc(l->a, PAGE * sizeof(**page))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	n = s3_list(l->s3, l->root, *l->after ? l->after : NULL, *page, PAGE, &l->more, l->a, f);
	if (n > 0)
		snprintf(l->after, sizeof(l->after), "%s", (*page)[n - 1].key);
	return n;
}

/* The first page decides whether there is an answer; a later failure leaves JSON without its end. */
static int stream_list(struct listing *l, struct fault *f)
{
	struct s3_object *page;
	const char *tail;
	int n = read_page(l, &page, f);

	if (n < 0)
		return -1;
	req_stream(l->r, 200, NULL, -1);
	if (req_stream_write(l->r, "{\"files\":[", 10) < 0)
		return 0;
	for (;;) {
		int i = 0;

		for (; i < n && l->count < l->limit; i++)
			if (write_one(l, &page[i]) < 0)
				return 0;
		l->more = l->more || i < n;
		if (n == 0 || !l->more || l->count == l->limit)
			break;
		if ((n = read_page(l, &page, f)) < 0)
			return 0;
	}
	tail = l->more ? "],\"has_more\":true}" : "],\"has_more\":false}";
	if (req_stream_write(l->r, tail, strlen(tail)) < 0)
		log_debug("files.list_cut", I("files", l->count));
	return 0;
}

int internal_list_files(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	struct listing l = { .r = r,
			     .limit = req_query_int(r, &c, "limit", INT64_MAX, 1, INT64_MAX) };
	const char *after = req_query(r, "after");
	struct session s;
	int rc;

	if (jsn_done(&c, f) < 0 || (!str_empty(after) && !files_path(r, after, "after", f)) ||
	    session_of(r, &s, f) < 0 || !(l.s3 = files_s3(&r->t->work, f)))
		return -1;
	l.root = files_prefix(s.id, r->a);
	if (!str_empty(after) && l.root &&
	    snprintf(l.after, sizeof(l.after), "%s%s", l.root, after) >= (int)sizeof(l.after))
		return fault_set(f, FAULT_REFUSED, "after: is longer than any file's path");
	l.a = arena_new(PAGE_BYTES);
	rc = l.root && l.a ? stream_list(&l, f) : fault_set(f, FAULT_INTERNAL, "request memory");
	arena_free(l.a);
	return rc;
}

/* ---- /internal/sessions/{id}/files/{path} ---- */

int internal_get_file(struct req *r, struct fault *f)
{
	const char *path = files_path(r, NULL, "path", f);
	struct session s;

	if (!path || session_of(r, &s, f) < 0)
		return -1;
	return files_send(r, s.id, path, false, f);
}

/* An executor takes a 409 as final: of a file that a client is writing it is none. */
static int try_again(struct fault *f)
{
	if (fault_is(f, FAULT_CONFLICT_RETRY))
		fault_set(f, FAULT_BUSY, "the file is being written by another call");
	return -1;
}

static ssize_t body_source(void *arg, char *buf, size_t n, struct fault *f)
{
	return req_body_read(arg, buf, n, f);
}

/* X-Content-SHA256 in lower case; NULL: not given. */
static int expected_sha256(struct req *r, const char **sha256, struct fault *f)
{
	const char *h = req_env(r, "HTTP_X_CONTENT_SHA256");
	char *own = arena_strdup(r->a, h);

	*sha256 = own;
	for (char *p = own; p && *p; p++) {
		if (!isxdigit((unsigned char)*p))
			*sha256 = NULL;
		*p = (char)tolower((unsigned char)*p);
	}
	if (h && (!*sha256 || strlen(*sha256) != S3_SHA256_SZ - 1))
		return fault_set(f, FAULT_REFUSED, "X-Content-SHA256: is not 64 hex digits");
	return 0;
}

int internal_put_file(struct req *r, struct fault *f)
{
	struct files_put p = { .path = files_path(r, NULL, "path", f),
			       .type = files_type(req_env(r, "CONTENT_TYPE")),
			       .source = body_source,
			       .arg = r,
			       .length = req_body_length(r) };
	struct files_made made;
	struct json_object *o;
	struct session s;

	if (!p.path || files_conditions(r, &p.if_match, &p.if_none_match, f) < 0 ||
	    expected_sha256(r, &p.sha256, f) < 0 || session_of(r, &s, f) < 0)
		return -1;
	p.session_id = s.id;
	if (files_put(&r->t->work, &p, &made, r->a, f) < 0)
		return try_again(f);
	o = jsn_str(json_object_new_object(), "message", "stored");
	o = jsn_str(o, "path", p.path);
	o = jsn_int(o, "size", made.object.size);
	o = jsn_str(o, "etag", made.object.etag);
	o = jsn_str(o, "checksum", made.sha256);
	return req_reply(r, made.replaced ? 200 : 201, o, f);
}

int internal_delete_file(struct req *r, struct fault *f)
{
	const char *path = files_path(r, NULL, "path", f), *if_match, *none;
	struct session s;
	bool running;

	if (!path || files_conditions(r, &if_match, &none, f) < 0 || session_of(r, &s, f) < 0)
		return -1;
	if (files_remove(&r->t->work, s.id, path, if_match, &running, r->a, f) < 0)
		return try_again(f);
	return req_empty(r, 204);
}
