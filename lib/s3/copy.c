/* copy.c: from one key to another, inside the store. */
#include "upload.h"

char *s3_copy_source(const struct s3 *s, const char *key, struct arena *a)
{
	char *enc = sign_encode_path(key, a);

	return enc ? arena_printf(a, "/%s/%s", s->bucket, enc) : NULL;
}

static int copy_whole(struct s3 *s, const char *from, const char *to, struct fault *f)
{
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct sign_param source = { "x-amz-copy-source",
				     mem ? s3_copy_source(s, from, mem) : NULL };
	struct s3_body empty = { .data = "" };
	const struct s3_call c = {
		.op = "copy",
		.method = "PUT",
		.key = to,
		.headers = &source,
		.nheaders = 1,
		.body = &empty,
		.watch_fd = -1,
	};
	struct s3_answer an;
	int rc = source.value ? s3_do(s, &c, &an, mem, f) : s3_no_memory(f);

	arena_free(mem);
	return rc;
}

static int copy_parts(struct s3 *s, const struct s3_object *o, const char *to, struct fault *f)
{
	struct upload u;
	int rc = upload_begin(&u, s, to, o->type, f);

	for (int64_t at = 0; rc == 0 && at < o->size; at += s->copy_part) {
		int64_t end = o->size - at > s->copy_part ? at + s->copy_part : o->size;

		rc = upload_copy_part(&u, o, at, end - 1, f);
	}
	if (rc == 0)
		rc = upload_complete(&u, f);
	upload_close(&u);
	return rc < 0 ? -1 : 1;
}

int s3_copy(struct s3 *s, const char *from, const char *to, struct s3_object *out, struct arena *a,
	    struct fault *f)
{
	struct s3_object o;
	int rc;

	if (!s3_key_ok(to, f))
		return -1;
	rc = s3_stat(s, from, &o, a, f);
	if (rc > 0 && strcmp(from, to)) /* to itself: refused by S3, and done */
		rc = o.size > s->copy_max ? copy_parts(s, &o, to, f) : copy_whole(s, from, to, f);
	return rc > 0 ? s3_stat(s, to, out, a, f) : rc;
}
