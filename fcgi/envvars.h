/* envvars.h: environment variables of templates, sessions and executions (CONTRACT 3.3). Pure. */
#pragma once

#include "../lib/base/jsn.h"

/* Adds an error to `c` for each variable that is refused. `path`: dotted path of `map`, which is an object. */
void envvars_check(struct jsn_check *c, const char *path, struct json_object *map);
