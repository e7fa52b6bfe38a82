/*
 * wspath.h: names of files in a workspace (CONTRACT 6, Paths), and what an
 * object's key may be. Pure; shared by workers and executor.
 */
#pragma once

#include "util.h"

#define WSPATH_MAX \
	1024 /* bytes of a path: S3's own limit of a key, less our prefix, is not reached before */
#define WSSEG_MAX 255 /* bytes of a segment: NAME_MAX of Linux file systems */

/*
 * NULL: a good path. Else why not: relative UTF-8; no empty, "." or ".." segment, no leading or trailing slash, no
 * backslash or control character (C0, DEL, C1); bytes of path and segment within the limits.
 */
const char *wspath_bad(const char *path, size_t n);

/* Media type by extension, never NULL ("application/octet-stream"). */
const char *wspath_type(const char *path);

/* artifact type (CONTRACT 4.4): "output" below output/, "log" below logs/ or *.log, else "artifact". */
const char *wspath_artifact(const char *path);

/* A component begins with '.'. */
bool wspath_hidden(const char *path);
