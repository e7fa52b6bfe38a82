/* etag.h: If-Match, If-None-Match and their lists of entity tags (RFC 9110 8.8.3, 13.1). Pure. */
#pragma once

#include "util.h"

/* "*" or a comma list with at least one tag, `"text"` or `W/"text"`. */
bool etag_list_ok(const char *header);

/* Does If-Match let `etag` (with its quotes) through? Strong comparison. NULL header: yes. */
bool etag_matches(const char *header, const char *etag);

/* Does If-None-Match name `etag` (with its quotes; NULL: there is no object)? Weak comparison. NULL header: no. */
bool etag_named(const char *header, const char *etag);
