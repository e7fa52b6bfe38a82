/* list.c: what lies below a prefix, and removing many of it. */
#include <stdio.h>

#include "../base/clock.h"
#include "../base/text.h"
#include "../digest.h"
#include "call.h"

/* After all that begins with a directory's name: the last character there is. */
#define BEHIND "\xf4\x8f\xbf\xbf"

struct page {
	struct arena *mem; /* of this page */
	struct arena *a;   /* of the rows */
	struct s3_object row, *out;
	const char **dirs;
	const char *prefix, *after; /* directories: those not behind `after` are skipped */
	char *last_key, *last_dir;
	int n, max;
	bool objects, truncated, over, no_memory;
};

static int on_member(struct page *p, const char *name, const char *text)
{
	const char **to = !strcmp(name, "Key")            ? &p->row.key
			  : !strcmp(name, "ETag")         ? &p->row.etag
			  : !strcmp(name, "LastModified") ? &p->row.modified
							  : NULL;

	if (!strcmp(name, "Size") && !text_int(text, 0, INT64_MAX, &p->row.size))
		return -1;
	if (!to)
		return 0;
	*to = to == &p->row.key    ? s3_decode(text, p->objects ? p->a : p->mem)
	      : !p->objects        ? text
	      : to == &p->row.etag ? s3_unquote(text, p->a)
				   : s3_time(text, p->a);
	p->no_memory |= !*to;
	return p->no_memory ? -1 : 0;
}

static int end_of_object(struct page *p)
{
	if (!p->row.key)
		return -1;
	p->last_key = arena_strdup(p->mem, p->row.key);
	if (p->objects && p->n == p->max) {
		p->over = true;
	} else if (p->objects) {
		if (!p->row.etag || !p->row.modified)
			return -1;
		p->out[p->n++] = p->row;
	}
	p->row = (struct s3_object){ 0 };
	p->no_memory |= !p->last_key;
	return p->no_memory ? -1 : 0;
}

static int on_dir(struct page *p, const char *text)
{
	char *dir = s3_decode(text, p->mem);
	size_t k = strlen(p->prefix), n = dir ? strlen(dir) : 0;

	p->no_memory |= !dir;
	if (!dir || n <= k + 1 || strncmp(dir, p->prefix, k) || dir[n - 1] != '/')
		return dir && n == k + 1 ? 0 : -1; /* "": of a key with "//" */
	p->last_dir = dir;
	if (p->after && strcmp(dir, p->after) <= 0)
		return 0;
	if (p->n == p->max) {
		p->over = true;
		return 0;
	}
	p->dirs[p->n] = arena_strndup(p->a, dir + k, n - k - 1);
	p->no_memory |= !p->dirs[p->n++];
	return p->no_memory ? -1 : 0;
}

static int on_list(void *arg, const char *path, const char *text)
{
	struct page *p = arg;

	if (str_starts(path, "Contents/"))
		return on_member(p, path + strlen("Contents/"), text);
	if (!strcmp(path, "Contents"))
		return end_of_object(p);
	if (!strcmp(path, "CommonPrefixes/Prefix") && !p->objects)
		return on_dir(p, text);
	if (!strcmp(path, "IsTruncated"))
		p->truncated = !strcmp(text, "true");
	return 0;
}

static int read_page(struct s3 *s, struct page *p, const char *start, struct fault *f)
{
	int want = p->objects && p->max - p->n < S3_PAGE ? p->max - p->n + 1 : S3_PAGE;
	char max_keys[16];
	const struct sign_param query[] = {
		{ "list-type", "2" },
		{ "encoding-type", "url" },
		{ "prefix", p->prefix },
		{ "max-keys", max_keys },
		{ p->objects ? "start-after" : "delimiter", p->objects ? start : "/" },
		{ "start-after", start },
	};
	struct s3_call c = {
		.op = p->objects ? "list" : "list_dirs",
		.method = "GET",
		.query = query,
		.nquery = ARRAY_LEN(query) - (p->objects || !start) - (p->objects && !start),
		.watch_fd = -1,
	};
	struct s3_answer an;
	char root[XML_ROOT_SZ];
	int rc;

	snprintf(max_keys, sizeof(max_keys), "%d", want);
	p->last_key = p->last_dir = NULL;
	p->truncated = false;
	if ((rc = s3_do(s, &c, &an, p->mem, f)) < 0)
		return -1;
	if (rc == 0)
		return s3_strange(c.op, f);
	if (xml_read(an.http.body, an.http.len, root, on_list, p) < 0 ||
	    strcmp(root, "ListBucketResult"))
		return p->no_memory ? s3_no_memory(f) : s3_strange(c.op, f);
	return 0;
}

/* Where the next page starts: behind all that this one told. NULL: no room. */
static char *behind(const struct page *p, struct arena *a)
{
	if (p->last_dir && (!p->last_key || strcmp(p->last_dir, p->last_key) > 0))
		return arena_printf(a, "%s" BEHIND, p->last_dir);
	return arena_strdup(a, p->last_key ? p->last_key : "");
}

/* Page after page until `max` rows, and one more to know `more`. */
static int read_pages(struct s3 *s, struct page *p, const char *start, struct fault *f)
{
	struct arena *where = arena_new(S3_CALL_MEM);
	char *next = NULL;
	int rc = where ? 0 : s3_no_memory(f);

	while (rc == 0) {
		if (!(p->mem = arena_new(S3_CALL_MEM))) {
			rc = s3_no_memory(f);
			break;
		}
		rc = read_page(s, p, next ? next : start, f);
		if (rc == 0 && p->truncated) {
			arena_reset(where); /* start and next live until their page is read */
			next = behind(p, where);
			if (!next)
				rc = s3_no_memory(f);
			else if (!*next) /* truncated, and nothing in it: it would not end */
				rc = s3_strange("list", f);
		}
		arena_free(p->mem);
		if (rc < 0 || p->over || !p->truncated)
			break;
	}
	arena_free(where);
	return rc < 0 ? -1 : p->n;
}

int s3_list(struct s3 *s, const char *prefix, const char *after, struct s3_object *out, int max,
	    bool *more, struct arena *a, struct fault *f)
{
	struct page p = { .a = a, .out = out, .max = max, .prefix = prefix, .objects = true };
	int n = read_pages(s, &p, after, f);

	*more = p.over;
	return n;
}

int s3_list_dirs(struct s3 *s, const char *prefix, const char *after, const char **out, int max,
		 bool *more, struct arena *a, struct fault *f)
{
	struct page p = { .a = a, .dirs = out, .max = max, .prefix = prefix };
	char *start = NULL;
	int n;

	if (after) {
		p.after = arena_printf(a, "%s%s/", prefix, after);
		start = arena_printf(a, "%s%s/" BEHIND, prefix, after);
		if (!p.after || !start)
			return s3_no_memory(f);
	}
	n = read_pages(s, &p, start, f);
	*more = p.over;
	return n;
}
