/*
 * oci_config.h: the config.json of a container (OCI runtime specification 1.0.2).
 * Pure: a spec and facts about this host in, text out; reads and writes nothing.
 */
#pragma once

#include "runtime.h"

/* Where things are on this host. Paths are absolute. */
struct oci_place {
	const char *deployment;
	const char *cgroup; /* below each hierarchy's root, from oci_cgroup_path() */
	const char *root;   /* root file system */
	const char *workspace, *state, *socket_dir, *executor;
	const char *control_dir; /* NULL: the control plane is not on a unix socket */
	const char *const *
		shared; /* NULL-terminated host paths shown read-only at the same place; NULL: none */
	const char *netns;       /* NULL: a new one that has only lo */
	const char *apparmor;    /* profile; NULL: none */
	const char *resolv_conf; /* NULL: the image's own */
	bool swap_limit;         /* the kernel accounts for swap */
};

/* NULL: the arena is full. */
char *oci_config(const struct rt_spec *, const struct oci_place *, struct arena *) MUST_CHECK;
