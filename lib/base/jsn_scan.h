/* jsn_scan.h: shared by the two halves of jsn.h only. */
#pragma once

#include "util.h"

/* As jsn_valid(); also counts the members of all objects, by which duplicates are found. */
bool jsn_scan(const char *text, size_t len, size_t *members, size_t *at,
	      const char **why) MUST_CHECK;
