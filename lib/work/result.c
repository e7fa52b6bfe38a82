#include "result.h"

#include <stdio.h>

#include "../base/clock.h"
#include "../base/text.h"

#define TEXT_MAX \
	(16 \
	 << 20) /* an inline stream in base64, CONTRACT 12.1 output_inline_bytes at its ceiling */

/* Which reasons each status may have (CONTRACT 4.7). */
static const struct {
	const char *status, *reasons;
} table[] = {
	{ "completed", " exited " },
	{ "failed",
	  " exited signaled oom output_limit disk_quota pids_limit seccomp isolation_unavailable internal " },
	{ "timeout", " exec_timeout " },
	{ "cancelled", " user_cancelled session_ended " },
	{ "crashed", " executor_lost session_ended oom internal " },
};

struct body {
	struct execution_result r;
	const char *stdout_encoding, *stderr_encoding;
	struct json_object *stdout_text, *stderr_text, *metrics, *error, *return_value;
};

#define STR(n, f) \
	{ \
#n, NULL, JSN_STR, false, offsetof(struct body, f), 0, 0, NULL \
	}
#define INT(n, f) \
	{ \
#n, NULL, JSN_INT, false, offsetof(struct body, f), 0, 0, NULL \
	}
#define BOOL(n, f) \
	{ \
#n, NULL, JSN_BOOL, false, offsetof(struct body, f), 0, 0, NULL \
	}
#define ENC(n) \
	{ \
#n, NULL, JSN_ENUM, false, offsetof(struct body, n), 0, 0, encodings \
	}
#define ANY(n, f) \
	{ \
#n, NULL, JSN_ANY, false, offsetof(struct body, f), 0, 0, NULL \
	}

static const char *const encodings[] = { "utf-8", "base64", NULL };

static const struct jsn_field fields[] = {
	{ "status", NULL, JSN_STR, true, offsetof(struct body, r.status), 1, 20, NULL },
	STR(ended_reason, r.ended_reason),
	INT(attempt, r.attempt),
	BOOL(retryable, r.retryable),
	INT(exit_code, r.exit_code),
	INT(signal, r.signal),
	ANY(error, error),
	STR(error_message, r.error_message),
	ANY(return_value, return_value),
	ANY(stdout, stdout_text),
	ANY(stderr, stderr_text),
	ENC(stdout_encoding),
	ENC(stderr_encoding),
	INT(stdout_bytes, r.stdout_bytes),
	INT(stderr_bytes, r.stderr_bytes),
	BOOL(stdout_truncated, r.stdout_truncated),
	BOOL(stderr_truncated, r.stderr_truncated),
	INT(stdout_dropped_bytes, r.stdout_dropped_bytes),
	INT(stderr_dropped_bytes, r.stderr_dropped_bytes),
	STR(started_at, r.started_at),
	STR(completed_at, r.completed_at),
	BOOL(artifacts_truncated, r.artifacts_truncated),
	{ "metrics", NULL, JSN_OBJ, false, offsetof(struct body, metrics), 0, 0, NULL },
};

static const struct jsn_field metric_fields[] = {
	INT(duration_ms, r.duration_ms),
	INT(cpu_time_ms, r.cpu_time_ms),
	{ "peak_memory_mb", NULL, JSN_NUM, false, offsetof(struct body, r.peak_memory_mb), 0, 0,
	  NULL },
	INT(io_read_bytes, r.io_read_bytes),
	INT(io_write_bytes, r.io_write_bytes),
	INT(queue_ms, r.queue_ms),
};

/* RFC 3339 as the database writes times; NULL when it is no time. */
static const char *db_time(const char *rfc3339, struct arena *a)
{
	char text[CLOCK_RFC3339_SZ];
	int64_t ms;

	if (!rfc3339 || !clock_parse(rfc3339, &ms))
		return NULL;
	clock_format(ms, text);
	return arena_printf(a, "%.10s %.12s", text, text + 11);
}

static int read_stream(struct jsn_check *c, const char *name, struct json_object *v,
		       const char *encoding, const char **data, size_t *len, struct arena *a)
{
	const char *s;
	size_t n;

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_string) || json_object_get_string_len(v) > TEXT_MAX) {
		jsn_bad(c, "string_type", name, NULL, "must be a string of at most %d bytes",
			TEXT_MAX);
		return 0;
	}
	s = json_object_get_string(v);
	n = (size_t)json_object_get_string_len(v);
	if (!str_eq(encoding, "base64")) {
		*data = s;
		*len = n;
		return 0;
	}
	if (!(*data = text_base64_decode(a, s, n, len)))
		jsn_bad(c, "value_error", name, NULL, "is not base64");
	return 0;
}

static bool reason_ok(const char *status, const char *reason)
{
	char word[40];

	if (strchr(reason, ' ')) /* two words of the list are not a word of the list */
		return false;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (!strcmp(status, table[i].status)) {
			snprintf(word, sizeof(word), " %.30s ", reason);
			return strstr(table[i].reasons, word) != NULL;
		}
	return false;
}

/* "success" is an older word for completed; a missing reason is the status's own. */
static int read_ending(struct execution_result *r, struct fault *f)
{
	static const struct {
		const char *status, *reason;
	} defaults[] = {
		{ "completed", "exited" },     { "failed", "exited" },
		{ "timeout", "exec_timeout" }, { "cancelled", "user_cancelled" },
		{ "crashed", "internal" },
	};

	if (!strcmp(r->status, "success"))
		r->status = "completed";
	for (size_t i = 0; !r->ended_reason && i < ARRAY_LEN(defaults); i++)
		if (!strcmp(r->status, defaults[i].status))
			r->ended_reason = defaults[i].reason;
	if (!r->ended_reason || !reason_ok(r->status, r->ended_reason))
		return fault_set(f, FAULT_REFUSED, "status %.20s with ended_reason %.30s",
				 r->status, r->ended_reason ? r->ended_reason : "null");
	return 0;
}

int result_read(struct json_object *in, const char *text, size_t len, struct execution_result *out,
		struct arena *a, struct fault *f)
{
	struct jsn_check c = { .a = a, .where = "body" };
	struct body b = { .r = { .attempt = 1,
				 .exit_code = JSN_ABSENT,
				 .signal = JSN_ABSENT,
				 .duration_ms = JSN_ABSENT,
				 .cpu_time_ms = JSN_ABSENT,
				 .io_read_bytes = JSN_ABSENT,
				 .io_write_bytes = JSN_ABSENT,
				 .queue_ms = JSN_ABSENT,
				 .peak_memory_mb = NAN } };
	const char *raw;
	size_t n;

	jsn_read(&c, in, NULL, fields, ARRAY_LEN(fields), &b);
	if (b.metrics)
		jsn_read(&c, b.metrics, "metrics", metric_fields, ARRAY_LEN(metric_fields), &b);
	if (read_stream(&c, "stdout", b.stdout_text, b.stdout_encoding, &b.r.stdout_data,
			&b.r.stdout_len, a) < 0 ||
	    read_stream(&c, "stderr", b.stderr_text, b.stderr_encoding, &b.r.stderr_data,
			&b.r.stderr_len, a) < 0)
		return -1;
	if (jsn_done(&c, f) < 0 || read_ending(&b.r, f) < 0)
		return -1;
	if (b.return_value && (n = jsn_span(text, len, "return_value", &raw)))
		b.r.return_value = arena_strndup(a, raw, n);
	if (b.error && (n = jsn_span(text, len, "error", &raw)))
		b.r.error = arena_strndup(a, raw, n);
	b.r.started_at = db_time(b.r.started_at, a);
	b.r.completed_at = db_time(b.r.completed_at, a);
	if (!b.r.stdout_data)
		b.r.stdout_data = "";
	if (!b.r.stderr_data)
		b.r.stderr_data = "";
	*out = b.r;
	return 0;
}
