/* doctor_service.c: the services that the platform stands on: do they answer, and as they should? */
#include "doctor.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "../lib/base/clock.h"
#include "../lib/base/text.h"
#include "../lib/httpc.h"
#include "../lib/store/migrate.h"
#include "../lib/store/overview.h"
#include "storage.h"

#define PACKET_MIN \
	((int64_t)64 \
	 << 20) /* the largest row: a result with return value and both streams, escaped */
#define PROBE_MS   5000
#define ANSWER_MAX 65536

/* ---- database ---- */

/* "10.11.6-MariaDB" as 10011; 0: no such form. */
static int64_t release_of(const char *version)
{
	int major, minor;

	return sscanf(version, "%d.%d", &major, &minor) == 2 ? (int64_t)major * 1000 + minor : 0;
}

static void check_server(struct doctor *d, struct db *db)
{
	struct overview_server s;
	struct fault f = { 0 };

	if (overview_server(db, &s, d->c->a, &f) < 0) {
		doctor_say(d, FOUND_FAIL, "database", NULL, "%s", f.detail);
		return;
	}
	if (!strstr(s.version, "MariaDB") || release_of(s.version) < 10006)
		doctor_say(d, FOUND_FAIL, "database", "install MariaDB 10.6 or later",
			   "the server is %s", s.version);
	else
		doctor_say(d, FOUND_OK, "database", NULL, "%s answers", s.version);
	if (s.max_allowed_packet < PACKET_MIN)
		doctor_say(d, FOUND_FAIL, "max_allowed_packet",
			   "set max_allowed_packet = 64M in the server's [mysqld] section",
			   "%lld bytes: large results could not be stored",
			   (long long)s.max_allowed_packet);
	else
		doctor_say(d, FOUND_OK, "max_allowed_packet", NULL, "%lld MiB",
			   (long long)(s.max_allowed_packet >> 20));
}

static void read_templates(struct doctor *d, struct db *db)
{
	struct fault f = { 0 };
	struct template *t = arena_alloc(d->c->a, DOCTOR_TEMPLATES * sizeof(*t));
	int n = t ? template_list(db, NULL, 0, t, DOCTOR_TEMPLATES, d->c->a, &f) : -1;

	if (n < 0)
		return;
	d->templates = t;
	d->ntemplates = n;
}

void doctor_database(struct doctor *d)
{
	struct migrate_state st;
	struct fault f = { 0 };
	struct db *db = db_open(&d->c->cf, &f);

	if (!db) {
		doctor_say(d, FOUND_FAIL, "database",
			   "start MariaDB, or correct [database] in the configuration", "%s as %s",
			   f.detail, d->c->cf.database_user);
		return;
	}
	check_server(d, db);
	if (migrate_check(db, &f) < 0 || migrate_look(db, &st, &f) < 0) {
		doctor_say(d, FOUND_FAIL, "schema", NULL, "%s", f.detail);
	} else {
		doctor_say(d, FOUND_OK, "schema", NULL, "version %lld", (long long)st.have);
		read_templates(d, db);
	}
	db_close(db);
}

/* ---- file storage ---- */

void doctor_storage(struct doctor *d)
{
	const struct conf *cf = &d->c->cf;
	struct fault f = { 0 };
	int rc = storage_try(cf, d->c->a, &f);

	if (rc < 0)
		doctor_say(d, FOUND_FAIL, "file storage", storage_remedy(&f), "%s, bucket %s: %s",
			   cf->storage_endpoint, cf->storage_bucket, f.detail);
	else if (rc == 0)
		doctor_say(d, FOUND_FAIL, "file storage", "run: sandboxctl storage create",
			   "%s has no bucket %s", cf->storage_endpoint, cf->storage_bucket);
	else
		doctor_say(d, FOUND_OK, "file storage", NULL, "%s, bucket %s", cf->storage_endpoint,
			   cf->storage_bucket);
}

/* ---- runtime and images ---- */

static const char *runtime_remedy(const char *name)
{
	if (!strcmp(name, "docker"))
		return "start Docker, or let this user use its socket (group docker)";
	return "run: apt-get install runc, and run this as root";
}

void doctor_runtime(struct doctor *d)
{
	struct rt_probe p = { 0 };
	struct fault f = { 0 };
	struct rt *rt;

	if (!d->ops) {
		doctor_say(d, FOUND_FAIL, "runtime", "set [runtime] type to docker or oci",
			   "this program has no runtime '%s'", d->c->cf.runtime_type);
		return;
	}
	rt = d->ops->open(&d->c->cf, &f);
	if (!rt || d->ops->probe(rt, clock_ms() + PROBE_MS, &p, d->c->a, &f) < 0) {
		doctor_say(d, FOUND_FAIL, "runtime", runtime_remedy(d->ops->name), "%s: %s",
			   d->ops->name, f.detail);
	} else {
		doctor_say(d, FOUND_OK, "runtime", NULL, "%s, %s, %.1f CPUs, %lld MiB",
			   d->ops->name, p.version ? p.version : "version unknown",
			   (double)p.total_cpu_millis / 1000,
			   (long long)(p.total_memory_bytes >> 20));
		d->images = p.images_json ? p.images_json : "[]";
	}
	if (rt)
		d->ops->close(rt);
}

/* A name without tag or digest stands for ":latest". */
static bool has_image(struct json_object *list, const char *name)
{
	const char *slash = strrchr(name, '/');
	bool bare = !strchr(slash ? slash : name, ':') && !strchr(name, '@');
	size_t n = strlen(name);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *have = json_object_get_string(json_object_array_get_idx(list, i));

		if (str_eq(have, name) ||
		    (bare && have && !strncmp(have, name, n) && !strcmp(have + n, ":latest")))
			return true;
	}
	return false;
}

static const char *image_remedy(const struct doctor *d)
{
	if (!strcmp(d->ops->name, "oci"))
		return "run: sandboxctl image import, or sandboxctl image alias NAME host";
	return strcmp(d->c->cf.runtime_image_pull, "never")
		       ? "build it from deploy/, or let it be pulled at first use"
		       : "build it from deploy/; [runtime] image_pull is never";
}

void doctor_images(struct doctor *d)
{
	AUTO_JSON struct json_object *list = d->images ? json_tokener_parse(d->images) : NULL;
	int missing = 0, active = 0;

	if (!list || !d->templates)
		return; /* the runtime or the database has failed, and that was said */
	for (int i = 0; i < d->ntemplates; i++) {
		const struct template *t = &d->templates[i];

		active += t->is_active > 0;
		if (!t->is_active || has_image(list, t->image_url))
			continue;
		missing++;
		doctor_say(d, FOUND_WARN, "image", image_remedy(d),
			   "template %s: %s is not on this host", t->id, t->image_url);
	}
	if (active && missing == active)
		doctor_say(d, FOUND_FAIL, "images", image_remedy(d),
			   "no template has its image on this host");
	else
		doctor_say(d, FOUND_OK, "images", NULL,
			   "%d of %d templates have theirs on this host", active - missing, active);
}

/* ---- the web server's listeners ---- */

/* Without a token the internal surface says Internal.Unauthorized; the public one does not know the path. */
void doctor_listener(struct doctor *d)
{
	const char *url = d->c->cf.runtime_control_url;
	bool sock = str_starts(url, "unix://");
	struct httpc *h = httpc_new();
	struct httpc_resp resp = { 0 };
	struct fault f = { 0 };
	struct httpc_req req = {
		.method = "POST",
		.unix_socket = sock ? url + strlen("unix://") : NULL,
		.watch_fd = -1,
		.url = arena_printf(d->c->a, "%s/internal/sessions/doctor/heartbeat",
				    sock ? "http://sandbox" : url),
		.body = "{}",
		.body_len = 2,
		.content_type = "application/json",
		.deadline = clock_ms() + PROBE_MS,
		.max_body = ANSWER_MAX,
	};

	if (!h || !req.url || httpc_do(h, &req, &resp, d->c->a, &f) < 0)
		doctor_say(d, FOUND_FAIL, "internal listener",
			   "start the web server with the internal listener of etc/",
			   "%s does not answer", url);
	else if ((d->api_answers = resp.status == 401 && resp.body &&
				   strstr(resp.body, "Internal.Unauthorized")))
		doctor_say(d, FOUND_OK, "internal listener", NULL, "%s answers", url);
	else if (resp.status == 404)
		doctor_say(d, FOUND_FAIL, "internal listener",
			   "let it pass the parameter SANDBOX_SURFACE=internal, see etc/",
			   "%s answers as the public API", url);
	else
		doctor_say(d, FOUND_FAIL, "internal listener",
			   "start sandbox-fcgi, and see the web server's error log",
			   "%s answers with status %ld", url, resp.status);
	httpc_free(h);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&sa, sizeof(sa));
}

static int connect_tcp(const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai = NULL;
	const struct timeval limit = { .tv_sec = PROBE_MS / 1000 };
	const char *colon = strrchr(address, ':');
	AUTO_CLOSE int fd = -1;
	char host[256];
	int rc;

	snprintf(host, sizeof(host), "%.*s", (int)(colon ? colon - address : 0), address);
	if (!colon || getaddrinfo(*host ? host : NULL, colon + 1, &hints, &ai)) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0
		     ? -1
		     : connect(fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	return rc;
}

void doctor_fastcgi(struct doctor *d)
{
	const char *address = d->c->cf.server_listen;

	if ((*address == '/' ? connect_unix(address) : connect_tcp(address)) == 0)
		doctor_say(d, FOUND_OK, "FastCGI socket", NULL, "%s accepts connections", address);
	else
		doctor_say(d, d->api_answers ? FOUND_WARN : FOUND_FAIL, "FastCGI socket",
			   d->api_answers ? "fine when sandbox-fcgi is handed its socket"
					  : "start sandbox-fcgi",
			   "%s: %s", address, strerror(errno));
}
