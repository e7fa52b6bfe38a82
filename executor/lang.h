/* lang.h: the languages an image may have: interpreter, how it is started, its version. */
#pragma once

#include "../lib/base/util.h"

#define LANG_ARGS_MAX 8

struct lang {
	const char *name;    /* as the API names it */
	const char *program; /* absolute path of the interpreter; NULL: not in this image */
	const char *args[LANG_ARGS_MAX]; /* after the program, NULL-terminated */
	const char *runner;              /* text on INIT_FD_RUNNER; NULL: none */
	size_t runner_len;
	bool has_handler; /* false: always a script, and the event is its standard input */
	char version[64];
};

#define LANG_COUNT 3

/* Looks for the interpreters; when `versions`, each begins to tell its own meanwhile: lang_versions() hears them. */
void lang_detect(bool versions);
void lang_versions(void);

/* By name; NULL: no such language or not in this image. */
const struct lang *lang_find(const char *name);
/* All rows, also those without a program. */
const struct lang *lang_row(size_t i);
