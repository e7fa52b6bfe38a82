/* conf_check.h: shared by the parts of conf.h only. */
#pragma once

#include "conf.h"

/* 0, or -1 with "[section] key: what" in `why`. Every single value is already in its range. */
int conf_check(const struct conf *, char *why, size_t whysz) MUST_CHECK;

/* Puts before `why` where that key has its value from: "FILE:LINE: ", "FILE: " or "environment: ". path may be NULL. */
void conf_where(const char *path, char *why, size_t whysz);
