/* text.h: pure functions on bytes and characters: UTF-8, base64, hex, numbers. */
#pragma once

#include "arena.h"

/* Bytes (1-4) of the well-formed UTF-8 character at s; 0: none starts here (RFC 3629). */
size_t text_utf8_len(const char *s, size_t n);
bool text_utf8_ok(const char *s, size_t n);

/* A copy in which each byte that starts no character is U+FFFD; NUL-terminated. NULL: arena full. */
char *text_utf8_repair(struct arena *, const char *s, size_t n, size_t *out_len) MUST_CHECK;

/* Cuts the incomplete character that a full buffer left at the end of `s`. */
void text_utf8_trim(char *s);

/* RFC 4648. Encoders return NUL-terminated text; decode: NULL when malformed or no room. */
char *text_base64(struct arena *, const void *p, size_t n) MUST_CHECK;
char *text_base64url(struct arena *, const void *p, size_t n) MUST_CHECK; /* no padding */
void *text_base64_decode(struct arena *, const char *s, size_t n,
			 size_t *out_len) MUST_CHECK; /* both alphabets */

void text_hex(const void *p, size_t n, char *out); /* 2n + 1 bytes, lower case */

/* A whole decimal integer in lo..hi; false on anything else (no blanks, no '+'). */
bool text_int(const char *s, int64_t lo, int64_t hi, int64_t *out) MUST_CHECK;

/* Same running time for any content of two strings of equal length. */
bool text_equal_ct(const char *a, const char *b);
