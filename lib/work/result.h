/* result.h: an executor's report of an ended execution (CONTRACT 9, Result), read and recorded. */
#pragma once

#include "../base/jsn.h"
#include "../store/execution.h"
#include "work.h"

/*
 * Checks `in` (the parsed body; `text` its raw form, from which return_value and error are taken exactly). Pointers
 * borrow from both and from the arena. -1: INVALID, or REFUSED for a bad status or reason.
 */
int result_read(struct json_object *in, const char *text, size_t len, struct execution_result *out,
		struct arena *, struct fault *) MUST_CHECK;
