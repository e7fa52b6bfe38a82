/* target.h: the request target (RFC 9112 3.2) taken apart. Pure, fuzzed. */
#pragma once

#include "../lib/base/arena.h"
#include "../lib/base/fault.h"

#define TARGET_MAX \
	8192 /* bytes of REQUEST_URI; the web servers' own default ceiling for a request line */

/*
 * `uri`: REQUEST_URI as all web servers send it. Cuts at '?', decodes percent escapes once, drops one trailing slash.
 * -1 with REFUSED: too long, bad escape, control byte, not UTF-8, backslash, empty or dot segment.
 */
int target_parse(const char *uri, struct arena *, const char **path, const char **query,
		 struct fault *) MUST_CHECK;

/* application/x-www-form-urlencoded value of `name` in a raw query, decoded; the last one counts.
 * NULL: absent. A malformed value (bad escape, NUL, not UTF-8) is "\x01", which no check accepts. */
const char *target_query(const char *query, const char *name, struct arena *);
