#include "worker.h"

#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "../lib/s3/s3.h"
#include "auth.h"
#include "handlers.h"
#include "idem.h"
#include "router.h"
#include "target.h"

#define ARENA_BYTES \
	((size_t)160 << 20) /* a 32 MiB result, its copy while it grows, and its parts */
#define STACK_BYTES ((size_t)512 << 10)

static struct shared *volatile running; /* for the signal handler */

/* ---- one request ---- */

#define FRAME_BYTES (1 << 20) /* of a form beside its file: boundaries, headers, small fields */

static int64_t body_limit(const struct conf *cf, enum route_body b)
{
	switch (b) {
	case BODY_SMALL: return cf->limits_max_body_bytes;
	case BODY_EXECUTE: return cf->limits_max_execute_body_bytes;
	case BODY_RESULT: return 32 << 20; /* CONTRACT 1.2 */
	case BODY_UPLOAD: return cf->limits_max_upload_bytes;
	case BODY_FORM: return cf->limits_max_upload_bytes + FRAME_BYTES;
	case BODY_FILE: return INT64_MAX - 1;
	case BODY_NONE: break;
	}
	return 0;
}

/* Absent, application/json or *+json, with any parameters. */
static bool media_type_ok(const char *type)
{
	size_t n = type ? strcspn(type, "; \t") : 0;

	if (!n)
		return true;
	return (n == 16 && !strncasecmp(type, "application/json", n)) ||
	       (n > 5 && !strncasecmp(type + n - 5, "+json", 5));
}

static int read_json(struct req *r, struct fault *f)
{
	if (!media_type_ok(req_env(r, "CONTENT_TYPE")))
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA,
				 "Content-Type must be application/json");
	if (!r->body_len && (r->route->flags & ROUTE_JSON_OPT))
		return 0;
	r->in = jsn_parse(r->body, r->body_len, r->a, f);
	if (!r->in)
		return -1;
	if (!json_object_is_type(r->in, json_type_object)) {
		struct jsn_check c = { .a = r->a, .where = "body" };

		jsn_bad(&c, "dict_type", NULL, r->in, "must be an object");
		return jsn_done(&c, f);
	}
	return 0;
}

static int options(struct req *r, struct fault *f)
{
	const char *allow = route_allow(routes, r);

	if (!allow)
		return fault_set(f, FAULT_NOT_FOUND, "no such path");
	req_header(r, "Allow", allow);
	return req_empty(r, 204);
}

/* The handler, inside the budget of slow routes so that waiting clients cannot starve callbacks. */
static int run_handler(struct req *r, struct fault *f)
{
	struct shared *sh = r->t->shared;
	bool slow = r->route->flags & ROUTE_SLOW;
	int rc = 0;

	if (slow && atomic_fetch_add(&sh->slow, 1) >= sh->cf->server_slow_threads) {
		atomic_fetch_sub(&sh->slow, 1);
		return fault_set(f, FAULT_BUSY, "all threads for slow requests are in use");
	}
	if (r->route->flags & ROUTE_IDEM)
		rc = idem_begin(r, f);
	if (slow) /* it may wait for others: not with a connection */
		req_db_done(r);
	if (rc == 0) {
		rc = r->route->fn(r, f);
		idem_end(r, f);
	}
	if (slow)
		atomic_fetch_sub(&sh->slow, 1);
	return rc < 0 ? -1 : 0;
}

static int read_body(struct req *r, struct fault *f)
{
	int64_t max = body_limit(r->t->work.cf, r->route->body);

	if (r->route->body == BODY_NONE)
		return 0;
	req_db_done(r); /* a client may take its time to send */
	if (r->route->flags & ROUTE_RAW)
		return req_body_begin(r, max, f);
	return req_read_body(r, (size_t)max, f);
}

/* The order of checks is CONTRACT 1.2's. */
static int dispatch(struct req *r, struct fault *f)
{
	const char *uri = req_env(r, "REQUEST_URI");
	const char *allow;

	if (target_parse(uri ? uri : "", r->a, &r->path, &r->query, f) < 0)
		return -1;
	if (r->internal && str_starts(r->path, "/api/v1/internal/")) /* the alias of CONTRACT 1.1 */
		r->path += strlen("/api/v1");
	if (!strcmp(r->method, "OPTIONS"))
		return options(r, f);
	r->route = route_find(routes, r, &allow);
	if (!r->route && allow) {
		fault_set(f, FAULT_METHOD_NOT_ALLOWED, "%.16s is not one of: %s", r->method, allow);
		f->allow = arena_printf(r->a, "%s, OPTIONS", allow);
		return -1;
	}
	if (!r->route)
		return fault_set(f, FAULT_NOT_FOUND, "no such path");
	if (auth_check(r, f) < 0 || read_body(r, f) < 0)
		return -1;
	if ((r->route->flags & (ROUTE_JSON | ROUTE_JSON_OPT)) && read_json(r, f) < 0)
		return -1;
	return run_handler(r, f);
}

/* Every request has its line; those of health probes, many and all the same, are for debugging. */
static void log_request(struct req *r, const struct fault *f)
{
	static const char *const roles[] = {
		[ROLE_NONE] = "",
		[ROLE_READONLY] = "readonly",
		[ROLE_USER] = "user",
		[ROLE_ADMIN] = "admin",
	};
	const bool probe = r->route && r->route->fn == get_health;

	log_at(probe ? LOG_LV_DEBUG : LOG_LV_INFO, "request",
	       S("surface", r->internal ? "internal" : "public"), S("method", r->method),
	       S("route", r->route ? r->route->pattern : ""), S("path", r->path),
	       I("status", r->status), I("duration_ms", (clock_us() - r->started_us) / 1000),
	       I("bytes_in", r->bytes_in), I("bytes_out", r->bytes_out),
	       S("remote_addr", r->remote_addr), S("key_id", r->who.key_id),
	       S("role", roles[r->who.role]), S("error_code", f->info ? f->info->code : ""),
	       I("idempotent_replay", r->replayed));
}

/*
 * Apache (mod_cgid) gives a CGI program one socket for both directions: one that ends with input unread resets
 * it, and its answer is lost. The web server bounds the body's length, we the silence.
 */
static void cgi_finish(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char buf[16384];

	fflush(stdout);
	shutdown(STDOUT_FILENO, SHUT_WR); /* a pipe refuses that, and ends by freopen() */
	if (!freopen("/dev/null", "w", stdout))
		return;
	while (poll(&in, 1, REQ_IO_S * 1000) > 0 && read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
}

static void serve(struct req *r)
{
	struct fault f = { 0 };

	req_begin(r);
	if (dispatch(r, &f) < 0 && !f.info)
		fault_set(&f, FAULT_INTERNAL, "a fault of the service");
	req_db_done(r);
	req_send(r, &f);
	log_request(r, &f);
	if (r->fx)
		FCGX_Finish_r(r->fx);
	else
		cgi_finish();
	if (r->after)
		r->after(r);
	req_end(r);
}

/* ---- threads ---- */

static int thread_open(struct thread *t, struct shared *sh)
{
	*t = (struct thread){ .shared = sh, .a = arena_new(ARENA_BYTES) };
	t->work = (struct work){ .cf = sh->cf,
				 .pool = sh->pool,
				 .ops = sh->ops,
				 .rt = sh->rt,
				 .owner = sh->owner,
				 .http = httpc_new() };
	return t->a && t->work.http ? 0 : -1;
}

static void thread_close(struct thread *t)
{
	s3_close(t->work.s3);
	httpc_free(t->work.http);
	arena_free(t->a);
	db_thread_end();
}

/*
 * accept() blocks in the kernel, which wakes one thread per connection; SIGUSR1 from the main thread
 * interrupts it when it is time to go.
 */
static void *accept_loop(void *arg)
{
	struct shared *sh = arg;
	struct thread t;
	FCGX_Request fx;

	if (thread_open(&t, sh) < 0 ||
	    FCGX_InitRequest(&fx, sh->listen_fd, FCGI_FAIL_ACCEPT_ON_INTR)) {
		log_error("worker.thread", S("error", "out of memory"));
		exit(111);
	}
	while (!atomic_load(&sh->stopping)) {
		if (FCGX_Accept_r(&fx) < 0)
			continue;
		atomic_fetch_add(&sh->busy, 1);
		serve(&(struct req){ .t = &t, .a = t.a, .fx = &fx });
		atomic_fetch_sub(&sh->busy, 1);
	}
	FCGX_Free(&fx, 1);
	thread_close(&t);
	return NULL;
}

static void on_usr1(int sig)
{
	(void)sig; /* only there to interrupt accept() */
}

static void on_term(int sig)
{
	(void)sig;
	if (running)
		atomic_store(&running->stopping, true);
}

static int shared_open(struct shared *sh, const struct conf *cf, int listen_fd, int64_t started_ms)
{
	struct fault f = { 0 };
	char host[64] = "?";

	gethostname(host, sizeof(host) - 1);
	sh->cf = cf;
	sh->listen_fd = listen_fd;
	sh->started_ms = started_ms;
	snprintf(sh->owner, sizeof(sh->owner), "%s/%d", host, (int)getpid());
	if (sem_init(&sh->garbage, 0, 0) < 0 || db_library_init() < 0 || httpc_global_init() < 0 ||
	    FCGX_Init() || !(sh->pool = db_pool_new(cf, cf->database_pool_size)))
		return -1;
	sh->ops = rt_find(cf);
	sh->rt = sh->ops ? sh->ops->open(cf, &f) : NULL;
	if (!sh->rt)
		log_error("worker.runtime", S("type", cf->runtime_type),
			  S("error", f.info ? f.detail : "no such backend"));
	return 0;
}

/* Waits until all threads have ended, at most `grace_s`; idle ones sit in accept() and are interrupted. */
static bool join_all(struct shared *sh, pthread_t *th, int n, int64_t grace_s)
{
	int64_t deadline = clock_ms() + grace_s * 1000;

	for (int i = 0; i < n;) {
		struct timespec nap = { .tv_nsec = 10 * 1000000 };

		if (pthread_tryjoin_np(th[i], NULL) == 0) {
			i++;
			continue;
		}
		if (clock_ms() > deadline && atomic_load(&sh->busy))
			return false;
		for (int j = i; j < n; j++)
			pthread_kill(th[j], SIGUSR1);
		nanosleep(&nap, NULL);
	}
	return true;
}

static int start_threads(struct shared *sh, pthread_t *th, int n)
{
	pthread_attr_t at;
	pthread_t house, sweeper;
	int rc;

	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, STACK_BYTES);
	rc = pthread_create(&house, &at, house_keep, sh);
	if (!rc)
		pthread_detach(house);
	if (!rc && !(rc = pthread_create(&sweeper, &at, house_sweep, sh)))
		pthread_detach(sweeper);
	for (int i = 0; i < n && !rc; i++)
		rc = pthread_create(&th[i], &at, accept_loop, sh);
	pthread_attr_destroy(&at);
	return rc;
}

int worker_run(const struct conf *cf, int listen_fd, int64_t started_ms)
{
	static struct shared sh; /* outlives every thread, whatever happens */
	struct sigaction usr1 = { .sa_handler = on_usr1 };
	struct sigaction term = { .sa_handler = on_term };
	int n = (int)cf->server_threads;
	pthread_t *th = calloc((size_t)n, sizeof(*th));
	sigset_t block, old;

	mallopt(M_ARENA_MAX, 2); /* 64 threads need no 16 heaps: memory at rest matters more */
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGTERM, &term, NULL);
	signal(SIGINT, SIG_IGN); /* the terminal's: the master decides */
	signal(SIGHUP, SIG_IGN);
	running = &sh;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &block, &old); /* threads inherit it: SIGTERM reaches this one */
	if (!th || shared_open(&sh, cf, listen_fd, started_ms) < 0 || start_threads(&sh, th, n)) {
		log_error("worker.start", S("error", "out of memory"));
		return 111;
	}
	while (!atomic_load(&sh.stopping))
		sigsuspend(&old);
	if (!join_all(&sh, th, n, cf->server_shutdown_grace)) {
		log_warn("worker.cut", I("requests", atomic_load(&sh.busy)));
		_exit(0); /* their threads still run: no orderly end for them */
	}
	free(th);
	log_debug("worker.stopped");
	_exit(0); /* the house thread may be inside a library */
}

int worker_cgi(const struct conf *cf)
{
	static struct shared sh;
	struct thread t;
	int status;

	if (shared_open(&sh, cf, -1, clock_ms()) < 0 || thread_open(&t, &sh) < 0)
		return 111;
	struct req r = { .t = &t, .a = t.a };

	house_once(&sh);
	serve(&r);
	house_late(&sh);
	status = r.status;
	thread_close(&t);
	if (sh.rt)
		sh.ops->close(sh.rt);
	db_pool_free(sh.pool);
	return status ? 0 : 1;
}
