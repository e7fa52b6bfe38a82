/*
 * rt-conform: calls the runtime backend that the environment configures (SANDBOX_RUNTIME_*), for the tests.
 *
 *   create NAME [key=value]...   image session template token cpu memory pids user ro egress env deadline
 *   inspect NAME [DEADLINE_MS] | destroy NAME GRACE_MS [DEADLINE_MS] | each | logs NAME LINES | stats NAME | probe
 *   dir NAME
 *   network-up | network-down
 *
 * Answers are "key value" lines. Exit: 0, 1 there is none, 2 a fault, 100 wrong use.
 */
#include <stdio.h>

#include "../../lib/base/clock.h"
#include "../../lib/base/log.h"
#include "../../lib/base/text.h"
#include "../../lib/httpc.h"
#include "../../lib/rt/egress.h"
#include "../../lib/rt/runtime.h"

#define DEADLINE_MS 60000
#define ENV_MAX     64

enum { OK, NONE, FAULT, USAGE = 100 };

struct run {
	struct conf cf;
	const struct rt_ops *ops;
	struct rt *rt;
	struct arena *a;
	int64_t deadline;
	struct fault f;
	int argc;
	char **argv; /* what follows the command */
};

static const char *const states[] = {
	[RT_ABSENT] = "absent", [RT_STARTING] = "starting", [RT_RUNNING] = "running",
	[RT_EXITED] = "exited", [RT_UNKNOWN] = "unknown",
};
static const char *const whys[] = {
	[RT_WHY_NONE] = "none",
	[RT_WHY_IMAGE_MISSING] = "image_missing",
	[RT_WHY_REFUSED] = "refused",
	[RT_WHY_UNREACHABLE] = "unreachable",
};

static void print_status(const struct rt_status *st)
{
	printf("state %s\nruntime_id %s\nexit_code %d\noom_killed %d\nimage_digest %s\n",
	       states[st->state], st->runtime_id ? st->runtime_id : "-", st->exit_code,
	       st->oom_killed, st->image_digest ? st->image_digest : "-");
}

static int fault_of(const struct run *r)
{
	printf("fault %s\n", r->f.detail);
	return FAULT;
}

static int64_t number(const char *s)
{
	int64_t n;

	if (!text_int(s, INT64_MIN + 1, INT64_MAX, &n)) {
		fprintf(stderr, "rt-conform: '%s' is no number\n", s);
		exit(USAGE);
	}
	return n;
}

#define AT(f) offsetof(struct rt_spec, f)

static const struct {
	const char *key;
	size_t off;
	char type;
} keys[] = {
	{ "image", AT(image), 's' },          { "session", AT(session_id), 's' },
	{ "template", AT(template_id), 's' }, { "token", AT(token), 's' },
	{ "cpu", AT(cpu_millis), 'i' },       { "memory", AT(memory_bytes), 'i' },
	{ "pids", AT(max_processes), 'i' },   { "user", AT(run_as_user), 'i' },
	{ "disk", AT(disk_bytes), 'i' },      { "ro", AT(read_only_root), 'b' },
	{ "egress", AT(egress), 'b' },
};

static void set_key(struct rt_spec *sp, const char *key, size_t n, const char *v)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char *field = (char *)sp + keys[i].off;

		if (strlen(keys[i].key) != n || strncmp(keys[i].key, key, n))
			continue;
		if (keys[i].type == 's')
			memcpy(field, &v, sizeof(v));
		else if (keys[i].type == 'i')
			*(int64_t *)(void *)field = number(v);
		else
			*(bool *)field = *v == '1';
		return;
	}
	fprintf(stderr, "rt-conform: no key '%.*s'\n", (int)n, key);
	exit(USAGE);
}

static int create(struct run *r)
{
	const char *env[ENV_MAX + 1] = { NULL };
	struct rt_spec sp = {
		.name = r->argv[0],
		.session_id = "s",
		.template_id = "t",
		.image = "host",
		.token = "secret-token",
		.env = env,
		.cpu_millis = 1000,
		.memory_bytes = 256 << 20,
		.disk_bytes = 1 << 30,
		.max_processes = 64,
		.run_as_user = 1000,
		.read_only_root = true,
	};
	struct rt_status st = { 0 };
	int64_t from = clock_us();
	size_t n = 0;

	for (int i = 1; i < r->argc; i++) {
		char *eq = strchr(r->argv[i], '=');

		if (eq && str_starts(r->argv[i], "env=") && n < ENV_MAX)
			env[n++] = eq + 1;
		else if (eq && str_starts(r->argv[i], "deadline="))
			r->deadline = clock_ms() + number(eq + 1);
		else
			set_key(&sp, r->argv[i], eq ? (size_t)(eq - r->argv[i]) : 0, eq + 1);
	}
	if (r->ops->create(r->rt, &sp, r->deadline, &st, r->a, &r->f) < 0) {
		printf("why %s\n", whys[st.why]);
		return fault_of(r);
	}
	print_status(&st);
	printf("created_us %lld\n", (long long)(clock_us() - from));
	return OK;
}

static int inspect(struct run *r)
{
	struct rt_status st = { 0 };

	if (r->argc > 1)
		r->deadline = clock_ms() + number(r->argv[1]);
	if (r->ops->inspect(r->rt, r->argv[0], r->deadline, &st, r->a, &r->f) < 0)
		return fault_of(r);
	print_status(&st);
	return st.state == RT_ABSENT ? NONE : OK;
}

static int destroy(struct run *r)
{
	int64_t from = clock_ms();

	if (r->argc > 2)
		r->deadline = from + number(r->argv[2]);
	if (r->ops->destroy(r->rt, r->argv[0], (int)number(r->argv[1]), r->deadline, &r->f) < 0)
		return fault_of(r);
	printf("destroyed_ms %lld\n", (long long)(clock_ms() - from));
	return OK;
}

static int print_one(const char *name, const char *session, const struct rt_status *st, void *arg)
{
	(void)arg;
	printf("%s %s %s %d\n", name, session ? session : "-", states[st->state], st->exit_code);
	return 0;
}

static int each(struct run *r)
{
	return r->ops->each(r->rt, r->deadline, print_one, NULL, &r->f) < 0 ? fault_of(r) : OK;
}

static int logs(struct run *r)
{
	const char *text = NULL;
	int rc = r->ops->logs(r->rt, r->argv[0], (int)number(r->argv[1]), r->deadline, &text, r->a,
			      &r->f);

	if (rc > 0)
		fputs(text, stdout);
	return rc < 0 ? fault_of(r) : rc ? OK : NONE;
}

static int stats(struct run *r)
{
	struct rt_usage u;

	if (r->ops->stats(r->rt, r->argv[0], r->deadline, &u, &r->f) < 0)
		return fault_of(r);
	printf("cpu_ms %lld\nmemory_bytes %lld\n", (long long)u.cpu_ms, (long long)u.memory_bytes);
	return OK;
}

static int probe(struct run *r)
{
	struct rt_probe p;

	if (r->ops->probe(r->rt, r->deadline, &p, r->a, &r->f) < 0)
		return fault_of(r);
	printf("version %s\ncpu_millis %lld\nmemory %lld\ncpu_usage %.2f\nmem_usage %.2f\nimages %s\n",
	       p.version, (long long)p.total_cpu_millis, (long long)p.total_memory_bytes,
	       p.cpu_usage, p.mem_usage, p.images_json);
	return OK;
}

static int dir(struct run *r)
{
	const char *d = rt_socket_dir(&r->cf, r->argv[0], r->a);

	printf("%s\n", d ? d : "");
	return d ? OK : FAULT;
}

static int network_up(struct run *r)
{
	return egress_up(&r->cf, &r->f) < 0 ? fault_of(r) : OK;
}

static int network_down(struct run *r)
{
	return egress_down(&r->cf, &r->f) < 0 ? fault_of(r) : OK;
}

static const struct {
	const char *name;
	int args;
	int (*fn)(struct run *);
} commands[] = {
	{ "create", 1, create },
	{ "inspect", 1, inspect },
	{ "destroy", 2, destroy },
	{ "each", 0, each },
	{ "logs", 2, logs },
	{ "stats", 1, stats },
	{ "probe", 0, probe },
	{ "dir", 1, dir },
	{ "network-up", 0, network_up },
	{ "network-down", 0, network_down },
};

static int perform(struct run *r, const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, command) && r->argc >= commands[i].args)
			return commands[i].fn(r);
	fprintf(stderr, "rt-conform: %s: wrong use\n", command);
	return USAGE;
}

int main(int argc, char **argv)
{
	struct run r = { .argc = argc - 2, .argv = argv + 2, .deadline = clock_ms() + DEADLINE_MS };
	char why[512];
	int rc = USAGE;

	log_init("rt-conform", LOG_LV_DEBUG, true);
	if (argc < 2 || httpc_global_init() < 0)
		return USAGE;
	if (conf_load(&r.cf, NULL, why, sizeof(why)) < 0) {
		fprintf(stderr, "rt-conform: %s\n", why);
		return USAGE;
	}
	r.a = arena_new((size_t)64 << 20);
	r.ops = rt_find(&r.cf);
	if (r.a && r.ops && (r.rt = r.ops->open(&r.cf, &r.f)))
		rc = perform(&r, argv[1]);
	if (r.rt)
		r.ops->close(r.rt);
	arena_free(r.a);
	conf_free(&r.cf);
	return fflush(stdout) ? FAULT : rc;
}
