/*
 * filter.h: the seccomp filter of executions: a deny-list. What ordinary
 * programs probe for is answered with an error; what only an attack calls ends
 * the execution with reason seccomp.
 */
#pragma once

#include "../lib/base/util.h"

#define FILTER_MAX \
	16384 /* bytes of the program; the kernel's own limit is 4096 instructions of 8 bytes */

/*
 * The classic BPF program for this machine. Its size, or -1 with errno. Fatal calls notify the listener when `notify`,
 * else they kill the process with SIGSYS.
 */
ssize_t filter_build(unsigned char *out, size_t size, bool notify) MUST_CHECK;

/* The name of a system call for people; "syscall_N" when unknown. */
void filter_name(int nr, char *out, size_t size);
