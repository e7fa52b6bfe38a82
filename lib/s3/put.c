/* put.c: an object from a source, whole or not at all. */
#include "../base/clock.h"
#include "stage.h"
#include "upload.h"

struct putting {
	struct s3 *s;
	const struct s3_put *p;
	const char *type;
	struct stage st;
	char sha256[S3_SHA256_SZ];
	char *etag; /* of what was made; NULL: unknown */
	struct arena *a;
};

static struct s3_body body_of(const struct stage *st)
{
	return (struct s3_body){ .data = st->filed ? NULL : st->mem,
				 .fd = st->fd,
				 .size = st->size };
}

static int put_whole(struct putting *t, struct fault *f)
{
	struct s3_body body = body_of(&t->st);
	const struct sign_param header = { "content-type", t->type };
	const struct s3_call c = {
		.op = "put",
		.method = "PUT",
		.key = t->p->key,
		.headers = &header,
		.nheaders = 1,
		.body = &body,
		.sha256 = t->st.sha256,
		.watch_fd = -1,
	};
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct s3_answer an;
	int rc = mem ? s3_do(t->s, &c, &an, mem, f) : s3_no_memory(f);

	if (rc == 0)
		rc = s3_strange(c.op, f);
	if (rc > 0 && httpc_header(&an.http, "ETag", mem))
		t->etag = s3_unquote(httpc_header(&an.http, "ETag", mem), t->a);
	arena_free(mem);
	return rc < 0 ? -1 : 0;
}

/* All bytes have been read: the last word is the caller's. */
static int ask(struct putting *t, struct fault *f)
{
	digest_hex(t->st.whole, t->sha256);
	return t->p->whole ? t->p->whole(t->p->arg, t->st.total, t->sha256, f) : 0;
}

/* The first part is staged, and there is more. */
static int put_parts(struct putting *t, struct fault *f)
{
	struct upload u;
	int rc = upload_begin(&u, t->s, t->p->key, t->type, f);

	while (rc == 0) {
		struct s3_body body = body_of(&t->st);

		rc = upload_part(&u, &body, t->st.sha256, f);
		if (rc < 0 || t->st.end)
			break;
		rc = stage_fill(&t->st, t->s->part_bytes, t->p->source, t->p->arg, f);
	}
	if (rc == 0)
		rc = ask(t, f);
	if (rc == 0)
		rc = upload_complete(&u, f);
	if (rc == 0 && u.etag)
		t->etag = arena_strdup(t->a, u.etag);
	upload_close(&u);
	return rc;
}

static int put(struct putting *t, struct fault *f)
{
	if (stage_open(&t->st, f) < 0 ||
	    stage_fill(&t->st, t->s->part_bytes, t->p->source, t->p->arg, f) < 0)
		return -1;
	if (!t->st.end)
		return put_parts(t, f);
	return ask(t, f) < 0 ? -1 : put_whole(t, f);
}

/*
 * No answer to a PUT tells the object's time: about now. The ETag of one in parts is asked for; whatever comes of that,
 * the put is done: another may have replaced or removed the object meanwhile.
 */
static int tell(struct putting *t, struct s3_object *out)
{
	char now[CLOCK_RFC3339_SZ];
	struct fault f;

	if (!t->etag && s3_stat(t->s, t->p->key, out, t->a, &f) == 1)
		return 0;
	clock_format(clock_wall_ms(), now);
	*out = (struct s3_object){
		.key = arena_strdup(t->a, t->p->key),
		.size = t->st.total,
		.etag = t->etag ? t->etag : arena_strdup(t->a, ""),
		.modified = arena_strdup(t->a, now),
		.type = arena_strdup(t->a, t->type),
	};
	return out->key && out->etag && out->modified && out->type ? 0 : -1;
}

/*
 * A type as a signed header must be: no control characters, no blanks around it, one at a time within. Anything else is
 * the type of any bytes. NULL: no room.
 */
static char *clean_type(const char *type, struct arena *a)
{
	static const char any[] = "application/octet-stream";
	char *out = arena_strdup(a, type ? type : any), *w = out;

	for (const char *p = out; p && *p; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			return arena_strdup(a, any);
		if (*p != ' ' || (w > out && w[-1] != ' '))
			*w++ = *p;
	}
	if (w > out && w[-1] == ' ')
		w--;
	if (out)
		*w = '\0';
	return out && !*out ? arena_strdup(a, any) : out;
}

int s3_put(struct s3 *s, const struct s3_put *p, struct s3_object *out, char sha256[S3_SHA256_SZ],
	   struct arena *a, struct fault *f)
{
	struct putting t = { .s = s, .p = p, .a = a };
	int rc;

	if (!s3_key_ok(p->key, f))
		return -1;
	if (!(t.type = clean_type(p->type, a)))
		return s3_no_memory(f);
	rc = put(&t, f);
	stage_close(&t.st);
	if (rc == 0 && sha256)
		memcpy(sha256, t.sha256, S3_SHA256_SZ);
	if (rc == 0 && out && tell(&t, out) < 0)
		return s3_no_memory(f);
	return rc;
}

/* ---- from memory ---- */

struct bytes {
	const char *data;
	size_t left;
};

static ssize_t give(void *arg, char *buf, size_t n, struct fault *f)
{
	struct bytes *b = arg;

	(void)f;
	n = n < b->left ? n : b->left;
	if (n)
		memcpy(buf, b->data, n);
	b->data += n;
	b->left -= n;
	return (ssize_t)n;
}

int s3_put_bytes(struct s3 *s, const char *key, const char *type, const char *data, size_t n,
		 struct s3_object *out, struct arena *a, struct fault *f)
{
	struct bytes b = { data, n };
	const struct s3_put p = { .key = key, .type = type, .source = give, .arg = &b };

	return s3_put(s, &p, out, NULL, a, f);
}
