/* launch.c: one sandbox: its descriptors, environment and arguments, and the spawn of bwrap. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "init.h"
#include "job.h"
#include "meter.h"

#define BWRAP         "/usr/bin/bwrap"
#define FD_ARGS       10
#define FD_INFO       11
#define FD_ABOVE      64 /* ours are moved up here, so that no number is both source and target */
#define TMP_BYTES     ((int64_t)512 << 20) /* CONTRACT 10.4 */
#define EVENT_ENV_MAX (100 << 10)          /* CONTRACT 4.3 */
#define ARENA_BYTES   ((size_t)4 << 20)

enum { IN, OUT, ERR, CODE, EVENT, RESULT, RUNNER, REPORT, FILTER, SELF, ARGS, INFO, FDS };

struct fds {
	int child[FDS];
	int out, err, report, info;
};

static int up(int fd)
{
	int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);

	if (fd >= 0)
		close(fd);
	return moved;
}

/* A file in memory that holds the text, read from its start. */
static int text_fd(const char *name, const char *text, size_t n)
{
	int fd = up(memfd_create(name, MFD_CLOEXEC));

	for (size_t done = 0; fd >= 0 && done < n;) {
		ssize_t k = pwrite(fd, text + done, n - done, (off_t)done);

		if (k <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)k;
	}
	return fd;
}

/* *ours becomes the end this process keeps. Returns the child's. */
static int pipe_fd(int *ours, bool child_reads)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	*ours = p[child_reads];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	return up(p[!child_reads]);
}

static const char *environment(const struct jobs *js, const struct job *j, struct arena *a,
			       const char ***out)
{
	const struct settings *s = js->set;
	size_t own = j->env ? (size_t)json_object_object_length(j->env) : 0, n = 0;
	const char **v = arena_alloc(a, (own + 20) * 2 * sizeof(*v));
	bool deps = js->view.has_deps;

	if (!v)
		return NULL;
#define ENV(k, val) \
	do { \
		v[n++] = k; \
		v[n++] = val; \
	} while (0)
	ENV("PATH", deps ? "/opt/sandbox-deps/bin:/usr/local/bin:/usr/bin:/bin"
			 : "/usr/local/bin:/usr/bin:/bin");
	ENV("HOME", "/workspace");
	ENV("TMPDIR", "/tmp");
	ENV("USER", "sandbox");
	ENV("LANG", "C.UTF-8");
	ENV("PYTHONPATH", deps ? "/opt/sandbox-deps" : "/workspace");
	ENV("SESSION_ID", s->session_id);
	ENV("WORKSPACE_PATH", "/workspace");
	if (j->env) {
		json_object_object_foreach (j->env, name, value) {
			const char *text = json_object_get_string(value);

			if (deps && !strcmp(name, "PYTHONPATH"))
				text = arena_printf(a, "/opt/sandbox-deps:%s", text);
			ENV(name, text);
		}
	}
	if (j->lang->has_handler) {
		ENV("SANDBOX_ENTRYPOINT", j->entrypoint);
		ENV("SANDBOX_ENTRYPOINT_GIVEN", j->entrypoint_given ? "1" : "0");
		ENV("SANDBOX_CONTEXT",
		    arena_printf(a,
				 "{\"id\":\"%s\",\"name\":\"%s\",\"memory\":%lld,\"timeout\":%lld}",
				 j->id, s->template_id, (long long)(s->memory_bytes >> 20),
				 (long long)j->timeout_s));
	} else if (strlen(j->event) <= EVENT_ENV_MAX) {
		ENV("EVENT_JSON", j->event);
	}
#undef ENV
	*out = v;
	for (size_t i = 0; i < n; i++)
		if (!v[i])
			return NULL;
	return "";
}

static int jail_fd(const struct jobs *js, const struct job *j, struct arena *a)
{
	struct jail_spec spec = { .view = &js->view,
				  .workspace = js->set->workspace,
				  .state_dir = js->set->state_dir,
				  .hostname = "sandbox",
				  .egress = js->set->egress,
				  .private_proc = js->private_proc,
				  .tmp_bytes = TMP_BYTES };
	const char **env;
	char *args;
	size_t n;

	if (!environment(js, j, a, &env))
		return -1;
	spec.env = env;
	args = jail_args(&spec, a, &n);
	return args ? text_fd("args", args, n) : -1;
}

static int open_fds(const struct jobs *js, const struct job *j, struct fds *f, struct arena *a)
{
	const char *in = j->stdin_text ? j->stdin_text : j->lang->has_handler ? "" : j->event;

	f->child[IN] = text_fd("stdin", in, strlen(in));
	f->child[OUT] = pipe_fd(&f->out, false);
	f->child[ERR] = pipe_fd(&f->err, false);
	f->child[CODE] = text_fd("code", j->code, strlen(j->code));
	f->child[EVENT] = text_fd("event", j->event, strlen(j->event));
	f->child[RESULT] = text_fd("result", "", 0);
	f->child[RUNNER] =
		text_fd("runner", j->lang->runner ? j->lang->runner : "", j->lang->runner_len);
	f->child[REPORT] = pipe_fd(&f->report, false);
	f->child[FILTER] = text_fd("filter", (const char *)js->filter, js->filter_len);
	f->child[SELF] = fcntl(js->self_fd, F_DUPFD_CLOEXEC, FD_ABOVE);
	f->child[ARGS] = jail_fd(js, j, a);
	f->child[INFO] = pipe_fd(&f->info, false);
	for (size_t i = 0; i < FDS; i++)
		if (f->child[i] < 0)
			return -1;
	return 0;
}

static void close_fds(struct fds *f, bool ours_too)
{
	const int ours[] = { f->out, f->err, f->report, f->info };

	for (size_t i = 0; i < FDS; i++)
		if (f->child[i] >= 0)
			close(f->child[i]);
	for (size_t i = 0; ours_too && i < ARRAY_LEN(ours); i++)
		if (ours[i] >= 0)
			close(ours[i]);
}

static int spawn(const struct fds *f, const char *const *command, pid_t *pid, struct arena *a)
{
	static const char *const envp[] = { NULL };
	static const int target[FDS] = {
		[IN] = 0,
		[OUT] = 1,
		[ERR] = 2,
		[CODE] = INIT_FD_CODE,
		[EVENT] = INIT_FD_EVENT,
		[RESULT] = INIT_FD_RESULT,
		[RUNNER] = INIT_FD_RUNNER,
		[REPORT] = INIT_FD_REPORT,
		[FILTER] = INIT_FD_FILTER,
		[SELF] = INIT_FD_SELF,
		[ARGS] = FD_ARGS,
		[INFO] = FD_INFO,
	};
	const char **argv = arena_alloc(a, (16 + LANG_ARGS_MAX) * sizeof(*argv));
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	size_t n = 0;
	int e;

	if (!argv)
		return ENOMEM;
	argv[n++] = BWRAP;
	argv[n++] = "--args";
	argv[n++] = "10";
	argv[n++] = "--info-fd";
	argv[n++] = "11";
	argv[n++] = "--";
	for (size_t i = 0; command[i]; i++)
		argv[n++] = command[i];
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	for (size_t i = 0; i < FDS; i++)
		posix_spawn_file_actions_adddup2(&fa, f->child[i], target[i]);
	posix_spawn_file_actions_addclosefrom_np(&fa, FD_INFO + 1);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	e = posix_spawn(pid, BWRAP, &fa, &at, (char *const *)(uintptr_t)argv,
			(char *const *)(uintptr_t)envp);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return e;
}

/* Bytes one file may still grow to; at least one page, so that "full" is found by writing. */
static int64_t file_limit(const struct jobs *js)
{
	int64_t left = js->set->disk_bytes - js->disk(js->arg);

	if (!js->set->disk_bytes)
		return -1;
	return left > 4096 ? left : 4096;
}

/* Code can close its directory even to itself; the next execution finds it open. */
static void open_workspace(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU &&
	    chmod(path, (st.st_mode & 07777) | S_IRWXU) < 0)
		log_warn("workspace.closed", S("path", path), S("error", strerror(errno)));
}

int launch(struct jobs *js, struct job *j)
{
	struct arena *a = arena_new(ARENA_BYTES);
	struct meter_events base = meter_events();
	struct fds f = { .out = -1, .err = -1, .report = -1, .info = -1 };
	const char *const *command;
	int e = ENOMEM;

	memset(f.child, -1, sizeof(f.child));
	if (!a)
		return -1;
	open_workspace(js->set->workspace);
	command = jail_command(j->lang, file_limit(js), a);
	j->oom_base = base.oom_kills;
	j->pids_base = base.pids_refused;
	j->started_us = clock_us();
	j->started_wall_ms = clock_wall_ms();
	if (command && open_fds(js, j, &f, a) == 0)
		e = spawn(&f, command, &j->sandbox, a);
	if (e == 0) {
		j->result_fd = fcntl(f.child[RESULT], F_DUPFD_CLOEXEC, 3);
		j->report_fd = f.report;
		j->info_fd = f.info;
		j->out_fd = f.out;
		j->err_fd = f.err;
	}
	close_fds(&f, e != 0);
	arena_free(a);
	errno = e;
	return e ? -1 : 0;
}
