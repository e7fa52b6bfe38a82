#include "output.h"

#include <fcntl.h>
#include <stdio.h>

#define MARK_BYTES 64 /* the line between the two ends, part of the inline size */

struct output {
	char *path;
	int fd;
	int64_t keep, inline_bytes, total, kept;
	char *ring; /* the last inline_bytes / 2 of a log that outgrew `keep` */
	size_t ring_size, ring_at;
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
		size_t k =
			o->ring_size - o->ring_at < n - done ? o->ring_size - o->ring_at : n - done;

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

int64_t output_total(const struct output *o)
{
	return o ? o->total : 0;
}
int64_t output_kept(const struct output *o)
{
	return o ? o->kept : 0;
}
int64_t output_dropped(const struct output *o)
{
	return o ? o->total - o->kept : 0;
}
int output_fd(const struct output *o)
{
	return o ? o->fd : -1;
}

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
	size_t in_ring =
		o->ring ? (size_t)(o->ring_total < (int64_t)o->ring_size ? o->ring_total
									 : (int64_t)o->ring_size)
			: 0;
	size_t from_ring = n < in_ring ? n : in_ring, from_log = n - from_ring;
	ssize_t k = 0;

	/* A full ring already is the whole tail; a short one continues the log without a gap. */
	if (from_log && o->ring_total <= (int64_t)o->ring_size)
		k = output_read(o, o->kept - (int64_t)from_log, buf, from_log);
	if (k < 0)
		k = 0;
	for (size_t i = 0; i < from_ring; i++)
		buf[(size_t)k + i] =
			o->ring[(o->ring_at + o->ring_size - from_ring + i) % o->ring_size];
	return (size_t)k + from_ring;
}

/* How many of the first n bytes to keep so that no character is torn at their end. */
static size_t whole_end(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)p[n - back];

		if ((c & 0xc0) == 0x80)
			continue;
		return c >= 0xc0 && back < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? n - back : n;
	}
	return n;
}

/* How many bytes to leave out at the start, where a character's rest may stand. Bytes that are no text stay. */
static size_t torn_start(const char *p, size_t n)
{
	size_t k = 0;

	while (k < n && k < 4 && ((unsigned char)p[k] & 0xc0) == 0x80)
		k++;
	return k < 4 ? k : 0;
}

/* Moves the tail at p + n behind a line that names what is left out between. */
static size_t join(const struct output *o, char *p, size_t head, const char *end, size_t n)
{
	size_t skip = torn_start(end, n);
	char line[MARK_BYTES];
	int k;

	head = whole_end(p, head);
	end += skip;
	n -= skip;
	k = snprintf(line, sizeof(line), "\n... %lld bytes omitted ...\n",
		     (long long)(o->total - (int64_t)(head + n)));
	memcpy(p + head, line, (size_t)k);
	memcpy(p + head + (size_t)k, end, n);
	return head + (size_t)k + n;
}

char *output_inline(const struct output *o, struct arena *a, size_t *len, bool *cut)
{
	bool fits = !o || o->total <= o->inline_bytes;
	size_t half = o ? (size_t)(o->inline_bytes - MARK_BYTES) / 2 : 0, n;
	size_t most = fits ? (size_t)output_kept(o) : half;
	char *p = arena_alloc(a, (fits ? (size_t)output_total(o) : (size_t)o->inline_bytes) +
					 MARK_BYTES + 1),
	     *end;
	ssize_t head;

	if (!p)
		return NULL;
	*len = 0;
	*cut = false;
	if (!o)
		return p;
	if ((head = output_read(o, 0, p, most)) < 0)
		head = 0;
	*len = (size_t)head;
	*cut = o->total > head;
	if (!*cut)
		return p;
	/* Behind a log that was full before the inline view was, the ring may hold all the rest. */
	n = (int64_t)half < o->total - head ? half : (size_t)(o->total - head);
	if (!(end = arena_alloc(a, n + 1)))
		return NULL;
	n = tail(o, end, n);
	if ((int64_t)n + head < o->total) {
		*len = join(o, p, (size_t)head, end, n);
		return p;
	}
	memcpy(p + head, end, n);
	*len = (size_t)head + n;
	*cut = false;
	return p;
}
