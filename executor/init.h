/*
 * init.h: pid 1 of an execution's namespace (`sandbox-executor --init`).
 *
 * bwrap starts it inside the sandbox. It applies limits and the seccomp filter,
 * starts the interpreter, reaps everything, and writes one struct init_report
 * when the main process has ended or could not be started. Then it exits, and
 * the kernel kills whatever else lives in the namespace. User code cannot reach
 * it: signals from inside do not kill pid 1, it is not dumpable, and the
 * report's descriptor is open in no other process.
 */
#pragma once

#include "../lib/base/util.h"

/* Descriptors as bwrap hands them on; the first four are the interpreter's too. */
enum init_fd {
	INIT_FD_CODE = 3,
	INIT_FD_EVENT = 4,
	INIT_FD_RESULT = 5,
	INIT_FD_RUNNER = 6,
	INIT_FD_REPORT = 7,
	INIT_FD_FILTER = 8,
	INIT_FD_SELF = 9,
	INIT_FD__MAX = 10
};

struct init_report {
	int32_t status;  /* of waitpid(); valid when started */
	int32_t started; /* 1: the interpreter ran; 0: exec failed, error is errno */
	int32_t error;
	int32_t syscall; /* the fatal call that ended it, -1 none */
};

/* argv: file-size limit in bytes (-1 none), then the program and its arguments. Never returns. */
void init_main(int argc, char **argv) __attribute__((noreturn));
