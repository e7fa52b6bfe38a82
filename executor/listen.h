/* listen.h: the socket of the executor's API. */
#pragma once

#include "../lib/base/util.h"

/* `address`: a socket's path (made anew, mode 0666) or address:port. -1 with a message in `why`. */
int listen_on(const char *address, char *why, size_t whysz) MUST_CHECK;
