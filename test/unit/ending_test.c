/* ending_test.c: CONTRACT 4.7, row by row: which reason wins. */
#include "unit.h"

#include <signal.h>

#include "../../executor/ending.h"

#define EXIT(n) ((n) << 8)
#define RAN     .started = true, .reported = true, .syscall = -1

static const struct {
	const char *name;
	struct ending_facts facts;
	const char *status, *reason;
	int exit_code, signal;
	const char *error_type;
} rows[] = {
	{ "exit 0", { RAN }, "completed", "exited", 0, 0, NULL },
	{ "exit 3", { RAN, .wait_status = EXIT(3) }, "failed", "exited", 3, 0, "ExitError" },
	{ "an exception",
	  { RAN, .wait_status = EXIT(1), .has_error = true },
	  "failed",
	  "exited",
	  1,
	  0,
	  NULL },
	{ "137 by itself",
	  { RAN, .wait_status = EXIT(137) },
	  "failed",
	  "exited",
	  137,
	  0,
	  "ExitError" },
	{ "SIGSEGV",
	  { RAN, .wait_status = SIGSEGV },
	  "failed",
	  "signaled",
	  -1,
	  SIGSEGV,
	  "Signaled" },
	{ "SIGKILL",
	  { RAN, .wait_status = SIGKILL },
	  "failed",
	  "signaled",
	  -1,
	  SIGKILL,
	  "Signaled" },
	{ "killed for memory",
	  { RAN, .wait_status = SIGKILL, .oom_rose = true },
	  "failed",
	  "oom",
	  -1,
	  SIGKILL,
	  "OutOfMemory" },
	{ "a child killed for memory",
	  { RAN, .wait_status = EXIT(137), .oom_rose = true },
	  "failed",
	  "oom",
	  137,
	  0,
	  "OutOfMemory" },
	{ "goes on after it", { RAN, .oom_rose = true }, "completed", "exited", 0, 0, NULL },
	{ "a fault of its own meanwhile",
	  { RAN, .wait_status = SIGSEGV, .oom_rose = true },
	  "failed",
	  "signaled",
	  -1,
	  SIGSEGV,
	  "Signaled" },
	{ "forbidden call",
	  { .started = true, .reported = true, .wait_status = SIGSYS, .syscall = 101 },
	  "failed",
	  "seccomp",
	  -1,
	  SIGSYS,
	  "ForbiddenSystemCall" },
	{ "forbidden, number unknown",
	  { RAN, .wait_status = SIGSYS },
	  "failed",
	  "seccomp",
	  -1,
	  SIGSYS,
	  "ForbiddenSystemCall" },
	{ "no more processes",
	  { RAN, .wait_status = EXIT(254), .pids_rose = true },
	  "failed",
	  "pids_limit",
	  254,
	  0,
	  "ProcessLimitExceeded" },
	{ "no more, but it coped", { RAN, .pids_rose = true }, "completed", "exited", 0, 0, NULL },
	{ "a file too large",
	  { RAN, .wait_status = SIGXFSZ },
	  "failed",
	  "disk_quota",
	  -1,
	  SIGXFSZ,
	  "DiskQuotaExceeded" },
	{ "disk full, exit 0",
	  { RAN, .disk_limit = true },
	  "failed",
	  "disk_quota",
	  0,
	  0,
	  "DiskQuotaExceeded" },
	{ "disk before memory",
	  { RAN, .disk_limit = true, .oom_rose = true, .wait_status = SIGKILL },
	  "failed",
	  "disk_quota",
	  -1,
	  SIGKILL,
	  "DiskQuotaExceeded" },
	{ "output before disk",
	  { RAN, .output_limit = true, .disk_limit = true, .wait_status = SIGKILL },
	  "failed",
	  "output_limit",
	  -1,
	  SIGKILL,
	  "OutputLimitExceeded" },
	{ "deadline before output",
	  { RAN, .timed_out = true, .output_limit = true, .wait_status = SIGKILL },
	  "timeout",
	  "exec_timeout",
	  -1,
	  SIGKILL,
	  "TimeoutError" },
	{ "cancel before all",
	  { RAN, .cancelled = true, .timed_out = true, .output_limit = true, .disk_limit = true,
	    .oom_rose = true, .wait_status = SIGKILL },
	  "cancelled",
	  "user_cancelled",
	  -1,
	  SIGKILL,
	  "Cancelled" },
	{ "end of the session",
	  { RAN, .session_ended = true, .wait_status = SIGKILL },
	  "crashed",
	  "session_ended",
	  -1,
	  SIGKILL,
	  "SessionEnded" },
	{ "killed from outside at the deadline",
	  { .started = true, .timed_out = true, .syscall = -1 },
	  "timeout",
	  "exec_timeout",
	  -1,
	  SIGKILL,
	  "TimeoutError" },
	{ "cancelled while it waited",
	  { .cancelled = true, .syscall = -1 },
	  "cancelled",
	  "user_cancelled",
	  INT32_MIN,
	  0,
	  "Cancelled" },
};

static void the_first_that_applies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ending e = ending_of(&rows[i].facts);

		CHECK_ROW(str_eq(e.status, rows[i].status), i, rows[i].name);
		CHECK_ROW(str_eq(e.reason, rows[i].reason), i, rows[i].name);
		CHECK_ROW(e.exit_code == rows[i].exit_code, i, rows[i].name);
		CHECK_ROW(e.signal == rows[i].signal, i, rows[i].name);
		CHECK_ROW(rows[i].error_type ? str_eq(e.error_type, rows[i].error_type)
					     : !e.error_type,
			  i, rows[i].name);
		CHECK_ROW(!e.retryable, i, rows[i].name);
	}
}

/* A sandbox that never came up is the platform's fault: the same request may succeed later. */
static void what_never_started_may_be_tried_again(void **state)
{
	const struct ending_facts facts = { .reported = true, .syscall = -1 };
	struct ending e = ending_of(&facts);

	(void)state;
	assert_string_equal(e.status, "failed");
	assert_true(e.retryable);
	assert_int_equal(e.exit_code, INT32_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_applies),
		cmocka_unit_test(what_never_started_may_be_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
