#include "output.h"

#include <fcntl.h>
#include <stdio.h>

struct output {
	char   *path;
	int     fd;
	int64_t keep, inline_bytes, total, kept;
	char   *ring;		/* the last inline_bytes / 2 of a log that outgrew `keep` */
	size_t  ring_size, ring_at;
	int64_t ring_total;
};

struct output *output_new(const char *path, int64_t keep_bytes, int64_t inline_bytes)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->fd = -1;
	o->keep = keep_bytes;
	o->inline_bytes = inline_bytes;
	o->ring_size = (size_t)inline_bytes / 2;
	if (!(o->path = strdup(path))) {
		free(o);
		return NULL;
	}
	return o;
}

void output_free(struct output *o, bool remove_file)
{
	if (!o)
		return;
	if (o->fd >= 0) {
		close(o->fd);
		if (remove_file)
			unlink(o->path);
	}
	free(o->ring);
	free(o->path);
	free(o);
}

static void remember(struct output *o, const char *p, size_t n)
{
	if (!o->ring && !(o->ring = malloc(o->ring_size)))
		return;
	if (n > o->ring_size) {
		o->ring_total += (int64_t)(n - o->ring_size);
		p += n - o->ring_size;
		n = o->ring_size;
	}
	for (size_t done = 0; done < n;) {
		size_t k = o->ring_size - o->ring_at < n - done ? o->ring_size - o->ring_at : n - done;

		memcpy(o->ring + o->ring_at, p + done, k);
		o->ring_at = (o->ring_at + k) % o->ring_size;
		done += k;
	}
	o->ring_total += (int64_t)n;
}

static int store(struct output *o, const char *p, size_t n)
{
	if (o->fd < 0)
		o->fd = open(o->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (n && o->fd >= 0) {
		ssize_t k = pwrite(o->fd, p, n, o->kept);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		o->kept += k;
		p += k;
		n -= (size_t)k;
	}
	return o->fd < 0 ? -1 : 0;
}

int output_append(struct output *o, const char *p, size_t n)
{
	size_t room = o->keep > o->kept && o->kept == o->total ? (size_t)(o->keep - o->kept) : 0;
	size_t first = n < room ? n : room;
	int rc = first ? store(o, p, first) : 0;

	o->total += (int64_t)n;
	if (first < n)
		remember(o, p + first, n - first);
	return rc;
}

int64_t output_total(const struct output *o)   { return o->total; }
int64_t output_kept(const struct output *o)    { return o->kept; }
int64_t output_dropped(const struct output *o) { return o->total - o->kept; }
int     output_fd(const struct output *o)      { return o->fd; }

ssize_t output_read(const struct output *o, int64_t at, char *buf, size_t n)
{
	if (at >= o->kept || o->fd < 0)
		return 0;
	if ((int64_t)n > o->kept - at)
		n = (size_t)(o->kept - at);
	return pread(o->fd, buf, n, at);
}

/* The last n bytes of everything that was written: from the ring, and before it from the log. */
static size_t tail(const struct output *o, char *buf, size_t n)
{
	size_t in_ring = o->ring ? (size_t)(o->ring_total < (int64_t)o->ring_size ? o->ring_total : (int64_t)o->ring_size) : 0;
	size_t from_ring = n < in_ring ? n : in_ring, from_log = n - from_ring;
	ssize_t k = 0;

	/* A full ring already is the whole tail; a short one continues the log without a gap. */
	if (from_log && o->ring_total <= (int64_t)o->ring_size)
		k = output_read(o, o->kept - (int64_t)from_log, buf, from_log);
	if (k < 0)
		k = 0;
	for (size_t i = 0; i < from_ring; i++)
		buf[(size_t)k + i] = o->ring[(o->ring_at + o->ring_size - from_ring + i) % o->ring_size];
	return (size_t)k + from_ring;
}

char *output_inline(const struct output *o, struct arena *a, size_t *len, bool *cut)
{
	size_t half = (size_t)o->inline_bytes / 2, n;
	char line[96], *p;
	ssize_t head;
	int k;

	*cut = o->total > o->inline_bytes;
	if (!(p = arena_alloc(a, (size_t)(*cut ? o->inline_bytes : o->total) + sizeof(line) + 1)))
		return NULL;
	if (!*cut) {
		head = output_read(o, 0, p, (size_t)o->total);
		*len = head > 0 ? (size_t)head : 0;
		return p;
	}
	/* The line is part of the inline size. */
	half -= sizeof(line) / 2;
	if ((head = output_read(o, 0, p, half)) < 0)
		head = 0;
	n = (size_t)head;
	k = snprintf(line, sizeof(line), "\n... %lld bytes omitted ...\n", (long long)o->total - (long long)n - (long long)half);
	memcpy(p + n, line, (size_t)k);
	n += (size_t)k;
	*len = n + tail(o, p + n, half);
	return p;
}
