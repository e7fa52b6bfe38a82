/*
 * files_small.c: POST /internal/sessions/{id}/files: new small files in one call. A record each: {"path":…,"size":N}, a
 * newline, N bytes. To store them one by one costs several times as much.
 */
#include "../lib/base/wspath.h"
#include "files.h"
#include "handlers.h"
#include "internal.h"

#define BYTES_MAX ((size_t)4 << 20) /* of one call: it is held in memory */
#define FILES_MAX 1000

/* The whole body. */
static char *read_all(struct req *r, size_t *n, struct fault *f)
{
	int64_t length = req_body_length(r);
	size_t room = length >= 0 && length < (int64_t)BYTES_MAX ? (size_t)length : BYTES_MAX;
	char *body = arena_alloc(r->a, room + 1);
	ssize_t k = 1;

	for (*n = 0; body && k > 0 && *n <= room; *n += (size_t)(k > 0 ? k : 0))
		k = req_body_read(r, body + *n, room + 1 - *n, f);
	if (!body)
		fault_set(f, FAULT_INTERNAL, "request memory");
	else if (k >= 0 && *n > BYTES_MAX)
		fault_set(f, FAULT_PAYLOAD_TOO_LARGE, "more than %zu bytes of small files",
			  BYTES_MAX);
	return body && k >= 0 && *n <= BYTES_MAX ? body : NULL;
}

struct head {
	const char *path;
	int64_t size;
};

static int read_head(struct req *r, const char *line, size_t n, struct head *h, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "path", NULL, JSN_STR, true, offsetof(struct head, path), 1, WSPATH_MAX, NULL },
		{ "size", NULL, JSN_INT, true, offsetof(struct head, size), 0, BYTES_MAX, NULL },
	};
	AUTO_JSON struct json_object *o = jsn_parse(line, n, r->a, f);
	struct jsn_check c = { .a = r->a, .where = "body" };

	if (!o)
		return -1;
	jsn_read(&c, o, NULL, fields, ARRAY_LEN(fields), h);
	if (jsn_done(&c, f) < 0)
		return -1;
	h->path = arena_strdup(r->a, h->path);
	return h->path ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");
}

/* What follows the record; NULL: it is none. */
static const char *read_record(struct req *r, const char *p, const char *end,
			       struct files_small *out, struct fault *f)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	struct head h = { .size = JSN_ABSENT };

	if (!nl)
		fault_set(f, FAULT_REFUSED, "a record is a line of JSON and its bytes");
	if (!nl || read_head(r, p, (size_t)(nl - p), &h, f) < 0 ||
	    !(out->path = files_path(r, h.path, "path", f)))
		return NULL;
	out->data = nl + 1;
	out->n = (size_t)h.size;
	if (end - out->data >= h.size)
		return out->data + h.size;
	fault_set(f, FAULT_REFUSED, "the record of %.100s is cut short", out->path);
	return NULL;
}

static struct json_object *answer(const struct files_small *files, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = jsn_str(json_object_new_object(), "path", files[i].path);

		o = jsn_str(o, "etag", files[i].object.etag);
		list = jsn_push(list, jsn_str(o, "checksum", files[i].sha256));
	}
	return jsn_put(jsn_str(json_object_new_object(), "message", "stored"), "files", list);
}

int internal_put_small(struct req *r, struct fault *f)
{
	struct files_small *files = arena_alloc(r->a, FILES_MAX * sizeof(*files));
	const char *p, *end;
	struct session s;
	size_t len, n = 0;

	if (!files)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	memset(files, 0, FILES_MAX * sizeof(*files));
	if (internal_session(r, NULL, false, &s, f) < 0)
		return -1;
	req_db_done(r);
	if (!(p = read_all(r, &len, f)))
		return -1;
	for (end = p + len; p < end; n++) {
		if (n == FILES_MAX)
			return fault_set(f, FAULT_REFUSED, "more than %d files", FILES_MAX);
		if (!(p = read_record(r, p, end, &files[n], f)))
			return -1;
	}
	if (n && files_put_small(&r->t->work, s.id, files, n, r->a, f) < 0)
		return -1;
	return req_reply(r, 200, answer(files, n), f);
}
