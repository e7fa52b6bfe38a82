#include "envvars.h"

#include <ctype.h>
#include <stdio.h>

#define NAME_MAX_BYTES  128
#define VALUE_MAX_BYTES 32768
#define COUNT_MAX       100
#define TOTAL_MAX_BYTES 65536

/* What the platform itself says to the executor and to user code; a caller must not be able to contradict it. */
static const char *const prefixes[] = { "SANDBOX_", "EXECUTOR_", "LD_" };
static const char *const refused[] = {
	"SESSION_ID",
	"WORKSPACE_PATH",
	"CONTROL_PLANE_URL",
	"INTERNAL_API_TOKEN",
	"INTERNAL_API_TOKEN_FILE",
	"CONTAINER_ID",
	"POD_NAME",
	"EVENT_JSON",
};

static bool name_form_ok(const char *s)
{
	size_t n = strnlen(s, NAME_MAX_BYTES + 1);

	if (!n || n > NAME_MAX_BYTES || isdigit((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

static bool reserved(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(name, prefixes[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!strcmp(name, refused[i]))
			return true;
	return false;
}

/* A bad name is shown as the input, never as part of the path: it may hold dots and digits. */
static bool check_name(struct jsn_check *c, const char *path, const char *name)
{
	AUTO_JSON struct json_object *in = NULL;
	bool form = name_form_ok(name);

	if (form && !reserved(name))
		return true;
	in = json_object_new_string(name);
	if (form)
		jsn_bad(c, "value_error", path, in, "the name %.64s is reserved", name);
	else
		jsn_bad(c, "value_error", path, in, "a name must match [A-Za-z_][A-Za-z0-9_]{0,%d}",
			NAME_MAX_BYTES - 1);
	return false;
}

/* Values may be secrets: they are never echoed. Returns the value's length. */
static size_t check_value(struct jsn_check *c, const char *path, const char *name,
			  struct json_object *v)
{
	char at[400];
	size_t n;

	snprintf(at, sizeof(at), "%s.%s", path, name);
	if (!json_object_is_type(v, json_type_string)) {
		jsn_bad(c, "string_type", at, NULL, "must be a string");
		return 0;
	}
	n = (size_t)json_object_get_string_len(v);
	if (memchr(json_object_get_string(v), '\0', n))
		jsn_bad(c, "value_error", at, NULL, "must not hold U+0000");
	else if (n > VALUE_MAX_BYTES)
		jsn_bad(c, "string_too_long", at, NULL, "must have at most %d bytes",
			VALUE_MAX_BYTES);
	return n;
}

void envvars_check(struct jsn_check *c, const char *path, struct json_object *map)
{
	size_t total = 0;

	if (json_object_object_length(map) > COUNT_MAX) {
		jsn_bad(c, "too_long", path, NULL, "must have at most %d variables", COUNT_MAX);
		return;
	}
	json_object_object_foreach (map, name, value) {
		total += strlen(name);
		if (check_name(c, path, name))
			total += check_value(c, path, name, value);
	}
	if (total > TOTAL_MAX_BYTES)
		jsn_bad(c, "too_long", path, NULL,
			"names and values must have at most %d bytes together", TOTAL_MAX_BYTES);
}
