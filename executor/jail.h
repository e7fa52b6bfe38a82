/*
 * jail.h: from settings to the arguments of bwrap. jail_args() is pure but for
 * the list of the image's directories, which jail_scan() reads once.
 */
#pragma once

#include "../lib/base/arena.h"
#include "lang.h"

#define JAIL_ROOTS_MAX 64

/* One entry of the image's root that executions see. */
struct jail_root {
	char path[256];
	char link[256]; /* target of a symlink, "" for a directory */
	bool empty;     /* made anew instead of mounted: each mount costs every execution 0.2 ms */
};

struct jail_view {
	struct jail_root roots[JAIL_ROOTS_MAX];
	size_t n;
	bool has_deps; /* /opt/sandbox-deps exists */
};

struct jail_spec {
	const struct jail_view *view;
	const char *workspace; /* host side of /workspace */
	const char *state_dir; /* hidden */
	const char *hostname;
	const char *const *env; /* NULL-terminated pairs: name, value, name, value … */
	bool egress;            /* keeps the container's network */
	bool private_proc;
	int64_t tmp_bytes;
};

int jail_scan(struct jail_view *) MUST_CHECK;

/* NUL-separated arguments for `bwrap --args FD`, without the command. Arena-owned; NULL: no room. */
char *jail_args(const struct jail_spec *, struct arena *, size_t *len) MUST_CHECK;

/* The command: this program as pid 1, then the interpreter. NULL-terminated. */
const char *const *jail_command(const struct lang *, int64_t file_bytes, struct arena *) MUST_CHECK;
