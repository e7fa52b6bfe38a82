/* artifact.c: what an execution made: reported by its executor (CONTRACT 9), shown with the execution (4.4). */
#include "artifact.h"

#include "../lib/base/jsw.h"
#include "../lib/base/wspath.h"
#include "../lib/s3/sign.h"
#include "../lib/work/artifacts.h"
#include "handlers.h"
#include "internal.h"

#define REPORT_MAX \
	1000 /* artifacts of one call, CONTRACT 12.1 [execution] max_artifacts; more take several calls */

/* ---- out ---- */

static const char *artifact_text(struct req *r, const struct execution *x, const struct artifact *t)
{
	const char *path = sign_encode_path(t->path, r->a);
	struct jsw out, *w = &out;

	jsw_begin(w, r->a);
	jsw_str(w, "path", t->path);
	jsw_int(w, "size", t->size);
	jsw_str(w, "mime_type", t->mime_type);
	jsw_str(w, "type", t->type);
	jsw_str(w, "checksum", t->checksum);
	jsw_str(w, "download_url",
		arena_printf(r->a, "%s/api/v1/sessions/%s/files/%s",
			     r->t->work.cf->server_public_url, x->session_id, path ? path : ""));
	jsw_time(w, "created_at", t->created_at);
	return path ? jsw_end(w) : NULL;
}

struct json_object *artifacts_json(struct req *r, const struct execution *x)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < x->nartifacts; i++) {
		const char *text = artifact_text(r, x, &x->artifacts[i]);

		list = jsn_push(list, text ? jsn_rawval(text) : NULL);
	}
	return list;
}

/* ---- in ---- */

struct report {
	struct json_object *artifacts;
	int64_t attempt;
};

static bool is_checksum(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static void read_one(struct req *r, struct jsn_check *c, struct json_object *in, int i,
		     struct artifact *t)
{
	static const struct jsn_field fields[] = {
		{ "path", NULL, JSN_STR, true, offsetof(struct artifact, path), 1, WSPATH_MAX,
		  NULL },
		{ "size", NULL, JSN_INT, true, offsetof(struct artifact, size), 0, INT64_MAX,
		  NULL },
		{ "mime_type", NULL, JSN_STR, false, offsetof(struct artifact, mime_type), 1, 255,
		  NULL },
		{ "checksum", NULL, JSN_STR, true, offsetof(struct artifact, checksum), 64, 64,
		  NULL },
	};
	const char *at = arena_printf(r->a, "artifacts.%d", i);

	*t = (struct artifact){ 0 };
	if (!json_object_is_type(in, json_type_object)) {
		jsn_bad(c, "dict_type", at, in, "must be an object");
		return;
	}
	jsn_read(c, in, at, fields, ARRAY_LEN(fields), t);
	if (t->checksum && !is_checksum(t->checksum))
		jsn_bad(c, "value_error", arena_printf(r->a, "%s.checksum", at), NULL,
			"must be a SHA-256 in lower-case hexadecimal digits");
}

/* The type follows from the path alone, the media type too when none is given. */
static int complete(struct artifact *t, struct fault *f)
{
	const char *why = wspath_bad(t->path, strlen(t->path));

	if (why)
		return fault_set(f, FAULT_INT_REFUSED, "artifacts: path %s", why);
	t->type = wspath_artifact(t->path);
	if (!t->mime_type)
		t->mime_type = wspath_type(t->path);
	return 0;
}

static int read_report(struct req *r, struct report *in, struct artifact **list, int *n,
		       struct fault *f)
{
	static const struct jsn_field fields[] = {
		{ "artifacts", NULL, JSN_ARR, true, offsetof(struct report, artifacts), 0,
		  REPORT_MAX, NULL },
		{ "attempt", NULL, JSN_INT, false, offsetof(struct report, attempt), 1, 100, NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };

	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), in);
	*n = in->artifacts ? (int)json_object_array_length(in->artifacts) : 0;
	if (*n > REPORT_MAX)
		*n = 0; /* it is an error already */
	if (!(*list = arena_alloc(r->a, (size_t)(*n + 1) * sizeof(**list))))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	for (int i = 0; i < *n; i++)
		read_one(r, &c, json_object_array_get_idx(in->artifacts, (size_t)i), i,
			 &(*list)[i]);
	if (jsn_done(&c, f) < 0)
		return -1;
	for (int i = 0; i < *n; i++)
		if (complete(&(*list)[i], f) < 0)
			return -1;
	return 0;
}

static int answer(struct req *r, int recorded, struct fault *f)
{
	return req_reply(r, 200,
			 jsn_str(json_object_new_object(), "message",
				 recorded ? "recorded" : "already recorded, or of another attempt"),
			 f);
}

/* POST /internal/executions/{id}/artifacts */
int execution_artifacts(struct req *r, struct fault *f)
{
	struct work *w = &r->t->work;
	struct report in = { .attempt = JSN_ABSENT };
	struct execution_brief x;
	struct artifact *list;
	const char *missing;
	struct db *db;
	int n, rc;

	if (internal_execution(r, true, &x, f) < 0 || read_report(r, &in, &list, &n, f) < 0)
		return -1;
	if (in.attempt == JSN_ABSENT)
		in.attempt = x.attempt;
	if (x.recorded || in.attempt != x.attempt)
		return answer(r, 0, f);
	req_db_done(r);
	if ((rc = artifacts_stored(w, x.session_id, list, n, &missing, r->a, f)) < 0)
		return -1;
	if (rc == 0)
		return fault_set(f, FAULT_INT_CONFLICT, "storage does not have %.256s", missing);
	if (!(db = req_db(r, f)) ||
	    (rc = artifact_record(db, x.id, in.attempt, list, n, w->cf->execution_max_artifacts,
				  r->a, f)) < 0)
		return -1;
	return answer(r, rc, f);
}
