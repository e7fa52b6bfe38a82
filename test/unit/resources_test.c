/* resources_test.c: cpu, memory, disk and max_processes (CONTRACT 3.2, 5). */
#include "form.h"

#include "../../fcgi/resources.h"
#include "../../lib/store/session.h"
#include "../../lib/store/template.h"

#define GIB (1024 * MIB)

/* The defaults of [session]. */
static const struct conf cf = {
	.session_cpu_min_millis = 100,
	.session_cpu_max_millis = 4000,
	.session_memory_min = 128 * MIB,
	.session_memory_max = 8 * GIB,
	.session_disk_min = 256 * MIB,
	.session_disk_max = 50 * GIB,
	.session_processes_min = 32,
	.session_processes_max = 1024,
};
static const struct template basic = {
	.cpu_millis = 500, .memory_bytes = 512 * MIB, .disk_bytes = GIB, .max_processes = 128
};

/* ---- sessions: what is no form is 422 ---- */

static const struct {
	const char *body, *type, *path;
} forms[] = {
	{ "{}", "", "" },
	{ "{\"cpu\":\"1\"}", "", "" },
	{ "{\"cpu\":\"500m\"}", "", "" },
	{ "{\"cpu\":\"0.1234\"}", "", "" },
	{ "{\"resources\":{}}", "", "" },
	{ "{\"resources\":null,\"cpu\":null}", "", "" },
	{ "{\"cpu\":\"1\",\"resources\":{\"cpu\":\"1\"}}", "", "" },
	{ "{\"cpu\":\"1\",\"resources\":{\"cpu\":\"1000m\"}}", "", "" },
	{ "{\"memory\":\"1Gi\",\"resources\":{\"memory\":\"1024Mi\"}}", "", "" },
	{ "{\"memory\":\"abc\"}", "", "" }, /* a rule, 400 */
	{ "{\"max_processes\":-5}", "", "" },
	{ "{\"cpu\":1}", "string_type", "cpu" },
	{ "{\"cpu\":\"\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"abc\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"1.\"}", "value_error", "cpu" },
	{ "{\"cpu\":\".5\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"1.5m\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"-1\"}", "value_error", "cpu" },
	{ "{\"cpu\":\" 1\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"500M\"}", "value_error", "cpu" },
	{ "{\"cpu\":\"0x1\"}", "value_error", "cpu" },
	{ "{\"memory\":512}", "string_type", "memory" },
	{ "{\"disk\":true}", "string_type", "disk" },
	{ "{\"max_processes\":\"64\"}", "int_type", "max_processes" },
	{ "{\"max_processes\":1.5}", "int_type", "max_processes" },
	{ "{\"max_processes\":9223372036854775807}", "less_than_equal", "max_processes" },
	{ "{\"max_processes\":-9223372036854775808}", "greater_than_equal", "max_processes" },
	{ "{\"resources\":[]}", "dict_type", "resources" },
	{ "{\"resources\":{\"cpu\":\"x\"}}", "value_error", "resources.cpu" },
	{ "{\"resources\":{\"memory\":1}}", "string_type", "resources.memory" },
	{ "{\"cpu\":\"1\",\"resources\":{\"cpu\":\"2\"}}", "value_error", "resources.cpu" },
	{ "{\"memory\":\"1Gi\",\"resources\":{\"memory\":\"2Gi\"}}", "value_error",
	  "resources.memory" },
	{ "{\"disk\":\"1Gi\",\"resources\":{\"disk\":\"2Gi\"}}", "value_error", "resources.disk" },
	{ "{\"max_processes\":64,\"resources\":{\"max_processes\":65}}", "value_error",
	  "resources.max_processes" },
};

static void session_forms(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		AUTO_JSON struct json_object *body = json_tokener_parse(forms[i].body);
		struct jsn_check c = { .a = *state, .where = "body" };
		struct resources r;
		struct first first;

		resources_read(&c, body, &r);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, forms[i].type), i, forms[i].body);
		CHECK_ROW(!strcmp(first.path, forms[i].path), i, forms[i].body);
	}
}

/* ---- sessions: what is out of range is 400, what is good is echoed ---- */

static const struct {
	const char *body, *given;
} applied[] = {
	{ "{}", "{\"cpu\":\"0.5\",\"memory\":\"512Mi\",\"disk\":\"1Gi\",\"max_processes\":128}" },
	{ "{\"cpu\":\"250m\"}",
	  "{\"cpu\":\"0.25\",\"memory\":\"512Mi\",\"disk\":\"1Gi\",\"max_processes\":128}" },
	{ "{\"cpu\":\"4.000\",\"memory\":\"8192Mi\",\"disk\":\"53687091200\",\"max_processes\":1024}",
	  "{\"cpu\":\"4\",\"memory\":\"8192Mi\",\"disk\":\"53687091200\",\"max_processes\":1024}" },
	{ "{\"resources\":{\"cpu\":\"0.1\",\"memory\":\"131072Ki\",\"disk\":\"256Mi\",\"max_processes\":32}}",
	  "{\"cpu\":\"0.1\",\"memory\":\"131072Ki\",\"disk\":\"256Mi\",\"max_processes\":32}" },
	{ "{\"cpu\":\"0.099\"}", NULL },
	{ "{\"cpu\":\"4.001\"}", NULL },
	{ "{\"cpu\":\"0\"}", NULL },
	{ "{\"cpu\":\"99999999999999999999\"}", NULL },
	{ "{\"memory\":\"127Mi\"}", NULL },
	{ "{\"memory\":\"9Gi\"}", NULL },
	{ "{\"memory\":\"\"}", NULL },
	{ "{\"memory\":\"512MB\"}", NULL },
	{ "{\"memory\":\"1.5Gi\"}", NULL },
	{ "{\"memory\":\"-1\"}", NULL },
	{ "{\"memory\":\"99999999999999999999\"}", NULL },
	{ "{\"memory\":\"99999999999Gi\"}", NULL },
	{ "{\"disk\":\"255Mi\"}", NULL },
	{ "{\"disk\":\"51Gi\"}", NULL },
	{ "{\"max_processes\":31}", NULL },
	{ "{\"max_processes\":1025}", NULL },
	{ "{\"max_processes\":-1}", NULL },
};

static void session_values(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(applied); i++) {
		AUTO_JSON struct json_object *body = json_tokener_parse(applied[i].body);
		struct jsn_check c = { .a = *state, .where = "body" };
		struct session_new s = { 0 };
		struct fault f = { 0 };
		struct resources r;
		int rc;

		resources_read(&c, body, &r);
		CHECK_ROW(form_first(&c).n == 0, i, applied[i].body);
		rc = resources_apply(&cf, &r, &basic, &s, *state, &f);
		CHECK_ROW(rc == (applied[i].given ? 0 : -1), i, applied[i].body);
		if (rc < 0)
			CHECK_ROW(fault_is(&f, FAULT_REFUSED), i, f.detail);
		else
			CHECK_ROW(!strcmp(s.resources_given, applied[i].given), i,
				  s.resources_given);
	}
}

/* ---- templates: all is 422 ---- */

#define NONE \
	{ \
		JSN_ABSENT, JSN_ABSENT, JSN_ABSENT, JSN_ABSENT \
	}

static const struct {
	const char *body, *type, *path;
	struct limits want;
} templates[] = {
	{ "{}", "", "", NONE },
	{ "{\"default_cpu_cores\":0.5,\"default_memory_mb\":512,\"default_disk_mb\":1024,\"max_processes\":64}",
	  "",
	  "",
	  { 500, 512 * MIB, GIB, 64 } },
	{ "{\"default_cpu_cores\":4,\"default_memory_mb\":8192,\"default_disk_mb\":51200,\"max_processes\":1024}",
	  "",
	  "",
	  { 4000, 8 * GIB, 50 * GIB, 1024 } },
	{ "{\"default_resources\":{\"cpu\":\"1\",\"memory\":\"1Gi\",\"disk\":\"2Gi\",\"max_processes\":32}}",
	  "",
	  "",
	  { 1000, GIB, 2 * GIB, 32 } },
	{ "{\"default_cpu_cores\":1,\"default_resources\":{\"cpu\":\"1000m\"}}",
	  "",
	  "",
	  { 1000, JSN_ABSENT, JSN_ABSENT, JSN_ABSENT } },
	{ "{\"default_cpu_cores\":0.05}", "greater_than_equal", "default_cpu_cores", NONE },
	{ "{\"default_cpu_cores\":4.1}", "less_than_equal", "default_cpu_cores", NONE },
	{ "{\"default_cpu_cores\":1e300}", "less_than_equal", "default_cpu_cores", NONE },
	{ "{\"default_cpu_cores\":-1e300}", "greater_than_equal", "default_cpu_cores", NONE },
	{ "{\"default_cpu_cores\":\"1\"}", "float_type", "default_cpu_cores", NONE },
	{ "{\"default_memory_mb\":127}", "greater_than_equal", "default_memory_mb", NONE },
	{ "{\"default_memory_mb\":8193}", "less_than_equal", "default_memory_mb", NONE },
	{ "{\"default_memory_mb\":9223372036854775807}", "less_than_equal", "default_memory_mb",
	  NONE },
	{ "{\"default_memory_mb\":-9223372036854775808}", "greater_than_equal", "default_memory_mb",
	  NONE },
	{ "{\"default_disk_mb\":255}", "greater_than_equal", "default_disk_mb", NONE },
	{ "{\"default_disk_mb\":51201}", "less_than_equal", "default_disk_mb", NONE },
	{ "{\"max_processes\":31}", "greater_than_equal", "max_processes", NONE },
	{ "{\"max_processes\":1025}", "less_than_equal", "max_processes", NONE },
	{ "{\"default_resources\":{\"cpu\":\"abc\"}}", "value_error", "default_resources.cpu",
	  NONE },
	{ "{\"default_resources\":{\"memory\":\"1Zi\"}}", "value_error", "default_resources.memory",
	  NONE },
	{ "{\"default_resources\":{\"memory\":\"524289Ki\"}}", "value_error",
	  "default_resources.memory", NONE },
	{ "{\"default_resources\":{\"disk\":\"1Ti\"}}", "value_error", "default_resources.disk",
	  NONE },
	{ "{\"default_resources\":{\"disk\":\"99999999999Gi\"}}", "less_than_equal",
	  "default_disk_mb", NONE },
	{ "{\"default_resources\":{\"cpu\":1}}", "string_type", "default_resources.cpu", NONE },
	{ "{\"default_resources\":7}", "dict_type", "default_resources", NONE },
	{ "{\"default_cpu_cores\":1,\"default_resources\":{\"cpu\":\"2\"}}", "value_error",
	  "default_cpu_cores", NONE },
	{ "{\"max_processes\":64,\"default_resources\":{\"max_processes\":65}}", "value_error",
	  "max_processes", NONE },
};

static void template_limits(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
		AUTO_JSON struct json_object *body = json_tokener_parse(templates[i].body);
		struct jsn_check c = { .a = *state, .where = "body" };
		struct limits l = NONE;
		struct first first;

		limits_read(&c, &cf, body, &l);
		first = form_first(&c);
		CHECK_ROW(!strcmp(first.type, templates[i].type), i, templates[i].body);
		CHECK_ROW(!strcmp(first.path, templates[i].path), i, templates[i].body);
		if (!first.n)
			CHECK_ROW(!memcmp(&l, &templates[i].want, sizeof(l)), i, templates[i].body);
	}
}

/* [session] bounds apply to templates too, and only to what is given. */
static void template_limits_of_a_smaller_deployment(void **state)
{
	AUTO_JSON struct json_object *big = json_tokener_parse("{\"default_memory_mb\":2048}"),
				     *none = json_tokener_parse("{\"description\":\"x\"}");
	struct jsn_check c = { .a = *state, .where = "body" }, d = { .a = *state, .where = "body" };
	struct conf small = cf;
	struct limits l = NONE, old = { 500, 4 * GIB, GIB, 128 };
	struct first first;

	small.session_memory_max = GIB;
	limits_read(&c, &small, big, &l);
	first = form_first(&c);
	assert_string_equal(first.type, "less_than_equal");
	assert_string_equal(first.detail, "default_memory_mb: must be in 128..1024");
	limits_read(&d, &small, none, &old);
	assert_int_equal(form_first(&d).n, 0);
	assert_int_equal(old.memory_bytes, 4 * GIB);
}

static const struct {
	int64_t n;
	const char *cpu, *size;
} printed[] = {
	{ 0, "0", "0" },
	{ 1, "0.001", "1" },
	{ 100, "0.1", "100" },
	{ 1000, "1", "1000" },
	{ 1024, "1.024", "1Ki" },
	{ 1500, "1.5", "1500" },
	{ 10000, "10", "10000" },
	{ 1025, "1.025", "1025" },
	{ 1048576, "1048.576", "1Mi" },
	{ 536870912, "536870.912", "512Mi" },
	{ 1073741824, "1073741.824", "1Gi" },
	{ 1610612736, "1610612.736", "1536Mi" },
};

static void numbers_as_text(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(printed); i++) {
		CHECK_ROW(!strcmp(resources_cpu_text(printed[i].n, *state), printed[i].cpu), i,
			  printed[i].cpu);
		CHECK_ROW(!strcmp(resources_size_text(printed[i].n, *state), printed[i].size), i,
			  printed[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_forms),
		cmocka_unit_test(session_values),
		cmocka_unit_test(template_limits),
		cmocka_unit_test(template_limits_of_a_smaller_deployment),
		cmocka_unit_test(numbers_as_text),
	};

	return cmocka_run_group_tests(tests, form_setup, form_teardown);
}
