/* sandboxctl: the operator's command. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "../lib/base/log.h"
#include "../lib/httpc.h"
#include "ctl.h"

#define ARENA_BYTES ((size_t)64 << 20)

enum { O_JSON = 1, O_ROLE = 2, O_EXPIRES = 4, O_CHECK = 8 };

struct command {
	const char *group, *verb; /* verb NULL: one word */
	const char *args;         /* as the usage shows them, options too */
	int nargs;
	unsigned options;
	bool needs_conf;
	command_fn *fn;
	const char *help;
};

static const struct command commands[] = {
	{ "migrate", NULL, "[--check]", 0, O_JSON | O_CHECK, true, ctl_migrate,
	  "bring the database's schema up; --check only says whether that is needed" },
	{ "key", "create", "NAME --role ROLE [--expires DAYS]", 1, O_JSON | O_ROLE | O_EXPIRES,
	  true, ctl_key_create,
	  "make an API key (readonly, user or admin) and show it, this once" },
	{ "key", "list", "", 0, O_JSON, true, ctl_key_list, "list the API keys" },
	{ "key", "revoke", "ID", 1, 0, true, ctl_key_revoke, "make an API key useless at once" },
	{ "doctor", NULL, "", 0, O_JSON, true, ctl_doctor,
	  "say what is missing on this host, and what to do about it" },
	{ "status", NULL, "", 0, O_JSON, true, ctl_status,
	  "count sessions and executions by state, list the nodes" },
	{ "storage", "create", "", 0, 0, true, ctl_storage_create,
	  "make the bucket of the file storage" },
	{ "storage", "check", "", 0, 0, true, ctl_storage_check,
	  "write, read and remove an object in the file storage" },
	{ "config", "check", "", 0, 0, true, ctl_config_check,
	  "say what is wrong with the configuration" },
	{ "config", "print", "", 0, 0, true, ctl_config_print,
	  "print the configuration in force, without secrets" },
	{ "config", "keys", "", 0, 0, false, ctl_config_keys, "print every key with its default" },
	{ "image", "import", "NAME PATH", 2, 0, true, ctl_image_import,
	  "make a directory or tar file the root file system NAME (runtime oci)" },
	{ "image", "alias", "NAME TARGET", 2, 0, true, ctl_image_alias,
	  "make NAME another name of the image TARGET; 'host' is this machine's /usr" },
	{ "image", "list", "", 0, O_JSON, true, ctl_image_list,
	  "list the images that this host has" },
	{ "network", "up", "", 0, 0, true, ctl_network_up,
	  "make the egress network with its firewall rules" },
	{ "network", "down", "", 0, 0, true, ctl_network_down, "remove them" },
};

static const struct {
	const char *option;
	unsigned bit;
} limited[] = {
	{ "--json", O_JSON },
	{ "--role", O_ROLE },
	{ "--expires", O_EXPIRES },
	{ "--check", O_CHECK },
};

int ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("sandboxctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

int ctl_fault(const struct fault *f)
{
	return ctl_fail(CTL_FAILED, "%s", f->detail);
}

int ctl_done(void)
{
	return fflush(stdout) || ferror(stdout)
		       ? ctl_fail(CTL_FAILED, "standard output: %s", strerror(errno))
		       : CTL_OK;
}

int ctl_json(struct json_object *o)
{
	size_t n;
	const char *text = o ? jsn_text(o, &n) : NULL;

	if (!text)
		return ctl_fail(CTL_FAILED, "out of memory");
	puts(text);
	json_object_put(o);
	return ctl_done();
}

/* The help of all commands, or of one group. */
static int usage(FILE *out, const char *group)
{
	fprintf(out, "Usage: sandboxctl [--config FILE] COMMAND\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *k = &commands[i];

		if (group && strcmp(group, k->group))
			continue;
		fprintf(out, "  %s%s%s%s%s%s\n        %s\n", k->group, k->verb ? " " : "",
			k->verb ? k->verb : "", *k->args ? " " : "", k->args,
			k->options & O_JSON ? " [--json]" : "", k->help);
	}
	fprintf(out,
		"\n"
		"  -c, --config FILE   configuration (default: $SANDBOX_CONFIG or " SYSCONFDIR
		"/sandbox/sandbox.ini)\n"
		"      --json          print JSON\n"
		"  -V, --version       print the version\n"
		"  -h, --help          print this; after a command: about that command\n"
		"\n"
		"Exit codes: 0 done, 1 failed, 100 wrong usage, 102 wrong configuration. See sandboxctl(8).\n");
	return out == stdout ? ctl_done() : CTL_USAGE;
}

static bool known_group(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].group, word))
			return true;
	return false;
}

static const struct command *find(char **words, int n)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *k = &commands[i];

		if (n >= 1 && !strcmp(k->group, words[0]) &&
		    (!k->verb || (n >= 2 && !strcmp(k->verb, words[1]))))
			return k;
	}
	return NULL;
}

/* What may follow a group, for a message. */
static const char *words_of(const char *group, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].verb && !strcmp(commands[i].group, group) && n < size)
			n += (size_t)snprintf(to + n, size - n, "%s%s",
					      n ? ", " : "must be followed by one of: ",
					      commands[i].verb);
	return to;
}

static int wrong(const char *group, const char *why, const char *what)
{
	ctl_fail(CTL_USAGE, "%s: %s", what, why);
	fprintf(stderr, "Try 'sandboxctl %s%s--help'.\n", group ? group : "", group ? " " : "");
	return CTL_USAGE;
}

static int run(const struct command *k, struct ctl *c)
{
	char why[400];
	int rc;

	if (!k->needs_conf)
		return k->fn(c);
	if (conf_load(&c->cf, c->path, why, sizeof(why)) < 0)
		return ctl_fail(CTL_CONFIG, "%s%s", why,
				access(c->path, F_OK) ? "; name another with --config" : "");
	if (db_library_init() < 0 || httpc_global_init() < 0 || !(c->a = arena_new(ARENA_BYTES)))
		rc = ctl_fail(CTL_FAILED, "out of memory");
	else
		rc = k->fn(c);
	arena_free(c->a);
	conf_free(&c->cf);
	return rc;
}

/* Exit code, or -1: go on. */
static int options(struct ctl *c, int argc, char **argv, unsigned *given, bool *help)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'k' },
		{ "role", required_argument, NULL, 'r' },
		{ "expires", required_argument, NULL, 'e' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:Vh", longs, NULL)) != -1) {
		switch (o) {
		case 'c': c->path = optarg; break;
		case 'j':
			c->json = true;
			*given |= O_JSON;
			break;
		case 'k':
			c->check = true;
			*given |= O_CHECK;
			break;
		case 'r':
			c->role = optarg;
			*given |= O_ROLE;
			break;
		case 'e':
			c->expires = optarg;
			*given |= O_EXPIRES;
			break;
		case 'h': *help = true; break;
		case 'V': printf("sandboxctl %s\n", VERSION); return ctl_done();
		default: fprintf(stderr, "Try 'sandboxctl --help'.\n"); return CTL_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct ctl c = { .path = getenv("SANDBOX_CONFIG") };
	const struct command *k;
	unsigned given = 0;
	bool help = false;
	const char *group;
	char words[200] = "";
	int rc = options(&c, argc, argv, &given, &help);

	if (rc >= 0)
		return rc;
	log_init("sandboxctl", LOG_LV_WARN, true);
	if (!c.path)
		c.path = SYSCONFDIR "/sandbox/sandbox.ini";
	group = optind < argc && known_group(argv[optind]) ? argv[optind] : NULL;
	if (help)
		return usage(stdout, group);
	if (optind == argc)
		return usage(stderr, NULL);
	if (!(k = find(argv + optind, argc - optind)))
		return wrong(group,
			     group ? words_of(group, words, sizeof(words)) : "unknown command",
			     argv[optind]);
	for (size_t i = 0; i < ARRAY_LEN(limited); i++)
		if (given & limited[i].bit & ~k->options)
			return wrong(k->group, "no option of this command", limited[i].option);
	c.args = argv + optind + (k->verb ? 2 : 1);
	c.nargs = argc - optind - (k->verb ? 2 : 1);
	if (c.nargs != k->nargs)
		return wrong(k->group, c.nargs > k->nargs ? "unexpected argument" : "must be given",
			     c.nargs > k->nargs ? c.args[k->nargs] : k->args);
	return run(k, &c);
}
