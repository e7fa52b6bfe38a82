#include "pool.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <poll.h>
#include <sched.h>
#include <systemd/sd-daemon.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "worker.h"

#define MAX_WORKERS    256
#define BACKLOG        1024
#define BACKOFF_MS     100 /* first pause after a worker died young; doubles up to BACKOFF_MAX_MS */
#define BACKOFF_MAX_MS 5000
#define YOUNG_MS       1000
#define CUT_MS         5000 /* beyond the grace, then SIGKILL */

struct child {
	pid_t pid; /* 0: none */
	int64_t born_ms;
	bool old; /* of an earlier configuration: told to go */
};

struct pool {
	struct conf cf;
	const char *path;
	int listen_fd;
	int64_t started_ms;
	struct child kids[2 * MAX_WORKERS]; /* while reloading, old and new ones side by side */
	int want;
	int64_t backoff_ms, not_before_ms;
	int64_t kill_at_ms; /* stopping: when what is left is killed */
	sigset_t mask;      /* what a worker starts with */
	bool stopping;
};

/* ---- listening ---- */

static int listen_unix(const char *path, char *why, size_t whysz)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(why, whysz, "%s: longer than the %zu bytes of a socket address", path,
			 sizeof(sa.sun_path) - 1);
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		snprintf(why, whysz, "%s: another program listens there already", path);
		close(fd);
		return -1;
	}
	unlink(path); /* what a killed predecessor left */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		snprintf(why, whysz, "cannot listen on %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int listen_tcp(const char *address, char *why, size_t whysz)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE },
			*ai = NULL;
	const char *colon = strrchr(address, ':');
	char host[256];
	int fd = -1, one = 1, rc;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	if ((rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &ai))) {
		snprintf(why, whysz, "%s: %s", address, gai_strerror(rc));
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		snprintf(why, whysz, "cannot listen on %s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

int pool_listen(const char *address, char *why, size_t whysz)
{
	int n = sd_listen_fds(1); /* 1: what we start must not take them for its own */

	if (n == 1)
		return SD_LISTEN_FDS_START;
	if (n > 1) {
		snprintf(why, whysz, "systemd gave %d sockets, one is expected", n);
		return -1;
	}
	if (address[0] == '/')
		return listen_unix(address, why, whysz);
	if (strchr(address, ':'))
		return listen_tcp(address, why, whysz);
	snprintf(why, whysz, "[server] listen: '%s' is neither a path nor host:port", address);
	return -1;
}

/* ---- children ---- */

static int worker_count(const struct conf *cf)
{
	cpu_set_t set;

	if (cf->server_workers)
		return (int)cf->server_workers;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static struct child *find(struct pool *p, pid_t pid)
{
	for (size_t i = 0; i < ARRAY_LEN(p->kids); i++)
		if (p->kids[i].pid == pid)
			return &p->kids[i];
	return NULL;
}

static int alive(const struct pool *p, bool old_too)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(p->kids); i++)
		n += p->kids[i].pid && (old_too || !p->kids[i].old);
	return n;
}

static void signal_all(const struct pool *p, int sig, bool only_old)
{
	for (size_t i = 0; i < ARRAY_LEN(p->kids); i++)
		if (p->kids[i].pid && (!only_old || p->kids[i].old))
			kill(p->kids[i].pid, sig);
}

static void spawn(struct pool *p)
{
	struct child *c = find(p, 0);
	pid_t pid = c ? fork() : -1;

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &p->mask, NULL);
		_exit(worker_run(&p->cf, p->listen_fd, p->started_ms));
	}
	if (pid < 0) {
		log_error("pool.fork", I("errno", errno));
		p->not_before_ms = clock_ms() + BACKOFF_MAX_MS;
		return;
	}
	*c = (struct child){ .pid = pid, .born_ms = clock_ms() };
}

static void fill(struct pool *p)
{
	while (!p->stopping && alive(p, false) < p->want && clock_ms() >= p->not_before_ms)
		spawn(p);
}

static void reap(struct pool *p)
{
	pid_t pid;
	int st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		struct child *c = find(p, pid);

		if (!c)
			continue;
		if (!p->stopping && !c->old) {
			bool young = clock_ms() - c->born_ms < YOUNG_MS;

			log_warn("pool.worker_died", I("worker", pid),
				 I("status", WIFEXITED(st) ? WEXITSTATUS(st) : -1),
				 I("signal", WIFSIGNALED(st) ? WTERMSIG(st) : 0));
			p->backoff_ms = !young                               ? 0
					: !p->backoff_ms                     ? BACKOFF_MS
					: p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
									     : p->backoff_ms * 2;
			p->not_before_ms = clock_ms() + p->backoff_ms;
		}
		*c = (struct child){ 0 };
	}
}

/* ---- signals ---- */

/* New workers with the new configuration serve before the old ones are told to finish. */
static void reload(struct pool *p)
{
	struct conf fresh;
	char why[400];

	if (conf_load(&fresh, p->path, why, sizeof(why)) < 0) {
		log_error("pool.reload_refused", S("error", why));
		return;
	}
	if (strcmp(fresh.server_listen, p->cf.server_listen))
		log_warn("pool.reload", S("note", "[server] listen takes effect at a restart"));
	sd_notify(0, "RELOADING=1");
	for (size_t i = 0; i < ARRAY_LEN(p->kids); i++)
		p->kids[i].old = p->kids[i].pid != 0;
	conf_free(&p->cf); /* the workers have their own copies, by fork */
	p->cf = fresh;
	p->want = worker_count(&p->cf);
	p->not_before_ms = 0;
	fill(p);
	signal_all(p, SIGTERM, true);
	log_info("pool.reloaded", I("workers", p->want));
	sd_notify(0, "READY=1");
}

static void stop(struct pool *p)
{
	if (p->stopping) { /* the second SIGTERM: now */
		signal_all(p, SIGKILL, false);
		return;
	}
	p->stopping = true;
	p->kill_at_ms = clock_ms() + p->cf.server_shutdown_grace * 1000 + CUT_MS;
	sd_notify(0, "STOPPING=1");
	log_info("pool.stopping", I("workers", alive(p, true)));
	signal_all(p, SIGTERM, false);
}

static int open_signals(struct pool *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, &p->mask) < 0)
		return -1;
	sigdelset(&p->mask, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void loop(struct pool *p, int sfd)
{
	while (!p->stopping || alive(p, true)) {
		struct pollfd pf = { .fd = sfd, .events = POLLIN };
		struct signalfd_siginfo si;
		bool short_of = !p->stopping && alive(p, false) < p->want;

		if (poll(&pf, 1, short_of ? BACKOFF_MS : 1000) < 0 && errno != EINTR)
			return;
		while (read(sfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
			if (si.ssi_signo == SIGHUP && !p->stopping)
				reload(p);
			else if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
				stop(p);
		}
		reap(p);
		fill(p);
		if (p->stopping && clock_ms() > p->kill_at_ms)
			signal_all(p, SIGKILL, false);
	}
}

int pool_run(struct conf *cf, const char *path, int listen_fd)
{
	static struct pool p;
	AUTO_CLOSE int sfd = -1;

	p = (struct pool){
		.cf = *cf, .path = path, .listen_fd = listen_fd, .started_ms = clock_ms()
	};
	p.want = worker_count(&p.cf);
	if ((sfd = open_signals(&p)) < 0) {
		log_error("pool.signals", I("errno", errno));
		return 111;
	}
	fill(&p);
	log_info("pool.started", I("workers", p.want), I("threads", p.cf.server_threads));
	sd_notify(0, "READY=1");
	loop(&p, sfd);
	log_info("pool.stopped");
	if (p.cf.server_listen[0] == '/' && listen_fd > 2 && !getenv("LISTEN_FDS"))
		unlink(p.cf.server_listen);
	conf_free(&p.cf);
	return 0;
}
