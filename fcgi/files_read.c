/* files_read.c: lists and downloads (CONTRACT 6). */
#include <ctype.h>
#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/etag.h"
#include "../lib/base/jsw.h"
#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "../lib/base/wspath.h"
#include "files.h"
#include "handlers.h"
#include "range.h"

#define LIST_DEFAULT 1000
#define LIST_MAX     10000
#define TRIES        3 /* of a download whose file changes between the look and the first byte */

int files_session(struct req *r, const char *id, struct session *s, struct fault *f)
{
	struct db *db = req_db(r, f);

	if (!db || session_touch(db, r->t->work.cf, id, JSN_ABSENT, f) < 0 ||
	    session_load(db, id, s, r->a, f) < 0)
		return -1;
	req_db_done(r);
	return 0;
}

/* ---- GET /api/v1/sessions/{id}/files ---- */

#define CURSOR "f1\n" /* what a list's cursor begins with, before the path of the last file */

/* The directory that is listed, with its slash; "" for all. NULL: a fault. */
static const char *directory(struct req *r, struct fault *f)
{
	const char *path = req_query(r, "path");
	size_t n = path ? strlen(path) : 0;

	if (!n)
		return "";
	if (n > 1 && path[n - 1] == '/')
		path = arena_strndup(r->a, path, n - 1);
	if (!path || !files_path(r, path, "path", f))
		return NULL;
	return arena_printf(r->a, "%s/", path);
}

/* The key after which the list goes on. */
static int after_cursor(struct req *r, const char *root, const char **after, struct fault *f)
{
	const char *text = req_query(r, "cursor");
	size_t n = 0;
	char *raw;

	*after = NULL;
	if (str_empty(text))
		return 0;
	raw = text_base64_decode(r->a, text, strlen(text), &n);
	if (!raw || n < strlen(CURSOR) || memcmp(raw, CURSOR, strlen(CURSOR)) ||
	    wspath_bad(raw + strlen(CURSOR), n - strlen(CURSOR)))
		return fault_set(f, FAULT_REFUSED,
				 "cursor: is damaged; take it from next_cursor as it is");
	*after =
		arena_printf(r->a, "%s%.*s", root, (int)(n - strlen(CURSOR)), raw + strlen(CURSOR));
	return *after ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");
}

static struct json_object *file_json(struct req *r, const struct s3_object *o, const char *path)
{
	struct jsw out, *w = &out;
	const char *text;

	jsw_begin(w, r->a);
	jsw_str(w, "name", path);
	jsw_str(w, "path", path);
	jsw_str(w, "container_path", arena_printf(r->a, "/workspace/%s", path));
	jsw_int(w, "size", o->size);
	jsw_str(w, "modified_time", o->modified);
	jsw_str(w, "etag", o->etag);
	jsw_str(w, "mime_type", wspath_type(path));
	text = jsw_end(w);
	return text ? jsn_rawval(text) : NULL;
}

static int reply_list(struct req *r, const char *root, const struct s3_object *list, int n,
		      bool more, struct fault *f)
{
	struct json_object *files = json_object_new_array(), *o;
	const char *last = NULL;
	int64_t count = 0;

	for (int i = 0; i < n; i++) {
		const char *path = list[i].key + strlen(root);

		last = path;
		if (wspath_bad(path, strlen(path))) /* not ours: a directory marker, say */
			continue;
		files = jsn_push(files, file_json(r, &list[i], path));
		count++;
	}
	last = more && last ? arena_printf(r->a, CURSOR "%s", last) : NULL;
	o = jsn_str(json_object_new_object(), "session_id", r->params[0]);
	o = jsn_put(o, "files", files);
	o = jsn_int(o, "count", count);
	o = jsn_bool(o, "has_more", last != NULL);
	o = jsn_str(o, "next_cursor", last ? text_base64url(r->a, last, strlen(last)) : NULL);
	return req_reply(r, 200, o, f);
}

int list_files(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	int64_t limit = req_query_int(r, &c, "limit", LIST_DEFAULT, 1, LIST_MAX);
	const char *root = files_prefix(r->params[0], r->a), *dir, *prefix, *after;
	struct s3_object *list;
	struct session s;
	struct s3 *s3;
	bool more;
	int n;

	if (jsn_done(&c, f) < 0 || !root || !(dir = directory(r, f)) ||
	    after_cursor(r, root, &after, f) < 0 || files_session(r, r->params[0], &s, f) < 0 ||
	    !(s3 = files_s3(&r->t->work, f)))
		return -1;
	list = arena_alloc(r->a, (size_t)limit * sizeof(*list));
	prefix = arena_printf(r->a, "%s%s", root, dir);
	if (!list || !prefix)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	n = s3_list(s3, prefix, after, list, (int)limit, &more, r->a, f);
	return n < 0 ? -1 : reply_list(r, root, list, n, more, f);
}

/* ---- downloads ---- */

char *files_disposition(const char *path, struct arena *a)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t n = strlen(name);
	char *plain = arena_alloc(a, n + 1), *full = arena_alloc(a, 3 * n + 1), *w = plain;

	if (!plain || !full)
		return NULL;
	/* Old clients unescape what is in quotes, each in its own way: there only what all read alike (RFC 6266, appendix D). */
	for (size_t i = 0, k; i < n; i += k) {
		k = text_utf8_len(name + i, n - i);
		k = k ? k : 1;
		*w++ = k == 1 && !strchr("\"\\%", name[i]) ? name[i] : '_';
	}
	w = full;
	for (size_t i = 0; i < n; i++) { /* RFC 8187 attr-char */
		unsigned char c = (unsigned char)name[i];

		if (isalnum(c) || strchr("!#$&+-.^_`|~", c))
			*w++ = (char)c;
		else
			w += snprintf(w, 4, "%%%02X", c);
	}
	return arena_printf(a, "attachment; filename=\"%s\"; filename*=UTF-8''%s", plain, full);
}

struct download {
	struct req *r;
	const char *path;
	struct s3_object o;
	int64_t from, to; /* [from, to) */
	bool partial, begun, changed;
};

static void begin(struct download *d)
{
	struct req *r = d->r;

	req_header(r, "ETag", files_quoted(r, d->o.etag));
	req_header(r, "Content-Disposition", files_disposition(d->path, r->a));
	req_header(r, "Accept-Ranges", "bytes");
	req_header(r, "Cache-Control", "private, no-cache");
	if (d->partial)
		req_header(r, "Content-Range",
			   arena_printf(r->a, "bytes %lld-%lld/%lld", (long long)d->from,
					(long long)d->to - 1, (long long)d->o.size));
	d->begun = true;
	req_stream(r, d->partial ? 206 : 200, d->o.type, d->to - d->from);
}

static int on_head(void *arg, const struct s3_object *o)
{
	struct download *d = arg;

	if (strcmp(o->etag, d->o.etag)) {
		d->changed = true;
		return -1;
	}
	begin(d);
	return 0;
}

static int on_bytes(void *arg, const char *data, size_t n)
{
	struct download *d = arg;

	return req_stream_write(d->r, data, n);
}

/* 304, or 412 as a fault; 0: go on. */
static int check(struct req *r, const struct s3_object *o, struct fault *f)
{
	const char *if_match, *if_none_match, *etag = files_quoted(r, o->etag);

	if (files_conditions(r, &if_match, &if_none_match, f) < 0)
		return -1;
	if (!etag_matches(if_match, etag))
		return fault_set(f, FAULT_PRECONDITION_FAILED,
				 "the file has changed: its ETag is %.100s", etag);
	if (!etag_named(if_none_match, etag))
		return 0;
	req_header(r, "ETag", etag);
	req_header(r, "Cache-Control", "private, no-cache");
	req_empty(r, 304);
	return 1;
}

/* Range, unless If-Range says that it was made for another file (RFC 9110 13.1.5; dates never match). */
static int choose(struct download *d, struct fault *f)
{
	const char *if_range = req_env(d->r, "HTTP_IF_RANGE");
	struct range x;

	d->from = 0;
	d->to = d->o.size;
	d->partial = false;
	if (if_range && strcmp(if_range, files_quoted(d->r, d->o.etag)))
		return 0;
	if (!range_read(req_env(d->r, "HTTP_RANGE"), &x))
		return 0;
	d->partial = true;
	if (range_resolve(&x, d->o.size, &d->from, &d->to))
		return 0;
	fault_set(f, FAULT_RANGE, "the file has %lld bytes", (long long)d->o.size);
	f->size = d->o.size;
	return -1;
}

static int reply_presigned(struct req *r, struct s3 *s3, const char *session_id, const char *key,
			   const struct download *d, struct fault *f)
{
	int64_t ttl_ms = r->t->work.cf->storage_presign_ttl * 1000;
	char *url = s3_presign(s3, key, files_disposition(d->path, r->a), d->o.type, r->a, f);
	char until[CLOCK_RFC3339_SZ];
	struct json_object *o;

	if (!url)
		return -1;
	req_header(r, "ETag", files_quoted(r, d->o.etag));
	if (str_eq(req_query(r, "redirect"), "1")) {
		req_header(r, "Location", url);
		return req_empty(r, 307);
	}
	clock_format(clock_wall_ms() + ttl_ms, until);
	o = jsn_str(json_object_new_object(), "session_id", session_id);
	o = jsn_str(o, "file_path", d->path);
	o = jsn_str(o, "presigned_url", url);
	o = jsn_int(o, "size", d->o.size);
	return req_reply(r, 200, jsn_str(o, "expires_at", until), f);
}

/* One try: 1 answered, 0 the file changed meanwhile, -1. */
static int send_once(struct req *r, struct s3 *s3, const char *session_id, const char *key,
		     struct download *d, bool presign, struct fault *f)
{
	struct s3_get q = {
		.key = key, .head = on_head, .sink = on_bytes, .arg = d, .watch_fd = req_watch_fd(r)
	};
	struct s3_object got;
	int rc = s3_stat(s3, key, &d->o, r->a, f);

	if (rc == 0)
		return fault_set(f, FAULT_FILE_NOT_FOUND, "there is no file %.400s", d->path);
	if (rc < 0 || (rc = check(r, &d->o, f)) != 0)
		return rc;
	if (presign && d->o.size >= r->t->work.cf->storage_large_file_bytes)
		return reply_presigned(r, s3, session_id, key, d, f) < 0 ? -1 : 1;
	if (choose(d, f) < 0)
		return -1;
	if (!d->o.size || !strcmp(r->method, "HEAD")) {
		begin(d);
		return 1;
	}
	q.from = d->from;
	q.to = d->to == d->o.size ? -1 : d->to - 1;
	rc = s3_get(s3, &q, &got, r->a, f);
	if (d->begun) { /* a failure now can only show as an answer that ends early */
		if (rc <= 0)
			log_info("file.download_cut", S("session_id", session_id),
				 I("bytes", r->bytes_out), I("of", d->to - d->from));
		return 1;
	}
	return rc == 0 || d->changed ? 0 : -1;
}

int files_send(struct req *r, const char *session_id, const char *path, bool presign,
	       struct fault *f)
{
	const char *key = files_key(session_id, path, r->a);
	struct s3 *s3 = files_s3(&r->t->work, f);
	int rc = 0;

	if (!s3 || !key)
		return s3 ? fault_set(f, FAULT_INTERNAL, "request memory") : -1;
	for (int i = 0; i < TRIES && rc == 0; i++) {
		struct download d = { .r = r, .path = path };

		*f = (struct fault){ 0 };
		rc = send_once(r, s3, session_id, key, &d, presign, f);
	}
	if (rc == 0)
		return fault_set(f, FAULT_CONFLICT_RETRY, "the file is being changed");
	return rc < 0 ? -1 : 0;
}

/* GET /api/v1/sessions/{id}/files/{path} */
int get_file(struct req *r, struct fault *f)
{
	const char *path = files_path(r, NULL, "path", f);
	struct session s;

	if (!path || files_session(r, r->params[0], &s, f) < 0 ||
	    files_send(r, s.id, path, true, f) < 0)
		return -1;
	if (r->status < 300)
		log_info("file.downloaded", S("session_id", s.id), S("path", path),
			 S("by", r->who.key_id));
	return 0;
}
