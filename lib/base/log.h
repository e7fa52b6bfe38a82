/*
 * log.h: one JSON object (or, for people, one text line) per event on stderr;
 * systemd or the container runtime does the rest. Event names are constants,
 * values are typed fields, and no value is ever part of a format string, so
 * nothing a user sends can break or forge a line. Invalid UTF-8 is repaired.
 *
 * Never logged: code, events, environment values, output, tokens, keys.
 */
#pragma once

#include "util.h"

enum log_level { LOG_LV_ERROR, LOG_LV_WARN, LOG_LV_INFO, LOG_LV_DEBUG };

struct log_field {
	const char *key; /* NULL ends the list */
	const char *str; /* NULL: the field is the number */
	int64_t num;
};

static inline const char *log_str_(const char *s)
{
	return s ? s : "";
}

#define S(k, v) \
	{ \
		.key = (k), .str = log_str_(v) \
	}
#define I(k, v) \
	{ \
		.key = (k), .num = (int64_t)(v) \
	}

#ifdef __cppcheck__ /* does not know __VA_OPT__ */
#define LOG_FIELDS_(...) \
	(const struct log_field[]) \
	{ \
		__VA_ARGS__ \
	}
#else
#define LOG_FIELDS_(...) \
	(const struct log_field[]) \
	{ \
		__VA_ARGS__ __VA_OPT__(, ) \
		{ \
			0 \
		} \
	}
#endif
#define log_at(level, ev, ...) log_emit(level, ev, LOG_FIELDS_(__VA_ARGS__))
#define log_error(ev, ...)     log_emit(LOG_LV_ERROR, ev, LOG_FIELDS_(__VA_ARGS__))
#define log_warn(ev, ...)      log_emit(LOG_LV_WARN, ev, LOG_FIELDS_(__VA_ARGS__))
#define log_info(ev, ...)      log_emit(LOG_LV_INFO, ev, LOG_FIELDS_(__VA_ARGS__))
#define log_debug(ev, ...)     log_emit(LOG_LV_DEBUG, ev, LOG_FIELDS_(__VA_ARGS__))

/* `component` is kept by reference. `text`: lines for people instead of JSON. */
void log_init(const char *component, enum log_level max, bool text);
void log_set_level(enum log_level max);
int log_to(const char *target) MUST_CHECK;    /* "stderr", "syslog" or a file path; -1 with errno */
void log_set_request(const char *request_id); /* this thread's; NULL: outside a request */
const char *log_request_id(void);             /* "" outside a request */
void log_emit(enum log_level, const char *event, const struct log_field *);
