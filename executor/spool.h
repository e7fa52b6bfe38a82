/* spool.h: results on disk until they are delivered; user code cannot see the directory. */
#pragma once

#include "../lib/base/util.h"

/* Makes the directories. -1 with errno. */
int spool_open(const char *state_dir) MUST_CHECK;
/* Complete or not at all. It outlives the executor, not the machine: no fsync on the way of an answer. */
int spool_put(const char *id, const char *text, size_t n) MUST_CHECK;
void spool_drop(const char *id);
/* Calls fn for each result of an earlier life. */
void spool_each(void (*fn)(const char *id, char *text, size_t n, void *), void *arg);
/* Where a stream's log lies. */
void spool_log_path(const char *id, const char *stream, char *out, size_t size);
