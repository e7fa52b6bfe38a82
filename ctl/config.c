/* config.c: sandboxctl config. The configuration was read, or refused, before these run. */
#include <stdio.h>

#include "ctl.h"

int ctl_config_check(struct ctl *c)
{
	printf("%s: all is well\n", c->path);
	return ctl_done();
}

int ctl_config_print(struct ctl *c)
{
	return conf_print(&c->cf) ? ctl_fail(CTL_FAILED, "standard output: %s", strerror(errno))
				  : CTL_OK;
}

int ctl_config_keys(struct ctl *c)
{
	(void)c;
	return conf_print_keys() ? ctl_fail(CTL_FAILED, "standard output: %s", strerror(errno))
				 : CTL_OK;
}
