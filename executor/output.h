/*
 * output.h: one stream of an execution: an append-only log with absolute byte
 * offsets. The first `keep_bytes` are kept in a file of the spool; what follows
 * is counted, and its end remembered for the inline view.
 */
#pragma once

#include "../lib/base/arena.h"

struct output;

/* `path`: the log's file, made at the first byte. */
struct output *output_new(const char *path, int64_t keep_bytes, int64_t inline_bytes);
void output_free(struct output *, bool remove_file);

/* 0, or -1 with errno when the log cannot be written (its bytes are then counted as dropped). */
int output_append(struct output *, const char *p, size_t n) MUST_CHECK;
/* Of NULL, the stream of an execution that never started: nothing. */
int64_t output_total(const struct output *); /* bytes the code wrote */
int64_t output_kept(const struct output *);  /* bytes that can be read back */
int64_t output_dropped(const struct output *);

/* Reads up to n kept bytes from offset `at`. */
ssize_t output_read(const struct output *, int64_t at, char *buf, size_t n);
int output_fd(const struct output *); /* -1: nothing was written */

/* First and last half with a line naming what is left out, when it is longer than inline_bytes. NULL: no room. */
char *output_inline(const struct output *, struct arena *, size_t *len, bool *cut) MUST_CHECK;
