/* Which OCI runtime this host has, and running it. */
#include <stdio.h>

#include "../base/clock.h"
#include "oci.h"

#define MAX_OUTPUT 4096
#define TRIAL_MS   5000

static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
};

/* CONTRACT 12.1 [runtime] oci_binary: the first that works. */
static const char *const words[] = { "crun", "runc", "runsc" };
static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
				    "/usr/bin",        "/sbin",          "/bin" };

static int run(const char *path, const char *root, const char *const *args, int out_fd,
	       int64_t deadline, struct proc_result *r)
{
	const char *argv[24] = { path, "--root", root };
	struct proc_spec sp = {
		.argv = argv, .envp = env, .max_output = MAX_OUTPUT, .out_fd = out_fd
	};
	int64_t left = deadline - clock_ms();
	size_t n = 3;

	*r = (struct proc_result){ 0 };
	for (; *args && n < ARRAY_LEN(argv) - 1; args++)
		argv[n++] = *args;
	if (*args)
		return errno = E2BIG, -1;
	sp.timeout_ms = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
	return proc_run(&sp, r);
}

/* "runc version 1.1.5+ds1" as "runc 1.1.5+ds1"; false when it does not run here. */
static bool works(struct rt *rt, const char *path, const char *word, int64_t deadline)
{
	static const char *const args[] = { "--version", NULL };
	int64_t until = clock_ms() + TRIAL_MS;
	struct proc_result r;
	bool ok = false;
	char *v;

	/* crun (1.8) starts nothing where v1 and v2 are both mounted: "cgroups in hybrid mode not supported". */
	if (str_eq(word, "crun") && oci_cgroup_hierarchy() == OCI_CGROUP_HYBRID)
		return false;
	if (access(path, X_OK) == 0 &&
	    run(path, "/", args, 0, until < deadline ? until : deadline, &r) == 0) {
		ok = !r.timed_out && r.exit_code == 0 && (v = strstr(r.out, "version "));
		if (ok)
			snprintf(rt->version, sizeof(rt->version), "%s %.*s", word,
				 (int)strcspn(v + 8, "\n "), v + 8);
		proc_result_free(&r);
	}
	if (ok)
		snprintf(rt->tool, sizeof(rt->tool), "%s", path);
	return ok;
}

static bool find(struct rt *rt, const char *word, int64_t deadline)
{
	const char *base = strrchr(word, '/');
	char path[256];

	if (base)
		return works(rt, word, base + 1, deadline);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], word);
		if (works(rt, path, word, deadline))
			return true;
	}
	return false;
}

int oci_tool(struct rt *rt, int64_t deadline, struct fault *f)
{
	const char *want = rt->cf->runtime_oci_binary;
	bool found;

	pthread_mutex_lock(&rt->mu);
	found = rt->tool[0];
	if (!found && !str_eq(want, "auto"))
		found = find(rt, want, deadline);
	for (size_t i = 0; !found && str_eq(want, "auto") && i < ARRAY_LEN(words); i++)
		found = find(rt, words[i], deadline);
	pthread_mutex_unlock(&rt->mu);
	return found ? 0
		     : fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "no OCI runtime works on this host");
}

int oci_run(struct rt *rt, const char *const *args, int out_fd, int64_t deadline,
	    struct proc_result *r)
{
	char root[4096];

	snprintf(root, sizeof(root), "%s/.runc", rt->cf->runtime_state_dir);
	return run(rt->tool, root, args, out_fd, deadline, r);
}
