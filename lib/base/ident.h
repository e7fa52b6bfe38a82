/* ident.h: the identifiers of CONTRACT 1.3: which are well formed, and new ones from getrandom(2). */
#pragma once

#include "util.h"

#define IDENT_MAX 64 /* bytes of a caller-chosen id */
#define IDENT_SZ  (IDENT_MAX + 1)

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool ident_ok(const char *s);
/* X-Request-ID: [A-Za-z0-9._-]{1,128} */
bool ident_request_ok(const char *s);

void ident_session(char out[IDENT_SZ]);   /* sess_ + 16 of [a-z0-9] */
void ident_execution(char out[IDENT_SZ]); /* exec_YYYYMMDD_ (UTC) + 8 of [a-z0-9] */
void ident_uuid(char out[37]);            /* UUIDv4, RFC 9562 */
void ident_random(void *out, size_t n);   /* from the kernel; aborts when it has none */
