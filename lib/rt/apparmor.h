/* apparmor.h: whether and how containers of this host are confined by AppArmor. */
#pragma once

#include "../base/util.h"

#define APPARMOR_PROFILE "sandbox-container" /* deploy/apparmor/sandbox-container */

/*
 * The shipped profile where it is loaded; "unconfined" where AppArmor is on without it, because the engines' own
 * profiles forbid the mounts that every execution needs; NULL where AppArmor is off.
 */
const char *apparmor_option(void);

/* True where containers of this host can have the shipped profile. */
bool apparmor_loaded(void);
