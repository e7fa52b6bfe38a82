/* conf_check.h: shared by the two halves of conf.h only. */
#pragma once

#include "conf.h"

/* 0, or -1 with "[section] key: what" in `why`. Every single value is already in its range. */
int conf_check(const struct conf *, char *why, size_t whysz) MUST_CHECK;
