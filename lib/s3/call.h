/* call.h: one request to the object store: address, signature, sending, trying again, faults. Private to lib/s3/. */
#pragma once

#include "../httpc.h"
#include "s3.h"
#include "sign.h"
#include "xml.h"

#define S3_KEY_MAX    1024              /* bytes; the limit of S3 */
#define S3_ANSWER_MAX (8 * 1024 * 1024) /* 1000 keys of 3 KiB encoded, and their dress */
#define S3_CALL_MEM   (32 * 1024 * 1024)
#define S3_PAGE       1000 /* keys in an answer or a batch: the limit of S3 */
#define S3_CODE_SZ    64

/* Where requests go: of [storage] endpoint, or of public_endpoint. */
struct s3_site {
	const char *base;   /* "https://bucket.s3.example.org", no slash at the end */
	const char *host;   /* Host header: without the scheme's own port */
	const char *prefix; /* encoded path before the key: "", "/bucket" */
};

struct s3 {
	struct httpc *http;
	struct arena *mem; /* what follows lives in it */
	struct s3_site site, public_site;
	const char *region, *bucket, *access_key, *secret_key;
	int64_t stall_s, presign_s, part_bytes;
	int64_t copy_max, copy_part; /* bytes */
	int64_t bucket_until;        /* clock_ms(): seen, and not asked for again until then */
};

/* A body that can be sent again: memory, or the first bytes of a file. */
struct s3_body {
	const char *data;
	int fd; /* read when data is NULL */
	int64_t size, at;
};

struct s3_call {
	const char *op;                           /* for the log */
	const char *method, *key;                 /* key NULL: the bucket */
	const struct sign_param *query, *headers; /* header names in lower case */
	size_t nquery, nheaders;
	struct s3_body *body; /* NULL: none */
	const char *sha256;   /* of the body; NULL: computed (memory only) */
	/* As httpc_req's; only called for 2xx, whose body is then not in the answer. */
	int (*sink)(void *arg, const struct httpc_resp *, const char *data, size_t n);
	void *sink_arg;
	int watch_fd; /* -1: none */
};

struct s3_answer {
	struct httpc_resp http;
	char code[S3_CODE_SZ]; /* of an <Error> */
	int tries;
};

/*
 * 1 for 2xx, 0 for a 404 of the key (or upload), -1 with a fault. All memory from `a`. An <Error> in an answer with 200
 * is an error too.
 */
int s3_do(struct s3 *, const struct s3_call *, struct s3_answer *, struct arena *a,
	  struct fault *) MUST_CHECK;

int s3_no_memory(struct fault *);
bool s3_key_ok(const char *key, struct fault *) MUST_CHECK;
/* The answer was not what S3 says: logged, and the fault set. */
int s3_strange(const char *op, struct fault *);

/* Size, etag, time and type of the answer's header; strings from `a`. Size: of the whole object. */
int s3_object_of(const struct httpc_resp *, const char *key, struct s3_object *,
		 struct arena *a) MUST_CHECK;
/* A store's time in whole seconds, for lists tell more of them than headers. NULL: no room. */
char *s3_time(const char *text, struct arena *a) MUST_CHECK;
/* The value of x-amz-copy-source. */
char *s3_copy_source(const struct s3 *, const char *key, struct arena *a) MUST_CHECK;
char *s3_unquote(const char *etag, struct arena *a) MUST_CHECK;
char *s3_decode(const char *text, struct arena *a) MUST_CHECK; /* of encoding-type=url */
