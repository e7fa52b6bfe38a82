/* ending.h: why an execution ended (CONTRACT 4.7), from the facts alone. Pure. */
#pragma once

#include "../lib/base/util.h"

struct ending_facts {
	bool cancelled, session_ended, timed_out, output_limit, disk_limit;
	bool oom_rose, pids_rose; /* the container's counters, over the execution's life */
	bool started;             /* the interpreter ran */
	bool reported;            /* pid 1 of the namespace lived to report */
	int wait_status;          /* of the main process, when reported */
	int syscall;              /* fatal call, -1 none */
	bool has_error;           /* the runner reported an exception */
};

struct ending {
	const char *status, *reason;
	bool retryable;
	int exit_code;          /* -1: a signal ended it; INT32_MIN: never started */
	int signal;             /* 0: none */
	const char *error_type; /* when the runner gave none; NULL: no error */
};

struct ending ending_of(const struct ending_facts *);
