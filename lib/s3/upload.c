#include "upload.h"

#include <stdio.h>

#include "../base/clock.h"
#include "../base/log.h"

/* The text of one element of a small answer. */
struct wanted {
	const char *path;
	char *text;
	struct arena *a;
};

static int on_wanted(void *arg, const char *path, const char *text)
{
	struct wanted *w = arg;

	if (strcmp(path, w->path))
		return 0;
	w->text = arena_strdup(w->a, text);
	return w->text ? 0 : -1;
}

/* ---- one upload ---- */

int upload_begin(struct upload *u, struct s3 *s, const char *key, const char *type, struct fault *f)
{
	const struct sign_param query = { "uploads", "" }, header = { "content-type", type };
	struct s3_body empty = { .data = "" };
	const struct s3_call c = {
		.op = "upload_begin",
		.method = "POST",
		.key = key,
		.query = &query,
		.nquery = 1,
		.headers = &header,
		.nheaders = 1,
		.body = &empty,
		.watch_fd = -1,
	};
	struct wanted id = { .path = "UploadId" };
	struct s3_answer an;
	char root[XML_ROOT_SZ];
	int rc;

	*u = (struct upload){ .s = s, .key = key, .type = type, .mem = arena_new(S3_CALL_MEM) };
	if (!(id.a = u->mem))
		return s3_no_memory(f);
	rc = s3_do(s, &c, &an, u->mem, f);
	if (rc < 0)
		return -1;
	if (rc == 0 || xml_read(an.http.body, an.http.len, root, on_wanted, &id) < 0 ||
	    str_empty(id.text))
		return s3_strange(c.op, f);
	u->id = id.text;
	return 0;
}

static int keep_etag(struct upload *u, const char *etag, struct arena *mem)
{
	void *more;

	if (u->nparts == u->cap) {
		u->cap = u->cap ? 2 * u->cap : 16;
		if (!(more = realloc(u->etags, u->cap * sizeof(*u->etags))))
			return -1;
		u->etags = more;
	}
	etag = etag ? s3_unquote(etag, mem) : NULL;
	/* It goes into a document: nothing to escape, says every store. */
	if (str_empty(etag) || strlen(etag) >= UPLOAD_ETAG_SZ || strpbrk(etag, "<>&\""))
		return -1;
	memcpy(u->etags[u->nparts++], etag, strlen(etag) + 1);
	return 0;
}

static const char *etag_in_body(const struct httpc_resp *rs, struct arena *mem)
{
	struct wanted etag = { .path = "ETag", .a = mem };
	char root[XML_ROOT_SZ];

	return xml_read(rs->body, rs->len, root, on_wanted, &etag) == 0 ? etag.text : NULL;
}

/* Sends `c` as the next part: its bytes, or where they are to be copied from. */
static int send_part(struct upload *u, struct s3_call *c, struct arena *mem, struct fault *f)
{
	char number[16];
	const struct sign_param query[] = { { "partNumber", number }, { "uploadId", u->id } };
	struct s3_answer an;
	const char *etag;
	int rc;

	if (u->nparts == UPLOAD_PARTS_MAX)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE,
				 "more than %d parts of [storage] part_bytes", UPLOAD_PARTS_MAX);
	snprintf(number, sizeof(number), "%zu", u->nparts + 1);
	c->method = "PUT";
	c->key = u->key;
	c->query = query;
	c->nquery = ARRAY_LEN(query);
	c->watch_fd = -1;
	if ((rc = s3_do(u->s, c, &an, mem, f)) < 0)
		return -1;
	if (rc == 0) /* of a copy: or there is nothing to copy any more */
		return fault_set(f, FAULT_STORAGE_UNAVAILABLE, "the upload was aborted by another");
	etag = c->nheaders ? etag_in_body(&an.http, mem) : httpc_header(&an.http, "ETag", mem);
	return keep_etag(u, etag, mem) < 0 ? s3_strange(c->op, f) : 0;
}

int upload_part(struct upload *u, struct s3_body *body, const char *sha256, struct fault *f)
{
	struct s3_call c = { .op = "upload_part", .body = body, .sha256 = sha256 };
	struct arena *mem = arena_new(S3_CALL_MEM);
	int rc = mem ? send_part(u, &c, mem, f) : s3_no_memory(f);

	u->size += body->size;
	arena_free(mem);
	return rc;
}

int upload_copy_part(struct upload *u, const struct s3_object *o, int64_t from, int64_t to,
		     struct fault *f)
{
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct s3_body empty = { .data = "" };
	char range[64];
	struct sign_param headers[] = {
		{ "x-amz-copy-source", mem ? s3_copy_source(u->s, o->key, mem) : NULL },
		{ "x-amz-copy-source-if-match", mem ? arena_printf(mem, "\"%s\"", o->etag) : NULL },
		{ "x-amz-copy-source-range", range },
	};
	struct s3_call c = {
		.op = "upload_copy_part",
		.body = &empty,
		.headers = headers,
		.nheaders = ARRAY_LEN(headers),
	};
	int rc;

	snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)from, (long long)to);
	rc = headers[0].value && headers[1].value ? send_part(u, &c, mem, f) : s3_no_memory(f);
	u->size += to - from + 1;
	arena_free(mem);
	return rc;
}

static char *list_of_parts(const struct upload *u, struct arena *mem)
{
	static const char open[] = "<CompleteMultipartUpload>";
	size_t room = 128 + u->nparts * (UPLOAD_ETAG_SZ + 80), n;
	char *doc = arena_alloc(mem, room);

	if (!doc)
		return NULL;
	n = (size_t)snprintf(doc, room, "%s", open);
	for (size_t i = 0; i < u->nparts; i++)
		n += (size_t)snprintf(doc + n, room - n,
				      "<Part><PartNumber>%zu</PartNumber>"
				      "<ETag>&quot;%s&quot;</ETag></Part>",
				      i + 1, u->etags[i]);
	snprintf(doc + n, room - n, "</CompleteMultipartUpload>");
	return doc;
}

/* After a lost answer: is what the key holds this upload? "-N" is how stores mark the ETag of N parts. */
static bool is_complete(struct upload *u, struct arena *mem)
{
	struct s3_object o;
	struct fault f;
	char mark[16];
	size_t n = (size_t)snprintf(mark, sizeof(mark), "-%zu", u->nparts);

	return s3_stat(u->s, u->key, &o, mem, &f) == 1 && o.size == u->size && strlen(o.etag) > n &&
	       !strcmp(o.etag + strlen(o.etag) - n, mark);
}

int upload_complete(struct upload *u, struct fault *f)
{
	struct arena *mem = arena_new(S3_CALL_MEM);
	const struct sign_param query = { "uploadId", u->id };
	const struct sign_param header = { "content-type", "application/xml" };
	struct s3_body body = { .data = mem ? list_of_parts(u, mem) : NULL };
	const struct s3_call c = {
		.op = "upload_complete",
		.method = "POST",
		.key = u->key,
		.query = &query,
		.nquery = 1,
		.headers = &header,
		.nheaders = 1,
		.body = &body,
		.watch_fd = -1,
	};
	const char *etag = NULL;
	struct s3_answer an;
	int rc = -1;

	if (!body.data) {
		s3_no_memory(f);
	} else {
		body.size = (int64_t)strlen(body.data);
		rc = s3_do(u->s, &c, &an, mem, f);
		if (rc == 0 && an.tries > 1 && is_complete(u, mem))
			rc = 1;
		else if (rc == 0)
			rc = fault_set(f, FAULT_STORAGE_UNAVAILABLE,
				       "the upload was aborted by another");
	}
	if (rc > 0) {
		u->id = NULL;
		if (an.http.status == 200) /* not so when it was found out otherwise */
			etag = etag_in_body(&an.http, mem);
		/* Not every store tells it here. */
		u->etag = str_empty(etag) ? NULL : s3_unquote(etag, u->mem);
	}
	arena_free(mem);
	return rc > 0 ? 0 : -1;
}

static int abort_upload(struct s3 *s, const char *key, const char *id, struct fault *f)
{
	struct arena *mem = arena_new(S3_CALL_MEM);
	const struct sign_param query = { "uploadId", id };
	const struct s3_call c = {
		.op = "upload_abort",
		.method = "DELETE",
		.key = key,
		.query = &query,
		.nquery = 1,
		.watch_fd = -1,
	};
	struct s3_answer an;
	int rc = mem ? s3_do(s, &c, &an, mem, f) : s3_no_memory(f);

	arena_free(mem);
	return rc < 0 ? -1 : 0;
}

void upload_close(struct upload *u)
{
	struct fault f;

	/* What fails here is logged, and found by s3_abort_uploads() later. */
	if (u->id && abort_upload(u->s, u->key, u->id, &f) < 0)
		log_warn("storage.upload_left", S("reason", f.detail));
	free(u->etags);
	arena_free(u->mem);
}

/* ---- what others left ---- */

struct listing {
	struct arena *a;
	int64_t before_ms;
	char *key, *id; /* of the row being read; then of the last one */
	int64_t began_ms;
	struct {
		char *key, *id;
	} old[S3_PAGE];
	int nold;
	bool more, no_memory;
};

static int on_upload(void *arg, const char *path, const char *text)
{
	struct listing *l = arg;

	if (!strcmp(path, "Upload/Key")) {
		l->no_memory |= !(l->key = s3_decode(text, l->a));
	} else if (!strcmp(path, "Upload/UploadId")) {
		l->no_memory |= !(l->id = arena_strdup(l->a, text));
	} else if (!strcmp(path, "Upload/Initiated")) {
		if (!clock_parse(text, &l->began_ms))
			l->began_ms = INT64_MAX;
	} else if (!strcmp(path, "IsTruncated")) {
		l->more = !strcmp(text, "true");
	} else if (!strcmp(path, "Upload") && l->key && l->id && l->began_ms < l->before_ms &&
		   l->nold < S3_PAGE) {
		l->old[l->nold].key = l->key;
		l->old[l->nold++].id = l->id;
	}
	return l->no_memory ? -1 : 0;
}

static int list_uploads(struct s3 *s, const char *prefix, const char *key, const char *id,
			struct listing *l, struct fault *f)
{
	const struct sign_param query[] = {
		{ "uploads", "" },         { "encoding-type", "url" }, { "prefix", prefix },
		{ "max-uploads", "1000" }, { "key-marker", key },      { "upload-id-marker", id },
	};
	const struct s3_call c = {
		.op = "list_uploads",
		.method = "GET",
		.query = query,
		.nquery = key ? ARRAY_LEN(query) : ARRAY_LEN(query) - 2,
		.watch_fd = -1,
	};
	struct s3_answer an;
	char root[XML_ROOT_SZ];
	int rc = s3_do(s, &c, &an, l->a, f);

	if (rc < 0)
		return -1;
	if (rc == 0 || xml_read(an.http.body, an.http.len, root, on_upload, l) < 0 ||
	    strcmp(root, "ListMultipartUploadsResult") || (l->more && (!l->key || !l->id)))
		return l->no_memory ? s3_no_memory(f) : s3_strange(c.op, f);
	return 0;
}

int s3_abort_uploads(struct s3 *s, const char *prefix, int64_t age_s, struct arena *a,
		     struct fault *f)
{
	AUTO_FREE struct listing *l = calloc(1, sizeof(*l));
	char *key = NULL, *id = NULL;
	int count = 0, rc = 0;

	if (!l)
		return s3_no_memory(f);
	do {
		*l = (struct listing){ .a = arena_new(S3_CALL_MEM) };
		l->before_ms = clock_wall_ms() - age_s * 1000;
		rc = l->a ? list_uploads(s, prefix, key, id, l, f) : s3_no_memory(f);
		for (int i = 0; rc == 0 && i < l->nold; i++, count++)
			rc = abort_upload(s, l->old[i].key, l->old[i].id, f);
		if (rc == 0 && l->more) {
			key = arena_strdup(a, l->key);
			id = arena_strdup(a, l->id);
			rc = key && id ? 0 : s3_no_memory(f);
		}
		arena_free(l->a);
	} while (rc == 0 && l->more);
	return rc < 0 ? -1 : count;
}
