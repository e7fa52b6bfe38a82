/* tar.h: writes small archives in memory (POSIX.1-1988 ustar). */
#pragma once

#include "../base/arena.h"

struct tar_entry {
	const char *name; /* <= 99 bytes; a directory's ends in a slash */
	unsigned int mode;
	int64_t uid, gid; /* <= 2097151: seven octal digits */
	const char *data; /* NULL: a directory */
	size_t len;
};

/* NULL: arena full, or a field does not fit. */
char *tar_make(const struct tar_entry *, size_t n, size_t *len, struct arena *) MUST_CHECK;

/* Owner and mode of the first member of an archive; false when `block` is no header. */
#define TAR_BLOCK 512
bool tar_head(const char block[TAR_BLOCK], struct tar_entry *out) MUST_CHECK;
