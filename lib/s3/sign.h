/*
 * sign.h: AWS Signature Version 4, header and query form: pure functions
 * (Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)").
 */
#pragma once

#include "../base/arena.h"

/* One request as it will be sent. Strings are not encoded yet, except `path`. */
struct sign_request {
	const char *method;
	const char
		*host; /* as the Host header will say, with a port that is not the scheme's own */
	const char *path; /* encoded with sign_encode_path(), begins with '/' */
	/* Query parameters, decoded, in any order; a value is never NULL ("uploads" is "uploads="). */
	const struct sign_param {
		const char *name, *value;
	} * query;
	size_t nquery;
	/* Further headers that are signed: lower-case names, trimmed values; without host and x-amz-date. */
	const struct sign_param *headers;
	size_t nheaders;
	const char *payload;          /* hex SHA-256 of the body, or "UNSIGNED-PAYLOAD" */
	const char *region, *service; /* service: "s3" */
	const char *access_key, *secret_key;
	int64_t time_s; /* Unix time */
};

/* The header form. Arena-owned; NULL: no room. `date` is the value of x-amz-date. */
struct sign_result {
	const char *authorization, *date,
		*query; /* query: encoded, sorted, "" when there is none */
};
int sign_headers(const struct sign_request *, struct sign_result *, struct arena *) MUST_CHECK;

/* The query form: the whole encoded query with its signature; good for `expires_s` (1 s to 7 days). NULL: no room. */
char *sign_query(const struct sign_request *, int64_t expires_s, struct arena *) MUST_CHECK;

/* Every byte but A-Za-z0-9-_.~ as %XX, upper case; in a path '/' stays too. NULL: no room. */
char *sign_encode(const char *, struct arena *) MUST_CHECK;
char *sign_encode_path(const char *, struct arena *) MUST_CHECK;
