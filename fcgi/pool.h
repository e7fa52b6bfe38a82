/*
 * pool.h: the master: listens, keeps N worker processes alive, drains on
 * SIGTERM (a second one cuts), replaces all workers on SIGHUP after reading the
 * configuration anew. It talks to no client and to no database.
 */
#pragma once

#include "../lib/base/conf.h"

/* The exit status of the program. `path`: of the configuration, for SIGHUP; may be NULL. Takes cf over. */
int pool_run(struct conf *cf, const char *path, int listen_fd);

/* The listening socket that systemd gave, else one for [server] listen: a path or host:port. -1 with a message in `why`. */
int pool_listen(const char *address, char *why, size_t whysz) MUST_CHECK;
