#include "conf.h"

#include <ctype.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "conf_check.h"
#include "text.h"

#define MAX_VALUE 16384 /* bytes of one value; a secret file may not be longer either */
#define MAX_LINE  198   /* bytes: what inih's buffer of 200 holds */

enum kind {
	K_STR,  /* any text */
	K_PATH, /* absolute path or empty */
	K_URL,  /* http://, https://, unix:// or empty */
	K_ENUM, /* one of `def`'s sisters in words[] */
	K_BOOL, /* on, off (also true, false, yes, no, 1, 0) */
	K_INT,
	K_SIZE,   /* bytes with Ki, Mi, Gi */
	K_MILLIS, /* decimal or 500m, kept in thousandths */
	K_SECRET, /* K_STR, also from <key>_file */
};

struct key {
	const char *section, *name;
	enum kind kind;
	size_t off;
	const char *def;
	int64_t min, max;  /* K_INT, K_SIZE, K_MILLIS */
	const char *words; /* K_ENUM: blank-separated */
};

/* clang-format off */
#define AT(f) offsetof(struct conf, f)
#define STR(s, k, def)		{ #s, #k, K_STR, AT(s##_##k), def, 0, 0, NULL }
#define PATH(s, k, def)		{ #s, #k, K_PATH, AT(s##_##k), def, 0, 0, NULL }
#define URL(s, k, def)		{ #s, #k, K_URL, AT(s##_##k), def, 0, 0, NULL }
#define ENUM(s, k, def, w)	{ #s, #k, K_ENUM, AT(s##_##k), def, 0, 0, w }
#define BOOL(s, k, def)		{ #s, #k, K_BOOL, AT(s##_##k), def, 0, 0, NULL }
#define INT(s, k, def, lo, hi)	{ #s, #k, K_INT, AT(s##_##k), def, lo, hi, NULL }
#define SIZE(s, k, f, def, lo, hi)	{ #s, #k, K_SIZE, AT(f), def, lo, hi, NULL }
#define MILLI(s, k, f, def, lo, hi)	{ #s, #k, K_MILLIS, AT(f), def, lo, hi, NULL }
#define SECRET(s, k)		{ #s, #k, K_SECRET, AT(s##_##k), "", 0, 0, NULL }

#define GIB	((int64_t)1 << 30)
#define TIB	((int64_t)1 << 40)
#define DAY_S	86400

/* CONTRACT 12.1, in its order. A default of NULL means: depends on this host, see fill_defaults(). */
static const struct key keys[] = {
	STR   (server, listen, "/run/sandbox/fcgi.sock"),
	ENUM  (server, environment, "production", "production development"),
	INT   (server, workers, "0", 0, 256),
	INT   (server, threads, "64", 1, 1024),
	INT   (server, slow_threads, "56", 1, 1024),
	URL   (server, public_url, ""),
	STR   (server, docs_url, "/docs"),
	STR   (server, cors_origins, ""),
	INT   (server, shutdown_grace, "30", 0, 3600),
	ENUM  (auth, mode, "key", "key off"),
	BOOL  (auth, trust_upstream, "off"),
	SECRET(internal, secret),
	SECRET(internal, secret_previous),
	INT   (limits, max_body_bytes, "1048576", 1024, 64 << 20),
	INT   (limits, max_execute_body_bytes, "8388608", 1024, 64 << 20),
	INT   (limits, max_upload_bytes, "104857600", 1024, TIB),
	BOOL  (ratelimit, enabled, "on"),
	INT   (ratelimit, requests_per_minute, "6000", 1, 10000000),
	INT   (ratelimit, burst, "600", 1, 10000000),
	INT   (ratelimit, creates_per_minute, "300", 1, 10000000),
	STR   (database, host, "127.0.0.1"),
	INT   (database, port, "3306", 1, 65535),
	PATH  (database, socket, ""),
	STR   (database, name, "sandbox"),
	STR   (database, user, "sandbox"),
	SECRET(database, password),
	PATH  (database, tls_ca, ""),
	INT   (database, pool_size, "4", 1, 256),
	INT   (database, connect_timeout, "5", 1, 60),
	INT   (database, query_timeout, "30", 1, 600),
	URL   (storage, endpoint, ""),
	URL   (storage, public_endpoint, ""),
	STR   (storage, region, "us-east-1"),
	STR   (storage, bucket, "sandbox-workspace"),
	SECRET(storage, access_key),
	SECRET(storage, secret_key),
	BOOL  (storage, path_style, "on"),
	INT   (storage, presign_ttl, "3600", 1, 7 * DAY_S),	/* SigV4's own ceiling is seven days */
	INT   (storage, timeout, "30", 1, 3600),
	INT   (storage, large_file_bytes, "10485760", 1, TIB),
	INT   (storage, part_bytes, "8388608", 5 << 20, GIB),	/* S3 refuses parts below 5 MiB */
	INT   (storage, retention_hours, "0", 0, 87600),
	INT   (session, default_timeout, "300", 1, 3600),
	INT   (session, idle_threshold, "1800", -1, 365 * DAY_S),
	INT   (session, max_lifetime, "21600", -1, 365 * DAY_S),
	INT   (session, creating_timeout, "300", 5, DAY_S),
	MILLI (session, cpu_min, session_cpu_min_millis, "0.1", 10, 1024000),
	MILLI (session, cpu_max, session_cpu_max_millis, "4", 10, 1024000),
	SIZE  (session, memory_min, session_memory_min, "128Mi", 32 << 20, TIB),
	SIZE  (session, memory_max, session_memory_max, "8Gi", 32 << 20, TIB),
	SIZE  (session, disk_min, session_disk_min, "256Mi", 1 << 20, 64 * TIB),
	SIZE  (session, disk_max, session_disk_max, "50Gi", 1 << 20, 64 * TIB),
	INT   (session, processes_min, "32", 16, 65536),
	INT   (session, processes_max, "1024", 16, 65536),
	INT   (session, max_recoveries, "3", 0, 1000),
	INT   (session, tombstone_days, "30", 0, 3650),
	INT   (session, record_days, "90", 0, 3650),
	INT   (execution, default_timeout, "30", 1, 3600),
	INT   (execution, max_timeout, "3600", 1, 3600),
	INT   (execution, max_code_bytes, "1048576", 1, 8 << 20),
	INT   (execution, max_event_bytes, "1048576", 2, 8 << 20),
	INT   (execution, max_return_bytes, "1048576", 2, 8 << 20),
	INT   (execution, output_inline_bytes, "1048576", 1024, 4 << 20),
	INT   (execution, output_max_bytes, "104857600", 1024, 10 * GIB),
	ENUM  (execution, output_limit_action, "drop", "drop kill"),
	INT   (execution, max_parallel, "10", 1, 256),
	INT   (execution, max_queue, "100", 0, 1000),
	INT   (execution, max_retries, "3", 0, 3),
	INT   (execution, max_artifacts, "1000", 0, 100000),
	INT   (execution, heartbeat_interval, "5", 1, 300),
	INT   (execution, heartbeat_timeout, "15", 3, 3600),
	BOOL  (executor, allow_unisolated, "off"),
	INT   (executor, port, "8080", 1, 65535),
	ENUM  (runtime, type, "auto", "auto docker kubernetes oci"),
	STR   (runtime, deployment, "sandbox"),
	STR   (runtime, node_id, NULL),
	URL   (runtime, endpoint, "unix:///var/run/docker.sock"),
	STR   (runtime, oci_binary, "auto"),
	PATH  (runtime, image_root, "/var/lib/sandbox/images"),
	PATH  (runtime, state_dir, "/var/lib/sandbox/sessions"),
	STR   (runtime, runtime_class, ""),
	URL   (runtime, control_url, "unix:///run/sandbox/control/control.sock"),
	PATH  (runtime, socket_dir, "/run/sandbox/s"),
	BOOL  (runtime, direct, "on"),
	ENUM  (runtime, image_pull, "missing", "never missing always"),
	INT   (runtime, start_timeout, "60", 1, 3600),
	INT   (runtime, max_sessions, "1000", 1, 1000000),
	MILLI (runtime, total_cpu, runtime_total_cpu_millis, "0", 0, 1024000000),
	SIZE  (runtime, total_memory, runtime_total_memory, "0", 0, 1024 * TIB),
	MILLI (runtime, cpu_overcommit, runtime_cpu_overcommit_millis, "16", 100, 1000000),
	MILLI (runtime, memory_overcommit, runtime_memory_overcommit_millis, "4", 100, 1000000),
	STR   (runtime, namespace, "sandbox-runtime"),
	STR   (runtime, kubeconfig, "in-cluster"),
	STR   (runtime, service_account, "sandbox-executor"),
	STR   (network, egress_network, "sandbox-egress"),
	STR   (network, egress_deny, "169.254.0.0/16,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,fe80::/10"),
	STR   (template, python_basic_image, "sandbox/python-basic:latest"),
	STR   (template, python_datascience_image, "sandbox/python-datascience:latest"),
	STR   (template, nodejs_basic_image, "sandbox/nodejs-basic:latest"),
	URL   (dependencies, default_index_url, ""),
	STR   (dependencies, allowed_index_hosts, ""),
	BOOL  (dependencies, only_binary, "on"),
	INT   (dependencies, parallel_builds, "2", 1, 64),
	INT   (dependencies, max_layer_bytes, "2147483648", 1 << 20, TIB),
	INT   (dependencies, layer_ttl_days, "30", 1, 3650),
	INT   (health, interval, "10", 1, 3600),
	INT   (health, timeout, "5", 1, 60),
	INT   (health, failures, "3", 1, 100),
	INT   (health, sync_interval, "30", 1, 3600),
	BOOL  (metrics, enabled, "on"),
	ENUM  (log, level, "info", "debug info warn error"),
	ENUM  (log, format, "json", "json text"),
	STR   (log, target, "stderr"),
	BOOL  (log, audit, "on"),
};
/* clang-format on */

struct load {
	struct conf *cf;
	char *why;
	size_t whysz;
};

/* ---- values ---- */

static bool word_in(const char *v, const char *words)
{
	size_t n = strchr(v, ' ') ? 0 : strlen(v);

	for (const char *p = words; n && (p = strstr(p, v)); p += n)
		if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

static int set_text(char **field, const char *val)
{
	free(*field);
	return (*field = strdup(val)) ? 0 : -1;
}

static int set_bool(bool *field, const char *val)
{
	if (word_in(val, "on true yes 1"))
		*field = true;
	else if (word_in(val, "off false no 0"))
		*field = false;
	else
		return -1;
	return 0;
}

static bool parse_number(const struct key *k, const char *val, int64_t *n)
{
	if (k->kind == K_INT)
		return text_int(val, k->min, k->max, n);
	if (!(k->kind == K_SIZE ? conf_size(val, n) : conf_millis(val, n)))
		return false;
	return *n >= k->min && *n <= k->max;
}

static const char *bad_form(const struct key *k, const char *val)
{
	static const char *const schemes[] = { "http://", "https://", "unix:///", "tcp://" };

	if (k->kind == K_ENUM && !word_in(val, k->words))
		return k->words;
	if (k->kind == K_PATH && *val && *val != '/')
		return "must be an absolute path";
	if (k->kind != K_URL || !*val)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts(val, schemes[i]))
			return NULL;
	return "must be a URL (http, https, tcp, unix:///path)";
}

static int set_key(const struct load *ld, const struct key *k, const char *val)
{
	void *field = (char *)ld->cf + k->off;
	const char *bad = bad_form(k, val);
	int64_t n;

	if (strlen(val) > MAX_VALUE)
		bad = "is too long";
	if (bad) {
		snprintf(ld->why, ld->whysz, "[%s] %s: '%.80s' %s%s", k->section, k->name,
			 k->kind == K_SECRET ? "..." : val,
			 k->kind == K_ENUM ? "must be one of: " : "", bad);
		return -1;
	}
	if (k->kind == K_BOOL) {
		if (set_bool(field, val) == 0)
			return 0;
		snprintf(ld->why, ld->whysz, "[%s] %s: '%.80s' must be on or off", k->section,
			 k->name, val);
		return -1;
	}
	if (k->kind != K_INT && k->kind != K_SIZE && k->kind != K_MILLIS)
		return set_text(field, val);
	if (parse_number(k, val, &n)) {
		*(int64_t *)field = n;
		return 0;
	}
	snprintf(ld->why, ld->whysz, "[%s] %s: '%.80s' is not in %lld..%lld%s", k->section, k->name,
		 val, (long long)k->min, (long long)k->max,
		 k->kind == K_SIZE     ? " bytes"
		 : k->kind == K_MILLIS ? " thousandths"
				       : "");
	return -1;
}

/* systemd's LoadCredential= gives the service's user a copy, under the same last name, of a file that only root reads. */
static int open_secret(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(path, '/');
	char copy[PATH_MAX];
	int fd = -1;

	if (dir && snprintf(copy, sizeof(copy), "%s/%s", dir, slash ? slash + 1 : path) <
			   (int)sizeof(copy))
		fd = open(copy, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

/* A secret's file: its content without the line's end. */
static int set_from_file(const struct load *ld, const struct key *k, const char *path)
{
	AUTO_CLOSE int fd = open_secret(path);
	char buf[MAX_VALUE + 2]; /* one byte too many is seen, not cut */
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0) {
		snprintf(ld->why, ld->whysz, "[%s] %s_file: cannot read %s: %s", k->section,
			 k->name, path, strerror(errno));
		return -1;
	}
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	buf[n] = '\0';
	return set_key(ld, k, buf);
}

/* 1: taken. 0: no such key. -1: refused, why is set. */
static int take(const struct load *ld, const char *section, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		size_t n = strlen(k->name);

		if (strcmp(k->section, section))
			continue;
		if (!strcmp(k->name, name))
			return set_key(ld, k, value) < 0 ? -1 : 1;
		if (k->kind == K_SECRET && !strncmp(k->name, name, n) && !strcmp(name + n, "_file"))
			return set_from_file(ld, k, value) < 0 ? -1 : 1;
	}
	return 0;
}

struct source {
	FILE *file;
	const struct load *ld;
	int line;
};

/*
 * inih's fgets(). It would take an indented line for a continuation of the value
 * before it, and the rest of a long line for a line of its own.
 */
static char *read_line(char *buf, int n, void *user)
{
	struct source *src = user;
	size_t len;
	int c;

	if (!fgets(buf, n, src->file))
		return NULL;
	src->line++;
	len = strspn(buf, " \t");
	memmove(buf, buf + len, strlen(buf + len) + 1);
	if (strchr(buf, '\n') || feof(src->file))
		return buf;
	if (*buf != '#' && *buf != ';') {
		snprintf(src->ld->why, src->ld->whysz, "the line is longer than %d bytes",
			 MAX_LINE);
		return NULL;
	}
	while ((c = getc(src->file)) != EOF && c != '\n')
		;
	return buf;
}

/* inih: non-zero is success, zero makes ini_parse() report the line. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct load *ld = user;
	int rc;

	if (ld->why[0])
		return 0; /* inih goes on after an error: keep the first one */
	rc = take(ld, section, name, value ? value : "");
	if (rc == 0)
		snprintf(ld->why, ld->whysz, "[%s] %s: unknown key", section, name);
	return rc > 0;
}

/* 0, -1. */
static int from_file(struct load *ld, const char *path)
{
	struct source src = { .file = fopen(path, "re"), .ld = ld };
	char first[300];
	int line;

	if (!src.file) {
		snprintf(ld->why, ld->whysz, "%s: cannot read: %s", path, strerror(errno));
		return -1;
	}
	errno = 0;
	line = ini_parse_stream(read_line, &src, on_key, ld);
	if (ferror(src.file))
		snprintf(ld->why, ld->whysz, "cannot read: %s", strerror(errno));
	fclose(src.file);
	if (!line && !ld->why[0])
		return 0;
	snprintf(first, sizeof(first), "%s", ld->why[0] ? ld->why : "not a 'key = value' line");
	snprintf(ld->why, ld->whysz, "%s:%d: %s", path, line > 0 ? line : src.line, first);
	return -1;
}

static int from_environment(const struct load *ld)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		static const char *const suffixes[] = { "", "_FILE" };

		for (size_t j = 0; j < (keys[i].kind == K_SECRET ? 2 : 1); j++) {
			char name[96];
			const char *v;

			snprintf(name, sizeof(name), "SANDBOX_%s_%s%s", keys[i].section,
				 keys[i].name, suffixes[j]);
			for (char *p = name; *p; p++)
				*p = (char)toupper((unsigned char)*p);
			v = getenv(name);
			if (v &&
			    (j ? set_from_file(ld, &keys[i], v) : set_key(ld, &keys[i], v)) < 0)
				return -1;
		}
	}
	if (getenv("RUNTIME_TYPE") &&
	    !getenv("SANDBOX_RUNTIME_TYPE")) /* the older name, CONTRACT 12.1 */
		return take(ld, "runtime", "type", getenv("RUNTIME_TYPE")) < 0 ? -1 : 0;
	return 0;
}

static int fill_defaults(const struct load *ld)
{
	char host[65] = "localhost";

	gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (set_key(ld, &keys[i], keys[i].def ? keys[i].def : host) < 0)
			return -1;
	return 0;
}

/* ---- the whole ---- */

int conf_load(struct conf *cf, const char *path, char *why, size_t whysz)
{
	struct load ld = { .cf = cf, .why = why, .whysz = whysz };
	char first[300];

	memset(cf, 0, sizeof(*cf));
	why[0] = '\0';
	if (fill_defaults(&ld) < 0)
		goto undo;
	if (path && from_file(&ld, path) < 0)
		goto undo;
	if (from_environment(&ld) < 0) {
		snprintf(first, sizeof(first), "%s", why);
		snprintf(why, whysz, "environment: %s", first);
		goto undo;
	}
	if (conf_check(cf, why, whysz) < 0) {
		conf_where(path, why, whysz);
		goto undo;
	}
	if (!*cf->storage_public_endpoint &&
	    set_text(&cf->storage_public_endpoint, cf->storage_endpoint) < 0)
		goto undo;
	return 0;
undo:
	if (!why[0])
		snprintf(why, whysz, "out of memory");
	conf_free(cf);
	return -1;
}

void conf_free(struct conf *cf)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (keys[i].kind > K_ENUM && keys[i].kind != K_SECRET)
			continue;
		free(*(char **)((char *)cf + keys[i].off));
		*(char **)((char *)cf + keys[i].off) = NULL;
	}
}

int conf_print(const struct conf *cf)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		const void *field = (const char *)cf + k->off;
		const char *text;
		char num[32];

		if (k->kind == K_INT || k->kind == K_SIZE)
			text = (snprintf(num, sizeof(num), "%lld",
					 (long long)*(const int64_t *)field),
				num);
		else if (k->kind == K_MILLIS)
			text = (snprintf(num, sizeof(num), "%.3f",
					 (double)*(const int64_t *)field / 1000),
				num);
		else if (k->kind == K_BOOL)
			text = *(const bool *)field ? "on" : "off";
		else
			text = *(char *const *)field;
		if (k->kind == K_SECRET)
			text = *text ? "(set)" : "(empty)";
		if (printf("%s %s %s\n", k->section, k->name, text) < 0)
			return -1;
	}
	return fflush(stdout);
}

int conf_print_keys(void)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (printf("%s %s %s\n", keys[i].section, keys[i].name,
			   keys[i].def ? keys[i].def : "(host name)") < 0)
			return -1;
	return fflush(stdout);
}
