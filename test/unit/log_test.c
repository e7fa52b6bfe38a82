/* log_test.c: whatever is logged is one line, and the line is JSON. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "../../lib/base/clock.h"
#include "../../lib/base/jsn.h"
#include "../../lib/base/log.h"

static char path[] = "/tmp/log_test.XXXXXX";
static int in = -1;

static int setup(void **state)
{
	(void)state;
	in = mkstemp(path);
	return in < 0 ? -1 : log_to(path);
}

static int teardown(void **state)
{
	(void)state;
	close(in);
	return unlink(path);
}

static int each(void **state)
{
	(void)state;
	log_init("unit", LOG_LV_INFO, false);
	log_set_request(NULL);
	return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
	static char text[20000];
	ssize_t n = read(in, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* The one line that was written, as an object. */
static struct json_object *line(void)
{
	struct arena *a = arena_new(1 << 16);
	const char *text = written();
	size_t n = strlen(text);
	struct json_object *o;
	struct fault f;

	assert_true(n > 2 && n <= 4096);
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	o = jsn_parse(text, n - 1, a, &f);
	if (!o)
		fail_msg("no JSON: %s", text);
	arena_free(a);
	return o;
}

static const char *get(struct json_object *o, const char *name)
{
	return json_object_get_string(json_object_object_get(o, name));
}

static void a_line_has_its_members(void **state)
{
	AUTO_JSON struct json_object *o = NULL;
	int64_t ms;

	(void)state;
	log_set_request("req-1");
	log_warn("something_happened", S("what", "a thing"), I("count", -5), S("nothing", NULL),
		 I("max", INT64_MAX));
	o = line();
	assert_true(clock_parse(get(o, "ts"), &ms) && clock_wall_ms() - ms < 10000);
	assert_string_equal(get(o, "level"), "warn");
	assert_string_equal(get(o, "component"), "unit");
	assert_string_equal(get(o, "msg"), "something_happened");
	assert_string_equal(get(o, "request_id"), "req-1");
	assert_string_equal(get(o, "what"), "a thing");
	assert_string_equal(get(o, "nothing"), "");
	assert_true(json_object_is_type(json_object_object_get(o, "count"), json_type_int));
	assert_int_equal(json_object_get_int64(json_object_object_get(o, "count")), -5);
	assert_int_equal(json_object_get_int64(json_object_object_get(o, "max")), INT64_MAX);
	assert_int_equal(json_object_get_int(json_object_object_get(o, "pid")), getpid());
	assert_null(json_object_object_get(o, "cut"));
}

static void levels(void **state)
{
	static const struct {
		enum log_level max;
		int lines;
	} rows[] = {
		{ LOG_LV_ERROR, 1 },
		{ LOG_LV_WARN, 2 },
		{ LOG_LV_INFO, 3 },
		{ LOG_LV_DEBUG, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int n = 0;

		log_set_level(rows[i].max);
		log_error("e");
		log_warn("w");
		log_info("i");
		log_debug("d");
		for (const char *p = written(); (p = strchr(p, '\n')); p++)
			n++;
		assert_int_equal(n, rows[i].lines);
	}
}

#define FFFD "\xef\xbf\xbd"

/* What a user may send, and what the line says; both ends of a value are looked at. */
static const struct {
	const char *value, *read;
} values[] = {
	{ "", "" },
	{ "a\"b\\c", "a\"b\\c" },
	{ "a\nb\r\tc", "a\nb\r\tc" },
	{ "\x01\x1b[31m\x7f", "\x01\x1b[31m\x7f" },
	{ "\",\"level\":\"error\",\"x\":\"", "\",\"level\":\"error\",\"x\":\"" },
	{ "a\n{\"msg\":\"forged\"}\n", "a\n{\"msg\":\"forged\"}\n" },
	{ "\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "a\xff"
	  "b",
	  "a" FFFD "b" },
	{ "\xe2\x82", FFFD FFFD },
	{ "\xed\xa0\x80", FFFD FFFD FFFD },
	{ "%s%n%d", "%s%n%d" },
	{ "\\u0041\\n", "\\u0041\\n" },
};

static void values_neither_break_nor_forge_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		AUTO_JSON struct json_object *o = NULL;

		log_set_request(values[i].value);
		log_info("event", S("v", values[i].value), S("after", "here"));
		o = line();
		CHECK_ROW(str_eq(get(o, "v"), values[i].read) && str_eq(get(o, "after"), "here"), i,
			  values[i].value);
		CHECK_ROW(str_eq(get(o, "level"), "info") && str_eq(get(o, "msg"), "event"), i,
			  values[i].value);
	}
}

/* Every length around the line's end, with characters of one, two (escaped), three, six bytes. */
static void cut_lines_are_still_json(void **state)
{
	static const char *const units[] = { "a", "\"", "\xe2\x82\xac", "\x01", "\xff" };
	static char big[5000];

	(void)state;
	for (size_t u = 0; u < ARRAY_LEN(units); u++) {
		size_t k = strlen(units[u]);

		for (size_t n = 3500; n < 4200; n += 1 + (u != 0) * 7) {
			AUTO_JSON struct json_object *o = NULL;
			const char *v;

			for (size_t i = 0; i + k <= n; i += k)
				memcpy(big + i, units[u], k);
			big[n / k * k] = '\0';
			log_info("big", S("v", big), I("after", 1));
			o = line();
			v = get(o, "v");
			assert_non_null(v);
			if (json_object_object_get(o, "cut"))
				assert_null(json_object_object_get(o, "after"));
			else
				assert_non_null(json_object_object_get(o, "after"));
			if (u < 4)
				assert_memory_equal(v, big, strlen(v));
		}
	}
}

static void many_fields_are_cut_between_fields(void **state)
{
	static char names[400][8];
	struct log_field f[401] = { 0 };
	AUTO_JSON struct json_object *o = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		f[i] = (struct log_field)S(names[i], "0123456789");
	}
	log_emit(LOG_LV_INFO, "many", f);
	o = line();
	assert_int_equal(json_object_get_int(json_object_object_get(o, "cut")), 1);
	assert_string_equal(get(o, "k0"), "0123456789");
}

static void text_lines_for_people(void **state)
{
	const char *text, *rest;

	(void)state;
	log_init("unit", LOG_LV_INFO, true);
	log_error("went_wrong", S("why", "a \"b\"\nforged"), I("n", 3));
	text = written();
	rest = strstr(text, "error unit[");
	assert_non_null(rest);
	assert_non_null(strstr(rest, "] went_wrong why=\"a \\\"b\\\"\\u000aforged\" n=3\n"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void where_a_log_cannot_go(void **state)
{
	(void)state;
	errno = 0;
	assert_int_equal(log_to("/nonexistent/dir/log"), -1);
	assert_int_equal(errno, ENOENT);
	log_info("still_here"); /* the old target stays */
	assert_non_null(strstr(written(), "still_here"));
}

#define TEST(f) cmocka_unit_test_setup(f, each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_its_members),
		TEST(levels),
		TEST(values_neither_break_nor_forge_a_line),
		TEST(cut_lines_are_still_json),
		TEST(many_fields_are_cut_between_fields),
		TEST(text_lines_for_people),
		TEST(where_a_log_cannot_go),
	};

	return cmocka_run_group_tests_name("log", tests, setup, teardown);
}
