#include "workspace.h"

#include <event2/buffer.h>

#include "../lib/base/wspath.h"
#include "answer.h"

#define PATHS_MAX 1000 /* CONTRACT 10.1 */

/* Whoever asked; rq NULL: it has gone. */
struct asker {
	struct evhttp_request *rq;
};

static void on_gone(struct evhttp_connection *c, void *arg)
{
	struct asker *x = arg;

	(void)c;
	x->rq = NULL; /* the pull goes on: its end frees the asker */
}

static void on_pulled(struct sync_pulled *out, void *arg)
{
	AUTO_FREE struct asker *x = arg;
	struct json_object *o;
	struct fault f;

	if (!x->rq)
		return;
	evhttp_connection_set_closecb(evhttp_request_get_connection(x->rq), NULL, NULL);
	if (out->failed) {
		fault_set(&f, FAULT_EXE_INTERNAL, "not all files could be fetched");
		http_fault(x->rq, &f);
		return;
	}
	o = jsn_put(json_object_new_object(), "pulled", json_object_get(out->pulled));
	http_json(x->rq, 200, jsn_put(o, "removed", json_object_get(out->removed)));
}

static const char *bad_paths(struct json_object *paths)
{
	size_t n =
		json_object_is_type(paths, json_type_array) ? json_object_array_length(paths) : 0;

	if (!n || n > PATHS_MAX)
		return "paths is not an array of 1 to 1000 strings";
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(paths, i);

		if (!json_object_is_type(v, json_type_string) ||
		    wspath_bad(json_object_get_string(v), (size_t)json_object_get_string_len(v)))
			return "a path is not that of a file in the workspace";
	}
	return NULL;
}

void workspace_pull(struct evhttp_request *rq, struct sync *s, struct arena *a)
{
	struct evbuffer *b = evhttp_request_get_input_buffer(rq);
	size_t n = evbuffer_get_length(b);
	const char *text = n ? (const char *)evbuffer_pullup(b, -1) : "", *why;
	struct fault f = { 0 };
	AUTO_JSON struct json_object *in = jsn_parse(text, n, a, &f);
	struct json_object *paths = json_object_object_get(in, "paths");
	struct asker *x;

	if ((why = in ? bad_paths(paths) : "the body is not JSON")) {
		fault_set(&f, FAULT_EXE_INVALID, "%s", why);
		http_fault(rq, &f);
		return;
	}
	if (!(x = malloc(sizeof(*x)))) {
		fault_set(&f, FAULT_EXE_INTERNAL, "out of memory");
		http_fault(rq, &f);
		return;
	}
	x->rq = rq;
	evhttp_connection_set_closecb(evhttp_request_get_connection(rq), on_gone, x);
	sync_pull(s, paths, on_pulled, x);
}
