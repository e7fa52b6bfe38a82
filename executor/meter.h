/*
 * meter.h: what an execution used, as far as a process without privileges can
 * see it: rusage of the reaped tree, /proc of the living one, and the
 * container's cgroup (v1, v2 or hybrid).
 */
#pragma once

#include <sys/types.h>

#include "../lib/base/util.h"

/* Counters of the whole container; -1: not readable here. */
struct meter_events {
	int64_t oom_kills, pids_refused;
};

void meter_open(void); /* finds the files; before PR_SET_DUMPABLE 0 */
struct meter_events meter_events(void);
int64_t meter_memory(void); /* bytes used by the container now, -1 unknown */
int64_t meter_cpu_ms(void); /* of the container so far, -1 unknown */

/* Bytes that this process and all it reaped have read and written through system calls. False: unknown. */
bool meter_io(int64_t *rd, int64_t *wr);

/* All living processes below `root` (a child of ours), itself included: resident bytes, CPU with that of their reaped ones. */
struct meter_tree {
	int64_t rss, cpu_ms;
};
struct meter_tree meter_tree(pid_t root);

/*
 * Bytes of regular files below a directory, without following links. ENDLESS, which is over every quota, when there is
 * more than a look can take in: WALK_ENTRIES_MAX, a directory closed to us.
 */
#define METER_DISK_ENDLESS INT64_MAX
int64_t meter_disk(const char *dir);
