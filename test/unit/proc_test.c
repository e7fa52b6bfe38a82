/* proc_test.c: real programs, run to their end. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "../../lib/base/clock.h"
#include "../../lib/base/proc.h"

static const char *const env[] = { "PATH=/usr/bin:/bin", "MARK=here", NULL };

/* Runs `script` in sh. */
static int sh(const char *script, const char *input, size_t max_output, int timeout_ms,
	      struct proc_result *r)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct proc_spec sp = { .argv = argv,
				      .envp = env,
				      .input = input,
				      .input_len = input ? strlen(input) : 0,
				      .max_output = max_output,
				      .timeout_ms = timeout_ms };

	return proc_run(&sp, r);
}

static const struct {
	const char *script, *input;
	int code;
	const char *out, *err;
} runs[] = {
	{ "exit 0", NULL, 0, "", "" },
	{ "exit 7", NULL, 7, "", "" },
	{ "exit 255", NULL, 255, "", "" },
	{ "kill -9 $$", NULL, 137, "", "" },
	{ "kill -TERM $$", NULL, 143, "", "" },
	{ "echo out; echo err >&2; exit 3", NULL, 3, "out\n", "err\n" },
	{ "cat", NULL, 0, "", "" },
	{ "cat", "hello", 0, "hello", "" },
	{ "cat", "", 0, "", "" },
	{ "exit 4", "never read", 4, "", "" },
	{ "exec 0<&-; sleep 0.1; exit 5", "never read", 5, "", "" },
	{ "echo $MARK$HOME", NULL, 0, "here\n", "" },
	{ "exec >&- 2>&-; exit 6", NULL, 6, "", "" },
	{ "exec >&- 2>&-; sleep 0.2; exit 6", NULL, 6, "", "" },
	{ "read x; echo got $x", "one\ntwo\n", 0, "got one\n", "" },
	{ "printf 'a\\0b' | wc -c", NULL, 0, "3\n", "" },
};

static void exit_codes_and_streams(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct proc_result r;

		assert_int_equal(sh(runs[i].script, runs[i].input, 1000, 10000, &r), 0);
		CHECK_ROW(r.exit_code == runs[i].code && !r.timed_out, i, runs[i].script);
		CHECK_ROW(!strcmp(r.out, runs[i].out) && r.out_len == strlen(r.out), i, r.out);
		CHECK_ROW(!strcmp(r.err, runs[i].err) && r.err_len == strlen(r.err), i, r.err);
		assert_false(r.out_cut || r.err_cut);
		proc_result_free(&r);
		assert_null(r.out);
	}
}

/* More than a pipe holds, both ways at once. */
static void a_megabyte_through_cat(void **state)
{
	size_t n = 1 << 20;
	AUTO_FREE char *text = malloc(n + 1);
	struct proc_result r;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i % 23);
	text[n] = '\0';
	assert_int_equal(sh("exec cat", text, n, 20000, &r), 0);
	assert_int_equal(r.exit_code, 0);
	assert_int_equal(r.out_len, n);
	assert_memory_equal(r.out, text, n + 1);
	assert_false(r.out_cut);
	proc_result_free(&r);
}

/* All that was written before the exit arrives, however fast the program ends. */
static void nothing_is_lost_at_the_exit(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct proc_result r;

		assert_int_equal(sh("head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2", NULL,
				    100000, 10000, &r),
				 0);
		assert_int_equal(r.out_len, 60000);
		assert_int_equal(r.err_len, 60000);
		proc_result_free(&r);
	}
}

static const struct {
	const char *script;
	size_t max, out, err;
	bool out_cut, err_cut;
} caps[] = {
	{ "printf 12345", 5, 5, 0, false, false },
	{ "printf 123456", 5, 5, 0, true, false },
	{ "printf 123456 >&2", 5, 0, 5, false, true },
	{ "printf 1", 0, 0, 0, true, false },
	{ "head -c 300000 /dev/zero; exit 0", 100, 100, 0, true, false },
};

static void output_is_capped_but_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		struct proc_result r;

		assert_int_equal(sh(caps[i].script, NULL, caps[i].max, 10000, &r), 0);
		CHECK_ROW(r.out_len == caps[i].out && r.err_len == caps[i].err, i, caps[i].script);
		CHECK_ROW(r.out_cut == caps[i].out_cut && r.err_cut == caps[i].err_cut, i,
			  caps[i].script);
		CHECK_ROW(r.exit_code == 0 && r.out[r.out_len] == '\0', i, caps[i].script);
		proc_result_free(&r);
	}
}

static const char *const endless[] = {
	"sleep 60",
	"trap '' TERM INT; sleep 60; sleep 60",
	"while :; do echo x; done",
	"sleep 60 & wait",
	"exec >&- 2>&-; sleep 60",
};

static void the_deadline_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
		struct proc_result r;
		int64_t from = clock_ms(), took;

		assert_int_equal(sh(endless[i], NULL, 1000, 300, &r), 0);
		took = clock_ms() - from;
		CHECK_ROW(r.timed_out && r.exit_code == 137, i, endless[i]);
		CHECK_ROW(took >= 295 && took < 5000, i, endless[i]);
		proc_result_free(&r);
	}
}

/* A background child that keeps the pipes open neither delays the end nor survives it. */
static void what_is_left_behind_is_killed(void **state)
{
	static const char *const scripts[] = { "sleep 60 & echo $!", "sleep 60 >&- 2>&- & echo $!",
					       "while :; do echo x >&2; done & echo $!" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct proc_result r;
		int64_t from = clock_ms();
		bool gone = false;
		int pid;

		assert_int_equal(sh(scripts[i], NULL, 1000, 20000, &r), 0);
		CHECK_ROW(clock_ms() - from < 5000 && !r.timed_out && r.exit_code == 0, i,
			  scripts[i]);
		pid = atoi(r.out);
		assert_true(pid > 1);
		/* Its parent is gone; whoever adopts it may take a moment to reap it. */
		for (int k = 0; k < 200 && !gone; k++) {
			char path[40], text[200] = "";
			AUTO_CLOSE int fd = -1;

			snprintf(path, sizeof(path), "/proc/%d/stat", pid);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			gone = fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
			       strstr(text, ") Z ") || strstr(text, ") X ");
			if (!gone)
				usleep(10000);
		}
		CHECK_ROW(gone, i, scripts[i]);
		proc_result_free(&r);
	}
}

/* What a program leaves running in a session of its own, as a container is, goes on writing there. */
static void output_may_go_to_a_descriptor(void **state)
{
	const char *const argv[] = {
		"/bin/sh", "-c",
		"echo out; echo err >&2; setsid sh -c 'sleep 0.6; echo later' & sleep 0.3", NULL
	};
	const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	FILE *to = tmpfile();
	struct proc_spec sp = { .argv = argv,
				.envp = envp,
				.max_output = 10,
				.timeout_ms = 10000,
				.out_fd = fileno(to) };
	struct proc_result r;
	char all[64] = "";

	(void)state;
	assert_int_equal(proc_run(&sp, &r), 0);
	assert_int_equal(r.exit_code, 0);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
	for (int i = 0; i < 100 && !strstr(all, "later"); i++) {
		ssize_t n = pread(fileno(to), all, sizeof(all) - 1, 0);

		all[n > 0 ? n : 0] = '\0';
		usleep(50000);
	}
	assert_string_equal(all, "out\nerr\nlater\n");
	proc_result_free(&r);
	fclose(to);
}

static void the_child_has_three_descriptors_and_clean_signals(void **state)
{
	struct proc_result r;
	int fd = dup(1), high = fcntl(1, F_DUPFD, 200); /* without O_CLOEXEC on purpose */
	unsigned long long blocked, ignored;
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	/* The fourth is the directory that ls reads. */
	assert_int_equal(sh("exec ls /proc/self/fd", NULL, 1000, 10000, &r), 0);
	assert_string_equal(r.out, "0\n1\n2\n3\n");
	proc_result_free(&r);
	assert_int_equal(sh("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL, 1000, 10000,
			    &r),
			 0);
	assert_int_equal(sscanf(r.out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & 0x7fffffff, 0); /* glibc keeps 32 and 33 for itself */
	proc_result_free(&r);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(fd);
	close(high);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_descriptor_is_left(void **state)
{
	int before = count_fds();
	struct proc_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		assert_int_equal(sh(runs[i].script, runs[i].input, 10, 10000, &r), 0);
		proc_result_free(&r);
	}
	assert_int_equal(sh("sleep 60", NULL, 10, 20, &r), 0);
	proc_result_free(&r);
	assert_int_equal(count_fds(), before);
}

static void what_cannot_start(void **state)
{
	static const struct {
		const char *path;
		int err;
	} cases[] = {
		{ "/nonexistent", ENOENT },
		{ "/etc/passwd", EACCES },
		{ "/", EACCES },
		{ "/etc/passwd/x", ENOTDIR },
	};
	int before = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const argv[] = { cases[i].path, NULL };
		const struct proc_spec sp = {
			.argv = argv, .envp = env, .max_output = 10, .timeout_ms = 1000
		};
		struct proc_result r;

		errno = 0;
		CHECK_ROW(proc_run(&sp, &r) == -1 && errno == cases[i].err, i, cases[i].path);
		assert_null(r.out);
		assert_null(r.err);
	}
	assert_int_equal(count_fds(), before);
}

/* Someone who writes to a pipe that nobody reads must not die of it. */
static void a_child_that_does_not_read_is_no_sigpipe(void **state)
{
	size_t n = 1 << 20;
	AUTO_FREE char *text = malloc(n + 1);
	struct proc_result r;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = '\0';
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(sh("exec 0<&-; exit 9", text, 10, 10000, &r), 0);
	assert_int_equal(r.exit_code, 9);
	proc_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_and_streams),
		cmocka_unit_test(a_megabyte_through_cat),
		cmocka_unit_test(nothing_is_lost_at_the_exit),
		cmocka_unit_test(output_is_capped_but_read),
		cmocka_unit_test(the_deadline_holds),
		cmocka_unit_test(what_is_left_behind_is_killed),
		cmocka_unit_test(output_may_go_to_a_descriptor),
		cmocka_unit_test(the_child_has_three_descriptors_and_clean_signals),
		cmocka_unit_test(no_descriptor_is_left),
		cmocka_unit_test(what_cannot_start),
		cmocka_unit_test(a_child_that_does_not_read_is_no_sigpipe),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
