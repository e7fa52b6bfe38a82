/* files.h: what the file routes of both surfaces share (CONTRACT 6, 9). */
#pragma once

#include "../lib/work/files.h"
#include "req.h"

/* The path of a `{path*}` route. REFUSED unless it follows the rules; `path`: of a query or body, NULL: the route's. */
const char *files_path(struct req *, const char *path, const char *what, struct fault *) MUST_CHECK;

/* The session for reading: any that is not deleted; an active one's idle clock starts again. Gives the connection back. */
int files_session(struct req *, const char *id, struct session *, struct fault *) MUST_CHECK;

/* A declared media type that can be stored and sent back, else NULL. */
const char *files_type(const char *declared);

/* If-Match and If-None-Match as they came; INVALID when one is no list of entity tags. */
int files_conditions(struct req *, const char **if_match, const char **if_none_match,
		     struct fault *) MUST_CHECK;

char *files_quoted(struct req *, const char *etag);

/* RFC 6266, with the name in ASCII and in full. NULL: no memory. */
char *files_disposition(const char *path, struct arena *) MUST_CHECK;

/* Answers with the file, or (`presign`) with where to get it when it is large. */
int files_send(struct req *, const char *session_id, const char *path, bool presign,
	       struct fault *) MUST_CHECK;
