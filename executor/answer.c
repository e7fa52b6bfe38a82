#include "answer.h"

#include <event2/buffer.h>
#include <stdio.h>

#include "../lib/base/ident.h"

void http_header(struct evhttp_request *rq, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(rq), name, value);
}

void http_text(struct evhttp_request *rq, int status, const char *text, size_t n)
{
	struct evbuffer *b = evbuffer_new();

	http_header(rq, "Content-Type", "application/json");
	if (b && text)
		evbuffer_add(b, text, n);
	evhttp_send_reply(rq, status, status < 400 ? "OK" : "Error", b);
	if (b)
		evbuffer_free(b);
}

void http_json(struct evhttp_request *rq, int status, struct json_object *o)
{
	size_t n = 0;
	const char *text = o ? jsn_text(o, &n) : NULL;

	http_text(rq, text ? status : 500, text, n);
	json_object_put(o);
}

void http_fault(struct evhttp_request *rq, const struct fault *f)
{
	struct json_object *o = json_object_new_object();
	const char *id = evhttp_find_header(evhttp_request_get_input_headers(rq), "X-Request-ID");
	const struct fault_info *info = f->info;
	char link[100];

	snprintf(link, sizeof(link), "/docs#%s", info->code);
	o = jsn_str(o, "error_code", info->code);
	o = jsn_str(o, "description", info->description);
	o = jsn_str(o, "error_detail", f->detail);
	o = jsn_str(o, "solution", info->solution);
	o = jsn_str(o, "error_link", link);
	o = jsn_str(o, "request_id", id && ident_request_ok(id) ? id : NULL);
	o = jsn_bool(o, "retryable", info->retryable);
	o = jsn_str(o, "detail", f->detail);
	o = jsn_str(o, "message", f->detail);
	http_json(rq, info->status, o);
}
