/* network.c: sandboxctl network: the egress network of this host (CONTRACT 12.1 [network]). */
#include <stdio.h>

#include "../lib/rt/egress.h"
#include "ctl.h"

int ctl_network_up(struct ctl *c)
{
	struct fault f = { 0 };

	if (egress_up(&c->cf, &f) < 0)
		return ctl_fault(&f);
	printf("The network %s is up.\n", c->cf.network_egress_network);
	return ctl_done();
}

int ctl_network_down(struct ctl *c)
{
	struct fault f = { 0 };

	if (egress_down(&c->cf, &f) < 0)
		return ctl_fault(&f);
	printf("The network %s is down.\n", c->cf.network_egress_network);
	return ctl_done();
}
