/*
 * oci_net.h: the network of an OCI container with egress: a namespace of its own
 * whose packet filter stands before the container starts, and slirp4netns, which
 * carries what passes. The filter is out of reach for code inside, which has no
 * capability there; a namespace that it makes itself has no way out.
 */
#pragma once

#include "oci.h"

#define OCI_NET_RESOLVER "10.0.2.3" /* slirp4netns asks the host's own for us */

/* Path of the namespace; it is there while the container is. */
char *oci_net_path(const struct conf *, const char *name, struct arena *) MUST_CHECK;

/* Makes both. What stood under the name is replaced. */
int oci_net_up(const struct conf *, const char *name, int64_t deadline, struct arena *,
	       struct fault *) MUST_CHECK;

/* -1 with errno. Missing: 0. */
int oci_net_down(const struct conf *, const char *name, struct arena *) MUST_CHECK;

/*
 * The rules (nft -f): names may be resolved, `deny4` and `deny6` are refused, all else passes. Pure. `own`: this host's
 * addresses, which are refused too.
 */
char *oci_net_rules(const char *const *deny4, const char *const *deny6, const char *const *own,
		    struct arena *) MUST_CHECK;
