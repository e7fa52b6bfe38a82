/*
 * ctl.h: sandboxctl, the operator's command. Each subcommand is a row of the
 * table in main.c and a function in the file of its name; what a function
 * returns is the program's exit code.
 */
#pragma once

#include "../lib/base/arena.h"
#include "../lib/base/conf.h"
#include "../lib/base/fault.h"
#include "../lib/base/jsn.h"
#include "../lib/db.h"

/* By class of failure, as the skarnet programs have them. */
enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 100, CTL_CONFIG = 102 };

struct ctl {
	struct conf cf;   /* empty for rows that need none */
	const char *path; /* of the configuration */
	bool json;
	bool check;                 /* --check */
	const char *role, *expires; /* --role, --expires */
	char **args;                /* what follows the subcommand's words */
	int nargs;
	struct arena *a;
};

typedef int command_fn(struct ctl *);

command_fn ctl_migrate;                                         /* migrate.c */
command_fn ctl_key_create, ctl_key_list, ctl_key_revoke;        /* key.c */
command_fn ctl_config_check, ctl_config_print, ctl_config_keys; /* config.c */
command_fn ctl_status;                                          /* status.c */
command_fn ctl_doctor;                                          /* doctor.c */
command_fn ctl_storage_create, ctl_storage_check;               /* storage.c */
command_fn ctl_image_import, ctl_image_alias, ctl_image_list;   /* image.c */
command_fn ctl_network_up, ctl_network_down;                    /* network.c */

/* "sandboxctl: what" on standard error; returns `code`. */
int ctl_fail(int code, const char *fmt, ...) PRINTF(2, 3);
int ctl_fault(const struct fault *); /* CTL_FAILED */

/* A connection to a database whose schema is the program's; NULL after saying why not. */
struct db *ctl_db(struct ctl *);

/* Prints it as a line and frees it. CTL_OK, or CTL_FAILED when there was no memory or no room to write. */
int ctl_json(struct json_object *);
/* Flushes standard output: CTL_OK, or CTL_FAILED when it could not all be written. */
int ctl_done(void);
