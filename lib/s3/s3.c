#include "call.h"

#include <stdio.h>

#include "../base/clock.h"
#include "../base/text.h"

#define CONF_MEM (64 * 1024) /* of one struct s3 */
#define COPY_MAX (5LL << 30) /* bytes that one call copies: the limit of S3 */
#define COPY_PART \
	(512LL << 20)   /* of larger ones: with 10,000 parts the 5 TiB that an object may have */
#define BUCKET_MS 10000 /* how long a bucket that was there is believed to be */
#define GET_MEM   (256 * 1024)

/* "https://host:443/prefix" taken apart; -1: not of that form, or no room. */
static int make_site(struct s3_site *site, const char *url, const char *bucket, bool path_style,
		     struct arena *a)
{
	const char *host = strstr(url, "://"),
		   *scheme_port = str_starts(url, "https:") ? ":443" : ":80";
	size_t scheme = host ? (size_t)(host - url) : 0, n, k, rest;
	char *enc = sign_encode(bucket, a);

	if (!scheme || !enc || !*bucket)
		return -1;
	host += 3;
	n = strcspn(host, "/?#");
	rest = strlen(host + n);
	while (rest && host[n + rest - 1] == '/')
		rest--;
	k = strlen(scheme_port);
	/* curl and the signature agree on the Host header only without the scheme's own port. */
	if (n > k && !strncmp(host + n - k, scheme_port, k)) {
		site->host = arena_printf(a, "%s%s%.*s", path_style ? "" : bucket,
					  path_style ? "" : ".", (int)(n - k), host);
	} else {
		site->host = arena_printf(a, "%s%s%.*s", path_style ? "" : bucket,
					  path_style ? "" : ".", (int)n, host);
	}
	if (!n || !site->host)
		return -1;
	site->base = arena_printf(a, "%.*s://%s", (int)scheme, url, site->host);
	site->prefix = arena_printf(a, "%.*s%s%s", (int)rest, host + n, path_style ? "/" : "",
				    path_style ? enc : "");
	return site->base && site->prefix ? 0 : -1;
}

static int copy_conf(struct s3 *s, const struct conf *cf, struct fault *f)
{
	struct arena *a = s->mem;

	if (!*cf->storage_endpoint || !*cf->storage_access_key || !*cf->storage_secret_key)
		return fault_set(f, FAULT_STORAGE_UNAVAILABLE,
				 "no file storage is configured ([storage] endpoint and keys)");
	s->region = arena_strdup(a, cf->storage_region);
	s->bucket = arena_strdup(a, cf->storage_bucket);
	s->access_key = arena_strdup(a, cf->storage_access_key);
	s->secret_key = arena_strdup(a, cf->storage_secret_key);
	s->stall_s = cf->storage_timeout;
	s->presign_s = cf->storage_presign_ttl;
	s->part_bytes = cf->storage_part_bytes;
	s->copy_max = COPY_MAX;
	s->copy_part = COPY_PART;
	if (!s->region || !s->bucket || !s->access_key || !s->secret_key)
		return s3_no_memory(f);
	if (make_site(&s->site, cf->storage_endpoint, s->bucket, cf->storage_path_style, a) < 0 ||
	    make_site(&s->public_site,
		      *cf->storage_public_endpoint ? cf->storage_public_endpoint
						   : cf->storage_endpoint,
		      s->bucket, cf->storage_path_style, a) < 0)
		return fault_set(f, FAULT_STORAGE_UNAVAILABLE,
				 "[storage] endpoint, public_endpoint or bucket is malformed");
	return 0;
}

struct s3 *s3_open(const struct conf *cf, struct fault *f)
{
	struct s3 *s = calloc(1, sizeof(*s));

	if (!s || !(s->mem = arena_new(CONF_MEM)) || !(s->http = httpc_new())) {
		s3_close(s);
		s3_no_memory(f);
		return NULL;
	}
	if (copy_conf(s, cf, f) < 0) {
		s3_close(s);
		return NULL;
	}
	return s;
}

void s3_close(struct s3 *s)
{
	if (!s)
		return;
	httpc_free(s->http);
	arena_free(s->mem);
	free(s);
}

/*
 * The answer to a HEAD does not say what is not there. A lost bucket must never look like removed files, so it is asked
 * for: 0, or -1 with the fault.
 */
static int bucket_there(struct s3 *s, struct fault *f)
{
	int rc = s->bucket_until > clock_ms() ? 1 : s3_probe(s, f);

	if (rc == 0)
		return fault_set(f, FAULT_STORAGE_UNAVAILABLE, "the bucket does not exist");
	if (rc > 0 && s->bucket_until <= clock_ms())
		s->bucket_until = clock_ms() + BUCKET_MS;
	return rc < 0 ? -1 : 0;
}

int s3_stat(struct s3 *s, const char *key, struct s3_object *o, struct arena *a, struct fault *f)
{
	const struct s3_call c = { .op = "stat", .method = "HEAD", .key = key, .watch_fd = -1 };
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct s3_answer an;
	int rc = mem ? s3_do(s, &c, &an, mem, f) : s3_no_memory(f);

	if (rc > 0 && s3_object_of(&an.http, key, o, a) < 0)
		rc = s3_no_memory(f);
	else if (rc == 0)
		rc = bucket_there(s, f);
	arena_free(mem);
	return rc;
}

/* ---- get ---- */

struct getting {
	const struct s3_get *g;
	struct s3_object *o;
	struct arena *a;
	bool headed, no_memory, strange;
};

static int give_head(struct getting *t, const struct httpc_resp *rs)
{
	if (t->headed)
		return 0;
	t->headed = true;
	/* The whole instead of a part would be taken for the part. */
	t->strange = t->g->from > 0 && rs->status != 206;
	if (t->strange)
		return -1;
	t->no_memory = s3_object_of(rs, t->g->key, t->o, t->a) < 0;
	if (t->no_memory)
		return -1;
	return t->g->head ? t->g->head(t->g->arg, t->o) : 0;
}

static int on_bytes(void *arg, const struct httpc_resp *rs, const char *data, size_t n)
{
	struct getting *t = arg;

	return give_head(t, rs) < 0 ? -1 : t->g->sink(t->g->arg, data, n);
}

int s3_get(struct s3 *s, const struct s3_get *g, struct s3_object *o, struct arena *a,
	   struct fault *f)
{
	struct getting t = { .g = g, .o = o, .a = a };
	struct sign_param range = { "range", NULL };
	char text[64];
	struct s3_call c = {
		.op = "get",
		.method = "GET",
		.key = g->key,
		.headers = &range,
		.nheaders = g->from > 0 || g->to >= 0,
		.sink = on_bytes,
		.sink_arg = &t,
		.watch_fd = g->watch_fd,
	};
	struct arena *mem = arena_new(GET_MEM);
	struct s3_answer an;
	int rc;

	if (!mem)
		return s3_no_memory(f);
	if (g->to >= 0)
		snprintf(text, sizeof(text), "bytes=%lld-%lld", (long long)g->from,
			 (long long)g->to);
	else
		snprintf(text, sizeof(text), "bytes=%lld-", (long long)g->from);
	range.value = text;
	rc = s3_do(s, &c, &an, mem, f);
	/* One without bytes has a head too. */
	if (rc > 0 && give_head(&t, &an.http) < 0)
		rc = fault_set(f, FAULT_STORAGE_UNAVAILABLE, "the call was given up");
	if (t.strange)
		rc = s3_strange(c.op, f);
	if (t.no_memory)
		rc = s3_no_memory(f);
	arena_free(mem);
	return rc;
}

int s3_remove(struct s3 *s, const char *key, struct fault *f)
{
	const struct s3_call c = { .op = "remove", .method = "DELETE", .key = key, .watch_fd = -1 };
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct s3_answer an;
	int rc = mem ? s3_do(s, &c, &an, mem, f) : s3_no_memory(f);

	arena_free(mem);
	return rc < 0 ? -1 : 0;
}

/* ---- presigned URL ---- */

char *s3_presign(struct s3 *s, const char *key, const char *disposition, const char *type,
		 struct arena *a, struct fault *f)
{
	struct sign_param query[2];
	struct sign_request sr = {
		.method = "GET",
		.host = s->public_site.host,
		.query = query,
		.payload = "UNSIGNED-PAYLOAD",
		.region = s->region,
		.service = "s3",
		.access_key = s->access_key,
		.secret_key = s->secret_key,
		.time_s = clock_wall_ms() / 1000,
	};
	char *enc, *q, *url = NULL;

	if (!s3_key_ok(key, f))
		return NULL;
	if (disposition)
		query[sr.nquery++] =
			(struct sign_param){ "response-content-disposition", disposition };
	if (type)
		query[sr.nquery++] = (struct sign_param){ "response-content-type", type };
	if ((enc = sign_encode_path(key, a)) &&
	    (sr.path = arena_printf(a, "%s/%s", s->public_site.prefix, enc)) &&
	    (q = sign_query(&sr, s->presign_s, a)))
		url = arena_printf(a, "%s%s?%s", s->public_site.base, sr.path, q);
	if (!url)
		s3_no_memory(f);
	return url;
}

/* ---- the bucket ---- */

int s3_probe(struct s3 *s, struct fault *f)
{
	const struct s3_call c = { .op = "probe", .method = "HEAD", .watch_fd = -1 };
	struct arena *mem = arena_new(S3_CALL_MEM);
	struct s3_answer an;
	int rc = mem ? s3_do(s, &c, &an, mem, f) : s3_no_memory(f);

	arena_free(mem);
	return rc;
}

static int put_bucket(struct s3 *s, const char *constraint, struct s3_answer *an, struct arena *mem,
		      struct fault *f)
{
	struct s3_body body = { .data = constraint, .size = (int64_t)strlen(constraint) };
	const struct s3_call c = {
		.op = "make_bucket", .method = "PUT", .body = &body, .watch_fd = -1
	};

	return s3_do(s, &c, an, mem, f);
}

int s3_make_bucket(struct s3 *s, struct fault *f)
{
	int rc = s3_probe(s, f);
	struct arena *mem;
	const char *where = "";
	struct s3_answer an;

	if (rc)
		return rc < 0 ? -1 : 0;
	if (!(mem = arena_new(S3_CALL_MEM)))
		return s3_no_memory(f);
	if (strcmp(s->region, "us-east-1")) /* which AWS wants unsaid */
		where = arena_printf(mem,
				     "<CreateBucketConfiguration "
				     "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
				     "<LocationConstraint>%s</LocationConstraint>"
				     "</CreateBucketConfiguration>",
				     s->region);
	rc = where ? put_bucket(s, where, &an, mem, f) : s3_no_memory(f);
	/* Others than AWS know no regions, or name them otherwise. */
	if (rc < 0 && where && *where && str_eq(an.code, "InvalidLocationConstraint"))
		rc = put_bucket(s, "", &an, mem, f);
	if (rc < 0 && where && str_eq(an.code, "BucketAlreadyOwnedByYou"))
		rc = 2; /* made meanwhile by another */
	if (rc == 0)
		rc = s3_strange("make_bucket", f);
	arena_free(mem);
	return rc == 2 ? 0 : rc;
}
