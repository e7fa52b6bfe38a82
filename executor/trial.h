/* trial.h: the start-up proof of isolation (CONTRACT 10.4): a program really runs in the sandbox and looks around. */
#pragma once

#include "../lib/base/jsn.h"
#include "settings.h"

enum trial_check {
	TRIAL_USER_NS,
	TRIAL_PID_NS,
	TRIAL_MOUNT_NS,
	TRIAL_IPC_NS,
	TRIAL_NET_NS,
	TRIAL_SECCOMP,
	TRIAL_NO_NEW_PRIVS,
	TRIAL_CAPS_DROPPED,
	TRIAL_PRIVATE_PROC,
	TRIAL_OWN_CGROUP,
	TRIAL_DISK_QUOTA,
	TRIAL_READ_ONLY_ROOT,
	TRIAL__MAX
};

struct trial {
	bool ok[TRIAL__MAX];
	char failures[8][120];
	int nfailures;
	const char *level; /* strict, reduced, none */
	char checked_at[32];
};

struct jobs;

/* Runs it, twice when a private proc is refused; sets jobs->private_proc and jobs->isolated. */
void trial_run(struct trial *, struct jobs *);

/* `sandbox-executor --probe`: what the program in the sandbox prints: "key value" lines. Never returns. */
void trial_probe(void) __attribute__((noreturn));

struct json_object *trial_report(const struct trial *);
struct json_object *trial_languages(void);
