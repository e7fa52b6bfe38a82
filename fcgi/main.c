/* sandbox-fcgi: the API. A FastCGI pool, or one plain CGI answer when a web server starts it so. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../lib/base/log.h"
#include "../lib/db.h"
#include "../lib/store/migrate.h"
#include "pool.h"
#include "worker.h"

/* Exit codes by class of failure, as the skarnet programs have them. */
enum { EXIT_USAGE = 100, EXIT_CONFIG = 102, EXIT_SYSTEM = 111 };

static const char help[] =
	"Usage: sandbox-fcgi [--config FILE] [--check-config | --print-config]\n"
	"\n"
	"Answers the sandbox API as FastCGI workers behind nginx, Apache or Caddy, or, when a\n"
	"web server starts it as a CGI program, one request.\n"
	"\n"
	"  -c, --config FILE   configuration (default: $SANDBOX_CONFIG or " SYSCONFDIR
	"/sandbox/sandbox.ini)\n"
	"      --check-config  read the configuration, say what is wrong with it, and exit\n"
	"      --print-config  print every key with its default, and exit\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n"
	"\n"
	"Listens on the socket on descriptor 0, else on systemd's, else on [server] listen.\n"
	"SIGTERM drains, a second one cuts; SIGHUP reads the configuration again.\n"
	"See sandbox-fcgi(8) and sandbox.ini(5).\n";

static bool is_listener(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static int ensure_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > 2)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static enum log_level level_of(const char *word)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i]))
			return (enum log_level)i;
	return LOG_LV_INFO;
}

/* An unreachable database is waited for, a wrong schema is not: every request would fail. */
static int check_schema(const struct conf *cf)
{
	struct fault f = { 0 };
	struct db *db;
	int rc = 0;

	if (db_library_init() < 0)
		return EXIT_SYSTEM;
	if ((db = db_open(cf, &f)) && migrate_check(db, &f) < 0) {
		fprintf(stderr, "sandbox-fcgi: %s\n", f.detail);
		rc = EXIT_CONFIG;
	}
	db_close(db);
	return rc;
}

static int serve(struct conf *cf, const char *path)
{
	char why[400];
	int fd, rc;

	log_init("sandbox-fcgi", level_of(cf->log_level), str_eq(cf->log_format, "text"));
	if (log_to(cf->log_target) < 0) {
		fprintf(stderr, "sandbox-fcgi: [log] target: cannot open %s: %s\n", cf->log_target,
			strerror(errno));
		return EXIT_CONFIG;
	}
	if (getenv("REQUEST_METHOD") && !is_listener(STDIN_FILENO))
		return worker_cgi(cf);
	if ((rc = check_schema(cf)))
		return rc;
	fd = is_listener(STDIN_FILENO) ? STDIN_FILENO
				       : pool_listen(cf->server_listen, why, sizeof(why));
	if (fd < 0) {
		fprintf(stderr, "sandbox-fcgi: %s\n", why);
		return EXIT_SYSTEM;
	}
	return pool_run(cf, path, fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = getenv("SANDBOX_CONFIG");
	bool check = false;
	struct conf cf;
	char why[400];
	int c;

	if (ensure_fds() < 0)
		return EXIT_SYSTEM;
	/* A CGI program's arguments come from the query string (RFC 3875 4.4): not ours. */
	while (!getenv("REQUEST_METHOD") &&
	       (c = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (c) {
		case 'c': path = optarg; break;
		case 'k': check = true; break;
		case 'p': return conf_print_keys() ? EXIT_SYSTEM : 0;
		case 'V': return printf("sandbox-fcgi %s\n", VERSION) < 0;
		case 'h': return printf("%s", help) < 0;
		default: fprintf(stderr, "Try 'sandbox-fcgi --help'.\n"); return EXIT_USAGE;
		}
	}
	if (!getenv("REQUEST_METHOD") && optind < argc) {
		fprintf(stderr, "sandbox-fcgi: unexpected argument '%s'\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (!path)
		path = SYSCONFDIR "/sandbox/sandbox.ini";
	if (conf_load(&cf, path, why, sizeof(why)) < 0) {
		fprintf(stderr, "sandbox-fcgi: %s\n", why);
		return EXIT_CONFIG;
	}
	if (check)
		return printf("%s: all is well\n", path) < 0;
	return serve(&cf, path);
}
