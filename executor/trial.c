#include "trial.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "init.h"
#include "job.h"
#include "lang.h"

#define TRIAL_MS 5000
#define OUT_MAX  8192

static const char *const names[TRIAL__MAX] = {
	[TRIAL_USER_NS] = "user_ns",
	[TRIAL_PID_NS] = "pid_ns",
	[TRIAL_MOUNT_NS] = "mount_ns",
	[TRIAL_IPC_NS] = "ipc_ns",
	[TRIAL_NET_NS] = "net_ns",
	[TRIAL_SECCOMP] = "seccomp",
	[TRIAL_NO_NEW_PRIVS] = "no_new_privs",
	[TRIAL_CAPS_DROPPED] = "caps_dropped",
	[TRIAL_PRIVATE_PROC] = "private_proc",
	[TRIAL_OWN_CGROUP] = "own_cgroup",
	[TRIAL_DISK_QUOTA] = "disk_quota",
	[TRIAL_READ_ONLY_ROOT] = "read_only_root",
};

/* Without one of these the level is reduced, without any other none (CONTRACT 10.4). */
static bool may_miss(enum trial_check c)
{
	return c == TRIAL_PRIVATE_PROC || c == TRIAL_OWN_CGROUP || c == TRIAL_DISK_QUOTA ||
	       c == TRIAL_READ_ONLY_ROOT;
}

static const struct {
	enum trial_check check;
	const char *link;
} spaces[] = {
	{ TRIAL_USER_NS, "user" }, { TRIAL_PID_NS, "pid" }, { TRIAL_MOUNT_NS, "mnt" },
	{ TRIAL_IPC_NS, "ipc" },   { TRIAL_NET_NS, "net" },
};

static void namespace_of(const char *link, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", link);
	n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
}

/* ---- inside ---- */

static bool can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	close(fd);
	unlink(path);
	return true;
}

void trial_probe(void)
{
	char line[256];
	FILE *fp = fopen("/proc/self/status", "re");

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		namespace_of(spaces[i].link, line, sizeof(line));
		printf("ns_%s %s\n", spaces[i].link, line);
	}
	while (fp && fgets(line, sizeof(line), fp)) {
		static const char *const keys[] = { "NoNewPrivs:", "Seccomp:", "CapEff:",
						    "CapPrm:",     "CapBnd:",  "Uid:" };

		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (str_starts(line, keys[i]))
				printf("%s %s\n", keys[i], strtok(line + strlen(keys[i]), " \t\n"));
	}
	if (fp)
		fclose(fp);
	printf("root_writable %d\n",
	       can_write("/.probe") || can_write("/usr/.probe") || can_write("/etc/.probe"));
	printf("program_seen %d\n", access("/opt/sandbox/bin", F_OK) == 0);
	printf("socket_seen %d\n", access("/run/sandbox", F_OK) == 0);
	printf("end 1\n");
	exit(fflush(stdout) ? 1 : 0);
}

/* ---- outside ---- */

static void failure(struct trial *t, const char *text)
{
	if (t->nfailures < (int)ARRAY_LEN(t->failures))
		snprintf(t->failures[t->nfailures++], sizeof(t->failures[0]), "%s", text);
}

/* The value after "key " at a line's start. */
static bool value(const char *out, const char *key, char *v, size_t size)
{
	size_t k = strlen(key);

	v[0] = '\0';
	for (const char *p = out; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, k) && p[k] == ' ') {
			snprintf(v, size, "%.*s", (int)strcspn(p + k + 1, "\n"), p + k + 1);
			return true;
		}
	return false;
}

static bool equals(const char *out, const char *key, const char *want)
{
	char v[128];

	return value(out, key, v, sizeof(v)) && !strcmp(v, want);
}

static bool is_zero(const char *out, const char *key)
{
	char v[128];

	return value(out, key, v, sizeof(v)) && *v && strspn(v, "0") == strlen(v);
}

static void judge(struct trial *t, const struct jobs *js, const char *out)
{
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		char key[16], in[64], here[64];

		snprintf(key, sizeof(key), "ns_%s", spaces[i].link);
		namespace_of(spaces[i].link, here, sizeof(here));
		t->ok[spaces[i].check] =
			value(out, key, in, sizeof(in)) && *in && *here && strcmp(in, here);
	}
	/* With egress code shares the container's network, which is the session's own. */
	t->ok[TRIAL_NET_NS] |= js->set->egress;
	t->ok[TRIAL_USER_NS] &= !is_zero(out, "Uid:");
	t->ok[TRIAL_SECCOMP] = equals(out, "Seccomp:", "2");
	t->ok[TRIAL_NO_NEW_PRIVS] = equals(out, "NoNewPrivs:", "1");
	t->ok[TRIAL_CAPS_DROPPED] =
		is_zero(out, "CapEff:") && is_zero(out, "CapPrm:") && is_zero(out, "CapBnd:");
	t->ok[TRIAL_PRIVATE_PROC] = js->private_proc;
	t->ok[TRIAL_READ_ONLY_ROOT] = equals(out, "root_writable", "0") && !can_write("/.probe");
	t->ok[TRIAL_MOUNT_NS] &=
		equals(out, "program_seen", "0") && equals(out, "socket_seen", "0");
}

/* Everything the sandbox printed, until it ended or time is up. */
static bool collect(struct job *j, char *out, size_t size)
{
	int64_t until = clock_ms() + TRIAL_MS;
	size_t n = 0;
	int st;

	while (clock_ms() < until) {
		struct pollfd pf[] = { { .fd = j->out_fd, .events = POLLIN },
				       { .fd = j->err_fd, .events = POLLIN } };
		ssize_t k, m;
		char err[512];

		if (poll(pf, 2, 100) < 0 && errno != EINTR)
			break;
		k = read(j->out_fd, out + n, size - 1 - n);
		n += k > 0 ? (size_t)k : 0;
		m = read(j->err_fd, err, sizeof(err) - 1);
		if (m > 0) {
			err[m] = '\0';
			log_warn("trial.stderr", S("error", err));
		}
		if (k == 0 && m == 0)
			break;
	}
	out[n] = '\0';
	kill(j->sandbox, SIGKILL);
	while (waitpid(j->sandbox, &st, 0) < 0 && errno == EINTR)
		;
	close(j->out_fd);
	close(j->err_fd);
	close(j->result_fd);
	close(j->report_fd);
	close(j->info_fd);
	return strstr(out, "end 1\n") != NULL;
}

static bool try_once(struct jobs *js, char *out, size_t size)
{
	static const struct lang probe = { .name = "probe",
					   .program = "/proc/self/fd/9",
					   .args = { "--probe" } };
	char code[] = "", event[] = "{}", entry[] = "";
	struct job j = { .id = "trial",
			 .lang = &probe,
			 .code = code,
			 .event = event,
			 .entrypoint = entry,
			 .timeout_s = 5 };

	if (launch(js, &j) < 0) {
		log_error("trial.launch", S("error", strerror(errno)));
		return false;
	}
	return collect(&j, out, size);
}

void trial_run(struct trial *t, struct jobs *js)
{
	char out[OUT_MAX];
	bool ran, core = true, all = true;

	memset(t, 0, sizeof(*t));
	clock_format(clock_wall_ms(), t->checked_at);
	js->private_proc = true;
	if (!(ran = try_once(js, out, sizeof(out)))) {
		js->private_proc = false;
		failure(t, "a private /proc cannot be mounted here");
		ran = try_once(js, out, sizeof(out));
	}
	if (ran)
		judge(t, js, out);
	else
		failure(t, "the sandbox could not run a program: see the container's log");
	for (size_t i = 0; i < TRIAL__MAX; i++) {
		all &= t->ok[i];
		core &= t->ok[i] || may_miss((enum trial_check)i);
		if (ran && !t->ok[i])
			failure(t, names[i]);
	}
	t->level = all ? "strict" : core ? "reduced" : "none";
	js->isolated = core;
	log_info("trial.done", S("isolation", t->level));
}

struct json_object *trial_report(const struct trial *t)
{
	struct json_object *o = json_object_new_object(), *checks = json_object_new_object(),
			   *list = json_object_new_array();

	for (size_t i = 0; i < TRIAL__MAX; i++)
		checks = jsn_bool(checks, names[i], t->ok[i]);
	for (int i = 0; i < t->nfailures; i++)
		list = jsn_push(list, json_object_new_string(t->failures[i]));
	o = jsn_str(o, "level", t->level);
	o = jsn_put(o, "checks", checks);
	o = jsn_put(o, "failures", list);
	return jsn_str(o, "checked_at", t->checked_at);
}

struct json_object *trial_languages(void)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < LANG_COUNT; i++)
		if (lang_row(i)->program)
			o = jsn_str(o, lang_row(i)->name, lang_row(i)->version);
	return o;
}
