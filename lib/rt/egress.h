/*
 * egress.h: the network of containers that may reach out, and what they may
 * not reach. `sandboxctl network up` makes it, as root; a backend only asks
 * whether it stands.
 *
 * Rules do not survive a boot, a container network does. So the engine's own
 * address translation is off for it, ours comes with the rules, and a marker
 * below /run's life says that they are in place: without the rules nothing gets
 * out and nothing is started.
 */
#pragma once

#include "../base/arena.h"
#include "../base/conf.h"
#include "../base/fault.h"

/* Makes the bridge network and its rules; harmless when they stand. Docker only. */
int egress_up(const struct conf *, struct fault *) MUST_CHECK;
/* Removes both; harmless when they are gone. */
int egress_down(const struct conf *, struct fault *) MUST_CHECK;
/* 0, or -1 with a fault that says what to do. */
int egress_ready(const struct conf *, struct fault *) MUST_CHECK;

/*
 * [network] egress_deny as NULL-terminated address ranges, the built-in ones (link-local, private, metadata) always
 * among them; only those of IPv4, or only those of IPv6. NULL with a fault that names a bad one.
 */
const char *const *egress_ranges(const struct conf *, bool v6, struct arena *, struct fault *);
