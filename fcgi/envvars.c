#include "envvars.h"

#include <stdio.h>

/* CONTRACT 3.3 */
#define NAME_MAX_BYTES  128
#define VALUE_MAX_BYTES (32 << 10)
#define COUNT_MAX       100
#define TOTAL_MAX_BYTES (64 << 10)	/* names and values together */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

/* What the platform itself says to the executor, and what would change how programs start. */
static const char *const reserved[] = {
	"SESSION_ID", "WORKSPACE_PATH", "CONTROL_PLANE_URL", "INTERNAL_API_TOKEN", "INTERNAL_API_TOKEN_FILE",
	"CONTAINER_ID", "POD_NAME", "EVENT_JSON",
};
static const char *const reserved_prefixes[] = { "SANDBOX_", "EXECUTOR_", "LD_" };

static bool name_formed(const char *s)
{
	size_t n = strlen(s);

	return n && n <= NAME_MAX_BYTES && strspn(s, LETTERS) && strspn(s, LETTERS "0123456789") == n;
}

static bool name_reserved(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (!strcmp(s, reserved[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(reserved_prefixes); i++)
		if (str_starts(s, reserved_prefixes[i]))
			return true;
	return false;
}

static void check_one(struct jsn_check *c, const char *path, const char *name, struct json_object *v)
{
	char at[256];

	/* A name that is not well formed may hold dots or anything else: the map is named instead. */
	if (!name_formed(name)) {
		jsn_bad(c, "value_error", path, NULL, "names must match [A-Za-z_][A-Za-z0-9_]{0,127}");
		return;
	}
	snprintf(at, sizeof(at), "%s.%s", path, name);
	if (name_reserved(name))
		jsn_bad(c, "value_error", at, NULL, "is reserved for the platform");
	else if (!json_object_is_type(v, json_type_string))
		jsn_bad(c, "string_type", at, v, "must be a string");
	else if (memchr(json_object_get_string(v), '\0', (size_t)json_object_get_string_len(v)))
		jsn_bad(c, "value_error", at, NULL, "must not hold U+0000");
	else if (json_object_get_string_len(v) > VALUE_MAX_BYTES)
		jsn_bad(c, "string_too_long", at, v, "must have at most %d bytes", VALUE_MAX_BYTES);
}

void envvars_check(struct jsn_check *c, const char *path, struct json_object *map)
{
	size_t total = 0;

	if (json_object_object_length(map) > COUNT_MAX) {
		jsn_bad(c, "too_long", path, NULL, "must have at most %d variables", COUNT_MAX);
		return;
	}
	json_object_object_foreach(map, name, v) {
		check_one(c, path, name, v);
		total += strlen(name);
		if (json_object_is_type(v, json_type_string))
			total += (size_t)json_object_get_string_len(v);
	}
	if (total > TOTAL_MAX_BYTES)
		jsn_bad(c, "too_long", path, NULL, "must have at most %d bytes of names and values", TOTAL_MAX_BYTES);
}
