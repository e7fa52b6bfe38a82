/* doctor_host.c: what the kernel and the file system of this host must offer. */
#include "doctor.h"

#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../lib/base/proc.h"
#include "../lib/rt/apparmor.h"

#define NOBODY   65534
#define TRIAL_MS 10000 /* bwrap needs 20 ms; a host under load may need a second */

static bool is_docker(const struct doctor *d)
{
	return d->ops && !strcmp(d->ops->name, "docker");
}

/* ---- namespaces ---- */

/* In a child without any privilege: errno of the first thing that was refused, 0 when all went well. */
static int try_unshare(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return errno;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		    CLONE_NEWUTS) < 0)
		return errno;
	return 0;
}

/* What keeps an unprivileged user from namespaces, as the kernel's own switches tell it. */
static const char *userns_remedy(void)
{
	static const struct {
		const char *path, *bad, *remedy;
	} switches[] = {
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
		  "run: sysctl -w kernel.unprivileged_userns_clone=1" },
		{ "/proc/sys/user/max_user_namespaces", "0",
		  "run: sysctl -w user.max_user_namespaces=10000" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		  "load the AppArmor profile from deploy/, or run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	};
	char value[32];

	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		doctor_read(switches[i].path, value, sizeof(value));
		if (!strcmp(value, switches[i].bad))
			return switches[i].remedy;
	}
	return "use a kernel with CONFIG_USER_NS, outside of a container that forbids them";
}

void doctor_namespaces(struct doctor *d)
{
	pid_t pid;
	int st = 0;

	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(try_unshare());
	if (pid < 0 || waitpid(pid, &st, 0) != pid)
		doctor_say(d, FOUND_FAIL, "user namespaces", NULL, "could not be tried: %s",
			   strerror(errno));
	else if (WIFEXITED(st) && WEXITSTATUS(st) == 0)
		doctor_say(d, FOUND_OK, "user namespaces", NULL,
			   "an unprivileged user may make them");
	else
		doctor_say(d, FOUND_FAIL, "user namespaces", userns_remedy(),
			   "refused to an unprivileged user (%s)",
			   WIFEXITED(st) ? strerror(WEXITSTATUS(st)) : "killed");
}

/* ---- bubblewrap ---- */

static const char *find_program(const char *name, char *path, size_t size)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin",
					    "/sbin" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, size, "%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

/* The first line of what a program complained about. */
static void first_line(const struct proc_result *r, char *out, size_t size)
{
	const char *text = r->timed_out        ? "it did not end in time"
			   : r->err && *r->err ? r->err
					       : "it said nothing";

	snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

/* A whole sandbox as the executor makes one, around /bin/true, by an unprivileged user. */
static void try_bwrap(struct doctor *d, const char *bwrap, const char *setpriv)
{
	const char *argv[] = {
		setpriv,
		"--reuid=65534",
		"--regid=65534",
		"--clear-groups",
		"--no-new-privs",
		bwrap,
		"--unshare-all",
		"--die-with-parent",
		"--new-session",
		"--cap-drop",
		"ALL",
		"--ro-bind",
		"/",
		"/",
		"--proc",
		"/proc",
		"--dev",
		"/dev",
		"--tmpfs",
		"/tmp",
		"--",
		"/bin/true",
		NULL,
	};
	const char *const envp[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	const struct proc_spec spec = {
		.argv = geteuid() == 0 ? argv : argv + 5,
		.envp = envp,
		.max_output = 4096,
		.timeout_ms = TRIAL_MS,
	};
	struct proc_result r = { 0 };
	char why[300];

	if (proc_run(&spec, &r) < 0) {
		doctor_say(d, FOUND_FAIL, "bubblewrap", NULL, "could not be started: %s",
			   strerror(errno));
		return;
	}
	first_line(&r, why, sizeof(why));
	if (r.exit_code == 0)
		doctor_say(d, FOUND_OK, "bubblewrap", NULL,
			   "%s makes a sandbox for an unprivileged user", bwrap);
	else
		doctor_say(d, FOUND_FAIL, "bubblewrap", userns_remedy(),
			   "%s cannot make a sandbox: %s", bwrap, why);
	proc_result_free(&r);
}

void doctor_bwrap(struct doctor *d)
{
	char bwrap[64], setpriv[64];

	if (!find_program("bwrap", bwrap, sizeof(bwrap))) /* images for Docker bring their own */
		doctor_say(d, is_docker(d) ? FOUND_WARN : FOUND_FAIL, "bubblewrap",
			   "run: apt-get install bubblewrap", "is not installed%s",
			   is_docker(d) ? ", so it cannot be tried here" : "");
	else if (geteuid() == 0 && !find_program("setpriv", setpriv, sizeof(setpriv)))
		doctor_say(d, FOUND_WARN, "bubblewrap", "run: apt-get install util-linux",
			   "cannot be tried without the program setpriv");
	else
		try_bwrap(d, bwrap, setpriv);
}

/* ---- seccomp, control groups, AppArmor ---- */

void doctor_seccomp(struct doctor *d)
{
	char actions[256];

	doctor_read("/proc/sys/kernel/seccomp/actions_avail", actions, sizeof(actions));
	if (strstr(actions, "errno") && strstr(actions, "kill_process"))
		doctor_say(d, FOUND_OK, "seccomp", NULL, "filters are available");
	else
		doctor_say(d, FOUND_FAIL, "seccomp", "use a kernel with CONFIG_SECCOMP_FILTER",
			   "the kernel has no seccomp filters");
}

static bool word_in(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

void doctor_cgroup(struct doctor *d)
{
	static const char *const wanted[] = { "cpu", "memory", "pids" };
	char controllers[512], missing[64] = "", path[64];
	bool v2;

	doctor_read("/sys/fs/cgroup/cgroup.controllers", controllers, sizeof(controllers));
	v2 = *controllers;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/tasks", wanted[i]);
		if (v2 ? !word_in(controllers, wanted[i]) : access(path, F_OK) < 0)
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				 "%s%s", *missing ? ", " : "", wanted[i]);
	}
	if (*missing)
		doctor_say(
			d, FOUND_FAIL, "control groups",
			"boot with them enabled, e.g. cgroup_enable=memory",
			"version %d without the controller%s %s: sessions would have no such limits",
			v2 ? 2 : 1, strchr(missing, ',') ? "s" : "", missing);
	else if (!v2)
		doctor_say(
			d, FOUND_WARN, "control groups",
			"boot with systemd.unified_cgroup_hierarchy=1 for version 2",
			"version 1: limits hold for a session as a whole, not for each execution");
	else
		doctor_say(d, FOUND_OK, "control groups", NULL,
			   "version 2 with cpu, memory and pids");
}

void doctor_apparmor(struct doctor *d)
{
	const char *option = apparmor_option();

	if (!option)
		doctor_say(d, FOUND_OK, "AppArmor", NULL,
			   "not active in this kernel: no profile is needed");
	else if (!strcmp(option, APPARMOR_PROFILE))
		doctor_say(d, FOUND_OK, "AppArmor", NULL, "active, the profile %s is loaded",
			   option);
	else
		doctor_say(d, FOUND_WARN, "AppArmor",
			   "load deploy/apparmor/" APPARMOR_PROFILE " with apparmor_parser -r",
			   "active without the profile %s: containers run unconfined by it",
			   APPARMOR_PROFILE);
}

/* ---- directories ---- */

static void check_dir(struct doctor *d, const char *what, const char *path, bool writable)
{
	struct stat st;

	if (stat(path, &st) < 0)
		doctor_say(d, FOUND_FAIL, what,
			   "make it; systemd-tmpfiles --create does, with the shipped file",
			   "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		doctor_say(d, FOUND_FAIL, what, "move that file away", "%s is no directory", path);
	else if (access(path, writable ? R_OK | W_OK | X_OK : X_OK) < 0)
		doctor_say(d, FOUND_WARN, what, "run this as the service's user or as root",
			   "%s cannot be %s by this user", path, writable ? "written" : "entered");
	else
		doctor_say(d, FOUND_OK, what, NULL, "%s", path);
}

void doctor_directories(struct doctor *d)
{
	const struct conf *cf = &d->c->cf;

	check_dir(d, "[runtime] socket_dir", cf->runtime_socket_dir, true);
	check_dir(d, "[runtime] state_dir", cf->runtime_state_dir, true);
	if (d->ops && !strcmp(d->ops->name, "oci"))
		check_dir(d, "[runtime] image_root", cf->runtime_image_root, false);
}
