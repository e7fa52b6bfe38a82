/* conf_test.c: sandbox.ini, its environment and its secrets. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "../../lib/base/conf.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OK     "[internal]\nsecret = " SECRET "\n"

static char dir[] = "/tmp/conf_test.XXXXXX";
static char ini[64], extra[64];

/* What every configuration must have is in the environment, but where a test is about it. */
static void set_storage(void)
{
	setenv("SANDBOX_STORAGE_ENDPOINT", "http://s3.test", 1);
	setenv("SANDBOX_STORAGE_ACCESS_KEY", "access", 1);
	setenv("SANDBOX_STORAGE_SECRET_KEY", "0123456789abcdef", 1);
}

static void unset_storage(void)
{
	unsetenv("SANDBOX_STORAGE_ENDPOINT");
	unsetenv("SANDBOX_STORAGE_ACCESS_KEY");
	unsetenv("SANDBOX_STORAGE_SECRET_KEY");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	set_storage();
	snprintf(ini, sizeof(ini), "%s/s.ini", dir);
	snprintf(extra, sizeof(extra), "%s/secret", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unset_storage();
	unlink(ini);
	unlink(extra);
	return rmdir(dir);
}

static void put(const char *path, const char *text, size_t n)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
}

static int load(struct conf *cf, const char *text, char *why, size_t whysz)
{
	put(ini, text, strlen(text));
	return conf_load(cf, ini, why, whysz);
}

static void defaults(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	assert_int_equal(load(&cf, OK, why, sizeof(why)), 0);
	assert_string_equal(cf.server_listen, "/run/sandbox/fcgi.sock");
	assert_string_equal(cf.server_environment, "production");
	assert_string_equal(cf.server_cors_origins, "");
	assert_string_equal(cf.auth_mode, "key");
	assert_string_equal(cf.internal_secret, SECRET);
	assert_int_equal(cf.server_threads, 64);
	assert_int_equal(cf.session_cpu_min_millis, 100);
	assert_int_equal(cf.session_cpu_max_millis, 4000);
	assert_int_equal(cf.session_memory_min, 128 << 20);
	assert_int_equal(cf.session_disk_max, (int64_t)50 << 30);
	assert_int_equal(cf.runtime_memory_overcommit_millis, 4000);
	assert_true(cf.ratelimit_enabled && cf.log_audit && !cf.auth_trust_upstream);
	assert_true(*cf.runtime_node_id); /* the host's name */
	conf_free(&cf);
	assert_null(cf.server_listen);
	conf_free(&cf); /* twice is fine */
}

static void every_kind_of_value(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	unset_storage();
	assert_int_equal(
		load(&cf,
		     OK
		     "; comment\n# comment\n\n[server]\nlisten=127.0.0.1:9000\n\tthreads =  100  \n"
		     "  slow_threads: 50\nenvironment = development\npublic_url = "
		     "https://x.example/a\n"
		     "[database]\r\nsocket = /run/m.sock\r\n[session]\ncpu_max = 2500m\ncpu_min = "
		     "0.25\n"
		     "memory_max = 1Gi\ndisk_max = 300Mi ; inline\nidle_threshold = "
		     "-1\n[log]\naudit = off\n"
		     "[storage]\nendpoint = http://s3:9000\naccess_key = a\nsecret_key = k\n",
		     why, sizeof(why)),
		0);
	assert_string_equal(cf.server_listen, "127.0.0.1:9000");
	assert_int_equal(cf.server_threads, 100);
	assert_int_equal(cf.server_slow_threads, 50);
	assert_string_equal(cf.server_environment, "development");
	assert_string_equal(cf.server_public_url, "https://x.example/a");
	assert_string_equal(cf.database_socket, "/run/m.sock");
	assert_int_equal(cf.session_cpu_max_millis, 2500);
	assert_int_equal(cf.session_cpu_min_millis, 250);
	assert_int_equal(cf.session_memory_max, 1 << 30);
	assert_int_equal(cf.session_disk_max, 300 << 20);
	assert_int_equal(cf.session_idle_threshold, -1);
	assert_false(cf.log_audit);
	assert_string_equal(cf.storage_public_endpoint, "http://s3:9000");
	conf_free(&cf);
	set_storage();
}

static void words_of_booleans(void **state)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {
		{ "on", 1 },    { "true", 1 }, { "yes", 1 }, { "1", 1 },        { "off", 0 },
		{ "false", 0 }, { "no", 0 },   { "0", 0 },   { "ON", -1 },      { "2", -1 },
		{ "", -1 },     { "o", -1 },   { "n", -1 },  { "on true", -1 }, { "enabled", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct conf cf;
		char text[200], why[300];
		int rc;

		snprintf(text, sizeof(text), OK "[metrics]\nenabled = %s\n", words[i].word);
		rc = load(&cf, text, why, sizeof(why));
		CHECK_ROW(rc == (words[i].value < 0 ? -1 : 0), i, words[i].word);
		if (rc < 0)
			continue;
		CHECK_ROW(cf.metrics_enabled == words[i].value, i, words[i].word);
		conf_free(&cf);
	}
}

/* What is wrong, and what the operator reads after "path:". */
static const struct {
	const char *text, *why;
} bad[] = {
	{ OK "[server]\nthread = 1\n", "4: [server] thread: unknown key" },
	{ OK "[servers]\nthreads = 1\n", "4: [servers] threads: unknown key" },
	{ "threads = 1\n", "1: [] threads: unknown key" },
	{ OK "[server]\nlisten_file = /x\n", "4: [server] listen_file: unknown key" },
	{ OK "\n[server\n", "4: not a 'key = value' line" },
	{ OK "[server]\n\n\nnonsense\n", "6: not a 'key = value' line" },
	{ OK "[server]\nthreads = 0\n", "4: [server] threads: '0' is not in 1..1024" },
	{ OK "[server]\nthreads = 1025\n", "4: [server] threads: '1025' is not in 1..1024" },
	{ OK "[server]\nthreads = ten\n", "4: [server] threads: 'ten' is not in 1..1024" },
	{ OK "[server]\nthreads =\n", "4: [server] threads: '' is not in 1..1024" },
	{ OK "[server]\nthreads = 1 0\n", "4: [server] threads: '1 0' is not in 1..1024" },
	{ OK "[server]\nenvironment = prod\n",
	  "4: [server] environment: 'prod' must be one of: production development" },
	{ OK "[log]\nlevel = info warn\n",
	  "4: [log] level: 'info warn' must be one of: debug info warn error" },
	{ OK "[log]\nlevel =\n", "4: [log] level: '' must be one of: debug info warn error" },
	{ OK "[database]\nsocket = run/x\n",
	  "4: [database] socket: 'run/x' must be an absolute path" },
	{ OK "[storage]\nendpoint = s3.example\n",
	  "4: [storage] endpoint: 's3.example' must be a URL (http, https, tcp, unix:///path)" },
	{ OK "[session]\nmemory_max = 1Ti\n",
	  "4: [session] memory_max: '1Ti' is not in 33554432..1099511627776 bytes" },
	{ OK "[session]\nmemory_max = 1\n",
	  "4: [session] memory_max: '1' is not in 33554432..1099511627776 bytes" },
	{ OK "[session]\ncpu_max = 0.001\n",
	  "4: [session] cpu_max: '0.001' is not in 10..1024000 thousandths" },
	{ OK "[log]\naudit = maybe\n", "4: [log] audit: 'maybe' must be on or off" },
	{ OK "[server]\nthreads = 0\nthread = 1\n",
	  "4: [server] threads: '0' is not in 1..1024" }, /* the first one */
};

static void refused_lines_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf cf;
		char why[400] = "", want[400];

		snprintf(want, sizeof(want), "%s:%s", ini, bad[i].why);
		CHECK_ROW(load(&cf, bad[i].text, why, sizeof(why)) == -1, i, bad[i].text);
		assert_string_equal(why, want);
	}
}

static void long_lines(void **state)
{
	char text[1200] = OK "[server]\ncors_origins = ", why[400] = "", *end = text + strlen(text);
	struct conf cf;

	(void)state;
	memset(end, 'x', 183); /* with "cors_origins = ": 198 */
	strcpy(end + 183, "\nthreads = 60\n");
	assert_int_equal(load(&cf, text, why, sizeof(why)), 0);
	assert_int_equal(strlen(cf.server_cors_origins), 183);
	assert_int_equal(cf.server_threads, 60);
	conf_free(&cf);
	memset(end, 'x', 900);
	strcpy(end + 900, "\n");
	assert_int_equal(load(&cf, text, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "s.ini:4: the line is longer than 198 bytes"));
	end[-15] = '#'; /* a comment may be as long as it likes */
	strcpy(end + 900, "\nthread = 1\n");
	assert_int_equal(load(&cf, text, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "s.ini:5: [server] thread: unknown key"));
}

static void an_indented_line_is_a_line_of_its_own(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	assert_int_equal(load(&cf, OK "[server]\nlisten = /a\n\n   docs_url = /b\n \t # c\n", why,
			      sizeof(why)),
			 0);
	assert_string_equal(cf.server_listen, "/a");
	assert_string_equal(cf.server_docs_url, "/b");
	conf_free(&cf);
}

static void a_file_that_cannot_be_read(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	assert_int_equal(conf_load(&cf, "/nonexistent/s.ini", why, sizeof(why)), -1);
	assert_string_equal(why, "/nonexistent/s.ini: cannot read: No such file or directory");
	assert_int_equal(conf_load(&cf, dir, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "cannot read: Is a directory"));
}

/* ---- environment ---- */

static void the_environment_wins(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	setenv("SANDBOX_SERVER_THREADS", "70", 1);
	setenv("SANDBOX_INTERNAL_SECRET", "fedcba9876543210fedcba9876543210", 1);
	setenv("SANDBOX_UNKNOWN_KEY", "is not ours", 1);
	assert_int_equal(load(&cf, OK "[server]\nthreads = 100\n", why, sizeof(why)), 0);
	assert_int_equal(cf.server_threads, 70);
	assert_string_equal(cf.internal_secret, "fedcba9876543210fedcba9876543210");
	conf_free(&cf);
	assert_int_equal(conf_load(&cf, NULL, why, sizeof(why)), 0); /* no file at all */
	assert_int_equal(cf.server_threads, 70);
	conf_free(&cf);
	setenv("SANDBOX_SERVER_THREADS", "x", 1);
	assert_int_equal(load(&cf, OK, why, sizeof(why)), -1);
	assert_string_equal(why, "environment: [server] threads: 'x' is not in 1..1024");
	unsetenv("SANDBOX_SERVER_THREADS");
	unsetenv("SANDBOX_INTERNAL_SECRET");
	unsetenv("SANDBOX_UNKNOWN_KEY");
	assert_int_equal(conf_load(&cf, NULL, why, sizeof(why)), -1);
	assert_true(str_starts(why, "[internal] secret: is required"));
}

static void the_older_name_of_the_runtime(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	setenv("RUNTIME_TYPE", "oci", 1);
	assert_int_equal(load(&cf, OK "[runtime]\ntype = docker\n", why, sizeof(why)), 0);
	assert_string_equal(cf.runtime_type, "oci");
	conf_free(&cf);
	setenv("SANDBOX_RUNTIME_TYPE", "kubernetes", 1);
	assert_int_equal(load(&cf, OK, why, sizeof(why)), 0);
	assert_string_equal(cf.runtime_type, "kubernetes");
	conf_free(&cf);
	unsetenv("SANDBOX_RUNTIME_TYPE");
	setenv("RUNTIME_TYPE", "vm", 1);
	assert_int_equal(load(&cf, OK, why, sizeof(why)), -1);
	unsetenv("RUNTIME_TYPE");
}

/* ---- secrets from files ---- */

static void secrets_from_files(void **state)
{
	struct conf cf;
	char text[200], why[400];
	AUTO_FREE char *big = malloc(20000);

	(void)state;
	snprintf(text, sizeof(text), "[internal]\nsecret_file = %s\n", extra);
	put(extra, SECRET "\r\n\n", 35);
	assert_int_equal(load(&cf, text, why, sizeof(why)), 0);
	assert_string_equal(cf.internal_secret, SECRET);
	conf_free(&cf);
	setenv("SANDBOX_DATABASE_PASSWORD_FILE", extra, 1);
	put(extra, SECRET " with blanks ", 45);
	assert_int_equal(load(&cf, OK, why, sizeof(why)), 0);
	assert_string_equal(cf.database_password, SECRET " with blanks ");
	conf_free(&cf);
	unsetenv("SANDBOX_DATABASE_PASSWORD_FILE");
	put(extra, "\n", 1);
	assert_int_equal(load(&cf, text, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "[internal] secret: is required"));
	assert_non_null(big);
	memset(big, 'k', 20000);
	put(extra, big, 20000);
	assert_int_equal(load(&cf, text, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "s.ini:2: [internal] secret: '...' is too long"));
	unlink(extra);
	assert_int_equal(load(&cf, text, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "s.ini:2: [internal] secret_file: cannot read"));
}

/* ---- numbers with units ---- */

static const struct {
	const char *text;
	bool ok;
	int64_t v;
} sizes[] = {
	{ "0", true, 0 }, { "1", true, 1 }, { "1Ki", true, 1024 }, { "512Mi", true, 512 << 20 }, { "2Gi", true, (int64_t)2 << 30 },
	{ "9223372036854775807", true, INT64_MAX }, { "9223372036854775807Gi", true, INT64_MAX },
	{ "9223372036854775808", false, 0 }, { "", false, 0 }, { "Ki", false, 0 }, { "-1", false, 0 }, { "+1", false, 0 },
	{ " 1", false, 0 }, { "1 Ki", false, 0 }, { "1K", false, 0 }, { "1KB", false, 0 }, { "1ki", false, 0 },
	{ "1.5Gi", false, 0 }, { "1Ti", false, 0 }, { "1Kix", false, 0 },
}, millis[] = {
	{ "0", true, 0 }, { "1", true, 1000 }, { "0.5", true, 500 }, { "500m", true, 500 }, { "2.25", true, 2250 },
	{ "0.001", true, 1 }, { "0.0009", true, 0 }, { "16", true, 16000 }, { "", false, 0 }, { "m", false, 0 },
	{ ".5", false, 0 }, { "1.", false, 0 }, { "1.5m", false, 0 }, { "-1", false, 0 }, { "+1", false, 0 },
	{ "1e3", false, 0 }, { "1,5", false, 0 }, { "1 ", false, 0 }, { "1mm", false, 0 }, { "99999999999999999999", true, 9999999999000 },
	{ "1.x", false, 0 },
};

static void sizes_and_thousandths(void **state)
{
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		CHECK_ROW(conf_size(sizes[i].text, &v) == sizes[i].ok &&
				  (!sizes[i].ok || v == sizes[i].v),
			  i, sizes[i].text);
	for (size_t i = 0; i < ARRAY_LEN(millis); i++)
		CHECK_ROW(conf_millis(millis[i].text, &v) == millis[i].ok &&
				  (!millis[i].ok || v == millis[i].v),
			  i, millis[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_kind_of_value),
		cmocka_unit_test(words_of_booleans),
		cmocka_unit_test(refused_lines_are_named),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(an_indented_line_is_a_line_of_its_own),
		cmocka_unit_test(a_file_that_cannot_be_read),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(the_older_name_of_the_runtime),
		cmocka_unit_test(secrets_from_files),
		cmocka_unit_test(sizes_and_thousandths),
	};

	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
