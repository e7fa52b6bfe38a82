#include "resources.h"

#include <stdio.h>

#include "../lib/store/session.h"
#include "../lib/store/template.h"

#define TEXT_MAX 64 /* bytes of a cpu, memory or disk text; longer ones are none */

/* ---- sessions ---- */

#define AT(f) offsetof(struct resources, f)
/* The range only keeps INT64_MIN, which would read as absent, out; [session] has the real one. */
static const struct jsn_field fields[] = {
	{ "cpu", NULL, JSN_STR, false, AT(cpu), 0, 0, NULL },
	{ "memory", NULL, JSN_STR, false, AT(memory), 0, 0, NULL },
	{ "disk", NULL, JSN_STR, false, AT(disk), 0, 0, NULL },
	{ "max_processes", NULL, JSN_INT, false, AT(max_processes), INT32_MIN, INT32_MAX, NULL },
};
#undef AT

static bool same_size(const char *a, const char *b)
{
	int64_t x, y;

	return !strcmp(a, b) || (conf_size(a, &x) && conf_size(b, &y) && x == y);
}

static bool same_cpu(const char *a, const char *b)
{
	int64_t x, y;

	return !strcmp(a, b) || (conf_millis(a, &x) && conf_millis(b, &y) && x == y);
}

/* Fills *io from `nested`; both given and different is an error. */
static void unite(struct jsn_check *c, const char *name, const char **io, const char *nested,
		  bool (*same)(const char *, const char *))
{
	char path[40];

	snprintf(path, sizeof(path), "resources.%s", name);
	if (*io && nested && !same(*io, nested))
		jsn_bad(c, "value_error", path, NULL,
			"%s and resources.%s are the same parameter and differ", name, name);
	else if (!*io)
		*io = nested;
}

static void check_cpu(struct jsn_check *c, const char *path, const char *text)
{
	AUTO_JSON struct json_object *in = NULL;
	int64_t millis;

	if (!text || (strnlen(text, TEXT_MAX + 1) <= TEXT_MAX && conf_millis(text, &millis)))
		return;
	in = json_object_new_string(text);
	jsn_bad(c, "value_error", path, in, "must be a decimal number or thousandths such as 500m");
}

/* The members of a `resources` object below `path`. */
static void read_nested(struct jsn_check *c, struct json_object *o, const char *path,
			struct resources *out)
{
	char at[60];

	*out = (struct resources){ .max_processes = JSN_ABSENT };
	if (!o)
		return;
	jsn_read(c, o, path, fields, ARRAY_LEN(fields), out);
	snprintf(at, sizeof(at), "%s.cpu", path);
	check_cpu(c, at, out->cpu);
}

void resources_read(struct jsn_check *c, struct json_object *body, struct resources *out)
{
	struct resources nested;

	*out = (struct resources){ .max_processes = JSN_ABSENT };
	jsn_read(c, body, NULL, fields, ARRAY_LEN(fields), out);
	check_cpu(c, "cpu", out->cpu);
	read_nested(c, json_object_object_get(body, "resources"), "resources", &nested);
	unite(c, "cpu", &out->cpu, nested.cpu, same_cpu);
	unite(c, "memory", &out->memory, nested.memory, same_size);
	unite(c, "disk", &out->disk, nested.disk, same_size);
	if (out->max_processes == JSN_ABSENT)
		out->max_processes = nested.max_processes;
	else if (nested.max_processes != JSN_ABSENT && nested.max_processes != out->max_processes)
		jsn_bad(c, "value_error", "resources.max_processes", NULL,
			"max_processes and resources.max_processes are the same parameter and differ");
}

/* Given or the template's, inside lo..hi. */
static int apply_size(const char *name, const char *given, int64_t def, int64_t lo, int64_t hi,
		      int64_t *out, struct arena *a, struct fault *f)
{
	int64_t n = def;

	if (given && (strnlen(given, TEXT_MAX + 1) > TEXT_MAX || !conf_size(given, &n)))
		return fault_set(f, FAULT_REFUSED,
				 "%s: must be an integer with an optional unit Ki, Mi or Gi", name);
	if (n < lo || n > hi) {
		const char *low = resources_size_text(lo, a), *high = resources_size_text(hi, a);

		return fault_set(f, FAULT_REFUSED, "%s: must be in %s..%s%s", name, low ? low : "",
				 high ? high : "",
				 given ? "" : "; the template's default is not, give a value");
	}
	*out = n;
	return 0;
}

static int apply_cpu(const struct conf *cf, const char *given, int64_t def, int64_t *out,
		     struct arena *a, struct fault *f)
{
	int64_t lo = cf->session_cpu_min_millis, hi = cf->session_cpu_max_millis, n = def;

	if (given && !conf_millis(given, &n))
		return fault_set(f, FAULT_REFUSED, "cpu: must be a number");
	if (n < lo || n > hi) {
		const char *low = resources_cpu_text(lo, a), *high = resources_cpu_text(hi, a);

		return fault_set(f, FAULT_REFUSED, "cpu: must be in %s..%s%s", low ? low : "",
				 high ? high : "",
				 given ? "" : "; the template's default is not, give a value");
	}
	*out = n;
	return 0;
}

static int apply_processes(const struct conf *cf, int64_t given, int64_t def, int64_t *out,
			   struct fault *f)
{
	int64_t n = given == JSN_ABSENT ? def : given;

	if (n < cf->session_processes_min || n > cf->session_processes_max)
		return fault_set(f, FAULT_REFUSED, "max_processes: must be in %lld..%lld",
				 (long long)cf->session_processes_min,
				 (long long)cf->session_processes_max);
	*out = n;
	return 0;
}

int resources_apply(const struct conf *cf, const struct resources *r, const struct template *t,
		    struct session_new *s, struct arena *a, struct fault *f)
{
	struct json_object *o;
	size_t n;

	if (apply_cpu(cf, r->cpu, t->cpu_millis, &s->cpu_millis, a, f) < 0 ||
	    apply_size("memory", r->memory, t->memory_bytes, cf->session_memory_min,
		       cf->session_memory_max, &s->memory_bytes, a, f) < 0 ||
	    apply_size("disk", r->disk, t->disk_bytes, cf->session_disk_min, cf->session_disk_max,
		       &s->disk_bytes, a, f) < 0 ||
	    apply_processes(cf, r->max_processes, t->max_processes, &s->max_processes, f) < 0)
		return -1;
	o = jsn_str(json_object_new_object(), "cpu", resources_cpu_text(s->cpu_millis, a));
	o = jsn_str(o, "memory", r->memory ? r->memory : resources_size_text(s->memory_bytes, a));
	o = jsn_str(o, "disk", r->disk ? r->disk : resources_size_text(s->disk_bytes, a));
	o = jsn_int(o, "max_processes", s->max_processes);
	s->resources_given = o ? arena_strdup(a, jsn_text(o, &n)) : NULL;
	json_object_put(o);
	return s->resources_given ? 0 : fault_set(f, FAULT_INTERNAL, "request memory");
}

/* ---- templates ---- */

/* One limit: its numeric field, its name in default_resources, the range of CONTRACT 5 and [session]. */
struct limit {
	const char *name, *alias;
	int64_t unit; /* of the numeric field in the limit's own unit: MIB, or 1 */
	int64_t min, max, conf_min, conf_max;
};

static void check_limit(struct jsn_check *c, const struct limit *d, int64_t n)
{
	int64_t lo = d->min > d->conf_min ? d->min : d->conf_min,
		hi = d->max < d->conf_max ? d->max : d->conf_max;

	if (n >= lo && n <= hi)
		return;
	if (!strcmp(d->name, "default_cpu_cores"))
		jsn_bad(c, n < lo ? "greater_than_equal" : "less_than_equal", d->name, NULL,
			"must be in %g..%g", (double)lo / 1000, (double)hi / 1000);
	else
		jsn_bad(c, n < lo ? "greater_than_equal" : "less_than_equal", d->name, NULL,
			"must be in %lld..%lld", (long long)((lo + d->unit - 1) / d->unit),
			(long long)(hi / d->unit));
}

/* Overlays one limit; `a` from the numeric field, `b` from default_resources, JSN_ABSENT where not given. */
static void overlay(struct jsn_check *c, const struct limit *d, int64_t a, int64_t b, int64_t *io)
{
	if (a != JSN_ABSENT && b != JSN_ABSENT && a != b) {
		jsn_bad(c, "value_error", d->name, NULL,
			"%s and default_resources.%s are the same parameter and differ", d->name,
			d->alias);
		return;
	}
	if (a == JSN_ABSENT && b == JSN_ABSENT)
		return; /* what stands was checked when it was given */
	*io = a != JSN_ABSENT ? a : b;
	check_limit(c, d, *io);
}

/* A size of default_resources in bytes: whole Mi, as the numeric fields have them. */
static int64_t nested_size(struct jsn_check *c, const char *name, const char *text)
{
	char path[60];
	int64_t n;

	if (!text)
		return JSN_ABSENT;
	snprintf(path, sizeof(path), "default_resources.%s", name);
	if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX || !conf_size(text, &n))
		jsn_bad(c, "value_error", path, NULL,
			"must be an integer with an optional unit Ki, Mi or Gi");
	else if (n % MIB && n != INT64_MAX)
		jsn_bad(c, "value_error", path, NULL, "must be a whole number of Mi");
	else
		return n;
	return JSN_ABSENT;
}

static int64_t times(int64_t n, int64_t unit)
{
	return n == JSN_ABSENT ? JSN_ABSENT : n * unit;
}

struct numbers {
	double cpu;
	int64_t memory_mb, disk_mb, max_processes;
};

void limits_read(struct jsn_check *c, const struct conf *cf, struct json_object *body,
		 struct limits *io)
{
	/* Beyond int32 is out of every range; within it the product with MIB cannot overflow. */
	static const struct jsn_field numeric[] = {
		{ "default_cpu_cores", NULL, JSN_NUM, false, offsetof(struct numbers, cpu), 0, 0,
		  NULL },
		{ "default_memory_mb", NULL, JSN_INT, false, offsetof(struct numbers, memory_mb),
		  INT32_MIN, INT32_MAX, NULL },
		{ "default_disk_mb", NULL, JSN_INT, false, offsetof(struct numbers, disk_mb),
		  INT32_MIN, INT32_MAX, NULL },
		{ "max_processes", NULL, JSN_INT, false, offsetof(struct numbers, max_processes),
		  INT32_MIN, INT32_MAX, NULL },
	};
	const struct limit cpu = {
		"default_cpu_cores",       "cpu", 1, 100, 4000, cf->session_cpu_min_millis,
		cf->session_cpu_max_millis
	};
	const struct limit memory = {
		"default_memory_mb",   "memory", MIB, 128 * MIB, 8192 * MIB, cf->session_memory_min,
		cf->session_memory_max
	};
	const struct limit disk = { "default_disk_mb",   "disk",      MIB,
				    256 * MIB,           51200 * MIB, cf->session_disk_min,
				    cf->session_disk_max };
	const struct limit procs = {
		"max_processes",           "max_processes",          1, 32, 1024,
		cf->session_processes_min, cf->session_processes_max
	};
	struct numbers n = { NAN, JSN_ABSENT, JSN_ABSENT, JSN_ABSENT };
	int64_t millis = JSN_ABSENT, nested_millis = JSN_ABSENT;
	struct resources r;

	jsn_read(c, body, NULL, numeric, ARRAY_LEN(numeric), &n);
	read_nested(c, json_object_object_get(body, "default_resources"), "default_resources", &r);
	if (!isnan(n.cpu)) /* the column keeps thousandths */
		millis = fabs(n.cpu) > 1e6 ? (n.cpu < 0 ? INT32_MIN : INT32_MAX)
					   : (int64_t)llround(n.cpu * 1000);
	if (r.cpu && !conf_millis(r.cpu, &nested_millis))
		nested_millis = JSN_ABSENT; /* read_nested() has said so */
	overlay(c, &cpu, millis, nested_millis, &io->cpu_millis);
	overlay(c, &memory, times(n.memory_mb, MIB), nested_size(c, "memory", r.memory),
		&io->memory_bytes);
	overlay(c, &disk, times(n.disk_mb, MIB), nested_size(c, "disk", r.disk), &io->disk_bytes);
	overlay(c, &procs, n.max_processes, r.max_processes, &io->max_processes);
}

/* ---- out ---- */

char *resources_cpu_text(int64_t millis, struct arena *a)
{
	char *s = arena_printf(a, "%lld.%03lld", (long long)(millis / 1000),
			       (long long)(millis % 1000));
	size_t n = s ? strlen(s) : 0;

	while (n && s[n - 1] == '0')
		s[--n] = '\0';
	if (n && s[n - 1] == '.')
		s[--n] = '\0';
	return s;
}

char *resources_size_text(int64_t bytes, struct arena *a)
{
	static const struct {
		const char *unit;
		int shift;
	} units[] = { { "Gi", 30 }, { "Mi", 20 }, { "Ki", 10 } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (bytes && !(bytes & (((int64_t)1 << units[i].shift) - 1)))
			return arena_printf(a, "%lld%s", (long long)(bytes >> units[i].shift),
					    units[i].unit);
	return arena_printf(a, "%lld", (long long)bytes);
}

struct json_object *limits_json(const struct limits *l, struct arena *a)
{
	struct json_object *o = json_object_new_object();

	o = jsn_str(o, "cpu", resources_cpu_text(l->cpu_millis, a));
	o = jsn_str(o, "memory", resources_size_text(l->memory_bytes, a));
	o = jsn_str(o, "disk", resources_size_text(l->disk_bytes, a));
	return jsn_int(o, "max_processes", l->max_processes);
}
