/* remove.c: many objects at once. */
#include <stdio.h>

#include "../base/log.h"
#include "../base/text.h"
#include "../digest.h"
#include "call.h"

#define ESCAPED_MAX 6 /* bytes that one may become: &quot; */

static const struct {
	char c;
	const char *text;
} escapes[] = {
	{ '&', "&amp;" },   { '<', "&lt;" },  { '>', "&gt;" },   { '"', "&quot;" },
	{ '\'', "&apos;" }, { '\t', "&#9;" }, { '\n', "&#10;" }, { '\r', "&#13;" },
};

/* XML 1.0 has no words for control characters, U+FFFE and U+FFFF. */
static bool in_xml(const char *key)
{
	for (const char *p = key; *p; p++)
		if (((unsigned char)*p < ' ' && !strchr("\t\n\r", *p)) ||
		    str_starts(p, "\xef\xbf\xbe") || str_starts(p, "\xef\xbf\xbf"))
			return false;
	return true;
}

static char *escape(char *w, const char *s)
{
	for (; *s; s++) {
		size_t i = 0;

		while (i < ARRAY_LEN(escapes) && escapes[i].c != *s)
			i++;
		if (i < ARRAY_LEN(escapes))
			w = stpcpy(w, escapes[i].text);
		else
			*w++ = *s;
	}
	*w = '\0';
	return w;
}

/* The document; the number of its keys in *n. NULL: no room. */
static char *document(const char *const *keys, int nkeys, int *n, struct arena *mem)
{
	static const char head[] = "<Delete><Quiet>true</Quiet>";
	size_t room = sizeof(head) + 16;
	char *doc, *w;

	for (int i = 0; i < nkeys; i++)
		room += strlen(keys[i]) * ESCAPED_MAX + 48;
	if (!(doc = arena_alloc(mem, room)))
		return NULL;
	w = stpcpy(doc, head);
	*n = 0;
	for (int i = 0; i < nkeys; i++) {
		if (!in_xml(keys[i]))
			continue;
		w = stpcpy(escape(stpcpy(w, "<Object><Key>"), keys[i]), "</Key></Object>");
		(*n)++;
	}
	stpcpy(w, "</Delete>");
	return doc;
}

/* The first error of a key. */
struct refusal {
	char code[S3_CODE_SZ], first[S3_CODE_SZ];
	int count;
};

static int on_result(void *arg, const char *path, const char *text)
{
	struct refusal *r = arg;

	if (!strcmp(path, "Error/Code")) {
		snprintf(r->code, sizeof(r->code), "%s", text);
	} else if (!strcmp(path, "Error")) {
		if (strcmp(r->code, "NoSuchKey") && r->count++ == 0)
			snprintf(r->first, sizeof(r->first), "%s", r->code);
		r->code[0] = '\0';
	}
	return 0;
}

static int read_result(const struct s3_call *c, const struct s3_answer *an, struct fault *f)
{
	struct refusal r = { 0 };
	char root[XML_ROOT_SZ];

	if (xml_read(an->http.body, an->http.len, root, on_result, &r) < 0 ||
	    strcmp(root, "DeleteResult"))
		return s3_strange(c->op, f);
	if (!r.count)
		return 0;
	log_warn("storage.failed", S("operation", c->op), S("code", r.first), I("keys", r.count));
	return fault_set(f, FAULT_STORAGE_UNAVAILABLE, "%d files were not removed: %s", r.count,
			 r.first);
}

static int remove_batch(struct s3 *s, const char *doc, struct arena *mem, struct fault *f)
{
	unsigned char md5[DIGEST_MD5_SZ];
	const struct sign_param query = { "delete", "" };
	struct sign_param headers[] = { { "content-type", "application/xml" },
					{ "content-md5", NULL } };
	struct s3_body body = { .data = doc, .size = (int64_t)strlen(doc) };
	const struct s3_call c = {
		.op = "remove_many",
		.method = "POST",
		.query = &query,
		.nquery = 1,
		.headers = headers,
		.nheaders = ARRAY_LEN(headers),
		.body = &body,
		.watch_fd = -1,
	};
	struct s3_answer an;
	int rc;

	digest_md5(doc, strlen(doc), md5); /* MinIO wants it */
	if (!(headers[1].value = text_base64(mem, md5, sizeof(md5))))
		return s3_no_memory(f);
	rc = s3_do(s, &c, &an, mem, f);
	if (rc <= 0)
		return rc < 0 ? -1 : s3_strange(c.op, f);
	return read_result(&c, &an, f);
}

int s3_remove_many(struct s3 *s, const char *const *keys, int n, struct arena *a, struct fault *f)
{
	struct arena *mem;
	char *doc;
	int batch = 0, rc = 0;

	(void)a;
	if (n > S3_PAGE)
		return fault_set(f, FAULT_INTERNAL, "more than %d keys at once", S3_PAGE);
	for (int i = 0; i < n; i++)
		if (!s3_key_ok(keys[i], f))
			return -1;
	if (!(mem = arena_new(S3_CALL_MEM)) || !(doc = document(keys, n, &batch, mem)))
		rc = s3_no_memory(f);
	else if (batch)
		rc = remove_batch(s, doc, mem, f);
	arena_free(mem);
	for (int i = 0; rc == 0 && i < n; i++)
		if (!in_xml(keys[i]))
			rc = s3_remove(s, keys[i], f);
	return rc;
}
