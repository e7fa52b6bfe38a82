/* stage.h: bytes on their way to the store: small ones in memory, more in a file that has no name. Private to lib/s3/. */
#pragma once

#include "../base/fault.h"
#include "../digest.h"

#define STAGE_MEM (256 * 1024) /* what is kept in memory; beyond it the file */

struct stage {
	char *mem;
	int fd;       /* -1: none yet */
	bool filed;   /* this part is in the file, else in memory */
	size_t len;   /* bytes in memory */
	int64_t size; /* bytes of this part */
	struct digest_sum *part, *whole;
	char sha256[2 * DIGEST_SZ + 1]; /* of this part */
	int64_t total;                  /* bytes of all parts */
	bool end;                       /* the source has no more */
	char ahead;                     /* one byte read to know that there is more */
	bool has_ahead;
};

/* Zeroed and opened; -1 with a fault. stage_close() is due either way. */
int stage_open(struct stage *, struct fault *) MUST_CHECK;
void stage_close(struct stage *);

typedef ssize_t stage_source(void *arg, char *buf, size_t n, struct fault *);

/* The next part: up to `max` bytes. Then `end` says whether it is the last. */
int stage_fill(struct stage *, int64_t max, stage_source *, void *arg, struct fault *) MUST_CHECK;
