/* docker.h: what the files of the Docker backend share; the rest of the system sees rt_docker only. */
#pragma once

#include "docker_api.h"
#include "docker_body.h"

struct rt {
	const struct conf *cf;
	struct docker_api *api;
};

/* One piece of work on one container. */
struct docker_job {
	struct rt *rt;
	const char *name;
	int64_t deadline;
	struct arena *a;
	struct fault *f;
};

/* One call without a body worth reading: its HTTP status, or -1. */
int docker_simple(const struct docker_job *, const char *method, const char *path,
		  int expected) MUST_CHECK;

/* 1 found, 0 no such container, -1 fault. A container of another deployment is a fault. */
int docker_look(const struct docker_job *, struct docker_found *) MUST_CHECK;

/* Removes it and its volumes, running or not; succeeds when nothing is there. */
int docker_remove(const struct docker_job *) MUST_CHECK;

/* docker_create.c */
int docker_create(struct rt *, const struct rt_spec *, int64_t deadline, struct rt_status *,
		  struct arena *, struct fault *);

/* docker_volume.c: gives both volumes of the created container to the session's user and puts the token there. */
int docker_own_volumes(const struct docker_job *, const struct rt_spec *) MUST_CHECK;

/* Name of the short-lived container that docker_own_volumes() may need. */
char *docker_helper_name(const char *name, struct arena *) MUST_CHECK;

/* docker_watch.c */
int docker_each(struct rt *, int64_t deadline,
		int (*fn)(const char *, const char *, const struct rt_status *, void *), void *arg,
		struct fault *);
int docker_logs(struct rt *, const char *name, int tail, int64_t deadline, const char **text,
		struct arena *, struct fault *);
int docker_stats(struct rt *, const char *name, int64_t deadline, struct rt_usage *,
		 struct fault *);
int docker_probe(struct rt *, int64_t deadline, struct rt_probe *, struct arena *, struct fault *);
