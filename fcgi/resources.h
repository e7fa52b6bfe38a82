/*
 * resources.h: cpu, memory, disk and max_processes of sessions and templates
 * (CONTRACT 3.2, 5): read from both forms of the body, put in range, printed.
 */
#pragma once

#include "../lib/base/conf.h"
#include "../lib/base/jsn.h"

struct template;
struct session_new;

#define MIB ((int64_t)1 << 20)

/* As a session's client wrote them: flat, in `resources`, or both and equal. Text borrows from the body. */
struct resources {
	const char *cpu, *memory, *disk; /* NULL: not given */
	int64_t max_processes;           /* JSN_ABSENT: not given */
};

/* 422s into `c`: wrong types, a cpu that is no number, both forms and different. */
void resources_read(struct jsn_check *c, struct json_object *body, struct resources *out);

/*
 * Fills cpu_millis, memory_bytes, disk_bytes, max_processes and resources_given of `s`: what was given, else the
 * template's. -1 with REFUSED (400): a size that is none, or a value outside [session].
 */
int resources_apply(const struct conf *, const struct resources *, const struct template *,
		    struct session_new *s, struct arena *, struct fault *) MUST_CHECK;

/* A template's: numbers, JSN_ABSENT where not given. */
struct limits {
	int64_t cpu_millis, memory_bytes, disk_bytes, max_processes;
};

/*
 * Overlays what `body` gives (default_cpu_cores, default_memory_mb, default_disk_mb, max_processes, default_resources)
 * on *io. 422s into `c`: types, ranges of CONTRACT 5 and of [session], both forms and different.
 */
void limits_read(struct jsn_check *c, const struct conf *, struct json_object *body,
		 struct limits *io);

/* "0.5"; "512Mi", the largest unit that divides it. */
char *resources_cpu_text(int64_t millis, struct arena *) MUST_CHECK;
char *resources_size_text(int64_t bytes, struct arena *) MUST_CHECK;

/* {cpu,memory,disk,max_processes} in session formats. */
struct json_object *limits_json(const struct limits *, struct arena *);
