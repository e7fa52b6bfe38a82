#include "manifest.h"

#define BUCKETS_FIRST 256
#define COST          (sizeof(struct file) + 64) /* besides its path: the ETag, the allocator's share */

/* FNV-1a, 64 bits. */
static size_t slot(const struct manifest *m, const char *path)
{
	uint64_t h = 14695981039346656037ULL;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211ULL;
	return (size_t)(h & (m->nbuckets - 1));
}

static bool grow(struct manifest *m)
{
	struct manifest big = { .nbuckets = m->nbuckets ? m->nbuckets * 4 : BUCKETS_FIRST,
				.n = m->n,
				.bytes = m->bytes,
				.max_bytes = m->max_bytes };

	if (!(big.bucket = calloc(big.nbuckets, sizeof(struct file *))))
		return m->nbuckets != 0; /* slower, not wrong */
	for (size_t i = 0; i < m->nbuckets; i++)
		for (struct file *f = m->bucket[i], *next; f; f = next) {
			size_t s = slot(&big, f->path);

			next = f->next;
			f->next = big.bucket[s];
			big.bucket[s] = f;
		}
	free(m->bucket);
	*m = big;
	return true;
}

struct file *manifest_find(const struct manifest *m, const char *path)
{
	struct file *f = m->nbuckets ? m->bucket[slot(m, path)] : NULL;

	while (f && strcmp(f->path, path))
		f = f->next;
	return f;
}

struct file *manifest_make(struct manifest *m, const char *path)
{
	struct file *f = manifest_find(m, path);
	size_t n = strlen(path) + 1 + COST, s;

	if (f)
		return f;
	if (m->n >= MANIFEST_MAX || (m->max_bytes && m->bytes + n > m->max_bytes) ||
	    (m->n >= m->nbuckets && !grow(m)) || !(f = calloc(1, sizeof(*f) + strlen(path) + 1)))
		return NULL;
	memcpy(f->path, path, strlen(path) + 1);
	s = slot(m, path);
	f->next = m->bucket[s];
	m->bucket[s] = f;
	m->n++;
	m->bytes += n;
	return f;
}

void manifest_drop(struct manifest *m, struct file *f)
{
	struct file **p = &m->bucket[slot(m, f->path)];

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	m->n--;
	m->bytes -= strlen(f->path) + 1 + COST;
	free(f->etag);
	free(f);
}

void manifest_each(struct manifest *m, void (*fn)(struct file *, void *), void *arg)
{
	for (size_t i = 0; i < m->nbuckets; i++)
		for (struct file *f = m->bucket[i], *next; f; f = next) {
			next = f->next;
			fn(f, arg);
		}
}

static int64_t ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

void file_note(struct file *f, const struct stat *st)
{
	f->ino = st->st_ino;
	f->size = st->st_size;
	f->mtime_ns = ns(&st->st_mtim);
	f->ctime_ns = ns(&st->st_ctim);
}

/* ctime too: code can set the other times as it likes. */
bool file_same(const struct file *f, const struct stat *st)
{
	return f->ino == st->st_ino && f->size == st->st_size && f->mtime_ns == ns(&st->st_mtim) &&
	       f->ctime_ns == ns(&st->st_ctim);
}
