/* What an OCI runtime is told: lib/rt/oci_config.h, lib/rt/oci_net.h. */
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>

#include "../../lib/rt/oci_config.h"
#include "../../lib/rt/oci_net.h"

static int setup(void **state)
{
	*state = arena_new((size_t)1 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *const env[] = { "SESSION_ID=s1", NULL }, *const shared[] = { "/usr",
										"/etc/ssl/certs",
										NULL };

static const struct rt_spec spec = {
	.name = "sb-s1",
	.session_id = "s1",
	.template_id = "python-basic",
	.image = "host",
	.token = "very-secret",
	.env = env,
	.cpu_millis = 500,
	.memory_bytes = 512 << 20,
	.disk_bytes = 1 << 30,
	.max_processes = 128,
	.run_as_user = 1001,
	.read_only_root = true,
};

static const struct oci_place place = {
	.deployment = "sb",
	.cgroup = "/sandbox-sb/sb-s1",
	.root = "/images/a",
	.workspace = "/b/workspace",
	.state = "/b/state",
	.socket_dir = "/run/s/1",
	.executor = "/bin/executor",
	.control_dir = "/run/control",
	.shared = shared,
	.swap_limit = true,
};

static struct json_object *config(const struct rt_spec *sp, const struct oci_place *p,
				  struct arena *a)
{
	char *text = oci_config(sp, p, a);

	assert_non_null(text);
	assert_null(strstr(text, "very-secret"));
	return json_tokener_parse(text);
}

/* Text of the member at a path (a number is an index), as JSON; "(absent)". */
static const char *at(struct json_object *o, const char *path)
{
	char name[64];

	for (; *path; path += strcspn(path, "/"), path += *path == '/') {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, "/"), path);
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, (size_t)atoi(name));
		else if (!json_object_object_get_ex(o, name, &o))
			return "(absent)";
	}
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void config_is_hardened(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "process/user", "{\"uid\":1001,\"gid\":1001,\"umask\":18}" },
		{ "process/args", "[\"/opt/sandbox/bin/sandbox-executor\"]" },
		{ "process/cwd", "\"/workspace\"" },
		{ "process/noNewPrivileges", "true" },
		{ "process/terminal", "false" },
		{ "process/capabilities/bounding", "[]" },
		{ "process/capabilities/effective", "[]" },
		{ "process/capabilities/ambient", "[]" },
		{ "process/apparmorProfile", "(absent)" },
		{ "process/rlimits", "[{\"type\":\"RLIMIT_CORE\",\"hard\":0,\"soft\":0}]" },
		{ "root", "{\"path\":\"/images/a\",\"readonly\":true}" },
		{ "hostname", "\"sandbox\"" },
		{ "linux/cgroupsPath", "\"/sandbox-sb/sb-s1\"" },
		{ "linux/maskedPaths", "[]" },
		{ "linux/readonlyPaths", "[]" },
		{ "linux/seccomp/defaultAction", "\"SCMP_ACT_ERRNO\"" },
		{ "linux/resources/memory", "{\"limit\":536870912,\"swap\":536870912}" },
		{ "linux/resources/cpu", "{\"quota\":50000,\"period\":100000,\"shares\":512}" },
		{ "linux/resources/pids", "{\"limit\":160}" },
		{ "linux/resources/devices", "[{\"allow\":false,\"access\":\"rwm\"}]" },
		{ "annotations/sandbox.deployment", "\"sb\"" },
		{ "annotations/sandbox.session", "\"s1\"" },
	};
	struct json_object *o = config(&spec, &place, *state);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ROW(!strcmp(at(o, rows[i].path), rows[i].want), i, at(o, rows[i].path));
	json_object_put(o);
}

static struct json_object *mount_at(struct json_object *o, const char *to)
{
	struct json_object *list, *m = NULL, *d;

	assert_true(json_object_object_get_ex(o, "mounts", &list));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		m = json_object_array_get_idx(list, i);
		if (json_object_object_get_ex(m, "destination", &d) &&
		    !strcmp(json_object_get_string(d), to))
			return m;
	}
	return NULL;
}

static void mounts_are_where_the_executor_expects_them(void **state)
{
	static const struct {
		const char *to, *from;
		bool writable;
	} rows[] = {
		{ "/workspace", "/b/workspace", true },
		{ "/var/lib/sandbox-executor", "/b/state", true },
		{ "/run/sandbox", "/run/s/1", true },
		{ "/run/sandbox/control", "/run/control", false },
		{ "/opt/sandbox/bin/sandbox-executor", "/bin/executor", false },
		{ "/usr", "/usr", false },
		{ "/etc/ssl/certs", "/etc/ssl/certs", false },
		{ "/tmp", "tmpfs", true },
		{ "/proc", "proc", true },
	};
	struct json_object *o = config(&spec, &place, *state);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *m = mount_at(o, rows[i].to), *from = NULL;
		const char *options = m ? at(m, "options") : "";

		CHECK_ROW(m && json_object_object_get_ex(m, "source", &from), i, rows[i].to);
		CHECK_ROW(!strcmp(json_object_get_string(from), rows[i].from), i, rows[i].to);
		CHECK_ROW(strstr(options, "\"nosuid\""), i, options);
		CHECK_ROW(!strstr(options, "\"ro\"") == rows[i].writable, i, options);
	}
	assert_null(mount_at(o, "/etc/resolv.conf"));
	json_object_put(o);
}

static void options_of_the_place(void **state)
{
	struct oci_place p = place;
	struct json_object *o = config(&spec, &p, *state), *ns, *last;

	assert_true(json_object_object_get_ex(o, "linux", &ns) &&
		    json_object_object_get_ex(ns, "namespaces", &ns));
	last = json_object_array_get_idx(ns, json_object_array_length(ns) - 1);
	assert_string_equal(at(last, ""), "{\"type\":\"network\"}");
	json_object_put(o);
	p.netns = "/b/net";
	p.resolv_conf = "/b/resolv.conf";
	p.apparmor = "sandbox-container";
	p.control_dir = NULL;
	p.swap_limit = false;
	o = config(&spec, &p, *state);
	assert_true(json_object_object_get_ex(o, "linux", &ns) &&
		    json_object_object_get_ex(ns, "namespaces", &ns));
	last = json_object_array_get_idx(ns, json_object_array_length(ns) - 1);
	assert_string_equal(at(last, ""), "{\"type\":\"network\",\"path\":\"/b/net\"}");
	assert_string_equal(at(o, "process/apparmorProfile"), "\"sandbox-container\"");
	assert_string_equal(at(o, "linux/resources/memory"), "{\"limit\":536870912}");
	assert_non_null(mount_at(o, "/etc/resolv.conf"));
	assert_null(mount_at(o, "/run/sandbox/control"));
	json_object_put(o);
}

static void rules_let_names_through_and_refuse_the_rest(void **state)
{
	static const char *const v4[] = { "10.0.0.0/8", NULL }, *const v6[] = { "fc00::/7", NULL };
	static const char *const own[] = { "198.51.100.1", "2001:db8::1", NULL };

	assert_string_equal(oci_net_rules(v4, v6, own, *state),
			    "table inet sandbox {\n"
			    "\tchain out {\n"
			    "\t\ttype filter hook output priority 0; policy accept;\n"
			    "\t\toifname \"lo\" accept\n"
			    "\t\tip daddr 10.0.2.3 udp dport 53 accept\n"
			    "\t\tip daddr 10.0.2.3 tcp dport 53 accept\n"
			    "\t\tip daddr 10.0.0.0/8 reject\n"
			    "\t\tip6 daddr fc00::/7 reject\n"
			    "\t\tip daddr 198.51.100.1 reject\n"
			    "\t\tip6 daddr 2001:db8::1 reject\n"
			    "\t}\n"
			    "}\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(config_is_hardened),
		TEST(mounts_are_where_the_executor_expects_them),
		TEST(options_of_the_place),
		TEST(rules_let_names_through_and_refuse_the_rest),
	};

	return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
