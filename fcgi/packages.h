/* packages.h: the grammar of package lists (CONTRACT 7). What passes is safe as one argument of an installer. */
#pragma once

#include "../lib/base/jsn.h"

/* Errors of the elements {name, version} of `array` go to `c`; `path`: where it is in the body. */
void packages_check(struct jsn_check *c, const char *path, struct json_object *array);

/* For one text; packages_check() uses them. */
bool package_name_ok(const char *);
bool package_version_ok(const char *);

/* The address of a package index: http or https, a host, a path; no credentials, query, fragment. */
bool package_index_ok(const char *);
