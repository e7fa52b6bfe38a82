/* result_test.c: an executor's report, read. */
#include "unit.h"

#include <stdio.h>

#include "../../lib/work/result.h"

static int setup(void **state)
{
	*state = arena_new(1 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static struct json_object *body; /* what the last report borrows from */

static int drop_body(void **state)
{
	json_object_put(TAKE_PTR(body));
	return teardown(state);
}

static int report(struct arena *a, const char *text, struct execution_result *r, struct fault *f)
{
	json_object_put(TAKE_PTR(body));
	*f = (struct fault){ .info = NULL };
	body = jsn_parse(text, strlen(text), a, f);
	if (!body)
		fail_msg("test text is no JSON: %s", text);
	return result_read(body, text, strlen(text), r, a, f);
}

/* CONTRACT 4.7: a row a status, a column a reason. */
static const char *const reasons[] = {
	"exited",
	"signaled",
	"oom",
	"output_limit",
	"disk_quota",
	"pids_limit",
	"seccomp",
	"isolation_unavailable",
	"internal",
	"exec_timeout",
	"user_cancelled",
	"session_ended",
	"executor_lost",
};

static const struct {
	const char *status, *ok;
} statuses[] = {
	/*               e s o o d p s i i t u s l */
	{ "completed", "x . . . . . . . . . . . ." }, { "success", "x . . . . . . . . . . . ." },
	{ "failed", "x x x x x x x x x . . . ." },    { "timeout", ". . . . . . . . . x . . ." },
	{ "cancelled", ". . . . . . . . . . x x ." }, { "crashed", ". . x . . . . . x . . x x" },
	{ "pending", ". . . . . . . . . . . . ." },   { "running", ". . . . . . . . . . . . ." },
	{ "Completed", ". . . . . . . . . . . . ." }, { "complete", ". . . . . . . . . . . . ." },
};

static void each_status_has_its_reasons(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		for (size_t k = 0; k < ARRAY_LEN(reasons); k++) {
			bool ok = statuses[i].ok[2 * k] == 'x';
			struct execution_result r;
			struct fault f;
			char text[200];

			snprintf(text, sizeof(text), "{\"status\":\"%s\",\"ended_reason\":\"%s\"}",
				 statuses[i].status, reasons[k]);
			CHECK_ROW(report(*state, text, &r, &f) == (ok ? 0 : -1), i, text);
			if (!ok) {
				CHECK_ROW(fault_is(&f, FAULT_REFUSED), i, text);
				continue;
			}
			assert_string_equal(r.ended_reason, reasons[k]);
			assert_string_equal(r.status, i == 1 ? "completed" : statuses[i].status);
		}
}

static void a_missing_reason_is_the_status_own(void **state)
{
	static const struct {
		const char *status, *reason;
	} rows[] = {
		{ "completed", "exited" },
		{ "success", "exited" },
		{ "failed", "exited" },
		{ "timeout", "exec_timeout" },
		{ "cancelled", "user_cancelled" },
		{ "crashed", "internal" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct execution_result r;
		struct fault f;
		char text[100];

		snprintf(text, sizeof(text), "{\"status\":\"%s\",\"ended_reason\":null}",
			 rows[i].status);
		CHECK_ROW(report(*state, text, &r, &f) == 0, i, text);
		assert_string_equal(r.ended_reason, rows[i].reason);
	}
}

static const struct {
	const char *text;
	enum fault_id id;
} refused[] = {
	{ "{}", FAULT_INVALID },
	{ "{\"status\":null}", FAULT_INVALID },
	{ "{\"status\":1}", FAULT_INVALID },
	{ "{\"status\":\"\"}", FAULT_INVALID },
	{ "{\"status\":\"aaaaaaaaaaaaaaaaaaaaa\"}", FAULT_INVALID },
	{ "[]", FAULT_INVALID },
	{ "\"completed\"", FAULT_INVALID },
	{ "{\"status\":\"unknown\"}", FAULT_REFUSED },
	{ "{\"status\":\"failed\",\"ended_reason\":\"exited signaled\"}", FAULT_REFUSED },
	{ "{\"status\":\"failed\",\"ended_reason\":\"\"}", FAULT_REFUSED },
	{ "{\"status\":\"failed\",\"ended_reason\":\" \"}", FAULT_REFUSED },
	{ "{\"status\":\"failed\",\"ended_reason\":\"exite\"}", FAULT_REFUSED },
	{ "{\"status\":\"failed\",\"ended_reason\":5}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"exit_code\":\"0\"}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"exit_code\":0.5}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"stdout\":5}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"stdout\":\"*\",\"stdout_encoding\":\"base64\"}",
	  FAULT_INVALID },
	{ "{\"status\":\"completed\",\"stderr\":\"QQ=\",\"stderr_encoding\":\"base64\"}",
	  FAULT_INVALID },
	{ "{\"status\":\"completed\",\"stdout\":\"x\",\"stdout_encoding\":\"hex\"}",
	  FAULT_INVALID },
	{ "{\"status\":\"completed\",\"metrics\":[]}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"metrics\":{\"duration_ms\":\"1\"}}", FAULT_INVALID },
	{ "{\"status\":\"completed\",\"retryable\":1}", FAULT_INVALID },
};

static void refuses(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct execution_result r;
		struct fault f;

		CHECK_ROW(report(*state, refused[i].text, &r, &f) == -1, i, refused[i].text);
		CHECK_ROW(fault_is(&f, refused[i].id), i, refused[i].text);
	}
}

static const struct {
	const char *members, *data;
	size_t len;
} streams[] = {
	{ "", "", 0 },
	{ ",\"stdout\":null", "", 0 },
	{ ",\"stdout\":\"\"", "", 0 },
	{ ",\"stdout\":\"QUI=\"", "QUI=", 4 },
	{ ",\"stdout\":\"a\\u0000b\\n\"", "a\0b\n", 4 },
	{ ",\"stdout\":\"\\u00e4\",\"stdout_encoding\":\"utf-8\"", "\xc3\xa4", 2 },
	{ ",\"stdout\":\"QUI=\",\"stdout_encoding\":\"base64\"", "AB", 2 },
	{ ",\"stdout\":\"/wD+\",\"stdout_encoding\":\"base64\"", "\xff\0\xfe", 3 },
	{ ",\"stdout\":\"\",\"stdout_encoding\":\"base64\"", "", 0 },
};

static void streams_are_exact(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		struct execution_result r;
		struct fault f;
		char text[200];

		snprintf(text, sizeof(text),
			 "{\"status\":\"completed\"%s,\"stderr\":\"Zg==\",\"stderr_encoding\":"
			 "\"base64\"}",
			 streams[i].members);
		CHECK_ROW(report(*state, text, &r, &f) == 0, i, text);
		CHECK_ROW(r.stdout_len == streams[i].len &&
				  !memcmp(r.stdout_data, streams[i].data, r.stdout_len),
			  i, text);
		assert_int_equal(r.stderr_len, 1);
		assert_memory_equal(r.stderr_data, "f", 1);
	}
}

/* Values that a parser would change: the text must come back byte for byte. */
static const char *const values[] = {
	"0",
	"1.0",
	"1.50e+10",
	"123456789012345678901234567890",
	"\"\\u0041\\/\"",
	"{ \"b\" : 1 , \"a\" : [ ] }",
	"[1,\t2]",
	"false",
	"-0.0",
	"1e999",
	"\"\"",
	"{\"return_value\":1}",
};

static void return_value_and_error_are_exact(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct execution_result r;
		struct fault f;
		char text[300];

		snprintf(text, sizeof(text),
			 "{\"x\":{\"return_value\":9},\"return_value\": %s "
			 ",\"error\":%s,\"status\":\"failed\"}",
			 values[i], values[i]);
		CHECK_ROW(report(*state, text, &r, &f) == 0, i, text);
		assert_string_equal(r.return_value, values[i]);
		assert_string_equal(r.error, values[i]);
	}
}

static void what_is_not_given_is_unknown(void **state)
{
	struct execution_result r;
	struct fault f;

	assert_int_equal(report(*state,
				"{\"status\":\"completed\",\"exit_code\":null,\"return_value\":"
				"null,\"error\":null,"
				"\"metrics\":{}}",
				&r, &f),
			 0);
	assert_null(r.return_value);
	assert_null(r.error);
	assert_null(r.error_message);
	assert_null(r.started_at);
	assert_null(r.completed_at);
	assert_int_equal(r.attempt, 1);
	assert_true(r.exit_code == JSN_ABSENT && r.signal == JSN_ABSENT &&
		    r.duration_ms == JSN_ABSENT && r.cpu_time_ms == JSN_ABSENT &&
		    r.io_read_bytes == JSN_ABSENT && r.io_write_bytes == JSN_ABSENT &&
		    r.queue_ms == JSN_ABSENT && isnan(r.peak_memory_mb));
	assert_int_equal(r.stdout_len, 0);
	assert_string_equal(r.stdout_data, "");
	assert_true(!r.stdout_truncated && !r.stderr_truncated && !r.artifacts_truncated &&
		    !r.retryable);
}

static void every_member_arrives(void **state)
{
	struct execution_result r;
	struct fault f;

	assert_int_equal(report(*state,
				"{\"status\":\"failed\",\"ended_reason\":\"signaled\",\"attempt\":"
				"3,\"retryable\":true,"
				"\"exit_code\":137,\"signal\":9,\"error_message\":\"killed\","
				"\"stdout_bytes\":10,\"stderr_bytes\":11,"
				"\"stdout_truncated\":true,\"stderr_truncated\":true,\"stdout_"
				"dropped_bytes\":12,\"stderr_dropped_bytes\":13,"
				"\"artifacts_truncated\":true,\"started_at\":\"2026-01-06T11:00:00."
				"5+01:00\","
				"\"completed_at\":\"2026-01-06T10:00:01Z\",\"metrics\":{\"duration_"
				"ms\":1,\"cpu_time_ms\":2,"
				"\"peak_memory_mb\":3.5,\"io_read_bytes\":4,\"io_write_bytes\":5,"
				"\"queue_ms\":6}}",
				&r, &f),
			 0);
	assert_int_equal(r.attempt, 3);
	assert_int_equal(r.retryable, 1);
	assert_int_equal(r.exit_code, 137);
	assert_int_equal(r.signal, 9);
	assert_string_equal(r.error_message, "killed");
	assert_int_equal(r.stdout_bytes, 10);
	assert_int_equal(r.stderr_bytes, 11);
	assert_true(r.stdout_truncated && r.stderr_truncated && r.artifacts_truncated);
	assert_int_equal(r.stdout_dropped_bytes, 12);
	assert_int_equal(r.stderr_dropped_bytes, 13);
	assert_string_equal(r.started_at, "2026-01-06 10:00:00.500");
	assert_string_equal(r.completed_at, "2026-01-06 10:00:01.000");
	assert_int_equal(r.duration_ms, 1);
	assert_int_equal(r.cpu_time_ms, 2);
	assert_true(r.peak_memory_mb == 3.5);
	assert_int_equal(r.io_read_bytes, 4);
	assert_int_equal(r.io_write_bytes, 5);
	assert_int_equal(r.queue_ms, 6);
}

static void a_bad_time_is_no_time(void **state)
{
	struct execution_result r;
	struct fault f;

	assert_int_equal(report(*state,
				"{\"status\":\"completed\",\"started_at\":\"yesterday\","
				"\"completed_at\":\"\"}",
				&r, &f),
			 0);
	assert_null(r.started_at);
	assert_null(r.completed_at);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, drop_body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_status_has_its_reasons),
		TEST(a_missing_reason_is_the_status_own),
		TEST(refuses),
		TEST(streams_are_exact),
		TEST(return_value_and_error_are_exact),
		TEST(what_is_not_given_is_unknown),
		TEST(every_member_arrives),
		TEST(a_bad_time_is_no_time),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
