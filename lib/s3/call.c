#include "call.h"

#include <stdio.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/text.h"
#include "../digest.h"

#define ERROR_MAX   4096 /* bytes of an <Error> that are read */
#define HEADERS_MAX 16

/* Milliseconds before the second and the third try. */
static const int64_t pauses_ms[] = { 100, 400 };

struct attempt {
	const struct s3_call *c;
	struct s3_answer *out;
	char error[ERROR_MAX]; /* the body of an answer that is no success, of calls with a sink */
	size_t nerror;
	bool begun; /* the sink has seen bytes */
};

int s3_no_memory(struct fault *f)
{
	return fault_set(f, FAULT_INTERNAL, "request memory");
}

int s3_strange(const char *op, struct fault *f)
{
	log_warn("storage.failed", S("operation", op), S("reason", "an answer that is not S3's"));
	return fault_set(f, FAULT_STORAGE_UNAVAILABLE,
			 "the file storage gave an answer that is not S3's");
}

bool s3_key_ok(const char *key, struct fault *f)
{
	size_t n = strlen(key);

	if (n && n <= S3_KEY_MAX && *key != '/' && text_utf8_ok(key, n))
		return true;
	fault_set(f, FAULT_REFUSED,
		  n > S3_KEY_MAX ? "the name is longer than the file storage accepts"
				 : "the file storage does not accept the name");
	return false;
}

/* ---- body ---- */

static ssize_t read_body(void *arg, char *buf, size_t n)
{
	struct s3_body *b = arg;
	ssize_t k;

	if ((int64_t)n > b->size - b->at)
		n = (size_t)(b->size - b->at);
	if (b->data) {
		memcpy(buf, b->data + b->at, n);
		k = (ssize_t)n;
	} else {
		do
			k = pread(b->fd, buf, n, b->at);
		while (k < 0 && errno == EINTR);
	}
	b->at += k > 0 ? k : 0;
	return k;
}

static int rewind_body(void *arg)
{
	((struct s3_body *)arg)->at = 0;
	return 0;
}

static int on_answer(void *arg, const struct httpc_resp *rs, const char *data, size_t n)
{
	struct attempt *t = arg;
	size_t k = n < sizeof(t->error) - t->nerror ? n : sizeof(t->error) - t->nerror;

	if (rs->status / 100 == 2) {
		t->begun = true;
		return t->c->sink(t->c->sink_arg, rs, data, n);
	}
	memcpy(t->error + t->nerror, data, k);
	t->nerror += k;
	return 0;
}

/* ---- one try ---- */

static const char *body_sum(const struct s3_call *c, struct arena *a)
{
	char *hex = arena_alloc(a, S3_SHA256_SZ);

	if (c->sha256)
		return c->sha256;
	if (hex)
		digest_sha256_hex(c->body ? c->body->data : "", c->body ? (size_t)c->body->size : 0,
				  hex);
	return hex;
}

static const char **header_lines(const struct sign_request *sr, const struct sign_result *signature,
				 struct arena *a)
{
	const char **l = arena_alloc(a, (sr->nheaders + 4) * sizeof(*l));
	size_t n = 0;

	if (!l)
		return NULL;
	l[n++] = arena_printf(a, "Host: %s", sr->host);
	l[n++] = arena_printf(a, "x-amz-date: %s", signature->date);
	l[n++] = arena_printf(a, "Authorization: %s", signature->authorization);
	for (size_t i = 0; i < sr->nheaders; i++)
		l[n++] = arena_printf(a, "%s: %s", sr->headers[i].name, sr->headers[i].value);
	for (size_t i = 0; i < n; i++)
		if (!l[i])
			return NULL;
	return l; /* zeroed: the NULL at its end */
}

/* Fills `rq`: the address, the headers with the signature. */
static int prepare(const struct s3 *s, const struct s3_call *c, struct httpc_req *rq,
		   struct arena *a)
{
	struct sign_param headers[HEADERS_MAX];
	const char *key = c->key ? sign_encode_path(c->key, a) : "";
	struct sign_request sr = {
		.method = c->method,
		.host = s->site.host,
		.query = c->query,
		.nquery = c->nquery,
		.headers = headers,
		.region = s->region,
		.service = "s3",
		.access_key = s->access_key,
		.secret_key = s->secret_key,
		.time_s = clock_wall_ms() / 1000,
		.payload = body_sum(c, a),
	};
	struct sign_result got;

	if (!key || !sr.payload || c->nheaders >= ARRAY_LEN(headers) ||
	    !(sr.path = arena_printf(a, "%s%s%s", s->site.prefix,
				     c->key || !*s->site.prefix ? "/" : "", key)))
		return -1;
	for (size_t i = 0; i < c->nheaders; i++)
		headers[sr.nheaders++] = c->headers[i];
	headers[sr.nheaders++] = (struct sign_param){ "x-amz-content-sha256", sr.payload };
	if (sign_headers(&sr, &got, a) < 0 || !(rq->headers = header_lines(&sr, &got, a)))
		return -1;
	rq->url = arena_printf(a, "%s%s%s%s", s->site.base, sr.path, *got.query ? "?" : "",
			       got.query);
	return rq->url ? 0 : -1;
}

static int send_once(struct s3 *s, struct attempt *t, struct arena *a, struct fault *f)
{
	const struct s3_call *c = t->c;
	struct httpc_req rq = {
		.method = c->method,
		.deadline = INT64_MAX,
		.stall_s = s->stall_s,
		.max_body = S3_ANSWER_MAX,
		.watch_fd = c->watch_fd,
		.sink = c->sink ? on_answer : NULL,
		.sink_arg = t,
	};

	if (prepare(s, c, &rq, a) < 0)
		return s3_no_memory(f);
	if (c->body) {
		rewind_body(c->body);
		rq.source = read_body;
		rq.rewind = rewind_body;
		rq.source_arg = c->body;
		rq.body_len = (size_t)c->body->size;
	}
	t->nerror = 0;
	return httpc_do(s->http, &rq, &t->out->http, a, f);
}

/* ---- what came of it ---- */

static int on_error(void *arg, const char *path, const char *text)
{
	struct s3_answer *out = arg;
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

	if (!strcmp(path, "Code") && n == strlen(text))
		snprintf(out->code, sizeof(out->code), "%s", text);
	return 0;
}

static bool is_error(const char *doc, size_t n)
{
	const char *end = doc + n, *p = doc;

	if (n > 5 && !strncmp(p, "<?xml", 5))
		p = memchr(p, '>', n) ? (const char *)memchr(p, '>', n) + 1 : end;
	while (p < end && strchr(" \t\r\n", *p))
		p++;
	return end - p > 7 && !strncmp(p, "<Error", 6) && strchr("> /\t\r\n", p[6]);
}

static void read_code(const struct attempt *t)
{
	struct s3_answer *out = t->out;
	const char *doc = t->c->sink ? t->error : out->http.body;
	size_t n = t->c->sink ? t->nerror : out->http.len;
	char root[XML_ROOT_SZ];

	out->code[0] = '\0';
	/* A code that cannot be read is none: the status says enough. */
	if (doc && is_error(doc, n) && xml_read(doc, n, root, on_error, out) < 0)
		log_debug("storage.error_unread", I("status", out->http.status));
	if (!out->code[0] && doc && is_error(doc, n))
		snprintf(out->code, sizeof(out->code), "Error");
}

static bool worth_again(const struct attempt *t, int rc, const struct fault *f)
{
	const struct httpc_resp *rs = &t->out->http;

	if (t->begun || rs->gone || rs->timed_out || (rc < 0 && fault_is(f, FAULT_INTERNAL)))
		return false;
	return rc < 0 || rs->status >= 500 ||
	       (rs->status == 200 &&
		(str_eq(t->out->code, "InternalError") || str_eq(t->out->code, "SlowDown")));
}

static const struct {
	long status;      /* 0: any */
	const char *code; /* NULL: any */
	enum fault_id id;
	const char *detail;
} meanings[] = {
	{ 403, "RequestTimeTooSkewed", FAULT_STORAGE_UNAVAILABLE,
	  "the clocks of the file storage and of this server differ" },
	{ 401, NULL, FAULT_STORAGE_UNAVAILABLE,
	  "the file storage refuses the access keys or the bucket" },
	{ 403, NULL, FAULT_STORAGE_UNAVAILABLE,
	  "the file storage refuses the access keys or the bucket" },
	{ 404, "NoSuchBucket", FAULT_STORAGE_UNAVAILABLE, "the bucket does not exist" },
	{ 416, NULL, FAULT_RANGE, "the range begins beyond the end" },
	{ 301, NULL, FAULT_STORAGE_UNAVAILABLE,
	  "the bucket belongs to another region or endpoint" },
	{ 307, NULL, FAULT_STORAGE_UNAVAILABLE,
	  "the bucket belongs to another region or endpoint" },
	{ 507, NULL, FAULT_STORAGE_UNAVAILABLE, "the file storage is full" },
	{ 0, "XMinioStorageFull", FAULT_STORAGE_UNAVAILABLE, "the file storage is full" },
	{ 0, "QuotaExceeded", FAULT_STORAGE_UNAVAILABLE, "the file storage is full" },
};

static int refused(const struct s3_call *c, const struct s3_answer *an, struct fault *f)
{
	size_t i = 0;

	log_at(an->http.status == 416 ? LOG_LV_DEBUG : LOG_LV_WARN, "storage.failed",
	       S("operation", c->op), I("status", an->http.status), S("code", an->code),
	       I("tries", an->tries));
	while (i < ARRAY_LEN(meanings) &&
	       ((meanings[i].status && meanings[i].status != an->http.status) ||
		(meanings[i].code && strcmp(meanings[i].code, an->code))))
		i++;
	if (i == ARRAY_LEN(meanings))
		return fault_set(f, FAULT_STORAGE_UNAVAILABLE, "the file storage answered %ld%s%s",
				 an->http.status, an->code[0] ? " " : "", an->code);
	return fault_set(f, meanings[i].id, "%s", meanings[i].detail);
}

static int no_answer(const struct s3_call *c, const struct s3_answer *an, struct fault *f)
{
	const char *what = an->http.gone        ? "the call was given up"
			   : an->http.timed_out ? "the file storage did not answer in time"
						: "the file storage could not be reached";
	struct fault why = *f;

	if (fault_is(f, FAULT_INTERNAL))
		return -1;
	/* A caller that hung up is no failure of the storage. */
	log_at(an->http.gone ? LOG_LV_DEBUG : LOG_LV_WARN, "storage.failed", S("operation", c->op),
	       I("status", 0), S("reason", why.detail), S("cause", an->http.cause),
	       I("tries", an->tries));
	return fault_set(f, FAULT_STORAGE_UNAVAILABLE, "%s", what);
}

int s3_do(struct s3 *s, const struct s3_call *c, struct s3_answer *an, struct arena *a,
	  struct fault *f)
{
	AUTO_FREE struct attempt *t = NULL;
	int rc;

	*an = (struct s3_answer){ 0 };
	if (c->key && !s3_key_ok(c->key, f))
		return -1;
	if (!(t = calloc(1, sizeof(*t))))
		return s3_no_memory(f);
	t->c = c;
	t->out = an;
	for (;;) {
		struct timespec pause = { 0 };

		rc = send_once(s, t, a, f);
		an->tries++;
		if (rc == 0)
			read_code(t);
		if (!worth_again(t, rc, f) || an->tries > (int)ARRAY_LEN(pauses_ms))
			break;
		pause.tv_nsec = pauses_ms[an->tries - 1] * 1000000;
		nanosleep(&pause, NULL);
	}
	if (rc < 0)
		return no_answer(c, an, f);
	if (an->http.status / 100 == 2 && !an->code[0])
		return 1;
	if (an->http.status == 404 && strcmp(an->code, "NoSuchBucket"))
		return 0;
	return refused(c, an, f);
}
