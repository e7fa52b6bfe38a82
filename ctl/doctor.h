/*
 * doctor.h: what the files of sandboxctl doctor share. A check looks at one
 * thing, reports one line or more, and needs no other check to have gone well.
 */
#pragma once

#include "../lib/rt/runtime.h"
#include "../lib/store/template.h"
#include "ctl.h"

enum finding { FOUND_OK, FOUND_WARN, FOUND_FAIL };

#define DOCTOR_TEMPLATES 200 /* templates whose images are looked for */

struct doctor {
	struct ctl *c;
	const struct rt_ops *ops;   /* of this host's runtime; NULL: none that this program knows */
	const char *images;         /* JSON array of image names, once the runtime has answered */
	struct template *templates; /* of the database, once that has answered */
	int ntemplates;
	struct json_object *out; /* --json: the array of findings */
	bool failed;
	bool api_answers; /* through the web server */
};

/* A line "level what: text; remedy". `remedy` NULL: nothing to do. */
void doctor_say(struct doctor *, enum finding, const char *what, const char *remedy,
		const char *fmt, ...) PRINTF(5, 6);

/* The database's shape, and the templates for the images' check. doctor_service.c */
void doctor_database(struct doctor *);
void doctor_storage(struct doctor *);
void doctor_runtime(struct doctor *);
void doctor_images(struct doctor *);
void doctor_listener(struct doctor *);
void doctor_fastcgi(struct doctor *);

/* doctor_host.c */
void doctor_namespaces(struct doctor *);
void doctor_bwrap(struct doctor *);
void doctor_seccomp(struct doctor *);
void doctor_cgroup(struct doctor *);
void doctor_apparmor(struct doctor *);
void doctor_directories(struct doctor *);

/* First bytes of a small file of the kernel's, without the line's end; "" when it cannot be read. */
void doctor_read(const char *path, char *buf, size_t size);
