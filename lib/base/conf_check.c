/* conf_check.c: rules that concern more than one key, and which secrets production refuses. */
#include "conf_check.h"

#include <ctype.h>
#include <stdio.h>

#define MIN_SECRET 32 /* bytes, CONTRACT 12.1 [internal] secret */

static bool known(const char *secret)
{
	/* Defaults of S3 servers and of their guides among them. */
	static const char *const list[] = {
		"changeme",    "secret",     "password",
		"sandbox",     "minioadmin", "test",
		"minio123",    "testsecret", "testsecret123",
		"rustfsadmin", "admin",      "secretkey",
		"mysecretkey", "cephsecret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	};

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (!strcasecmp(secret, list[i]))
			return true;
	return false;
}

static bool weak(const char *secret)
{
	char distinct[256] = "";

	for (const char *p = secret; *p; p++)
		if (!strchr(distinct, *p))
			strncat(distinct, p, 1);
	return strlen(distinct) < 8; /* "aaaa…" is as long as it is guessable */
}

/* What the address of an S3 service must be; NULL: it is. */
static const char *bad_address(const char *url)
{
	const char *host = strstr(url, "://");

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return "must begin with http:// or https://";
	if (!host[3] || strchr("/:?#", host[3]) || strpbrk(url, "?#@ "))
		return "must be an address such as https://s3.example.org or http://10.0.0.7:9000";
	return NULL;
}

/* Of S3's own rules those that keep it a word in a URL and in a host's name. */
static bool bucket_ok(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 63 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n &&
	       isalnum((unsigned char)s[0]) && isalnum((unsigned char)s[n - 1]) && !strstr(s, "..");
}

/* bucket.10.0.0.7 is no name. */
static bool is_number(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t n = strcspn(host, ":/");

	return *host == '[' || strspn(host, "0123456789.") == n;
}

static int check_storage(const struct conf *cf, bool production, char *why, size_t whysz)
{
	const char *bad;

#define REFUSE(...) return snprintf(why, whysz, __VA_ARGS__), -1
	if (!*cf->storage_endpoint)
		REFUSE("[storage] endpoint: is required: the address of an S3 service, such as "
		       "http://127.0.0.1:9000");
	if ((bad = bad_address(cf->storage_endpoint)))
		REFUSE("[storage] endpoint: %s", bad);
	if (*cf->storage_public_endpoint && (bad = bad_address(cf->storage_public_endpoint)))
		REFUSE("[storage] public_endpoint: %s", bad);
	if (!bucket_ok(cf->storage_bucket))
		REFUSE("[storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it");
	if (!cf->storage_path_style &&
	    (is_number(cf->storage_endpoint) ||
	     (*cf->storage_public_endpoint && is_number(cf->storage_public_endpoint))))
		REFUSE("[storage] path_style: off needs a name in endpoint, not a number");
	if (!*cf->storage_access_key)
		REFUSE("[storage] access_key: is required");
	if (!*cf->storage_secret_key)
		REFUSE("[storage] secret_key: is required");
	if (production && known(cf->storage_secret_key))
		REFUSE("[storage] secret_key: is a well-known value");
#undef REFUSE
	return 0;
}

int conf_check(const struct conf *cf, char *why, size_t whysz)
{
	bool production = str_eq(cf->server_environment, "production");
	const char *d = cf->runtime_deployment;

#define REFUSE(...) return snprintf(why, whysz, __VA_ARGS__), -1
	if (strspn(d, "abcdefghijklmnopqrstuvwxyz") != strlen(d) || !*d || strlen(d) > 20)
		REFUSE("[runtime] deployment: must be 1-20 letters a-z");
	if (strlen(cf->internal_secret) < MIN_SECRET)
		REFUSE("[internal] secret: %s; give at least %d bytes, e.g. from 'openssl rand -hex 32'",
		       *cf->internal_secret ? "is too short" : "is required", MIN_SECRET);
	if (production && weak(cf->internal_secret))
		REFUSE("[internal] secret: is a guessable value");
	if (production && known(cf->database_password))
		REFUSE("[database] password: is a well-known value");
	if (check_storage(cf, production, why, whysz) < 0)
		return -1;
	if (*cf->internal_secret_previous && strlen(cf->internal_secret_previous) < MIN_SECRET)
		REFUSE("[internal] secret_previous: is shorter than %d bytes", MIN_SECRET);
	if (production && *cf->internal_secret_previous && weak(cf->internal_secret_previous))
		REFUSE("[internal] secret_previous: is a guessable value");
	if (cf->server_slow_threads > cf->server_threads)
		REFUSE("[server] slow_threads: must not be more than threads");
	if (cf->session_cpu_min_millis > cf->session_cpu_max_millis ||
	    cf->session_memory_min > cf->session_memory_max ||
	    cf->session_disk_min > cf->session_disk_max ||
	    cf->session_processes_min > cf->session_processes_max)
		REFUSE("[session]: a minimum is above its maximum");
	if (cf->execution_default_timeout > cf->execution_max_timeout)
		REFUSE("[execution] default_timeout: must not be more than max_timeout");
	if (cf->execution_heartbeat_timeout <= cf->execution_heartbeat_interval)
		REFUSE("[execution] heartbeat_timeout: must be more than heartbeat_interval");
#undef REFUSE
	return 0;
}
