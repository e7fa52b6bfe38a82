/* doctor.c: sandboxctl doctor: the list of checks, and the lines they print. */
#include "doctor.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

/* The database and the runtime come before the images, which compares what both said. */
static void (*const checks[])(struct doctor *) = {
	doctor_namespaces, doctor_bwrap,       doctor_seccomp,  doctor_cgroup,
	doctor_apparmor,   doctor_directories, doctor_database, doctor_storage,
	doctor_runtime,    doctor_images,      doctor_listener, doctor_fastcgi,
};

void doctor_say(struct doctor *d, enum finding level, const char *what, const char *remedy,
		const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warn", "FAIL" };
	struct json_object *o;
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->failed |= level == FOUND_FAIL;
	if (!d->c->json) {
		printf("%-4s %s: %s%s%s\n", words[level], what, text, remedy ? "; " : "",
		       remedy ? remedy : "");
		fflush(stdout); /* a check may take seconds: show what is known */
		return;
	}
	o = jsn_str(json_object_new_object(), "level", level == FOUND_FAIL ? "fail" : words[level]);
	o = jsn_str(o, "check", what);
	o = jsn_str(o, "detail", text);
	d->out = jsn_push(d->out, jsn_str(o, "remedy", remedy));
}

void doctor_read(const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	while (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
}

int ctl_doctor(struct ctl *c)
{
	struct doctor d = { .c = c,
			    .ops = rt_find(&c->cf),
			    .out = c->json ? json_object_new_array() : NULL };
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](&d);
	rc = c->json ? ctl_json(d.out) : ctl_done();
	return rc != CTL_OK ? rc : d.failed ? CTL_FAILED : CTL_OK;
}
