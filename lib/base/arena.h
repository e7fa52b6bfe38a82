/*
 * arena.h: memory that lives exactly as long as one request or one work item.
 *
 * Zeroed, aligned for any type, freed all at once. An arena has a ceiling: a
 * request that asks for more gets NULL, and its caller a fault. One thread.
 */
#pragma once

#include "util.h"

struct arena;

/* `limit`: bytes that may be handed out until the next reset. NULL: no memory. */
struct arena *arena_new(size_t limit);
void arena_reset(struct arena *); /* frees all; keeps one chunk for speed */
void arena_free(struct arena *);  /* NULL is fine */

void *arena_alloc(struct arena *, size_t n) MUST_CHECK;
char *arena_strndup(struct arena *, const char *s, size_t n) MUST_CHECK; /* adds the NUL */
char *arena_strdup(struct arena *, const char *s) MUST_CHECK;            /* NULL gives NULL */
char *arena_printf(struct arena *, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
