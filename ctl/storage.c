/* storage.c: sandboxctl storage: the bucket in which workspaces and long outputs are (CONTRACT 12.1 [storage]). */
#include "storage.h"

#include <stdio.h>

#include "../lib/base/ident.h"
#include "../lib/s3/s3.h"

struct reading {
	const char *want;
	size_t at, n;
	bool differs;
};

static int compare(void *arg, const char *data, size_t n)
{
	struct reading *rd = arg;

	rd->differs = rd->differs || n > rd->n - rd->at || memcmp(rd->want + rd->at, data, n) != 0;
	rd->at += rd->differs ? 0 : n;
	return 0;
}

/* 1, -1. */
static int round_trip(struct s3 *s, const char *key, const char *text, struct arena *a,
		      struct fault *f)
{
	struct s3_object o;
	struct reading rd = { .want = text, .n = strlen(text) };
	const struct s3_get get = {
		.key = key, .to = -1, .sink = compare, .arg = &rd, .watch_fd = -1
	};
	int rc;

	if (s3_put_bytes(s, key, "text/plain", text, rd.n, &o, a, f) < 0)
		return -1;
	rc = s3_get(s, &get, &o, a, f);
	if (rc >= 0 && (rc == 0 || rd.differs || rd.at != rd.n))
		rc = fault_set(f, FAULT_STORAGE_UNAVAILABLE,
			       "what was written could not be read back");
	if (s3_remove(s, key, f) < 0)
		return -1;
	return rc;
}

int storage_try(const struct conf *cf, struct arena *a, struct fault *f)
{
	char id[37];
	const char *key;
	struct s3 *s = s3_open(cf, f);
	int rc = s ? s3_probe(s, f) : -1;

	if (rc > 0) {
		ident_uuid(id);
		key = arena_printf(a, "check/%s", id);
		rc = key ? round_trip(s, key, id, a, f)
			 : fault_set(f, FAULT_INTERNAL, "out of memory");
	}
	s3_close(s);
	return rc;
}

const char *storage_remedy(const struct fault *f)
{
	static const struct {
		const char *said, *remedy;
	} list[] = {
		{ "reached", "start the S3 server, or correct [storage] endpoint" },
		{ "in time", "start the S3 server, or correct [storage] endpoint" },
		{ "clocks", "let both hosts ask the same NTP servers" },
		{ "region", "correct [storage] region, endpoint or path_style" },
		{ "refuses", "correct [storage] access_key and secret_key, let them read and write "
			     "the bucket" },
		{ "full", "give the S3 server more room" },
	};

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (strstr(f->detail, list[i].said))
			return list[i].remedy;
	return "see [storage] in sandbox.ini(5)";
}

int ctl_storage_create(struct ctl *c)
{
	struct fault f = { 0 };
	struct s3 *s = s3_open(&c->cf, &f);
	int rc = s ? s3_make_bucket(s, &f) : -1;

	s3_close(s);
	if (rc < 0)
		return ctl_fail(CTL_FAILED, "%s: %s; %s", c->cf.storage_endpoint, f.detail,
				storage_remedy(&f));
	printf("The bucket %s at %s %s.\n", c->cf.storage_bucket, c->cf.storage_endpoint,
	       rc ? "has been made" : "is there already");
	return ctl_done();
}

int ctl_storage_check(struct ctl *c)
{
	struct fault f = { 0 };
	int rc = storage_try(&c->cf, c->a, &f);

	if (rc < 0)
		return ctl_fail(CTL_FAILED, "%s: %s; %s", c->cf.storage_endpoint, f.detail,
				storage_remedy(&f));
	if (rc == 0)
		return ctl_fail(CTL_FAILED, "%s has no bucket %s; run: sandboxctl storage create",
				c->cf.storage_endpoint, c->cf.storage_bucket);
	printf("The bucket %s at %s takes, gives back and removes objects.\n", c->cf.storage_bucket,
	       c->cf.storage_endpoint);
	return ctl_done();
}
