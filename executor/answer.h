/* answer.h: how the executor's API answers: JSON, and the error body of CONTRACT 2. */
#pragma once

#include <event2/http.h>

#include "../lib/base/fault.h"
#include "../lib/base/jsn.h"

void http_header(struct evhttp_request *, const char *name, const char *value);
void http_text(struct evhttp_request *, int status, const char *json, size_t n);
void http_json(struct evhttp_request *, int status, struct json_object *); /* taken */
void http_fault(struct evhttp_request *, const struct fault *);
