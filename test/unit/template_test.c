/* template_test.c: the bodies of POST and PUT /templates (CONTRACT 5). */
#include "form.h"

#include "../../fcgi/template_body.h"

#define BASE "\"id\":\"t\",\"name\":\"n\",\"image_url\":\"a/b:1\",\"runtime_type\":\"python3.11\""

static struct conf cf = {
	.session_cpu_min_millis = 100,
	.session_cpu_max_millis = 4000,
	.session_memory_min = 128 * MIB,
	.session_memory_max = 8192 * MIB,
	.session_disk_min = 256 * MIB,
	.session_disk_max = 51200 * MIB,
	.session_processes_min = 32,
	.session_processes_max = 1024,
};
static struct thread thread = { .work = { .cf = &cf } };

static struct req request(void **state, const char *body)
{
	return (struct req){ .t = &thread, .a = *state, .in = json_tokener_parse(body) };
}

/* "type path" of the first error, "" for none. */
static const char *first_error(struct req *r, bool create, struct template_body *in)
{
	AUTO_JSON struct json_object *list = NULL;
	struct json_object *e, *loc;
	struct fault f = { 0 };

	if (template_body_read(r, in, create, &f) == 0)
		return "";
	list = json_tokener_parse(f.errors_json);
	e = json_object_array_get_idx(list, 0);
	loc = json_object_object_get(e, "loc");
	return arena_printf(r->a, "%s %s",
			    json_object_get_string(json_object_object_get(e, "type")),
			    json_object_get_string(json_object_array_get_idx(loc, 1)));
}

static const struct {
	const char *body, *create, *update;
} rows[] = {
	{ "{" BASE "}", "", "" },
	{ "{}", "missing id", "" },
	{ "{" BASE ",\"unknown\":[1]}", "", "" },
	{ "{\"id\":\"t\",\"name\":\"n\",\"image\":\"a\",\"runtime_type\":\"go1.21\"}", "", "" },
	{ "{" BASE ",\"image\":\"a/b:1\"}", "", "" },
	{ "{" BASE ",\"image\":\"other\"}", "value_error image_url", "value_error image_url" },
	{ "{\"id\":\"-\",\"name\":\"n\",\"image\":\"a\",\"runtime_type\":\"java17\"}",
	  "value_error id", "value_error id" },
	{ "{\"id\":\"t\",\"name\":\"\",\"image\":\"a\",\"runtime_type\":\"java17\"}",
	  "string_too_short name", "string_too_short name" },
	{ "{\"id\":\"t\",\"name\":\"n\",\"image\":\"A B\",\"runtime_type\":\"java17\"}",
	  "value_error image", "value_error image" },
	{ "{\"id\":\"t\",\"name\":\"n\",\"image\":\"a\",\"runtime_type\":\"java\"}",
	  "literal_error runtime_type", "literal_error runtime_type" },
	{ "{" BASE ",\"default_timeout\":60,\"default_timeout_sec\":60}", "", "" },
	{ "{" BASE ",\"default_timeout\":60,\"default_timeout_sec\":61}",
	  "value_error default_timeout", "value_error default_timeout" },
	{ "{" BASE ",\"default_timeout_sec\":59}", "greater_than_equal default_timeout_sec",
	  "greater_than_equal default_timeout_sec" },
	{ "{" BASE ",\"security\":{\"run_as_user\":999}}", "greater_than_equal security",
	  "greater_than_equal security" },
	{ "{" BASE ",\"security_context\":{\"run_as_user\":65534}}",
	  "less_than_equal security_context", "less_than_equal security_context" },
	{ "{" BASE ",\"security\":{\"read_only_root\":1}}", "bool_type security",
	  "bool_type security" },
	{ "{" BASE ",\"default_env_vars\":{\"LD_X\":\"\"}}", "value_error default_env_vars",
	  "value_error default_env_vars" },
	{ "{" BASE ",\"labels\":{\"k\":1}}", "string_type labels", "string_type labels" },
	{ "{" BASE ",\"labels\":{\"\":\"v\"}}", "string_too_short labels",
	  "string_too_short labels" },
	{ "{" BASE ",\"labels\":{\"k\":\"a\\u0000\"}}", "value_error labels",
	  "value_error labels" },
	{ "{" BASE ",\"network\":\"host\"}", "literal_error network", "literal_error network" },
	{ "{" BASE ",\"pre_installed_packages\":[{\"name\":\"a b\"}]}",
	  "value_error pre_installed_packages", "value_error pre_installed_packages" },
	{ "{" BASE ",\"default_memory_mb\":1}", "greater_than_equal default_memory_mb",
	  "greater_than_equal default_memory_mb" },
	{ "{" BASE ",\"is_active\":\"yes\"}", "bool_type is_active", "bool_type is_active" },
};

static void bodies(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct req r = request(state, rows[i].body);
		struct template_body in;

		assert_non_null(r.in);
		CHECK_ROW(!strcmp(first_error(&r, true, &in), rows[i].create), i, rows[i].body);
		CHECK_ROW(!strcmp(first_error(&r, false, &in), rows[i].update), i, rows[i].body);
		json_object_put(r.in);
	}
}

static void a_new_template_has_the_defaults(void **state)
{
	struct req r = request(state, "{" BASE "}");
	struct template t = { .created_by = "key_1" };
	struct template_body in;
	struct fault f = { 0 };

	assert_string_equal(first_error(&r, true, &in), "");
	assert_int_equal(template_body_apply(&r, &in, &t, &f), 0);
	assert_string_equal(t.id, "t");
	assert_string_equal(t.image_url, "a/b:1");
	assert_string_equal(t.description, "");
	assert_string_equal(t.created_by, "key_1");
	assert_string_equal(t.network, "none");
	assert_string_equal(t.env_vars, "{}");
	assert_string_equal(t.dependencies, "[]");
	assert_string_equal(t.dependency_install_status, "completed");
	assert_int_equal(t.cpu_millis, 500);
	assert_int_equal(t.memory_bytes, 512 * MIB);
	assert_int_equal(t.disk_bytes, 1024 * MIB);
	assert_int_equal(t.timeout_s, 300);
	assert_int_equal(t.max_processes, 128);
	assert_int_equal(t.run_as_user, 1000);
	assert_int_equal(t.read_only_root, 1);
	assert_int_equal(t.version_active, 1);
	json_object_put(r.in);
}

static const struct template stored = {
	.id = "t",
	.name = "n",
	.description = "d",
	.image_url = "a/b:1",
	.image_digest = "sha256:x",
	.layer_id = "l",
	.runtime_type = "python3.11",
	.env_vars = "{\"A\":\"1\",\"B\":\"2\"}",
	.network = "none",
	.dependencies = "[{\"name\":\"x\",\"version\":null}]",
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

static const struct {
	const char *body;
	bool ok, differs;
	const char *status, *layer, *digest;
} changes[] = {
	{ "{}", true, false, "completed", "l", "sha256:x" },
	{ "{\"id\":\"t\",\"runtime_type\":\"python3.11\"}", true, false, "completed", "l",
	  "sha256:x" },
	{ "{\"name\":\"n\",\"env_vars\":{\"B\":\"2\",\"A\":\"1\"}}", true, false, "completed", "l",
	  "sha256:x" },
	{ "{\"dependencies\":[{\"name\":\"x\",\"more\":1}]}", true, false, "completed", "l",
	  "sha256:x" },
	{ "{\"default_resources\":{\"cpu\":\"500m\",\"memory\":\"512Mi\"}}", true, false,
	  "completed", "l", "sha256:x" },
	{ "{\"security\":{}}", true, false, "completed", "l", "sha256:x" },
	{ "{\"name\":\"m\"}", true, true, "completed", "l", "sha256:x" },
	{ "{\"description\":\"\"}", true, true, "completed", "l", "sha256:x" },
	{ "{\"env_vars\":{\"A\":\"1\"}}", true, true, "completed", "l", "sha256:x" },
	{ "{\"labels\":{\"k\":\"v\"}}", true, true, "completed", "l", "sha256:x" },
	{ "{\"is_active\":false}", true, true, "completed", "l", "sha256:x" },
	{ "{\"network\":\"egress\"}", true, true, "completed", "l", "sha256:x" },
	{ "{\"default_memory_mb\":513}", true, true, "completed", "l", "sha256:x" },
	{ "{\"security\":{\"read_only_root\":false}}", true, true, "completed", "l", "sha256:x" },
	{ "{\"dependencies\":[]}", true, true, "completed", NULL, "sha256:x" },
	{ "{\"dependencies\":[{\"name\":\"x\",\"version\":\"1\"}]}", true, true, "pending", NULL,
	  "sha256:x" },
	{ "{\"image\":\"a/b:2\"}", true, true, "pending", NULL, NULL },
	{ "{\"id\":\"u\"}", false, false, NULL, NULL, NULL },
	{ "{\"runtime_type\":\"nodejs20\"}", false, false, NULL, NULL, NULL },
};

static bool same(const char *a, const char *b)
{
	return a == b || str_eq(a, b);
}

static void a_change_is_partial(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct req r = request(state, changes[i].body);
		struct template t = stored;
		struct template_body in;
		struct fault f = { 0 };

		CHECK_ROW(!strcmp(first_error(&r, false, &in), ""), i, changes[i].body);
		CHECK_ROW((template_body_apply(&r, &in, &t, &f) == 0) == changes[i].ok, i,
			  changes[i].body);
		if (changes[i].ok) {
			CHECK_ROW(template_differs(&stored, &t) == changes[i].differs, i,
				  changes[i].body);
			CHECK_ROW(same(t.dependency_install_status, changes[i].status), i,
				  changes[i].body);
			CHECK_ROW(same(t.layer_id, changes[i].layer), i, changes[i].body);
			CHECK_ROW(same(t.image_digest, changes[i].digest), i, changes[i].body);
		} else {
			CHECK_ROW(fault_is(&f, FAULT_REFUSED), i, changes[i].body);
		}
		json_object_put(r.in);
	}
}

static void packages_are_for_python_only(void **state)
{
	struct req r = request(
		state, "{\"id\":\"t\",\"name\":\"n\",\"image\":\"a\",\"runtime_type\":\"nodejs20\","
		       "\"dependencies\":[{\"name\":\"x\"}]}");
	struct template t = { 0 };
	struct template_body in;
	struct fault f = { 0 };

	assert_string_equal(first_error(&r, true, &in), "");
	assert_int_equal(template_body_apply(&r, &in, &t, &f), -1);
	assert_true(fault_is(&f, FAULT_REFUSED));
	json_object_put(r.in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(a_new_template_has_the_defaults),
		cmocka_unit_test(a_change_is_partial),
		cmocka_unit_test(packages_are_for_python_only),
	};

	return cmocka_run_group_tests(tests, form_setup, form_teardown);
}
