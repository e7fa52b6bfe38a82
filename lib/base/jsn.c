#include "jsn.h"

#include <stdarg.h>
#include <stdio.h>

#include "jsn_scan.h"
#include "text.h"

#define MAX_ERRORS 20
#define MAX_INPUT  256 /* bytes of a refused value that are shown (CONTRACT 2) */

/* ---- errors ---- */

static struct json_object *loc_of(const char *where, const char *path)
{
	struct json_object *loc = jsn_push(json_object_new_array(), json_object_new_string(where));

	while (path && *path) {
		size_t n = strcspn(path, ".");
		bool index = n && strspn(path, "0123456789") >= n;
		struct json_object *part = index ? json_object_new_int64(strtoll(path, NULL, 10))
						 : json_object_new_string_len(path, (int)n);

		loc = jsn_push(loc, part);
		path += n + (path[n] == '.');
	}
	return loc;
}

/* The refused value, cut to MAX_INPUT bytes at a character's edge. */
static struct json_object *input_of(struct json_object *v)
{
	const char *s;
	size_t n, k = 0, step;

	if (!v || json_object_is_type(v, json_type_int) ||
	    json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_boolean))
		return json_object_get(v);
	if (json_object_is_type(v, json_type_string)) {
		s = json_object_get_string(v);
		n = (size_t)json_object_get_string_len(v);
	} else {
		s = json_object_to_json_string_length(v, JSON_C_TO_STRING_PLAIN, &n);
		if (s && n <= MAX_INPUT)
			return json_object_get(v);
	}
	while (s && k < n && (step = text_utf8_len(s + k, n - k)) && k + step <= MAX_INPUT)
		k += step;
	return json_object_new_string_len(s ? s : "", (int)k);
}

void jsn_bad(struct jsn_check *c, const char *type, const char *path, struct json_object *input,
	     const char *fmt, ...)
{
	struct json_object *e = json_object_new_object();
	va_list ap;
	char msg[200];

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	text_utf8_trim(msg);
	if (!c->first[0]) {
		snprintf(c->first, sizeof(c->first), "%s: %s", path ? path : c->where, msg);
		text_utf8_trim(c->first);
	}
	if (!c->errors)
		c->errors = json_object_new_array();
	if (c->errors && json_object_array_length(c->errors) < MAX_ERRORS) {
		e = jsn_str(e, "type", type);
		e = jsn_put(e, "loc", loc_of(c->where, path));
		e = jsn_str(e, "msg", msg);
		if (e)
			json_object_object_add(e, "input", input_of(input));
		c->errors = jsn_push(c->errors, e);
	} else {
		json_object_put(e);
	}
}

int jsn_done(struct jsn_check *c, struct fault *f)
{
	if (!c->first[0])
		return 0;
	fault_set(f, FAULT_INVALID, "%s", c->first);
	if (c->errors)
		f->errors_json =
			arena_strdup(c->a, json_object_to_json_string_ext(c->errors,
									  JSON_C_TO_STRING_PLAIN));
	json_object_put(c->errors);
	c->errors = NULL;
	return -1;
}

/* ---- in ---- */

static size_t count_members(struct json_object *v)
{
	size_t n = 0;

	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			n += count_members(json_object_array_get_idx(v, i));
	} else if (json_object_is_type(v, json_type_object)) {
		json_object_object_foreach (v, name, child) {
			(void)name;
			n += 1 + count_members(child);
		}
	}
	return n;
}

static struct json_object *not_json(struct arena *a, size_t at, const char *why, struct fault *f)
{
	struct jsn_check c = { .a = a, .where = "body" };
	char path[24];

	snprintf(path, sizeof(path), "%zu", at);
	jsn_bad(&c, "json_invalid", path, NULL, "not valid JSON at byte %zu: %s", at, why);
	if (jsn_done(&c, f) == 0)
		fault_set(f, FAULT_INTERNAL, "request memory");
	return NULL;
}

struct json_object *jsn_parse(const char *text, size_t len, struct arena *a, struct fault *f)
{
	struct json_tokener *tok;
	struct json_object *root;
	size_t members, at;
	const char *why;

	if (!jsn_scan(text, len, &members, &at, &why))
		return not_json(a, at, why, f);
	if (len > INT32_MAX || !(tok = json_tokener_new_ex(JSN_MAX_DEPTH + 2))) {
		fault_set(f, FAULT_INTERNAL, "request memory");
		return NULL;
	}
	root = json_tokener_parse_ex(tok, text, (int)len);
	if (!root && json_tokener_get_error(tok) == json_tokener_continue)
		root = json_tokener_parse_ex(tok, "", 1); /* a bare number ends with the text */
	json_tokener_free(tok);
	if (root && count_members(root) != members) {
		json_object_put(root);
		return not_json(a, 0, "an object has two members of the same name", f);
	}
	if (!root) {
		struct jsn_check c = { .a = a, .where = "body" };

		jsn_bad(&c, "dict_type", NULL, NULL, "must be an object, not null");
		if (jsn_done(&c, f) == 0)
			fault_set(f, FAULT_INTERNAL, "request memory");
	}
	return root;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Adds to an array (key NULL) or an object. A null is NULL too, so it is told from a failed copy by its source. */
static struct json_object *add_copy(struct json_object *o, const char *key, struct json_object *src,
				    struct json_object *copy)
{
	int rc = -1;

	if (o && (copy || !src))
		rc = key ? json_object_object_add(o, key, copy) : json_object_array_add(o, copy);
	if (rc == 0)
		return o;
	json_object_put(copy);
	json_object_put(o);
	return NULL;
}

/* A copy of the tree whose objects have their members in order. */
static struct json_object *sorted(struct json_object *v)
{
	struct json_object *o, *src;
	size_t n = 0, i = 0;

	if (json_object_is_type(v, json_type_array)) {
		o = json_object_new_array();
		for (i = 0; i < json_object_array_length(v); i++) {
			src = json_object_array_get_idx(v, i);
			o = add_copy(o, NULL, src, sorted(src));
		}
		return o;
	}
	if (!json_object_is_type(v, json_type_object))
		return json_object_get(v);
	n = (size_t)json_object_object_length(v);
	AUTO_FREE const char **names = calloc(n + 1, sizeof(*names));

	if (!names)
		return NULL;
	json_object_object_foreach (v, name, child) {
		(void)child;
		names[i++] = name;
	}
	qsort(names, n, sizeof(*names), by_name);
	o = json_object_new_object();
	for (i = 0; i < n; i++) {
		src = json_object_object_get(v, names[i]);
		o = add_copy(o, names[i], src, sorted(src));
	}
	return o;
}

char *jsn_canonical(struct json_object *v, struct arena *a)
{
	AUTO_JSON struct json_object *o = sorted(v);
	const char *s = o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;

	return arena_strdup(a, s);
}

/* ---- in, by table ---- */

static const struct {
	enum json_type type;
	const char *error, *want;
} kinds[] = {
	[JSN_STR] = { json_type_string, "string_type", "a string" },
	[JSN_ENUM] = { json_type_string, "string_type", "a string" },
	[JSN_INT] = { json_type_int, "int_type", "an integer" },
	[JSN_NUM] = { json_type_double, "float_type", "a number" },
	[JSN_BOOL] = { json_type_boolean, "bool_type", "a boolean" },
	[JSN_OBJ] = { json_type_object, "dict_type", "an object" },
	[JSN_ARR] = { json_type_array, "list_type", "an array" },
	[JSN_ANY] = { json_type_null, "", "" },
};

static bool has_type(enum jsn_type t, struct json_object *v)
{
	enum json_type have = json_object_get_type(v);

	if (t == JSN_ANY)
		return true;
	if (t == JSN_INT && have == json_type_double) {
		double d = json_object_get_double(v);

		return d >= -9007199254740992.0 && d <= 9007199254740992.0 &&
		       d == (double)(int64_t)d;
	}
	if (t == JSN_NUM) /* 1e999 is JSON, but no number we could compute with */
		return have == json_type_int ||
		       (have == json_type_double && isfinite(json_object_get_double(v)));
	return have == kinds[t].type;
}

static bool in_words(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

/* Lengths and ranges; the type is already right. */
static bool in_range(struct jsn_check *c, const struct jsn_field *d, const char *path,
		     struct json_object *v)
{
	bool str = d->type == JSN_STR, arr = d->type == JSN_ARR;
	int64_t n = 0;

	if ((str || d->type == JSN_ENUM) &&
	    memchr(json_object_get_string(v), '\0', (size_t)json_object_get_string_len(v))) {
		jsn_bad(c, "value_error", path, NULL, "must not hold U+0000");
		return false;
	}
	if (d->type == JSN_ENUM && !in_words(json_object_get_string(v), d->words)) {
		char list[120] = "";

		for (size_t i = 0; d->words[i]; i++)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
				 i ? ", " : "", d->words[i]);
		jsn_bad(c, "literal_error", path, v, "must be one of: %s", list);
		return false;
	}
	if (d->min == 0 && d->max == 0)
		return true;
	if (str)
		n = json_object_get_string_len(v);
	else if (arr)
		n = (int64_t)json_object_array_length(v);
	else if (d->type == JSN_INT)
		n = json_object_is_type(v, json_type_double) ? (int64_t)json_object_get_double(v)
							     : json_object_get_int64(v);
	else
		return true;
	if (n < d->min) {
		jsn_bad(c,
			str   ? "string_too_short"
			: arr ? "too_short"
			      : "greater_than_equal",
			path, v, "must %s at least %lld%s", str || arr ? "have" : "be",
			(long long)d->min,
			str   ? " bytes"
			: arr ? " elements"
			      : "");
		return false;
	}
	if (n > d->max) {
		jsn_bad(c,
			str   ? "string_too_long"
			: arr ? "too_long"
			      : "less_than_equal",
			path, v, "must %s at most %lld%s", str || arr ? "have" : "be",
			(long long)d->max,
			str   ? " bytes"
			: arr ? " elements"
			      : "");
		return false;
	}
	return true;
}

static void store(const struct jsn_field *d, struct json_object *v, void *out)
{
	void *field = (char *)out + d->off;

	switch (d->type) {
	case JSN_STR:
	case JSN_ENUM: *(const char **)field = json_object_get_string(v); break;
	case JSN_INT:
		*(int64_t *)field = json_object_is_type(v, json_type_double)
					    ? (int64_t)json_object_get_double(v)
					    : json_object_get_int64(v);
		break;
	case JSN_NUM: *(double *)field = json_object_get_double(v); break;
	case JSN_BOOL: *(int64_t *)field = json_object_get_boolean(v); break;
	case JSN_OBJ:
	case JSN_ARR:
	case JSN_ANY: *(struct json_object **)field = v; break;
	}
}

static void read_one(struct jsn_check *c, struct json_object *obj, const char *prefix,
		     const struct jsn_field *d, void *out)
{
	struct json_object *v = json_object_object_get(obj, d->name);
	struct json_object *w = d->alias ? json_object_object_get(obj, d->alias) : NULL;
	const char *name = v || !w ? d->name : d->alias;
	char path[200];

	snprintf(path, sizeof(path), "%s%s%s", prefix ? prefix : "", prefix ? "." : "", name);
	if (v && w && !json_object_equal(v, w)) {
		jsn_bad(c, "value_error", path, v, "%s and %s are the same parameter and differ",
			d->name, d->alias);
		return;
	}
	v = v ? v : w;
	if (!v) {
		if (d->required)
			jsn_bad(c, "missing", path, NULL, "is required");
		return;
	}
	if (!has_type(d->type, v))
		jsn_bad(c, kinds[d->type].error, path, v, "must be %s", kinds[d->type].want);
	else if (in_range(c, d, path, v))
		store(d, v, out);
}

void jsn_read(struct jsn_check *c, struct json_object *obj, const char *prefix,
	      const struct jsn_field *fields, size_t nfields, void *out)
{
	if (!json_object_is_type(obj, json_type_object)) {
		jsn_bad(c, "dict_type", prefix, obj, "must be an object");
		return;
	}
	for (size_t i = 0; i < nfields; i++)
		read_one(c, obj, prefix, &fields[i], out);
}

/* ---- out ---- */

struct json_object *jsn_put(struct json_object *obj, const char *key, struct json_object *v)
{
	if (obj && v &&
	    json_object_object_add_ex(obj, key, v,
				      JSON_C_OBJECT_ADD_KEY_IS_NEW |
					      JSON_C_OBJECT_ADD_CONSTANT_KEY) == 0)
		return obj;
	json_object_put(v);
	json_object_put(obj);
	return NULL;
}

struct json_object *jsn_null(struct json_object *obj, const char *key)
{
	if (obj && json_object_object_add_ex(obj, key, NULL,
					     JSON_C_OBJECT_ADD_KEY_IS_NEW |
						     JSON_C_OBJECT_ADD_CONSTANT_KEY) == 0)
		return obj;
	json_object_put(obj);
	return NULL;
}

struct json_object *jsn_str(struct json_object *obj, const char *key, const char *val)
{
	return val ? jsn_put(obj, key, json_object_new_string(val)) : jsn_null(obj, key);
}

struct json_object *jsn_strn(struct json_object *obj, const char *key, const char *val, size_t n)
{
	return val ? jsn_put(obj, key, json_object_new_string_len(val, (int)n))
		   : jsn_null(obj, key);
}

struct json_object *jsn_int(struct json_object *obj, const char *key, int64_t val)
{
	return val == JSN_ABSENT ? jsn_null(obj, key)
				 : jsn_put(obj, key, json_object_new_int64(val));
}

struct json_object *jsn_num(struct json_object *obj, const char *key, double val)
{
	char text[32];

	if (!isfinite(val))
		return jsn_null(obj, key);
	/* The shortest text that reads back the same, but 300 rather than 3e+02. */
	snprintf(text, sizeof(text), "%.0f", fabs(val) < 1e15 ? val : 0.0);
	for (int p = 1; p <= 17 && strtod(text, NULL) != val; p++)
		snprintf(text, sizeof(text), "%.*g", p, val);
	return jsn_put(obj, key, json_object_new_double_s(val, text));
}

struct json_object *jsn_bool(struct json_object *obj, const char *key, bool val)
{
	return jsn_put(obj, key, json_object_new_boolean(val));
}

static int print_raw(struct json_object *o, struct printbuf *pb, int level, int flags)
{
	const char *json = json_object_get_userdata(o);

	(void)level;
	(void)flags;
	return printbuf_memappend(pb, json, (int)strlen(json));
}

struct json_object *jsn_rawval(const char *json)
{
	struct json_object *o = json_object_new_object();

	if (o)
		json_object_set_serializer(o, print_raw, (void *)(uintptr_t)json, NULL);
	return o;
}

struct json_object *jsn_raw(struct json_object *obj, const char *key, const char *json)
{
	return json ? jsn_put(obj, key, jsn_rawval(json)) : jsn_null(obj, key);
}

struct json_object *jsn_push(struct json_object *arr, struct json_object *v)
{
	if (arr && v && json_object_array_add(arr, v) == 0)
		return arr;
	json_object_put(v);
	json_object_put(arr);
	return NULL;
}

const char *jsn_text(struct json_object *obj, size_t *len)
{
	return json_object_to_json_string_length(
		obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
}
