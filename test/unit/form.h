/* form.h: for tests of functions that add errors to a struct jsn_check: which error, and where, did it add first? */
#pragma once

#include "unit.h"

#include <stdio.h>

#include "../../lib/base/jsn.h"

struct first {
	char type[32], path[128], detail[512];
	size_t n;
};

/* Ends the check. `type` "" and n 0: there was no error. path: loc without its first element, dotted. */
static inline struct first form_first(struct jsn_check *c)
{
	struct first out = { .n = 0 };
	struct fault f = { 0 };
	struct json_object *list, *e, *loc;

	if (jsn_done(c, &f) == 0)
		return out;
	snprintf(out.detail, sizeof(out.detail), "%s", f.detail);
	list = json_tokener_parse(f.errors_json);
	out.n = json_object_array_length(list);
	e = json_object_array_get_idx(list, 0);
	loc = json_object_object_get(e, "loc");
	snprintf(out.type, sizeof(out.type), "%s",
		 json_object_get_string(json_object_object_get(e, "type")));
	for (size_t i = 1; i < json_object_array_length(loc); i++)
		snprintf(out.path + strlen(out.path), sizeof(out.path) - strlen(out.path), "%s%s",
			 i > 1 ? "." : "",
			 json_object_get_string(json_object_array_get_idx(loc, i)));
	json_object_put(list);
	return out;
}

static inline int form_setup(void **state)
{
	*state = arena_new((size_t)8 << 20);
	return *state ? 0 : -1;
}

static inline int form_teardown(void **state)
{
	arena_free(*state);
	return 0;
}
