#include "template_body.h"

#include <stdio.h>

#include "../lib/base/ident.h"
#include "../lib/base/imageref.h"
#include "envvars.h"
#include "packages.h"

#define NAME_MAX_BYTES        255
#define DESCRIPTION_MAX_BYTES 4096
#define DEPENDENCIES_MAX      50
#define LABELS_MAX            32
#define LABEL_KEY_MAX_BYTES   63
#define LABEL_VALUE_MAX_BYTES 255

/* What a template has when its author says nothing (CONTRACT 5). */
static const struct template defaults = {
	.description = "",
	.env_vars = "{}",
	.network = "none",
	.dependencies = "[]",
	.labels = "{}",
	.dependency_install_status = "completed",
	.cpu_millis = 500,
	.memory_bytes = 512 * MIB,
	.disk_bytes = 1024 * MIB,
	.timeout_s = 300,
	.max_processes = 128,
	.run_as_user = 1000,
	.read_only_root = 1,
	.version_active = 1,
};

static const char *const runtimes[] = { "python3.11", "nodejs20", "java17", "go1.21", NULL };
static const char *const networks[] = { "none", "egress", NULL };

/* ---- in ---- */

static void check_labels(struct jsn_check *c, struct json_object *labels)
{
	if (json_object_object_length(labels) > LABELS_MAX) {
		jsn_bad(c, "too_long", "labels", NULL, "must have at most %d labels", LABELS_MAX);
		return;
	}
	json_object_object_foreach (labels, key, value) {
		size_t n = strlen(key);

		if (n < 1 || n > LABEL_KEY_MAX_BYTES)
			jsn_bad(c, n ? "string_too_long" : "string_too_short", "labels", NULL,
				"a key must have 1 to %d bytes", LABEL_KEY_MAX_BYTES);
		if (!json_object_is_type(value, json_type_string))
			jsn_bad(c, "string_type", "labels", value,
				"the value of %.63s must be a string", key);
		else if (json_object_get_string_len(value) > LABEL_VALUE_MAX_BYTES)
			jsn_bad(c, "string_too_long", "labels", value,
				"the value of %.63s must have at most %d bytes", key,
				LABEL_VALUE_MAX_BYTES);
		else if (strlen(json_object_get_string(value)) !=
			 (size_t)json_object_get_string_len(value))
			jsn_bad(c, "value_error", "labels", NULL,
				"the value of %.63s must not hold U+0000", key);
	}
}

static const char *given(struct req *r, const char *name, const char *alias)
{
	return json_object_object_get(r->in, name) ? name : alias;
}

static void read_security(struct jsn_check *c, struct req *r, struct json_object *o,
			  struct template_body *in)
{
	static const struct jsn_field fields[] = {
		{ "run_as_user", NULL, JSN_INT, false, offsetof(struct template_body, run_as_user),
		  1000, 65533, NULL },
		{ "read_only_root", NULL, JSN_BOOL, false,
		  offsetof(struct template_body, read_only_root), 0, 0, NULL },
	};

	if (o)
		jsn_read(c, o, given(r, "security", "security_context"), fields, ARRAY_LEN(fields),
			 in);
}

static void check_forms(struct jsn_check *c, struct req *r, const struct template_body *in)
{
	if (in->id && !ident_ok(in->id))
		jsn_bad(c, "value_error", "id", json_object_object_get(r->in, "id"),
			"must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
	if (in->image_url && !imageref_ok(in->image_url))
		jsn_bad(c, "value_error", given(r, "image_url", "image"), NULL,
			"must be [registry[:port]/]path[:tag][@sha256:digest], at most %d bytes",
			IMAGEREF_MAX);
	if (in->env_vars)
		envvars_check(c, given(r, "env_vars", "default_env_vars"), in->env_vars);
	if (in->dependencies)
		packages_check(c, given(r, "dependencies", "pre_installed_packages"),
			       in->dependencies);
	if (in->labels)
		check_labels(c, in->labels);
}

int template_body_read(struct req *r, struct template_body *in, bool create, struct fault *f)
{
#define AT(m) offsetof(struct template_body, m)
	struct json_object *security = NULL;
	const struct jsn_field fields[] = {
		{ "id", NULL, JSN_STR, create, AT(id), 1, INT16_MAX, NULL },
		{ "name", NULL, JSN_STR, create, AT(name), 1, NAME_MAX_BYTES, NULL },
		{ "description", NULL, JSN_STR, false, AT(description), 0, DESCRIPTION_MAX_BYTES,
		  NULL },
		{ "image_url", "image", JSN_STR, create, AT(image_url), 1, INT16_MAX, NULL },
		{ "runtime_type", NULL, JSN_ENUM, create, AT(runtime_type), 0, 0, runtimes },
		{ "default_timeout", "default_timeout_sec", JSN_INT, false, AT(timeout_s), 60, 3600,
		  NULL },
		{ "env_vars", "default_env_vars", JSN_OBJ, false, AT(env_vars), 0, 0, NULL },
		{ "network", NULL, JSN_ENUM, false, AT(network), 0, 0, networks },
		{ "dependencies", "pre_installed_packages", JSN_ARR, false, AT(dependencies), 0,
		  DEPENDENCIES_MAX, NULL },
		{ "labels", NULL, JSN_OBJ, false, AT(labels), 0, 0, NULL },
		{ "is_active", NULL, JSN_BOOL, false, AT(is_active), 0, 0, NULL },
	};
#undef AT
	static const struct jsn_field security_field[] = {
		{ "security", "security_context", JSN_OBJ, false, 0, 0, 0, NULL },
	};
	struct jsn_check c = { .a = r->a, .where = "body" };

	*in = (struct template_body){
		.limits = { JSN_ABSENT, JSN_ABSENT, JSN_ABSENT, JSN_ABSENT },
		.timeout_s = JSN_ABSENT,
		.is_active = JSN_ABSENT,
		.run_as_user = JSN_ABSENT,
		.read_only_root = JSN_ABSENT,
	};
	jsn_read(&c, r->in, NULL, fields, ARRAY_LEN(fields), in);
	jsn_read(&c, r->in, NULL, security_field, ARRAY_LEN(security_field), &security);
	read_security(&c, r, security, in);
	check_forms(&c, r, in);
	limits_read(&c, r->t->work.cf, r->in, &in->limits);
	return jsn_done(&c, f);
}

/* ---- laid over a template ---- */

static void set_num(int64_t *field, int64_t value)
{
	if (value != JSN_ABSENT)
		*field = value;
}

static void set_str(const char **field, const char *value)
{
	if (value)
		*field = value;
}

/* Canonical text, so that equal meaning is no change. False: no memory. */
static bool set_json(struct req *r, const char **field, struct json_object *value)
{
	const char *text = value ? jsn_canonical(value, r->a) : *field;

	if (!text)
		return false;
	*field = text;
	return true;
}

/* Only what the API documents of each element: name and version. */
static struct json_object *plain_packages(struct json_object *list)
{
	struct json_object *out = list ? json_object_new_array() : NULL;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *in = json_object_array_get_idx(list, i);
		struct json_object *o = json_object_new_object(),
				   *name = json_object_object_get(in, "name");

		o = jsn_str(o, "name", json_object_get_string(name));
		out = jsn_push(out, jsn_str(o, "version",
					    json_object_get_string(
						    json_object_object_get(in, "version"))));
	}
	return out;
}

/* The image or the packages changed: what was found out about the old ones does not hold any more. */
static void reset_layer(struct template *t, const struct template *was)
{
	bool image = strcmp(t->image_url, was->image_url),
	     deps = strcmp(t->dependencies, was->dependencies);

	if (image)
		t->image_digest = NULL;
	if (!image && !deps)
		return;
	t->layer_id = NULL;
	t->dependency_install_error = NULL;
	t->dependency_install_status = strcmp(t->dependencies, "[]") ? "pending" : "completed";
}

static int check_fixed(const struct template_body *in, const struct template *t, struct fault *f)
{
	if (in->id && strcmp(in->id, t->id))
		return fault_set(f, FAULT_REFUSED, "id: is fixed, it is %s", t->id);
	if (in->runtime_type && strcmp(in->runtime_type, t->runtime_type))
		return fault_set(f, FAULT_REFUSED, "runtime_type: is fixed, it is %s",
				 t->runtime_type);
	return 0;
}

int template_body_apply(struct req *r, const struct template_body *in, struct template *t,
			struct fault *f)
{
	AUTO_JSON struct json_object *packages = plain_packages(in->dependencies);
	struct template was;

	if (in->dependencies && !packages)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (!t->id) {
		const char *by = t->created_by;

		*t = defaults;
		t->created_by = by;
		t->id = in->id;
		t->image_url = ""; /* differs from any: the layer's state is made below */
		t->runtime_type = in->runtime_type;
	} else if (check_fixed(in, t, f) < 0) {
		return -1;
	}
	was = *t;
	set_str(&t->name, in->name);
	set_str(&t->description, in->description);
	set_str(&t->image_url, in->image_url);
	set_str(&t->network, in->network);
	set_num(&t->cpu_millis, in->limits.cpu_millis);
	set_num(&t->memory_bytes, in->limits.memory_bytes);
	set_num(&t->disk_bytes, in->limits.disk_bytes);
	set_num(&t->max_processes, in->limits.max_processes);
	set_num(&t->timeout_s, in->timeout_s);
	set_num(&t->run_as_user, in->run_as_user);
	set_num(&t->read_only_root, in->read_only_root);
	set_num(&t->version_active, in->is_active);
	if (!set_json(r, &t->env_vars, in->env_vars) || !set_json(r, &t->dependencies, packages) ||
	    !set_json(r, &t->labels, in->labels))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (strcmp(t->dependencies, "[]") && !str_starts(t->runtime_type, "python"))
		return fault_set(f, FAULT_REFUSED,
				 "dependencies: the runtime %s has no package installation",
				 t->runtime_type);
	reset_layer(t, &was);
	return 0;
}

bool template_differs(const struct template *a, const struct template *b)
{
	static const size_t texts[] = {
		offsetof(struct template, name),      offsetof(struct template, description),
		offsetof(struct template, image_url), offsetof(struct template, env_vars),
		offsetof(struct template, network),   offsetof(struct template, dependencies),
		offsetof(struct template, labels),
	};
	static const size_t numbers[] = {
		offsetof(struct template, cpu_millis),
		offsetof(struct template, memory_bytes),
		offsetof(struct template, disk_bytes),
		offsetof(struct template, timeout_s),
		offsetof(struct template, max_processes),
		offsetof(struct template, run_as_user),
		offsetof(struct template, read_only_root),
		offsetof(struct template, version_active),
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(*(const char *const *)((const char *)a + texts[i]),
			   *(const char *const *)((const char *)b + texts[i])))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (*(const int64_t *)((const char *)a + numbers[i]) !=
		    *(const int64_t *)((const char *)b + numbers[i]))
			return true;
	return false;
}
