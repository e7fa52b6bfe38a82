#include "arena.h"

#include <stdarg.h>
#include <stdio.h>

/* Small objects share chunks of this size; anything above a quarter gets its own. */
#define CHUNK_BYTES 16384
#define ALIGN       16

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

struct arena {
	struct chunk *chunks; /* the first one is being filled */
	struct chunk *spare;  /* one standard chunk, kept over resets */
	size_t used, limit;
};

struct arena *arena_new(size_t limit)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a)
		a->limit = limit;
	return a;
}

void arena_reset(struct arena *a)
{
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		if (!a->spare && c->size == CHUNK_BYTES)
			a->spare = c;
		else
			free(c);
	}
	a->chunks = NULL;
	a->used = 0;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->spare);
	free(a);
}

static struct chunk *new_chunk(struct arena *a, size_t size)
{
	struct chunk *c;

	if (size == CHUNK_BYTES && a->spare) {
		c = TAKE_PTR(a->spare);
		c->used = 0;
		return c;
	}
	c = malloc(sizeof(*c) + size);
	if (c) {
		c->used = 0;
		c->size = size;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct chunk *c = a->chunks;
	void *p;

	if (n > a->limit || a->limit - n < a->used)
		return NULL;
	a->used += n;
#if defined(__SANITIZE_ADDRESS__)
	size_t own = n; /* one malloc per object: ASan then sees every overrun */
#else
	size_t own = n > CHUNK_BYTES / 4 ? n : 0;
#endif
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (own || n == 0) {
		/* Behind the chunk being filled, so that its rest stays in use. */
		struct chunk *big = new_chunk(a, own ? own : ALIGN);

		if (!big)
			return NULL;
		big->used = big->size;
		big->next = c ? c->next : NULL;
		*(c ? &c->next : &a->chunks) = big;
		return memset(big->data, 0, big->size);
	}
	if (!c || c->size - c->used < n) {
		if (!(c = new_chunk(a, CHUNK_BYTES)))
			return NULL;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += n;
	return memset(p, 0, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;

	if (p)
		memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && (p = arena_alloc(a, (size_t)n + 1)))
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}
