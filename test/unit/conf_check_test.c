/* conf_check_test.c: what no configuration may be, though each of its lines is well formed; and where it says so. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "../../lib/base/conf.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OK     "[internal]\nsecret = " SECRET "\n"

static char dir[] = "/tmp/conf_check_test.XXXXXX";
static char ini[64];

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
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unset_storage();
	unlink(ini);
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

/* Rules that concern more than one key. */
static const struct {
	const char *text, *why; /* after "FILE:" */
} rules[] = {
	{ "", " [internal] secret: is required; give at least 32 bytes, e.g. from 'openssl rand "
	      "-hex 32'" },
	{ "[internal]\nsecret = short\n", "2: [internal] secret: is too short; give at least 32 "
					  "bytes, e.g. from 'openssl rand -hex 32'" },
	{ "[internal]\nsecret = 0123456789abcdef0123456789abcde\n",
	  "2: [internal] secret: is too short; give at least 32 bytes, e.g. from 'openssl rand -hex "
	  "32'" },
	{ "[internal]\nsecret = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	  "2: [internal] secret: is a guessable value" },
	{ "[internal]\nsecret = changemechangemechangemechangeme\n",
	  "2: [internal] secret: is a guessable value" },
	{ OK "secret_previous = short\n",
	  "3: [internal] secret_previous: is shorter than 32 bytes" },
	{ OK "secret_previous = abababababababababababababababab\n",
	  "3: [internal] secret_previous: is a guessable value" },
	{ OK "[database]\npassword = sandbox\n", "4: [database] password: is a well-known value" },
	{ OK "[database]\npassword = MinioAdmin\n",
	  "4: [database] password: is a well-known value" },
	{ OK "[server]\nthreads = 4\nslow_threads = 5\n",
	  "5: [server] slow_threads: must not be more than threads" },
	{ OK "[session]\ncpu_min = 5\n", " [session]: a minimum is above its maximum" },
	{ OK "[session]\nmemory_min = 9Gi\n", " [session]: a minimum is above its maximum" },
	{ OK "[session]\ndisk_max = 1Mi\n", " [session]: a minimum is above its maximum" },
	{ OK "[session]\nprocesses_max = 16\n", " [session]: a minimum is above its maximum" },
	{ OK "[execution]\ndefault_timeout = 11\nmax_timeout = 10\n",
	  "4: [execution] default_timeout: must not be more than max_timeout" },
	{ OK "[execution]\nheartbeat_timeout = 5\n",
	  "4: [execution] heartbeat_timeout: must be more than heartbeat_interval" },
	{ OK "[runtime]\ndeployment = Sandbox\n",
	  "4: [runtime] deployment: must be 1-20 letters a-z" },
	{ OK "[runtime]\ndeployment =\n", "4: [runtime] deployment: must be 1-20 letters a-z" },
	{ OK "[runtime]\ndeployment = aaaaaaaaaaaaaaaaaaaaa\n",
	  "4: [runtime] deployment: must be 1-20 letters a-z" },
};

static void rules_across_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct conf cf;
		char why[400] = "", want[400];

		snprintf(want, sizeof(want), "%s:%s", ini, rules[i].why);
		CHECK_ROW(load(&cf, rules[i].text, why, sizeof(why)) == -1, i, rules[i].text);
		assert_string_equal(why, want);
	}
}

/* The storage is required, whatever the environment; production refuses what guides print. */
#define S(rest) OK "[storage]\n" rest
#define AT      "endpoint = https://s3.test\n"
#define KEYS    "access_key = a\nsecret_key = b\n"
#define DEV     "[server]\nenvironment = development\n"
static const struct {
	const char *text, *why;
} storage[] = {
	{ OK, " [storage] endpoint: is required: the address of an S3 service, such as "
	      "http://127.0.0.1:9000" },
	{ OK DEV, " [storage] endpoint: is required: the address of an S3 service, such as "
		  "http://127.0.0.1:9000" },
	{ S("endpoint =\n" KEYS), "4: [storage] endpoint: is required: the address of an S3 "
				  "service, such as http://127.0.0.1:9000" },
	{ S("endpoint = unix:///s3\n" KEYS),
	  "4: [storage] endpoint: must begin with http:// or https://" },
	{ S("endpoint = http://\n" KEYS), "4: [storage] endpoint: must be an address such as "
					  "https://s3.example.org or http://10.0.0.7:9000" },
	{ S("endpoint = http://:9000\n" KEYS), "4: [storage] endpoint: must be an address such as "
					       "https://s3.example.org or http://10.0.0.7:9000" },
	{ S("endpoint = http://k:s@s3\n" KEYS), "4: [storage] endpoint: must be an address such as "
						"https://s3.example.org or http://10.0.0.7:9000" },
	{ S(AT KEYS "public_endpoint = tcp://s3\n"),
	  "7: [storage] public_endpoint: must begin with http:// or https://" },
	{ S(AT), " [storage] access_key: is required" },
	{ S(AT "secret_key = b\n"), " [storage] access_key: is required" },
	{ S(AT "access_key = a\n"), " [storage] secret_key: is required" },
	{ S(AT "access_key = a\nsecret_key =\n"), "6: [storage] secret_key: is required" },
	{ S(AT "access_key = a\nsecret_key =\n") DEV, "6: [storage] secret_key: is required" },
	{ S(AT "access_key = a\nsecret_key = minioadmin\n"),
	  "6: [storage] secret_key: is a well-known value" },
	{ S(AT "access_key = a\nsecret_key = TestSecret123\n"),
	  "6: [storage] secret_key: is a well-known value" },
	{ S(AT KEYS "bucket = ab\n"),
	  "7: [storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it" },
	{ S(AT KEYS "bucket = Sandbox\n"),
	  "7: [storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it" },
	{ S(AT KEYS "bucket = a/../b\n"),
	  "7: [storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it" },
	{ S(AT KEYS "bucket = -abc\n"),
	  "7: [storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it" },
	{ S("endpoint = http://10.0.0.7:9000\npath_style = off\n" KEYS),
	  "5: [storage] path_style: off needs a name in endpoint, not a number" },
	{ S("endpoint = http://[::1]:9000\n# [storage]\n[log]\naudit = on\n[storage]\npath_style : "
	    "off\n" KEYS),
	  "9: [storage] path_style: off needs a name in endpoint, not a number" },
	{ S(AT "path_style = off\n" KEYS "bucket = a..b\nbucket = c..d\n"),
	  "9: [storage] bucket: must be 3-63 of a-z, 0-9, '-' and '.', as S3 wants it" },
};

static void the_storage_is_required(void **state)
{
	struct conf cf;
	char why[400], want[400];

	(void)state;
	unset_storage();
	for (size_t i = 0; i < ARRAY_LEN(storage); i++) {
		snprintf(want, sizeof(want), "%s:%s", ini, storage[i].why);
		CHECK_ROW(load(&cf, storage[i].text, why, sizeof(why)) == -1, i, storage[i].text);
		assert_string_equal(why, want);
	}
	setenv("SANDBOX_STORAGE_ENDPOINT", "ftp://x", 1);
	assert_int_equal(load(&cf, S(AT KEYS), why, sizeof(why)), -1);
	assert_true(str_starts(why, "environment: [storage] endpoint: 'ftp://x' must be a URL"));
	setenv("SANDBOX_STORAGE_ENDPOINT", "tcp://x:1", 1);
	assert_int_equal(load(&cf, S(AT KEYS), why, sizeof(why)), -1);
	assert_string_equal(why,
			    "environment: [storage] endpoint: must begin with http:// or https://");
	unset_storage();
	assert_int_equal(load(&cf, S(AT KEYS "path_style = off\n"), why, sizeof(why)), 0);
	assert_string_equal(cf.storage_endpoint, "https://s3.test");
	assert_false(cf.storage_path_style);
	conf_free(&cf);
	set_storage();
}

static void development_may_have_weak_secrets(void **state)
{
	struct conf cf;
	char why[300];

	(void)state;
	unset_storage();
	assert_int_equal(
		load(&cf,
		     "[server]\nenvironment = development\n"
		     "[internal]\nsecret = "
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n[database]\npassword = sandbox\n"
		     "[storage]\nendpoint = http://s3\naccess_key = a\nsecret_key = minioadmin\n",
		     why, sizeof(why)),
		0);
	conf_free(&cf);
	set_storage();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_across_keys),
		cmocka_unit_test(the_storage_is_required),
		cmocka_unit_test(development_may_have_weak_secrets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
