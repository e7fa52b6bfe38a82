/* jail_test.c: the arguments of bwrap, word by word. */
#include "unit.h"

#include <stdio.h>

#include "../../executor/jail.h"

static const struct jail_view view = {
	.roots = { { .path = "/usr" },
		   { .path = "/bin", .link = "usr/bin" },
		   { .path = "/etc" },
		   { .path = "/srv", .empty = true } },
	.n = 4,
};
static const char *const env[] = { "HOME", "/workspace", "A", "b c", NULL };

/* The words, one blank between; the caller's arena. */
static const char *words(const struct jail_spec *s, struct arena *a)
{
	size_t n;
	char *args = jail_args(s, a, &n);

	assert_non_null(args);
	assert_true(n && !args[n - 1]);
	for (size_t i = 0; i + 1 < n; i++)
		if (!args[i])
			args[i] = ' ';
	return args;
}

static struct jail_spec plain(void)
{
	return (struct jail_spec){ .view = &view,
				   .workspace = "/host/ws",
				   .state_dir = "/nonexistent/state",
				   .hostname = "sandbox",
				   .env = env,
				   .private_proc = true,
				   .tmp_bytes = 536870912 };
}

static void has(const char *text, const char *part, size_t i)
{
	char *found = strstr(text, part);

	if (!found)
		print_error("in: %s\n", text);
	CHECK_ROW(found != NULL, i, part);
}

static void every_execution_gets(void **state)
{
	static const char *const parts[] = {
		"--unshare-user",
		"--unshare-pid",
		"--unshare-ipc",
		"--unshare-uts",
		"--unshare-cgroup-try",
		"--unshare-net",
		"--as-pid-1",
		"--die-with-parent",
		"--new-session",
		"--cap-drop ALL",
		"--hostname sandbox",
		"--ro-bind /usr /usr",
		"--symlink usr/bin /bin",
		"--ro-bind /etc /etc",
		"--dir /srv",
		"--dev /dev",
		"--proc /proc",
		"--perms 1777 --size 536870912 --tmpfs /tmp",
		"--bind /host/ws /workspace",
		"--chdir /workspace",
		"--clearenv",
		"--setenv HOME /workspace",
		"--setenv A b c",
	};
	struct arena *a = arena_new(1 << 20);
	struct jail_spec s = plain();
	const char *text = words(&s, a);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		has(text, parts[i], i);
	/* Later arguments win: the environment is emptied before it is filled, /tmp hides what the image has there. */
	assert_true(strstr(text, "--clearenv") < strstr(text, "--setenv"));
	assert_true(strstr(text, "--ro-bind /usr") < strstr(text, "--tmpfs /tmp"));
	assert_null(strstr(text, "--share-net"));
	assert_null(strstr(text, "--dev-bind"));
	assert_null(strstr(text, "--bind / "));
	assert_null(strstr(text, "--ro-bind / "));
	assert_null(strstr(text, "/run/sandbox"));
	assert_null(strstr(text, "sandbox-deps"));
	arena_free(a);
}

static void what_differs(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct jail_view deps = view;
	struct jail_spec s = plain();
	const char *text;

	(void)state;
	s.egress = true;
	assert_null(strstr(words(&s, a), "--unshare-net"));
	s = plain();
	s.private_proc = false;
	text = words(&s, a);
	has(text, "--ro-bind /proc /proc", 0);
	assert_null(strstr(text, "--proc /proc"));
	deps.has_deps = true;
	s = plain();
	s.view = &deps;
	has(words(&s, a), "--ro-bind /opt/sandbox-deps /opt/sandbox-deps", 1);
	arena_free(a);
}

/* Names and values go through as they are: nothing here is ever read by a shell. */
static void awkward_values(void **state)
{
	static const char *const awkward[] = { "A", "--bind / /x", "B",
					       "",  "C",           "new\nline $(id) 'q\" \\",
					       NULL };
	struct arena *a = arena_new(1 << 20);
	struct jail_spec s = plain();
	size_t n, seen = 0;
	char *args;

	(void)state;
	s.env = awkward;
	args = jail_args(&s, a, &n);
	assert_non_null(args);
	for (const char *p = args; p < args + n; p += strlen(p) + 1)
		if (!strcmp(p, "--setenv")) {
			p += strlen(p) + 1;
			assert_string_equal(p, awkward[seen]);
			p += strlen(p) + 1;
			assert_string_equal(p, awkward[seen + 1]);
			seen += 2;
		}
	assert_int_equal(seen, 6);
	arena_free(a);
}

static void an_environment_at_its_limit_fits(void **state)
{
	struct arena *a = arena_new(4 << 20);
	struct jail_spec s = plain();
	const char *many[2 * 108 + 1];
	char value[700];
	size_t n;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < 108;
	     i++) { /* CONTRACT 3.3: 100 variables of 64 KiB in all, and ours */
		many[2 * i] = arena_printf(a, "NAME_%zu", i);
		many[2 * i + 1] = value;
	}
	many[216] = NULL;
	s.env = many;
	assert_non_null(jail_args(&s, a, &n));
	assert_true(n > 108 * 700);
	arena_free(a);
}

static void no_memory_is_no_arguments(void **state)
{
	struct arena *a = arena_new(100);
	struct jail_spec s = plain();
	size_t n;

	(void)state;
	assert_null(jail_args(&s, a, &n));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_execution_gets),
		cmocka_unit_test(what_differs),
		cmocka_unit_test(awkward_values),
		cmocka_unit_test(an_environment_at_its_limit_fits),
		cmocka_unit_test(no_memory_is_no_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
