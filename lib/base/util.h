/* util.h: the few macros every file may use. No state, no I/O. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, v) __attribute__((format(printf, f, v)))
#define MUST_CHECK   __attribute__((warn_unused_result))
#define UNUSED       __attribute__((unused))

/* Scope-bound owners. Every cleanup keeps errno, so `return -1` stays honest. */
#define AUTO_FREE  __attribute__((cleanup(auto_free_)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))

static inline void auto_free_(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}

static inline void auto_close_(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* Hand ownership on: the variable is emptied, so its cleanup does nothing. */
#define TAKE_PTR(p) \
	({ \
		__auto_type taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})
#define TAKE_FD(fd) \
	({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})

static inline bool str_eq(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static inline bool str_starts(const char *s, const char *prefix)
{
	return s && !strncmp(s, prefix, strlen(prefix));
}

/* True for NULL and "": how an absent option looks. */
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}
