/* envvars.h: the rules of environment variables (CONTRACT 3.3), the same for sessions, executions and templates. */
#pragma once

#include "../lib/base/jsn.h"

/* Errors of `map`, an object, go to `c`; `path`: where it is in the body. */
void envvars_check(struct jsn_check *c, const char *path, struct json_object *map);
