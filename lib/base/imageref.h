/* imageref.h: the grammar of image names that templates give to a runtime (CONTRACT 5). Pure. */
#pragma once

#include "util.h"

#define IMAGEREF_MAX 512

/* [registry[:port]/]path[:tag][@sha256:digest], at most IMAGEREF_MAX bytes. */
bool imageref_ok(const char *s);
