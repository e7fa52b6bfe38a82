/* conf_check.c: rules that concern more than one key, and which secrets production refuses. */
#include "conf_check.h"

#include <stdio.h>

#define MIN_SECRET 32 /* bytes, CONTRACT 12.1 [internal] secret */

static bool known(const char *secret)
{
	static const char *const list[] = { "changeme", "secret",     "password",
					    "sandbox",  "minioadmin", "test" };

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
	if (production && *cf->storage_endpoint &&
	    (!*cf->storage_secret_key || known(cf->storage_secret_key)))
		REFUSE("[storage] secret_key: is %s",
		       *cf->storage_secret_key ? "a well-known value" : "required");
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
