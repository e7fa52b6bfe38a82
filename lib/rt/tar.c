#include "tar.h"

#include <stdio.h>

#define NUMBER_MAX 07777777 /* of mode, uid and gid */
#define NAME_MAX_  99
#define SUM_AT     148
#define SUM_SZ     8

/* POSIX.1-1988, "Extended tar Format". */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type[1], link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

/* Of all bytes, its own field counted as blanks. */
static unsigned int sum_of(const char *block)
{
	unsigned int sum = SUM_SZ * ' ';

	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (i < SUM_AT || i >= SUM_AT + SUM_SZ)
			sum += (unsigned char)block[i];
	return sum;
}

static bool octal(char *field, size_t sz, uint64_t n)
{
	int k = snprintf(field, sz, "%0*llo", (int)sz - 1, (unsigned long long)n);

	return k == (int)sz - 1;
}

static bool fill(const struct tar_entry *e, struct header *h)
{
	char sum[SUM_SZ];

	if (strlen(e->name) > NAME_MAX_ || e->uid < 0 || e->uid > NUMBER_MAX || e->gid < 0 ||
	    e->gid > NUMBER_MAX)
		return false;
	memcpy(h->name, e->name, strlen(e->name));
	if (!octal(h->mode, sizeof(h->mode), e->mode & 07777) ||
	    !octal(h->uid, sizeof(h->uid), (uint64_t)e->uid) ||
	    !octal(h->gid, sizeof(h->gid), (uint64_t)e->gid) ||
	    !octal(h->size, sizeof(h->size), e->len) || !octal(h->mtime, sizeof(h->mtime), 0))
		return false;
	h->type[0] = e->data ? '0' : '5';
	memcpy(h->magic, "ustar", sizeof(h->magic));
	memcpy(h->version, "00", sizeof(h->version));
	if (snprintf(sum, sizeof(sum), "%06o", sum_of((const char *)h)) != 6)
		return false;
	memcpy(h->sum, sum, 7);
	h->sum[7] = ' ';
	return true;
}

static size_t padded(size_t n)
{
	return (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

char *tar_make(const struct tar_entry *e, size_t n, size_t *len, struct arena *a)
{
	size_t total = 2 * TAR_BLOCK, at = 0; /* two empty blocks end it */
	char *out;

	for (size_t i = 0; i < n; i++)
		total += TAR_BLOCK + padded(e[i].len);
	if (!(out = arena_alloc(a, total)))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct header h = { 0 };

		if (!fill(&e[i], &h))
			return NULL;
		memcpy(out + at, &h, sizeof(h));
		if (e[i].len)
			memcpy(out + at + TAR_BLOCK, e[i].data, e[i].len);
		at += TAR_BLOCK + padded(e[i].len);
	}
	*len = total;
	return out;
}

static int64_t number(const char *field, size_t sz)
{
	int64_t n = 0;

	for (size_t i = 0; i < sz && field[i] >= '0' && field[i] <= '7'; i++)
		n = n * 8 + (field[i] - '0');
	return n;
}

bool tar_head(const char block[TAR_BLOCK], struct tar_entry *out)
{
	struct header h;

	memcpy(&h, block, sizeof(h));
	if (memcmp(h.magic, "ustar", 5) || number(h.sum, sizeof(h.sum)) != sum_of(block))
		return false;
	*out = (struct tar_entry){ .mode = (unsigned int)number(h.mode, sizeof(h.mode)),
				   .uid = number(h.uid, sizeof(h.uid)),
				   .gid = number(h.gid, sizeof(h.gid)),
				   .len = (size_t)number(h.size, sizeof(h.size)) };
	return true;
}
