/*
 * clock.h: time. Deadlines are absolute and monotonic; what is written for
 * people and the API is UTC. Whatever decides about rows asks the database.
 */
#pragma once

#include "util.h"

#define CLOCK_RFC3339_SZ 25 /* "2026-01-06T10:00:00.123Z" and the NUL */

int64_t clock_ms(void);      /* monotonic, for deadlines and durations */
int64_t clock_us(void);      /* monotonic microseconds */
int64_t clock_wall_ms(void); /* milliseconds since 1970 UTC */

/* RFC 3339 UTC with 3 decimals and Z (CONTRACT 1.2). */
void clock_format(int64_t wall_ms, char out[CLOCK_RFC3339_SZ]);

/* RFC 3339 with any offset and 0-9 decimals to milliseconds since 1970. False: not a time. */
bool clock_parse(const char *text, int64_t *wall_ms) MUST_CHECK;
