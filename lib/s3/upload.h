/* upload.h: multipart uploads. Private to lib/s3/. */
#pragma once

#include "call.h"

#define UPLOAD_PARTS_MAX 10000 /* the limit of S3 */
#define UPLOAD_ETAG_SZ   72

struct upload {
	struct s3 *s;
	const char *key, *type;
	char *id; /* NULL: not begun */
	char (*etags)[UPLOAD_ETAG_SZ];
	size_t nparts, cap;
	int64_t size;
	char *etag;        /* of the completed object, from mem */
	struct arena *mem; /* of the upload's id */
};

/* upload_close() is due either way. It aborts what upload_complete() has not completed. */
int upload_begin(struct upload *, struct s3 *, const char *key, const char *type,
		 struct fault *) MUST_CHECK;
int upload_part(struct upload *, struct s3_body *, const char *sha256, struct fault *) MUST_CHECK;
/* The part is the bytes [from, to] of that object; a fault when it has changed meanwhile. */
int upload_copy_part(struct upload *, const struct s3_object *, int64_t from, int64_t to,
		     struct fault *) MUST_CHECK;
int upload_complete(struct upload *, struct fault *) MUST_CHECK;
void upload_close(struct upload *);
