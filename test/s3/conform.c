/*
 * s3-conform: calls the object store that the environment configures (SANDBOX_STORAGE_*), for the tests.
 *
 *   put KEY FILE [TYPE] | bytes KEY TEXT | generate KEY SIZE [failing|refused|crashing] | fill PREFIX N
 *   get KEY FILE [FROM TO] | sum KEY | drip KEY | stat KEY | list PREFIX AFTER MAX | dirs PREFIX AFTER MAX
 *   remove KEY | remove-many (keys on standard input, a line each) | copy FROM TO | copy-parts FROM TO PART
 *   abort PREFIX AGE_S | presign KEY [DISPOSITION [TYPE]] | probe | make-bucket
 *
 * AFTER "" is from the first. Answers are "name value" lines, rows of lists a line each. Exit: 0, 1 there is none,
 * 2 a fault, 3 crashed as told, 100 wrong use.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "../../lib/base/clock.h"
#include "../../lib/base/log.h"
#include "../../lib/base/text.h"
#include "../../lib/digest.h"
#include "../../lib/httpc.h"
#include "../../lib/s3/call.h"

#define ROWS_MAX 10000

enum { OK, NONE, FAULT, CRASHED, USAGE = 100 };

struct run {
	struct conf cf;
	struct s3 *s3;
	struct arena *a;
	struct fault f;
	struct s3_object o;
	int argc;
	char **argv; /* what follows the command */
};

static int64_t number(const char *s)
{
	int64_t n;

	if (!text_int(s, INT64_MIN + 1, INT64_MAX, &n)) {
		fprintf(stderr, "s3-conform: '%s' is no number\n", s);
		exit(USAGE);
	}
	return n;
}

static int print_object(const struct s3_object *o)
{
	printf("key %s\nsize %lld\netag %s\nmodified %s\ntype %s\n", o->key, (long long)o->size,
	       o->etag, o->modified, o->type);
	return OK;
}

/* 1, 0, -1 of a call as exit status. */
static int ended(const struct run *r, int rc)
{
	if (rc < 0)
		printf("fault %s %s\n", r->f.info->code, r->f.detail);
	return rc < 0 ? FAULT : rc == 0 ? NONE : OK;
}

/* The most memory this process ever had, in KiB. */
static void print_peak(void)
{
	char line[256];
	FILE *in = fopen("/proc/self/status", "re");

	while (in && fgets(line, sizeof(line), in))
		if (str_starts(line, "VmHWM:"))
			printf("peak_kib %ld\n", strtol(line + 6, NULL, 10));
	if (in)
		fclose(in);
}

/* ---- put ---- */

struct source {
	int fd; /* -1: generated */
	int64_t at, size;
	bool failing, refused, crashing;
	struct run *r;
	const char *nested; /* a key that is asked for amid the upload */
	char sha256[S3_SHA256_SZ];
	int64_t told;
};

static ssize_t give(void *arg, char *buf, size_t n, struct fault *f)
{
	struct source *s = arg;

	if (s->fd >= 0)
		return read(s->fd, buf, n);
	if (s->failing && s->at >= s->size / 2)
		return fault_set(f, FAULT_QUOTA_EXCEEDED, "the source fails");
	if (s->crashing && s->at >= s->size / 2)
		_exit(CRASHED);
	if ((int64_t)n > s->size - s->at)
		n = (size_t)(s->size - s->at);
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)((s->at + (int64_t)i) * 2654435761u >> 13);
	s->at += (int64_t)n;
	return (ssize_t)n;
}

static int whole(void *arg, int64_t size, const char sha256[S3_SHA256_SZ], struct fault *f)
{
	struct source *s = arg;
	struct s3_object o;

	s->told = size;
	memcpy(s->sha256, sha256, S3_SHA256_SZ);
	if (s->nested && s3_stat(s->r->s3, s->nested, &o, s->r->a, f) < 0)
		return -1;
	return s->refused ? fault_set(f, FAULT_CONFLICT, "the caller refuses") : 0;
}

static int put_from(struct run *r, struct source *s, const char *type)
{
	const struct s3_put p = {
		.key = r->argv[0], .type = type, .source = give, .whole = whole, .arg = s
	};
	char sha256[S3_SHA256_SZ];

	s->r = r;
	s->nested = p.key;
	if (s3_put(r->s3, &p, &r->o, sha256, r->a, &r->f) < 0)
		return ended(r, -1);
	print_object(&r->o);
	printf("sha256 %s\n", sha256);
	print_peak();
	return s->told == r->o.size && !strcmp(sha256, s->sha256) ? OK : USAGE;
}

static int put(struct run *r)
{
	struct source s = { .fd = open(r->argv[1], O_RDONLY | O_CLOEXEC) };
	int rc = s.fd < 0 ? USAGE : put_from(r, &s, r->argc > 2 ? r->argv[2] : NULL);

	if (s.fd >= 0)
		close(s.fd);
	return rc;
}

static int generate(struct run *r)
{
	struct source s = { .fd = -1, .size = number(r->argv[1]) };

	s.failing = r->argc > 2 && !strcmp(r->argv[2], "failing");
	s.refused = r->argc > 2 && !strcmp(r->argv[2], "refused");
	s.crashing = r->argc > 2 && !strcmp(r->argv[2], "crashing");
	return put_from(r, &s, NULL);
}

static int bytes(struct run *r)
{
	if (s3_put_bytes(r->s3, r->argv[0], "text/plain", r->argv[1], strlen(r->argv[1]), &r->o,
			 r->a, &r->f) < 0)
		return ended(r, -1);
	return print_object(&r->o);
}

static int fill(struct run *r)
{
	for (int64_t i = 0; i < number(r->argv[1]); i++) {
		const char *key = arena_printf(r->a, "%s%05lld", r->argv[0], (long long)i);

		if (s3_put_bytes(r->s3, key, NULL, key, strlen(key), NULL, r->a, &r->f) < 0)
			return ended(r, -1);
	}
	return OK;
}

/* ---- get ---- */

struct taking {
	int fd;
	struct digest_sum *sum;
	int64_t size;
	int heads;
	int peer; /* hung up after the first bytes; -1: none */
};

static int on_head(void *arg, const struct s3_object *o)
{
	struct taking *t = arg;

	t->heads += o->etag && t->size == 0 ? 1 : 100;
	return 0;
}

static int take(void *arg, const char *data, size_t n)
{
	struct taking *t = arg;

	t->size += (int64_t)n;
	if (t->sum)
		digest_add(t->sum, data, n);
	if (t->peer >= 0)
		shutdown(t->peer, SHUT_RDWR);
	return t->fd < 0 || write(t->fd, data, n) == (ssize_t)n ? 0 : -1;
}

static int get_to(struct run *r, struct taking *t, int64_t from, int64_t to, int watch_fd)
{
	const struct s3_get g = {
		.key = r->argv[0],
		.from = from,
		.to = to,
		.head = on_head,
		.sink = take,
		.arg = t,
		.watch_fd = watch_fd,
	};
	int rc = s3_get(r->s3, &g, &r->o, r->a, &r->f);

	printf("bytes %lld\nheads %d\n", (long long)t->size, t->heads);
	if (rc > 0)
		print_object(&r->o);
	return ended(r, rc);
}

static int get(struct run *r)
{
	struct taking t = { .fd = open(r->argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
			    .peer = -1 };
	bool part = r->argc > 3;
	int rc = t.fd < 0 ? USAGE
			  : get_to(r, &t, part ? number(r->argv[2]) : 0,
				   part ? number(r->argv[3]) : -1, -1);

	if (t.fd >= 0)
		close(t.fd);
	return rc;
}

static int sum(struct run *r)
{
	struct taking t = { .fd = -1, .peer = -1, .sum = digest_new() };
	char hex[S3_SHA256_SZ];
	int rc = get_to(r, &t, 0, -1, -1);

	digest_hex(t.sum, hex);
	digest_free(t.sum);
	printf("sha256 %s\n", hex);
	print_peak();
	return rc;
}

/* The one it is for hangs up at the first bytes. */
static int drip(struct run *r)
{
	struct taking t = { .fd = -1 };
	int pair[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return USAGE;
	t.peer = pair[0];
	rc = get_to(r, &t, 0, -1, pair[1]);
	close(pair[0]);
	close(pair[1]);
	return rc;
}

static int stat_(struct run *r)
{
	int rc = s3_stat(r->s3, r->argv[0], &r->o, r->a, &r->f);

	return rc > 0 ? print_object(&r->o) : ended(r, rc);
}

/* ---- lists ---- */

static const char *after_of(const struct run *r)
{
	return *r->argv[1] ? r->argv[1] : NULL;
}

static int list(struct run *r)
{
	int max = (int)number(r->argv[2]);
	AUTO_FREE struct s3_object *rows = calloc(ROWS_MAX, sizeof(*rows));
	bool more;
	int n = max > ROWS_MAX
			? -1
			: s3_list(r->s3, r->argv[0], after_of(r), rows, max, &more, r->a, &r->f);

	if (n < 0)
		return ended(r, -1);
	for (int i = 0; i < n; i++)
		printf("%lld %s %s %s\n", (long long)rows[i].size, rows[i].etag, rows[i].modified,
		       rows[i].key);
	printf("more %d\n", more);
	return OK;
}

static int dirs(struct run *r)
{
	AUTO_FREE const char **rows = calloc(ROWS_MAX, sizeof(*rows));
	bool more;
	int n = s3_list_dirs(r->s3, r->argv[0], after_of(r), rows, (int)number(r->argv[2]), &more,
			     r->a, &r->f);

	if (n < 0)
		return ended(r, -1);
	for (int i = 0; i < n; i++)
		printf("%s\n", rows[i]);
	printf("more %d\n", more);
	return OK;
}

/* ---- the rest ---- */

static int remove_(struct run *r)
{
	return ended(r, s3_remove(r->s3, r->argv[0], &r->f) < 0 ? -1 : 1);
}

static int remove_many(struct run *r)
{
	const char *keys[ROWS_MAX];
	char line[2048];
	int n = 0;

	while (n < ROWS_MAX && fgets(line, sizeof(line), stdin))
		keys[n++] = arena_strndup(r->a, line, strcspn(line, "\n"));
	return ended(r, s3_remove_many(r->s3, keys, n, r->a, &r->f) < 0 ? -1 : 1);
}

static int copy(struct run *r)
{
	int rc = s3_copy(r->s3, r->argv[0], r->argv[1], &r->o, r->a, &r->f);

	return rc > 0 ? print_object(&r->o) : ended(r, rc);
}

/* As if no call copied more than a part. */
static int copy_parts(struct run *r)
{
	r->s3->copy_max = r->s3->copy_part = number(r->argv[2]);
	return copy(r);
}

static int abort_(struct run *r)
{
	int n = s3_abort_uploads(r->s3, r->argv[0], number(r->argv[1]), r->a, &r->f);

	printf("aborted %d\n", n);
	return ended(r, n < 0 ? -1 : 1);
}

static int presign(struct run *r)
{
	const char *url = s3_presign(r->s3, r->argv[0], r->argc > 1 ? r->argv[1] : NULL,
				     r->argc > 2 ? r->argv[2] : NULL, r->a, &r->f);

	if (url)
		printf("%s\n", url);
	return ended(r, url ? 1 : -1);
}

static int probe(struct run *r)
{
	return ended(r, s3_probe(r->s3, &r->f));
}

static int make_bucket(struct run *r)
{
	return ended(r, s3_make_bucket(r->s3, &r->f));
}

static const struct {
	const char *name;
	int (*run)(struct run *);
	int args;
} commands[] = {
	{ "put", put, 2 },           { "bytes", bytes, 2 },
	{ "generate", generate, 2 }, { "fill", fill, 2 },
	{ "get", get, 2 },           { "sum", sum, 1 },
	{ "drip", drip, 1 },         { "stat", stat_, 1 },
	{ "list", list, 3 },         { "dirs", dirs, 3 },
	{ "remove", remove_, 1 },    { "remove-many", remove_many, 0 },
	{ "copy", copy, 2 },         { "copy-parts", copy_parts, 3 },
	{ "abort", abort_, 2 },      { "presign", presign, 1 },
	{ "probe", probe, 0 },       { "make-bucket", make_bucket, 0 },
};

static int perform(struct run *r, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name) && r->argc >= commands[i].args)
			return commands[i].run(r);
	return USAGE;
}

int main(int argc, char **argv)
{
	struct run r = { .argc = argc - 2, .argv = argv + 2 };
	char why[512];
	int rc;

	log_init("s3-conform", LOG_LV_DEBUG, true);
	if (argc < 2 || httpc_global_init() < 0)
		return USAGE;
	if (conf_load(&r.cf, NULL, why, sizeof(why)) < 0) {
		fprintf(stderr, "s3-conform: %s\n", why);
		return USAGE;
	}
	r.a = arena_new((size_t)64 << 20);
	r.s3 = s3_open(&r.cf, &r.f);
	rc = r.s3 ? perform(&r, argv[1]) : ended(&r, -1);
	s3_close(r.s3);
	arena_free(r.a);
	conf_free(&r.cf);
	return fflush(stdout) ? FAULT : rc;
}
