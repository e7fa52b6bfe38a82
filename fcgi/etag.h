/* etag.h: If-Match and its lists of entity tags (RFC 9110 8.8.3, 13.1.1). Pure. */
#pragma once

#include "../lib/base/util.h"

/* "*" or a comma list with at least one tag, `"text"` or `W/"text"`. */
bool etag_list_ok(const char *header);

/* Does If-Match let `etag` (with its quotes) through? Strong comparison. NULL header: yes. */
bool etag_matches(const char *header, const char *etag);
