/* oci_cgroup.h: the control group of one container on this host, cgroup v1, v2 or hybrid. */
#pragma once

#include "runtime.h"

enum oci_hierarchy { OCI_CGROUP_V1, OCI_CGROUP_HYBRID, OCI_CGROUP_V2 };

enum oci_hierarchy oci_cgroup_hierarchy(void);

/* "/sandbox-D/NAME", below each hierarchy's root. */
char *oci_cgroup_path(const struct conf *, const char *name, struct arena *) MUST_CHECK;

/* True when the kernel limits swap too. */
bool oci_cgroup_swap(void);

/* True when process `pid` is in the group or below it; a reused pid is not. */
bool oci_cgroup_has(const char *path, long pid);

/* True once the kernel killed something in it for memory. */
bool oci_cgroup_oom(const char *path);

/* Fields that cannot be read are -1. */
void oci_cgroup_usage(const char *path, struct rt_usage *out);

/* Kills what is still inside and removes it from every hierarchy; -1 with errno. Missing: 0. */
int oci_cgroup_remove(const char *path, int64_t deadline) MUST_CHECK;
