/*
 * jsn.h: JSON in (strict, checked by a table) and JSON out (checked once).
 *
 * In: RFC 8259 to the letter, UTF-8, depth <= 32, no duplicate names, no lone
 * surrogates (CONTRACT 1.2). Values that must come back exactly as they were
 * sent (event, return_value) are kept as their raw text, never re-printed.
 * Out: every builder takes NULL as "allocation failed earlier", so a reply is
 * built without checks and tested once, where it is sent.
 */
#pragma once

#include <json-c/json.h>
#include <math.h>

#include "arena.h"
#include "fault.h"

#define JSN_MAX_DEPTH 32
#define JSN_ABSENT    INT64_MIN /* an int64_t field that was not given */

static inline void auto_json_(struct json_object **o)
{
	json_object_put(*o);
}
#define AUTO_JSON __attribute__((cleanup(auto_json_)))

/* What a checked document did wrong; collects up to 20 errors for one answer. */
struct jsn_check {
	struct arena *a;
	const char *where;          /* first element of loc: "body", "query", "path", "header" */
	struct json_object *errors; /* freed by jsn_done() */
	char first[256];            /* error_detail */
};

/*
 * Adds an error. `type` is one of CONTRACT 2's; `path` is a dotted path below `where` (NULL: the
 * whole); a path element of digits is an index. `input`: the refused value, borrowed, may be NULL.
 */
void jsn_bad(struct jsn_check *, const char *type, const char *path, struct json_object *input,
	     const char *fmt, ...) PRINTF(5, 6);
/* 0, or -1 with FAULT_INVALID and errors_json when there was any error. Frees the collection. */
int jsn_done(struct jsn_check *, struct fault *) MUST_CHECK;

/* NULL with FAULT_INVALID (json_invalid). The caller owns the result. An absent body is text "" and invalid. */
struct json_object *jsn_parse(const char *text, size_t len, struct arena *,
			      struct fault *) MUST_CHECK;

/* False with a reason and byte offset when `text` is not one strict JSON document. */
bool jsn_valid(const char *text, size_t len, size_t *at, const char **why) MUST_CHECK;

/* Of a valid, NUL-terminated document: no object has two members of one name. A few bytes of memory a name. */
bool jsn_unique(const char *text, size_t len) MUST_CHECK;

/* Raw text of top-level member `name` of a valid object; 0 when absent. Names written with escapes are not found. */
size_t jsn_span(const char *text, size_t len, const char *name, const char **start);

/* Members sorted by name at every level, no blanks: equal meaning, equal text. NULL: arena full. */
char *jsn_canonical(struct json_object *, struct arena *) MUST_CHECK;

enum jsn_type {
	JSN_STR,  /* const char *, no NUL inside; min..max bytes */
	JSN_ENUM, /* const char *, one of `words` */
	JSN_INT,  /* int64_t; 300.0 is an integer, "300" is not */
	JSN_NUM,  /* double; NAN when absent */
	JSN_BOOL, /* int64_t 0 or 1 */
	JSN_OBJ,  /* struct json_object *, an object */
	JSN_ARR,  /* struct json_object *, an array; min..max elements */
	JSN_ANY,  /* struct json_object * of any type (null counts as absent) */
};

struct jsn_field {
	const char *name, *alias; /* alias NULL: none; both given and different: value_error */
	enum jsn_type type;
	bool required;
	size_t off;               /* of the field in the target struct */
	int64_t min, max;         /* both 0: no range */
	const char *const *words; /* JSN_ENUM: NULL-terminated */
};

/*
 * Reads the members that `fields` names from `obj` into `out`; unknown members are ignored, null is absent and leaves
 * the struct's default alone. Pointers borrow from `obj`. `prefix`: dotted path of `obj`, NULL for the root. Errors go to `c`.
 */
void jsn_read(struct jsn_check *c, struct json_object *obj, const char *prefix,
	      const struct jsn_field *fields, size_t nfields, void *out);

/* Builders: return `obj`, or NULL (and free everything) once anything failed. `val` NULL becomes null. */
struct json_object *jsn_str(struct json_object *obj, const char *key, const char *val);
struct json_object *jsn_strn(struct json_object *obj, const char *key, const char *val,
			     size_t n); /* valid UTF-8 */
struct json_object *jsn_int(struct json_object *obj, const char *key,
			    int64_t val); /* JSN_ABSENT: null */
struct json_object *jsn_num(struct json_object *obj, const char *key,
			    double val); /* shortest exact form; NAN: null */
struct json_object *jsn_bool(struct json_object *obj, const char *key, bool val);
struct json_object *jsn_null(struct json_object *obj, const char *key);
struct json_object *jsn_raw(struct json_object *obj, const char *key,
			    const char *json); /* valid JSON that outlives obj; NULL: null */
struct json_object *jsn_put(struct json_object *obj, const char *key,
			    struct json_object *val); /* takes val */

/* For arrays: takes val, frees both on failure. */
struct json_object *jsn_push(struct json_object *arr, struct json_object *val);
struct json_object *jsn_rawval(const char *json); /* as jsn_raw, free-standing */

/* Compact text, valid as long as `obj` lives. */
const char *jsn_text(struct json_object *obj, size_t *len);
