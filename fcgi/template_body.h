/* template_body.h: the body of POST and PUT /templates (CONTRACT 5): read, checked, laid over a template. */
#pragma once

#include "../lib/store/template.h"
#include "req.h"
#include "resources.h"

/* Absent: NULL, JSN_ABSENT. Strings and objects borrow from r->in. */
struct template_body {
	const char *id, *name, *description, *image_url, *runtime_type, *network;
	struct json_object *env_vars, *dependencies, *labels;
	struct limits limits;
	int64_t timeout_s, is_active, run_as_user, read_only_root;
};

/* `create`: the required fields must be there. -1: 422. */
int template_body_read(struct req *, struct template_body *, bool create,
		       struct fault *) MUST_CHECK;

/*
 * Lays what was given over *t; a new template (t->id NULL) gets the defaults for the rest. -1: REFUSED when a fixed
 * field differs, or packages are asked for where there are none.
 */
int template_body_apply(struct req *, const struct template_body *, struct template *t,
			struct fault *) MUST_CHECK;

/* Would a new version say anything else than `a`? */
bool template_differs(const struct template *a, const struct template *b);
