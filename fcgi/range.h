/* range.h: Range of one part (RFC 9110 14.2). Pure. */
#pragma once

#include "../lib/base/util.h"

struct range {
	int64_t from, to; /* from < 0: the last -from bytes; to inclusive, -1: the end */
	bool given;
};

/* "bytes=A-B", "bytes=A-", "bytes=-N". Several ranges, another unit and nonsense are ignored: false, not given. */
bool range_read(const char *header, struct range *);

/* Which of `size` bytes a given range means: [*from, *to). False: none of them (416). */
bool range_resolve(const struct range *, int64_t size, int64_t *from, int64_t *to) MUST_CHECK;
