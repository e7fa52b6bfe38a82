/* files.c: writing to workspaces (CONTRACT 6). */
#include "files.h"

#include "../lib/base/etag.h"
#include "../lib/base/log.h"
#include "../lib/base/wspath.h"
#include "form.h"
#include "handlers.h"

#define TYPE_MAX 127 /* RFC 6838 4.2 gives each half as many; nobody's whole type is longer */

/* ---- in ---- */

/* target_parse() drops a trailing slash; a file's name cannot have one. */
static bool slash_at_end(const char *uri)
{
	size_t n = strcspn(uri, "?#");

	return (n && uri[n - 1] == '/') || (n > 2 && !strncasecmp(uri + n - 3, "%2f", 3));
}

const char *files_path(struct req *r, const char *path, const char *what, struct fault *f)
{
	const char *uri = req_env(r, "REQUEST_URI"), *why;

	if (!path && uri && slash_at_end(uri)) {
		fault_set(f, FAULT_REFUSED, "%s: it ends with a slash", what);
		return NULL;
	}
	path = path ? path : r->params[1];
	if ((why = wspath_bad(path, strlen(path)))) {
		fault_set(f, FAULT_REFUSED, "%s: %s", what, why);
		return NULL;
	}
	return path;
}

const char *files_type(const char *declared)
{
	size_t n = declared ? strlen(declared) : 0;
	const char *slash = n ? strchr(declared, '/') : NULL;

	if (!slash || slash == declared || n > TYPE_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (declared[i] < 0x20 || declared[i] > 0x7e)
			return NULL;
	/* What curl says of every body; no file is one. */
	return str_starts(declared, "application/x-www-form-urlencoded") ? NULL : declared;
}

int files_conditions(struct req *r, const char **if_match, const char **if_none_match,
		     struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "header" };

	*if_match = req_env(r, "HTTP_IF_MATCH");
	*if_none_match = req_env(r, "HTTP_IF_NONE_MATCH");
	if (*if_match && !etag_list_ok(*if_match))
		jsn_bad(&c, "value_error", "If-Match", NULL,
			"must be * or a list of entity tags such as \"v1\"");
	if (*if_none_match && !etag_list_ok(*if_none_match))
		jsn_bad(&c, "value_error", "If-None-Match", NULL,
			"must be * or a list of entity tags such as \"v1\"");
	return jsn_done(&c, f);
}

char *files_quoted(struct req *r, const char *etag)
{
	return arena_printf(r->a, "\"%s\"", etag);
}

/* ---- out ---- */

/* The answer to a write: in a running session when its code sees the change. */
static int tell_code(struct req *r, bool running, const char *const *paths, size_t n,
		     struct fault *f)
{
	if (!running)
		return 0;
	return files_pull(&r->t->work, r->params[0], paths, n, req_watch_fd(r), r->a, f);
}

static int reply_made(struct req *r, int status, const char *path, const struct files_made *m,
		      struct fault *f)
{
	struct json_object *o;

	log_info("file.uploaded", S("session_id", r->params[0]), S("path", path),
		 I("size", m->object.size), S("by", r->who.key_id));
	if (tell_code(r, m->running, &path, 1, f) < 0)
		return -1;
	o = jsn_str(json_object_new_object(), "session_id", r->params[0]);
	o = jsn_str(o, "file_path", path);
	o = jsn_int(o, "size", m->object.size);
	o = jsn_str(o, "etag", m->object.etag);
	o = jsn_str(o, "checksum", m->sha256);
	req_header(r, "ETag", files_quoted(r, m->object.etag));
	return req_reply(r, status, o, f);
}

/* ---- PUT /api/v1/sessions/{id}/files/{path} ---- */

static ssize_t body_source(void *arg, char *buf, size_t n, struct fault *f)
{
	return req_body_read(arg, buf, n, f);
}

int put_file(struct req *r, struct fault *f)
{
	struct files_put p = { .session_id = r->params[0],
			       .path = files_path(r, NULL, "path", f),
			       .type = files_type(req_env(r, "CONTENT_TYPE")),
			       .source = body_source,
			       .arg = r,
			       .length = req_body_length(r) };
	struct files_made made;

	if (!p.path || files_conditions(r, &p.if_match, &p.if_none_match, f) < 0 ||
	    files_put(&r->t->work, &p, &made, r->a, f) < 0)
		return -1;
	return reply_made(r, made.replaced ? 200 : 201, p.path, &made, f);
}

/* ---- POST /api/v1/sessions/{id}/files/upload ---- */

struct upload {
	struct form form;
	int64_t got, max;
};

static ssize_t form_source(void *arg, char *buf, size_t n, struct fault *f)
{
	struct upload *u = arg;
	ssize_t k = form_read(&u->form, buf, n, f);

	if (k == 0) /* whole only when the rest of the form is there, too */
		return form_finish(&u->form, f) < 0 ? -1 : 0;
	if (k > 0 && (u->got += k) > u->max)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE, "the file has more than %lld bytes",
				 (long long)u->max);
	return k;
}

/* Goes to the first part named `file`. */
static int find_file(struct req *r, struct form *form, struct form_part *part, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "body" };
	int more;

	while ((more = form_next(form, part, f)) > 0)
		if (!strcmp(part->name, "file"))
			return 0;
	if (more < 0)
		return -1;
	jsn_bad(&c, "missing", "file", NULL, "is required: a part with the file");
	return jsn_done(&c, f);
}

int upload_file(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "query" };
	struct upload u = { .max = r->t->work.cf->limits_max_upload_bytes };
	struct files_put p = {
		.session_id = r->params[0], .source = form_source, .arg = &u, .length = -1
	};
	const char *path = req_query(r, "path");
	struct form_part part;
	struct files_made made;

	if (!path)
		jsn_bad(&c, "missing", "path", NULL, "is required: where the file goes");
	if (form_open(&u.form, req_env(r, "CONTENT_TYPE"), body_source, r, r->a, f) < 0 ||
	    jsn_done(&c, f) < 0 || !(p.path = files_path(r, path, "path", f)) ||
	    files_conditions(r, &p.if_match, &p.if_none_match, f) < 0 ||
	    find_file(r, &u.form, &part, f) < 0)
		return -1;
	p.type = files_type(part.type);
	if (files_put(&r->t->work, &p, &made, r->a, f) < 0)
		return -1;
	return reply_made(r, 200, p.path, &made, f);
}

/* ---- DELETE /api/v1/sessions/{id}/files/{path} ---- */

int delete_file(struct req *r, struct fault *f)
{
	const char *path = files_path(r, NULL, "path", f), *if_match, *none;
	bool running;
	int rc;

	if (!path || files_conditions(r, &if_match, &none, f) < 0)
		return -1;
	rc = files_remove(&r->t->work, r->params[0], path, if_match, &running, r->a, f);
	if (rc == 0)
		return fault_set(f, if_match ? FAULT_PRECONDITION_FAILED : FAULT_FILE_NOT_FOUND,
				 "there is no file %.400s", path);
	if (rc < 0)
		return -1;
	log_info("file.deleted", S("session_id", r->params[0]), S("path", path),
		 S("by", r->who.key_id));
	return tell_code(r, running, &path, 1, f) < 0 ? -1 : req_empty(r, 204);
}

/* ---- POST /api/v1/sessions/{id}/files/move ---- */

struct moving {
	const char *source, *destination;
	int64_t overwrite;
};

int move_file(struct req *r, struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "source", NULL, JSN_STR, true, offsetof(struct moving, source), 0, 0, NULL },
		{ "destination", NULL, JSN_STR, true, offsetof(struct moving, destination), 0, 0,
		  NULL },
		{ "overwrite", NULL, JSN_BOOL, false, offsetof(struct moving, overwrite), 0, 0,
		  NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };
	struct moving in = { 0 };
	struct files_made made;
	struct json_object *o;

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), &in);
	if (jsn_done(&c, f) < 0 || !files_path(r, in.source, "source", f) ||
	    !files_path(r, in.destination, "destination", f))
		return -1;
	if (!strcmp(in.source, in.destination))
		return fault_set(f, FAULT_REFUSED, "destination: is the source");
	if (files_move(&r->t->work, r->params[0], in.source, in.destination, in.overwrite == 1,
		       &made, r->a, f) < 0)
		return -1;
	log_info("file.moved", S("session_id", r->params[0]), S("path", in.source),
		 S("to", in.destination), S("by", r->who.key_id));
	if (tell_code(r, made.running, (const char *const[]){ in.source, in.destination }, 2, f) <
	    0)
		return -1;
	o = jsn_str(json_object_new_object(), "session_id", r->params[0]);
	o = jsn_str(o, "source", in.source);
	o = jsn_str(o, "file_path", in.destination);
	return req_reply(r, 200, jsn_int(o, "size", made.object.size), f);
}
