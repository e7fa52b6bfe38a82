#include "apparmor.h"

#include <stdio.h>

#define ENABLED "/sys/module/apparmor/parameters/enabled"
#define LOADED  "/sys/kernel/security/apparmor/profiles" /* "NAME (enforce)" lines; root only */
#define ON_DISK \
	"/etc/apparmor.d/" APPARMOR_PROFILE /* loaded at boot: what others than root can know */

static bool enabled(void)
{
	FILE *f = fopen(ENABLED, "re");
	bool on = f && fgetc(f) == 'Y';

	if (f)
		fclose(f);
	return on;
}

bool apparmor_loaded(void)
{
	FILE *f = fopen(LOADED, "re");
	char line[512];
	bool found = false;

	if (!enabled()) {
		if (f)
			fclose(f);
		return false;
	}
	if (!f)
		return errno == EACCES && access(ON_DISK, F_OK) == 0;
	while (!found && fgets(line, sizeof(line), f))
		found = str_starts(line, APPARMOR_PROFILE " (");
	fclose(f);
	return found;
}

const char *apparmor_option(void)
{
	if (!enabled())
		return NULL;
	return apparmor_loaded() ? APPARMOR_PROFILE : "unconfined";
}
