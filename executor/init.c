#include "init.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../lib/base/text.h"
#include "filter.h"

#define NOFILE 1024 /* CONTRACT 10.4 */
#define NICE \
	19 /* weighs only inside the container: a fork bomb must not keep the executor from its deadlines */

static void report(const struct init_report *r, int code)
{
	if (write(INIT_FD_REPORT, r, sizeof(*r)) != (ssize_t)sizeof(*r))
		_exit(112);
	_exit(code);
}

static void fail(int error)
{
	report(&(struct init_report){ .error = error, .syscall = -1 }, 111);
}

static void set_limits(int64_t file_bytes)
{
	const struct rlimit nofile = { NOFILE, NOFILE }, core = { 0, 0 };
	const struct rlimit fsize = { (rlim_t)file_bytes, (rlim_t)file_bytes };
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	/* Executions are the first victims, the executor the last; where proc forbids it the kernel's own choice stands. */
	bool set = fd >= 0 && write(fd, "1000", 4) == 4;

	(void)set;
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 ||
	    (file_bytes >= 0 && setrlimit(RLIMIT_FSIZE, &fsize) < 0))
		fail(errno);
}

/* The filter for this process and all it starts. The listener's descriptor, -1 where the kernel has none. */
static int apply_filter(void)
{
	static unsigned char code[FILTER_MAX];
	ssize_t n = pread(INIT_FD_FILTER, code, sizeof(code), 0);
	struct sock_fprog prog = { .len = (unsigned short)((size_t)(n > 0 ? n : 0) /
							   sizeof(struct sock_filter)),
				   .filter = (struct sock_filter *)(void *)code };
	long fd;

	close(INIT_FD_FILTER);
	if (n <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(EINVAL);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0 &&
	    errno ==
		    EBUSY) /* a listener stands above us already: fatal calls then fail with ENOSYS */
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -1 : INT32_MAX;
	if (fd < 0)
		fail(errno);
	if (fd == INT32_MAX)
		return -1;
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}

static pid_t start(char **argv, const sigset_t *mask, int *error_fd)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		fail(errno);
	pid = fork();
	if (pid == 0) {
		int e;

		setsid();
		setpriority(PRIO_PROCESS, 0, NICE);
		sigprocmask(SIG_SETMASK, mask, NULL);
		for (int sig = 1; sig < NSIG; sig++)
			if (sig != SIGKILL && sig != SIGSTOP)
				signal(sig, SIG_DFL);
		execv(argv[0], argv);
		e = errno;
		if (write(p[1], &e, sizeof(e)) < 0)
			_exit(126);
		_exit(127);
	}
	close(p[1]);
	if (pid < 0)
		fail(errno);
	*error_fd = p[0];
	return pid;
}

/* The process that a thread belongs to; the thread itself when that is not told. */
static pid_t group_of(pid_t tid)
{
	char path[64], text[1024], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "\nTgid:");
	return p ? (pid_t)strtol(p + 6, NULL, 10) : tid;
}

/* A fatal call: by the main process it ends the execution, by another one it fails. Returns the call's number or -1. */
static int on_notify(int listener, pid_t main_pid)
{
	struct seccomp_notif rq = { 0 };
	struct seccomp_notif_resp rs = { .error = -EPERM };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &rq) < 0)
		return -1;
	if (group_of((pid_t)rq.pid) == main_pid)
		return rq.data.nr;
	rs.id = rq.id;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &rs);
	return -1;
}

/* Reaps everything until the main process has ended. */
static void wait_main(int sfd, int listener, pid_t main_pid, struct init_report *r)
{
	for (;;) {
		struct pollfd pf[] = { { .fd = sfd, .events = POLLIN },
				       { .fd = listener, .events = POLLIN } };
		struct signalfd_siginfo si;
		pid_t pid;
		int st;

		if (poll(pf, 2, -1) < 0 && errno != EINTR)
			fail(errno);
		if ((pf[1].revents & POLLIN) && (r->syscall = on_notify(listener, main_pid)) >= 0) {
			/* Dead before the listener closes, which would let the call return. */
			kill(main_pid, SIGKILL);
			while (waitpid(main_pid, &st, 0) < 0 && errno == EINTR)
				;
			r->status = SIGSYS; /* as the kernel would have ended it */
			return;
		}
		if ((pf[0].revents & POLLIN) && read(sfd, &si, sizeof(si)) < 0)
			fail(errno);
		while ((pid = waitpid(-1, &st, WNOHANG)) > 0)
			if (pid == main_pid) {
				r->status = st;
				return;
			}
	}
}

/* What the main process left behind: ended and waited for here, so that its CPU time is counted. */
static void sweep(void)
{
	int st;

	if (kill(-1, SIGKILL) < 0)
		return; /* nobody is left */
	while (waitpid(-1, &st, 0) > 0 || errno == EINTR)
		;
}

/* The interpreter gets the descriptors that it knows, and no other. */
static void close_others(void)
{
	if (close_range(INIT_FD_RUNNER + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		for (int fd = INIT_FD_RUNNER + 1; fd < NOFILE; fd++)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void init_main(int argc, char **argv)
{
	struct init_report r = { .syscall = -1, .started = 1 };
	int64_t file_bytes = -1;
	int listener, sfd, error_fd, e;
	sigset_t set, old;
	pid_t pid;

	if (argc < 2 || !text_int(argv[0], -1, INT64_MAX, &file_bytes))
		fail(EINVAL);
	close_others();
	set_limits(file_bytes);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigemptyset(&old);
	if ((sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		fail(errno);
	listener = apply_filter();
	pid = start(argv + 1, &old, &error_fd);
	for (int fd = INIT_FD_CODE; fd <= INIT_FD_RUNNER; fd++)
		close(fd);
	if (read(error_fd, &e, sizeof(e)) == (ssize_t)sizeof(e))
		fail(e);
	close(error_fd);
	wait_main(sfd, listener, pid, &r);
	sweep();
	report(&r, 0);
	__builtin_unreachable();
}
