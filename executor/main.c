/* sandbox-executor: runs a session's code, pid 1 of its container. One loop, no database, no storage keys. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "../lib/base/log.h"
#include "http.h"
#include "init.h"
#include "job.h"
#include "meter.h"
#include "publish.h"
#include "report.h"
#include "settings.h"
#include "trial.h"

enum { EXIT_USAGE = 100, EXIT_CONFIG = 102, EXIT_SYSTEM = 111, EXIT_TERM = 143 };

static const char help[] =
	"Usage: sandbox-executor\n"
	"\n"
	"Runs the code of one session, each execution in a sandbox of its own. It is started as the\n"
	"first process of a session's container and told everything by its environment; see\n"
	"sandbox-executor(8).\n"
	"\n"
	"  --version   print the version\n"
	"  --help      print this\n";

static struct event_base *base;
static struct settings set;
static struct jobs jobs;
static struct trial trial;
static struct http *http;
static struct sync sync_state;
static int exit_code;

static void on_job_end(struct job *j, void *arg)
{
	(void)arg;
	report_ended(j);
	if (http)
		http_wake(http, j, true);
}

static void on_job_start(struct job *j, void *arg)
{
	(void)arg;
	report_started(j);
}

static void on_job_exit(struct job *j, void (*done)(struct job *), void *arg)
{
	(void)arg;
	publish(j, done);
}

static int64_t mark(void *arg)
{
	(void)arg;
	return sync_mark(&sync_state);
}

static int64_t disk(void *arg)
{
	(void)arg;
	return sync_bytes(&sync_state);
}

static void on_job_output(struct job *j, void *arg)
{
	(void)arg;
	if (http)
		http_wake(http, j, false);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	jobs_reap(&jobs);
	if (!jobs.running)
		malloc_trim(0); /* hundreds of executors rest side by side on a host */
}

static void leave(void)
{
	event_base_loopbreak(base);
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	(void)arg;
	if (jobs.stopping)
		return;
	log_info("stopping", I("signal", sig));
	exit_code = EXIT_TERM;
	jobs_stop(&jobs);
	publish_stop();
	report_exit(leave);
}

static void let_run(void *arg)
{
	(void)arg;
	jobs.held = false;
	jobs_start_next(&jobs);
}

/* `pull`: what came to storage after this executor looked there. */
static void accepted(bool pull)
{
	if (pull)
		sync_pull_all(&sync_state, let_run, NULL);
	else
		let_run(NULL);
}

static void refused(void)
{
	exit_code = 0;
	leave();
}

static void tell_ready(void *arg)
{
	(void)arg;
	report_open(base, &jobs, &set, &trial, accepted, refused);
}

static int watch_signals(void)
{
	static const struct {
		int sig;
		event_callback_fn fn;
	} rows[] = {
		{ SIGCHLD, on_child },
		{ SIGTERM, on_term },
		{ SIGINT, on_term },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event *e = evsignal_new(base, rows[i].sig, rows[i].fn, NULL);

		if (!e || event_add(e, NULL))
			return -1;
	}
	return 0;
}

static int run(void)
{
	char why[400];

	log_init("sandbox-executor", LOG_LV_INFO, false);
	mallopt(M_MMAP_THRESHOLD,
		64 << 10); /* large buffers go back to the system when they are freed */
	if (settings_load(&set, why, sizeof(why)) < 0) {
		fprintf(stderr, "sandbox-executor: %s\n", why);
		return EXIT_CONFIG;
	}
	meter_open();
	/* Its memory, environment and descriptors are nobody's business in this container. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	base = event_base_new();
	jobs = (struct jobs){ .on_start = on_job_start,
			      .on_exit = on_job_exit,
			      .mark = mark,
			      .disk = disk,
			      .on_end = on_job_end,
			      .held = true,
			      .on_output = on_job_output };
	lang_detect(true);
	if (!base || jobs_open(&jobs, &set, base, why, sizeof(why)) < 0 ||
	    sync_open(&sync_state, base, &set, &jobs.running, why, sizeof(why)) < 0) {
		fprintf(stderr, "sandbox-executor: %s\n", base ? why : "out of memory");
		return EXIT_SYSTEM;
	}
	trial_run(&trial, &jobs);
	lang_versions();
	if (watch_signals() < 0 ||
	    !(http = http_open(base, &jobs, &sync_state, &set, &trial, why, sizeof(why)))) {
		fprintf(stderr, "sandbox-executor: %s\n", why);
		return EXIT_SYSTEM;
	}
	publish_open(base, &sync_state, &set);
	if (set.pull)
		sync_pull_all(&sync_state, tell_ready, NULL);
	else
		tell_ready(NULL);
	malloc_trim(0);
	event_base_dispatch(base);
	http_close(http);
	log_info("stopped", I("exit_code", exit_code));
	return exit_code;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc >= 2 && !strcmp(argv[1], "--init"))
		init_main(argc - 2, argv + 2);
	if (argc == 2 && !strcmp(argv[1], "--probe"))
		trial_probe();
	do { /* descriptors 0-2 are open from here on, so that none of ours is mistaken for them */
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > 2)
		close(fd);
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return printf("sandbox-executor %s\n", VERSION) < 0;
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return printf("%s", help) < 0;
	if (argc != 1) {
		fprintf(stderr, "sandbox-executor: unexpected argument '%s'\n", argv[1]);
		return EXIT_USAGE;
	}
	return run();
}
