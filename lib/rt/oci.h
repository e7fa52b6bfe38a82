/* oci.h: what the files of the OCI backend share; the rest of the system sees rt_oci only. */
#pragma once

#include <pthread.h>

#include "../base/proc.h"
#include "oci_bundle.h"
#include "oci_cgroup.h"
#include "runtime.h"

struct rt {
	const struct conf *cf;
	pthread_mutex_t mu; /* of the two below, which are found at first use */
	char tool[256];     /* path of crun, runc or runsc; "" not yet */
	char version[64];
};

/* Finds the program, or says why there is none (RUNTIME_UNAVAILABLE). */
int oci_tool(struct rt *, int64_t deadline, struct fault *) MUST_CHECK;

/* Runs it with `args` (NULL-terminated). 0: it ended, see the result; -1: it did not start. Free the result in any case. */
int oci_run(struct rt *, const char *const *args, int out_fd, int64_t deadline,
	    struct proc_result *) MUST_CHECK;

/* True when `name` is one of this deployment's: D-SESSION or Dn-SESSION (CONTRACT 1.3). *session: the rest. */
bool oci_ours(const struct conf *, const char *name, const char **session);

/* State by the pid file and the control group; starts no program. */
int oci_inspect(struct rt *, const char *name, int64_t deadline, struct rt_status *, struct arena *,
		struct fault *);

/* oci_watch.c */
int oci_each(struct rt *, int64_t deadline,
	     int (*fn)(const char *, const char *, const struct rt_status *, void *), void *arg,
	     struct fault *);
int oci_logs(struct rt *, const char *name, int tail, int64_t deadline, const char **text,
	     struct arena *, struct fault *);
int oci_stats(struct rt *, const char *name, int64_t deadline, struct rt_usage *, struct fault *);
int oci_probe(struct rt *, int64_t deadline, struct rt_probe *, struct arena *, struct fault *);
