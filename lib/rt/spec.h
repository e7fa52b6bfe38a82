/* spec.h: what every backend makes of a struct rt_spec in the same way. */
#pragma once

#include "runtime.h"

#define SPEC_PROGRAM "/opt/sandbox/bin/sandbox-executor"
#define SPEC_TMP_OPTIONS \
	"rw,nosuid,nodev,mode=1777,size=512m" /* its pages count towards the memory limit */
#define SPEC_SHM_BYTES ((int64_t)64 << 20)

/* Beside the user's processes: the executor, and a bwrap pair and a shell for each of 10 parallel executions. */
#define SPEC_EXTRA_PIDS 32

static inline int64_t spec_pids(const struct rt_spec *sp)
{
	return sp->max_processes + SPEC_EXTRA_PIDS;
}

/* Weight between containers when the CPUs are full: 1024 for each whole one; 2 is the kernel's least. */
static inline int64_t spec_cpu_shares(const struct rt_spec *sp)
{
	int64_t shares = sp->cpu_millis * 1024 / 1000;

	return shares < 2 ? 2 : shares;
}

/* Host directory of the control plane's unix socket; NULL: it is reached otherwise. */
char *spec_control_dir(const struct conf *, struct arena *);

/*
 * The socket directory of a container on this host: 0777 below a guarded parent, so that a socket can be made there
 * by whatever uid the container has. -1 with a fault; removing a missing one succeeds.
 */
int spec_socket_dir_make(const struct conf *, const char *name, struct arena *,
			 struct fault *) MUST_CHECK;
int spec_socket_dir_remove(const struct conf *, const char *name, struct arena *,
			   struct fault *) MUST_CHECK;
