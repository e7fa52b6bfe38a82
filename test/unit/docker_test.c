/* What is sent to a Docker engine and what comes back: lib/rt/docker_body.h, lib/rt/tar.h. */
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>

#include "../../lib/rt/docker_body.h"
#include "../../lib/rt/tar.h"

static int setup(void **state)
{
	*state = arena_new((size_t)4 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *const env[] = { "SESSION_ID=s1", "WORKSPACE_PATH=/workspace", NULL };

static const struct rt_spec spec = {
	.name = "sb-s1",
	.session_id = "s1",
	.template_id = "python-basic",
	.image = "sandbox/python-basic:latest",
	.token = "very-secret",
	.env = env,
	.cpu_millis = 1500,
	.memory_bytes = 512 << 20,
	.disk_bytes = 1 << 30,
	.max_processes = 128,
	.run_as_user = 1001,
	.read_only_root = true,
};

static const struct docker_place place = {
	.deployment = "sb",
	.socket_dir = "/run/sandbox/s/0123456789abcdef",
	.control_dir = "/run/sandbox/control",
	.network = "sandbox-egress",
	.runtime = "",
};

/* Text of the member at a dotted path (a number is an index), as JSON; "(absent)". */
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

static struct json_object *body(const struct rt_spec *sp, const struct docker_place *p,
				struct arena *a)
{
	char *text = docker_body(sp, p, a);

	assert_non_null(text);
	return json_tokener_parse(text);
}

static void body_is_hardened(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "Image", "\"sandbox/python-basic:latest\"" },
		{ "Hostname", "\"sandbox\"" },
		{ "User", "\"1001:1001\"" },
		{ "WorkingDir", "\"/workspace\"" },
		{ "Env", "[\"SESSION_ID=s1\",\"WORKSPACE_PATH=/workspace\"]" },
		{ "Entrypoint", "[\"/opt/sandbox/bin/sandbox-executor\"]" },
		{ "Cmd", "[]" },
		{ "Healthcheck/Test", "[\"NONE\"]" },
		{ "Labels/sandbox.deployment", "\"sb\"" },
		{ "Labels/sandbox.session", "\"s1\"" },
		{ "Labels/sandbox.container", "\"sb-s1\"" },
		{ "HostConfig/NetworkMode", "\"none\"" },
		{ "HostConfig/Privileged", "false" },
		{ "HostConfig/CapDrop", "[\"ALL\"]" },
		{ "HostConfig/CapAdd", "(absent)" },
		{ "HostConfig/SecurityOpt/0", "\"no-new-privileges\"" },
		{ "HostConfig/MaskedPaths", "[]" },
		{ "HostConfig/ReadonlyPaths", "[]" },
		{ "HostConfig/ReadonlyRootfs", "true" },
		{ "HostConfig/Runtime", "(absent)" },
		{ "HostConfig/Memory", "536870912" },
		{ "HostConfig/MemorySwap", "536870912" },
		{ "HostConfig/NanoCpus", "1500000000" },
		{ "HostConfig/CpuShares", "1536" },
		{ "HostConfig/PidsLimit", "160" },
		{ "HostConfig/Ulimits", "[{\"Name\":\"core\",\"Soft\":0,\"Hard\":0}]" },
		{ "HostConfig/RestartPolicy", "{\"Name\":\"no\"}" },
		{ "HostConfig/IpcMode", "\"private\"" },
		{ "HostConfig/CgroupnsMode", "\"private\"" },
		{ "HostConfig/LogConfig",
		  "{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\"}}" },
		{ "HostConfig/Tmpfs", "{\"/tmp\":\"rw,nosuid,nodev,mode=1777,size=512m\"}" },
		{ "HostConfig/Mounts/0/Source", "\"sb-s1-workspace\"" },
		{ "HostConfig/Mounts/0/Target", "\"/workspace\"" },
		{ "HostConfig/Mounts/0/VolumeOptions/Labels/sandbox.deployment", "\"sb\"" },
		{ "HostConfig/Mounts/1/Source", "\"sb-s1-state\"" },
		{ "HostConfig/Mounts/1/Target", "\"/var/lib/sandbox-executor\"" },
		{ "HostConfig/Mounts/2/Source", "\"/run/sandbox/s/0123456789abcdef\"" },
		{ "HostConfig/Mounts/2/Target", "\"/run/sandbox\"" },
		{ "HostConfig/Mounts/2/ReadOnly", "false" },
		{ "HostConfig/Mounts/3/Target", "\"/run/sandbox/control\"" },
		{ "HostConfig/Mounts/3/ReadOnly", "true" },
		{ "HostConfig/Mounts/4", "null" },
	};
	struct json_object *o = body(&spec, &place, *state);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ROW(!strcmp(at(o, rows[i].path), rows[i].want), i, at(o, rows[i].path));
	json_object_put(o);
}

static void the_seccomp_profile_travels_with_it(void **state)
{
	struct json_object *o = body(&spec, &place, *state), *opts, *profile;
	const char *text;

	assert_true(json_object_object_get_ex(o, "HostConfig", &opts) &&
		    json_object_object_get_ex(opts, "SecurityOpt", &opts));
	assert_int_equal(json_object_array_length(opts), 2); /* no AppArmor on this host */
	text = json_object_get_string(json_object_array_get_idx(opts, 1));
	assert_true(str_starts(text, "seccomp={"));
	profile = json_tokener_parse(text + strlen("seccomp="));
	assert_string_equal(at(profile, "defaultAction"), "\"SCMP_ACT_ERRNO\"");
	json_object_put(profile);
	json_object_put(o);
}

static void options_of_the_host(void **state)
{
	struct docker_place p = place;
	struct rt_spec sp = spec;
	struct json_object *o;

	p.control_dir = NULL;
	p.runtime = "runsc";
	p.apparmor = "sandbox-container";
	sp.egress = true;
	sp.read_only_root = false;
	o = body(&sp, &p, *state);
	assert_string_equal(at(o, "HostConfig/NetworkMode"), "\"sandbox-egress\"");
	assert_string_equal(at(o, "HostConfig/ReadonlyRootfs"), "false");
	assert_string_equal(at(o, "HostConfig/Runtime"), "\"runsc\"");
	assert_string_equal(at(o, "HostConfig/Mounts/3"), "null");
	assert_string_equal(at(o, "HostConfig/SecurityOpt/1"), "\"apparmor=sandbox-container\"");
	json_object_put(o);
}

/* A half-made container is finished only by who would make the same one. */
static void the_spec_label_follows_the_body(void **state)
{
	struct rt_spec other = spec, token = spec;
	struct json_object *o = body(&spec, &place, *state), *same, *changed;

	token.token = "another";
	other.memory_bytes++;
	same = body(&token, &place, *state);
	changed = body(&other, &place, *state);
	assert_int_equal(strlen(at(o, "Labels/sandbox.spec")), 66);
	assert_string_equal(at(o, "Labels/sandbox.spec"), at(same, "Labels/sandbox.spec"));
	assert_string_not_equal(at(o, "Labels/sandbox.spec"), at(changed, "Labels/sandbox.spec"));
	assert_null(strstr(docker_body(&spec, &place, *state), "very-secret"));
	json_object_put(o);
	json_object_put(same);
	json_object_put(changed);
}

#define INSPECT(status, code, oom, started) \
	"{\"Id\":\"abc\",\"Image\":\"sha256:d\",\"State\":{\"Status\":\"" status \
	"\",\"ExitCode\":" #code ",\"OOMKilled\":" #oom ",\"StartedAt\":\"" started \
	"\"},\"Config\":{\"Labels\":{\"sandbox.deployment\":\"sb\",\"sandbox.session\":\"s1\"," \
	"\"sandbox.spec\":\"h\"}}}"
#define NEVER "0001-01-01T00:00:00Z"

static void reads_inspect(void **state)
{
	static const struct {
		const char *text;
		int rc;
		enum rt_state st;
		int code;
		bool oom, never;
	} rows[] = {
		{ INSPECT("running", 0, false, "2026-01-01T00:00:00Z"), 0, RT_RUNNING, -1, false,
		  false },
		{ INSPECT("created", 0, false, NEVER), 0, RT_STARTING, -1, false, true },
		{ INSPECT("exited", 137, true, "2026-01-01T00:00:00Z"), 0, RT_EXITED, 137, true,
		  false },
		{ INSPECT("exited", 127, false, NEVER), 0, RT_EXITED, 127, false, true },
		{ INSPECT("dead", 1, false, "2026-01-01T00:00:00Z"), 0, RT_EXITED, 1, false,
		  false },
		{ INSPECT("paused", 0, false, "2026-01-01T00:00:00Z"), 0, RT_RUNNING, -1, false,
		  false },
		{ INSPECT("something new", 0, false, "2026-01-01T00:00:00Z"), 0, RT_UNKNOWN, -1,
		  false, false },
		{ "{\"State\":{}}", -1, 0, 0, false, false },
		{ "[]", -1, 0, 0, false, false },
		{ "not json", -1, 0, 0, false, false },
		{ "", -1, 0, 0, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct docker_found f = { 0 };

		CHECK_ROW(docker_read_inspect(rows[i].text, strlen(rows[i].text), &f, *state) ==
				  rows[i].rc,
			  i, rows[i].text);
		if (rows[i].rc)
			continue;
		CHECK_ROW(f.st.state == rows[i].st && f.st.exit_code == rows[i].code, i,
			  rows[i].text);
		CHECK_ROW(f.st.oom_killed == rows[i].oom && f.never_started == rows[i].never, i,
			  rows[i].text);
		CHECK_ROW(str_eq(f.deployment, "sb") && str_eq(f.session, "s1") &&
				  str_eq(f.spec, "h"),
			  i, rows[i].text);
		CHECK_ROW(str_eq(f.st.runtime_id, "abc") && str_eq(f.st.image_digest, "sha256:d"),
			  i, rows[i].text);
	}
}

static void reads_a_listed_one(void **state)
{
	struct json_object *o = json_tokener_parse(
		"{\"Id\":\"abc\",\"Names\":[\"/sb-s1\"],\"State\":\"exited\",\"Status\":\"Exited (143) 2 hours ago\","
		"\"Labels\":{\"sandbox.deployment\":\"sb\",\"sandbox.session\":\"s1\"}}");
	struct json_object *gone =
		json_tokener_parse("{\"Id\":\"abc\",\"Names\":null,\"State\":\"removing\"}");
	struct docker_found f = { 0 };
	const char *name;

	assert_int_equal(docker_read_listed(o, &name, &f, *state), 0);
	assert_string_equal(name, "sb-s1");
	assert_string_equal(f.session, "s1");
	assert_int_equal(f.st.state, RT_EXITED);
	assert_int_equal(f.st.exit_code, 143);
	assert_int_equal(docker_read_listed(gone, &name, &f, *state), -1);
	json_object_put(o);
	json_object_put(gone);
}

static void reads_images(void **state)
{
	static const char text[] =
		"[{\"RepoTags\":[\"a:1\",\"b/c:latest\"]},{\"RepoTags\":[\"<none>:<none>\"]},{\"RepoTags\":null}]";

	assert_string_equal(docker_read_images(text, strlen(text), *state),
			    "[\"a:1\",\"b/c:latest\"]");
	assert_string_equal(docker_read_images("[]", 2, *state), "[]");
	assert_null(docker_read_images("{}", 2, *state));
	assert_null(docker_read_images("[", 1, *state));
}

static char *feed(const char *p, size_t n, size_t step, size_t max, struct arena *a)
{
	struct docker_log l = { .max = max };
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i += step)
		rc = docker_log_feed(&l, p + i, n - i < step ? n - i : step);
	if (rc < 0) {
		free(l.buf);
		return NULL;
	}
	return docker_log_text(&l, a);
}

#define FRAME(stream, len) \
	stream "\0\0\0" \
	       "\0\0\0" len

static void log_frames_become_text(void **state)
{
	static const char two[] =
		FRAME("\1", "\6") "hello\n" FRAME("\2", "\4") "err\n" FRAME("\1", "\0")
			FRAME("\1", "\2") "x\xff";
	static const char bad[] = FRAME("\7", "\1") "x";

	for (size_t step = 1; step < sizeof(two); step++)
		assert_string_equal(feed(two, sizeof(two) - 1, step, 100, *state),
				    "hello\nerr\nx\xef\xbf\xbd");
	assert_null(feed(bad, sizeof(bad) - 1, 3, 100, *state));
	assert_string_equal(feed("", 0, 1, 100, *state), "");
}

static void the_end_of_a_long_log_is_kept(void **state)
{
	char frame[8 + 10] = FRAME("\1", "\012"), all[sizeof(frame) * 50], want[16];
	char *text;

	for (int i = 0; i < 50; i++) {
		char line[16];

		snprintf(line, sizeof(line), "line %04d\n", i);
		memcpy(frame + 8, line, 10);
		memcpy(all + (size_t)i * sizeof(frame), frame, sizeof(frame));
	}
	for (size_t step = 1; step < 40; step += 3) {
		text = feed(all, sizeof(all), step, 64, *state);
		assert_int_equal(strlen(text) % 10, 0); /* whole lines only */
		assert_in_range(strlen(text), 40, 64);
		snprintf(want, sizeof(want), "line %04d\n", 49);
		assert_string_equal(text + strlen(text) - 10, want);
	}
	text = feed(all, sizeof(all), sizeof(all), 4, *state); /* less than a line */
	assert_in_range(strlen(text), 0, 4);
}

static void archives_round_trip(void **state)
{
	const struct tar_entry in[] = {
		{ .name = "d/", .mode = 0700, .uid = 65533, .gid = 1000 },
		{ .name = "token",
		  .mode = 0400,
		  .uid = 1000,
		  .gid = 1000,
		  .data = "abc",
		  .len = 3 },
	};
	struct tar_entry e;
	size_t len;
	char *t = tar_make(in, 2, &len, *state);

	assert_non_null(t);
	assert_int_equal(len, 5 * TAR_BLOCK);
	assert_true(tar_head(t, &e));
	assert_true(e.mode == 0700 && e.uid == 65533 && e.gid == 1000 && e.len == 0 &&
		    t[156] == '5');
	assert_true(tar_head(t + TAR_BLOCK, &e));
	assert_true(e.mode == 0400 && e.uid == 1000 && e.len == 3 && t[TAR_BLOCK + 156] == '0');
	assert_memory_equal(t + 2 * TAR_BLOCK, "abc\0", 4);
	t[3] = 'x';
	assert_false(tar_head(t, &e)); /* the sum no longer fits */
	assert_false(tar_head(t + 3 * TAR_BLOCK, &e));
}

static void archives_refuse_what_does_not_fit(void **state)
{
	char longname[101];
	struct tar_entry e = { .name = longname, .mode = 0400, .data = "", .len = 0 };
	size_t len;

	memset(longname, 'a', 100);
	longname[100] = '\0';
	assert_null(tar_make(&e, 1, &len, *state));
	longname[99] = '\0';
	assert_non_null(tar_make(&e, 1, &len, *state));
	e.uid = 2097152;
	assert_null(tar_make(&e, 1, &len, *state));
	e.uid = -1;
	assert_null(tar_make(&e, 1, &len, *state));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(body_is_hardened),
		TEST(the_seccomp_profile_travels_with_it),
		TEST(options_of_the_host),
		TEST(the_spec_label_follows_the_body),
		TEST(reads_inspect),
		TEST(reads_a_listed_one),
		TEST(reads_images),
		TEST(log_frames_become_text),
		TEST(the_end_of_a_long_log_is_kept),
		TEST(archives_round_trip),
		TEST(archives_refuse_what_does_not_fit),
	};

	return cmocka_run_group_tests_name("docker", tests, NULL, NULL);
}
