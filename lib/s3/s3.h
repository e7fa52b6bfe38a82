/*
 * s3.h: the object store: MinIO, Ceph RGW, AWS S3 and their like. Constant
 * memory for objects of any size. One struct s3 per thread; it keeps its
 * connections between calls.
 *
 * Every wait is bounded: 5 s to connect, [storage] timeout without progress.
 * 5xx answers and lost connections are tried again, twice, after 100 and 400 ms;
 * then STORAGE_UNAVAILABLE. Refused keys and a bucket that is not there are that
 * fault at once, never "not there". Inside `head` and `sink` no other call on the
 * same struct s3; inside `source` and `whole` any. Keys are UTF-8 without a
 * leading slash, at most 1024 bytes (the limit of S3).
 */
#pragma once

#include "../base/arena.h"
#include "../base/conf.h"
#include "../base/fault.h"

struct s3;

/* NULL with a fault. Makes no call. */
struct s3 *s3_open(const struct conf *, struct fault *);
void s3_close(struct s3 *); /* NULL is fine */

struct s3_object {
	const char *key;      /* arena */
	int64_t size;         /* bytes; of the whole object also when a range is read */
	const char *etag;     /* without quotes */
	const char *modified; /* RFC 3339, Z, whole seconds (.000): so lists and headers agree */
	const char *type;     /* Content-Type; NULL from a list */
};

#define S3_SHA256_SZ 65 /* hex and NUL */

/*
 * All or nothing: what the key held stays until the new object is whole. Bytes are pulled from `source`, staged part by
 * part in an unlinked file ([storage] part_bytes), so that a part can be sent again; more than one part is a multipart
 * upload, aborted on failure.
 */
struct s3_put {
	const char *key, *type; /* type NULL: application/octet-stream */
	/* Up to n bytes; 0: the end; -1 with a fault, which becomes the put's. */
	ssize_t (*source)(void *arg, char *buf, size_t n, struct fault *);
	/* May be NULL. Called when all bytes have been read, before the object becomes visible; -1 with a fault gives up. */
	int (*whole)(void *arg, int64_t size, const char sha256[S3_SHA256_SZ], struct fault *);
	void *arg;
};
int s3_put(struct s3 *, const struct s3_put *, struct s3_object *out, char sha256[S3_SHA256_SZ],
	   struct arena *, struct fault *) MUST_CHECK;
/* The same for bytes in memory. */
int s3_put_bytes(struct s3 *, const char *key, const char *type, const char *data, size_t n,
		 struct s3_object *out, struct arena *, struct fault *) MUST_CHECK;

/* 1 found, 0 not there, -1. */
int s3_stat(struct s3 *, const char *key, struct s3_object *, struct arena *,
	    struct fault *) MUST_CHECK;

/*
 * Bytes [from, to] (to -1: the end) go to `sink`; -1 from it gives up. Begun answers are not tried again. `head` is called
 * once before the first byte (may be NULL; -1 gives up). 1 done, 0 not there, -1: also when it ended early; RANGE when
 * `from` is beyond the end.
 */
struct s3_get {
	const char *key;
	int64_t from, to;
	int (*head)(void *arg, const struct s3_object *);
	int (*sink)(void *arg, const char *data, size_t n);
	void *arg;
	int watch_fd; /* -1: none; when it hangs up the call is given up */
};
int s3_get(struct s3 *, const struct s3_get *, struct s3_object *, struct arena *,
	   struct fault *) MUST_CHECK;

/*
 * Objects below `prefix` in byte order of their keys, after the key `after` (NULL: from the first), at most `max`. With
 * `more` set there are further ones after the last. The count, or -1.
 */
int s3_list(struct s3 *, const char *prefix, const char *after, struct s3_object *out, int max,
	    bool *more, struct arena *, struct fault *) MUST_CHECK;

/* Names of the "directories" directly below `prefix` (which ends in '/' or is ""), without the slash. As s3_list(). */
int s3_list_dirs(struct s3 *, const char *prefix, const char *after, const char **out, int max,
		 bool *more, struct arena *, struct fault *) MUST_CHECK;

/* Removing what is not there is success. */
int s3_remove(struct s3 *, const char *key, struct fault *) MUST_CHECK;
int s3_remove_many(struct s3 *, const char *const *keys, int n /* <= 1000 */, struct arena *,
		   struct fault *) MUST_CHECK;

/* Inside the store, type kept, of any size. 1 done, 0 `from` is not there, -1. */
int s3_copy(struct s3 *, const char *from, const char *to, struct s3_object *out, struct arena *,
	    struct fault *) MUST_CHECK;

/* Aborts unfinished multipart uploads below a prefix that began more than `age_s` ago. The count, or -1. */
int s3_abort_uploads(struct s3 *, const char *prefix, int64_t age_s, struct arena *,
		     struct fault *) MUST_CHECK;

/* A GET URL for [storage] public_endpoint, good for presign_ttl; `disposition`: Content-Disposition of its answer or NULL. */
char *s3_presign(struct s3 *, const char *key, const char *disposition, const char *type,
		 struct arena *, struct fault *) MUST_CHECK;

/* 1 made, 0 it was there, -1. */
int s3_make_bucket(struct s3 *, struct fault *) MUST_CHECK;
/* 1 there and ours to use, 0 not there, -1 (the fault says why, as refused keys). */
int s3_probe(struct s3 *, struct fault *) MUST_CHECK;
