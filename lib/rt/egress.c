#include "egress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>

#include "../base/clock.h"
#include "../base/jsn.h"
#include "../base/log.h"
#include "../base/proc.h"
#include "../base/text.h"
#include "../base/tree.h"
#include "../digest.h"
#include "docker_api.h"

#define RULE_MS       10000 /* one change, the wait for the packet filter's lock included */
#define ENGINE_MS     20000
#define RESOLVERS_MAX 3 /* MAXNS of resolv.h */
#define ARGS_MAX      24
#define BOOT_ID       "/proc/sys/kernel/random/boot_id"

struct names {
	const struct conf *cf;
	struct arena *a;
	struct fault *f;
	char bridge[16], chain[20]; /* IFNAMSIZ; chains have 28 */
	char subnet[64];
};

static void name_things(struct names *n)
{
	unsigned char sum[DIGEST_SZ];
	char hex[9];

	digest_sha256(n->cf->network_egress_network, strlen(n->cf->network_egress_network), sum);
	text_hex(sum, 4, hex);
	snprintf(n->bridge, sizeof(n->bridge), "sbx-%s", hex);
	snprintf(n->chain, sizeof(n->chain), "SANDBOX-%s", hex);
}

/* ---- marker ---- */

static bool boot_id(char out[64])
{
	AUTO_CLOSE int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, 63);

	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static char *marker(const struct conf *cf, struct arena *a)
{
	return arena_printf(a, ".egress-%s", cf->network_egress_network);
}

static int mark(struct names *n)
{
	char id[64], *name = marker(n->cf, n->a);
	AUTO_CLOSE int dir = -1;

	if (tree_make(n->cf->runtime_socket_dir, 0750) == 0)
		dir = open(n->cf->runtime_socket_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !name || !boot_id(id) || tree_write(dir, name, id, strlen(id), 0644) < 0)
		return fault_set(n->f, FAULT_INTERNAL,
				 "the marker of the egress network cannot be written: %s",
				 strerror(errno));
	return 0;
}

static int unmark(struct names *n)
{
	char *path = arena_printf(n->a, "%s/%s", n->cf->runtime_socket_dir, marker(n->cf, n->a));

	if (!path || (unlink(path) < 0 && errno != ENOENT))
		return fault_set(n->f, FAULT_INTERNAL,
				 "the marker of the egress network cannot be removed: %s",
				 strerror(errno));
	return 0;
}

int egress_ready(const struct conf *cf, struct fault *f)
{
	char now[64], then[64] = "", path[512];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/.egress-%s", cf->runtime_socket_dir,
		 cf->network_egress_network);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, then, sizeof(then) - 1) > 0 && boot_id(now) && !strcmp(now, then))
		return 0;
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			 "this node has no egress network: run 'sandboxctl network up' there");
}

/* ---- packet filter ---- */

/* Exit code of `tool -w ARGS`, 127 when it is not there. `line`: blank-separated, no value of ours has blanks. */
static int filter(struct names *n, const char *tool, const char *line)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin" };
	static const char *const env[] = { "PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL };
	const char *args[ARGS_MAX] = { NULL, "-w", "5" };
	char *copy = arena_strdup(n->a, line), *save = NULL;
	size_t k = 3;
	int code = 127;

	for (char *s = copy ? strtok_r(copy, " ", &save) : NULL; s && k < ARGS_MAX - 1;
	     s = strtok_r(NULL, " ", &save))
		args[k++] = s;
	for (size_t i = 0; i < ARRAY_LEN(dirs) && code == 127; i++) {
		struct proc_spec sp = {
			.argv = args, .envp = env, .max_output = 512, .timeout_ms = RULE_MS
		};
		struct proc_result r;

		if (!(args[0] = arena_printf(n->a, "%s/%s", dirs[i], tool)))
			break;
		if (proc_run(&sp, &r) == 0) {
			code = r.timed_out ? 124 : r.exit_code;
			if (code)
				log_debug("egress.rule", S("tool", tool), S("rule", line),
					  I("exit_code", code), S("error", r.err));
		}
		proc_result_free(&r);
	}
	return code;
}

#define RULE(n, tool, ...) filter(n, tool, arena_printf((n)->a, __VA_ARGS__) ?: "")

static int must(struct names *n, int code, const char *what)
{
	return code ? fault_set(
			      n->f, FAULT_INTERNAL,
			      "%s: the packet filter refused it (%d); root and iptables are needed",
			      what, code)
		    : 0;
}

/* `rule` stands, before the others of `chain` when it is new. */
static int insert(struct names *n, const char *tool, const char *chain, const char *rule)
{
	return RULE(n, tool, "-C %s %s", chain, rule) == 0
		       ? 0
		       : must(n, RULE(n, tool, "-I %s %s", chain, rule), chain);
}

/* Names must resolve: the host's own resolvers may be asked, wherever they are. Those on loopback the engine asks for us. */
static int allow_resolvers(struct names *n)
{
	FILE *r = fopen("/etc/resolv.conf", "re");
	char line[256], addr[64];
	struct in_addr in;
	int seen = 0, rc = 0;

	while (r && rc == 0 && seen < RESOLVERS_MAX && fgets(line, sizeof(line), r)) {
		if (sscanf(line, "nameserver %63s", addr) != 1 ||
		    inet_pton(AF_INET, addr, &in) != 1 || str_starts(addr, "127."))
			continue;
		seen++;
		rc = must(n,
			  RULE(n, "iptables", "-A %s -d %s -p udp --dport 53 -j RETURN", n->chain,
			       addr),
			  "resolver") < 0 ||
				     must(n,
					  RULE(n, "iptables",
					       "-A %s -d %s -p tcp --dport 53 -j RETURN", n->chain,
					       addr),
					  "resolver") < 0
			     ? -1
			     : 0;
	}
	if (r)
		fclose(r);
	return rc;
}

/* Where the engine leaves room for rules that it does not touch; without its own rules, the kernel's chain. */
static const char *forward_chain(struct names *n)
{
	return RULE(n, "iptables", "-n -L DOCKER-USER") == 0 ? "DOCKER-USER" : "FORWARD";
}

static int fill_chain(struct names *n)
{
	const char *const *deny = egress_ranges(n->cf, false, n->a, n->f);

	if (!deny)
		return -1;
	(void)RULE(n, "iptables", "-N %s", n->chain);
	if (must(n, RULE(n, "iptables", "-F %s", n->chain), "chain") < 0 || allow_resolvers(n) < 0)
		return -1;
	for (; *deny; deny++)
		if (must(n, RULE(n, "iptables", "-A %s -d %s -j REJECT", n->chain, *deny), *deny) <
		    0)
			return -1;
	return 0;
}

static int rules_up(struct names *n)
{
	const char *forward = forward_chain(n);
	const char *jump = arena_printf(n->a, "-i %s -j %s", n->bridge, n->chain);
	const char *self = arena_printf(n->a, "-i %s -j REJECT", n->bridge);
	const char *closed = arena_printf(n->a, "-i %s -j DROP", n->bridge);
	const char *nat = arena_printf(n->a, "-s %s ! -o %s -j MASQUERADE", n->subnet, n->bridge);

	if (!jump || !self || !closed || !nat)
		return fault_set(n->f, FAULT_INTERNAL, "memory");
	/* Shut while the chain is being filled: containers may be running behind it. */
	if (insert(n, "iptables", forward, closed) < 0 || fill_chain(n) < 0)
		return -1;
	/* This host itself, by any of its addresses; then the rest; the way out last. */
	if (insert(n, "iptables", "INPUT", self) < 0 || insert(n, "iptables", "INPUT", jump) < 0 ||
	    insert(n, "iptables", forward, jump) < 0)
		return -1;
	if (insert(n, "ip6tables", "INPUT", closed) < 0 ||
	    insert(n, "ip6tables", "FORWARD", closed) < 0)
		return -1;
	if (must(n, RULE(n, "iptables", "-D %s %s", forward, closed), forward) < 0)
		return -1;
	return insert(n, "iptables", "POSTROUTING -t nat", nat);
}

static void rules_down(struct names *n)
{
	const char *chains[] = { "INPUT", "FORWARD", "DOCKER-USER" };

	if (n->subnet[0])
		while (RULE(n, "iptables", "-t nat -D POSTROUTING -s %s ! -o %s -j MASQUERADE",
			    n->subnet, n->bridge) == 0)
			;
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		while (RULE(n, "iptables", "-D %s -i %s -j %s", chains[i], n->bridge, n->chain) ==
		       0)
			;
		while (RULE(n, "iptables", "-D %s -i %s -j REJECT", chains[i], n->bridge) == 0)
			;
		while (RULE(n, "iptables", "-D %s -i %s -j DROP", chains[i], n->bridge) == 0)
			;
		while (RULE(n, "ip6tables", "-D %s -i %s -j DROP", chains[i], n->bridge) == 0)
			;
	}
	(void)RULE(n, "iptables", "-F %s", n->chain);
	(void)RULE(n, "iptables", "-X %s", n->chain);
}

/* ---- network ---- */

static const char *network_body(struct names *n)
{
	struct json_object *opts =
		jsn_str(json_object_new_object(), "com.docker.network.bridge.name", n->bridge);
	AUTO_JSON struct json_object *o =
		jsn_str(json_object_new_object(), "Name", n->cf->network_egress_network);
	const char *text;
	size_t len;

	opts = jsn_str(opts, "com.docker.network.bridge.enable_icc", "false");
	opts = jsn_str(opts, "com.docker.network.bridge.enable_ip_masquerade", "false");
	o = jsn_bool(jsn_str(o, "Driver", "bridge"), "EnableIPv6", false);
	o = jsn_bool(jsn_put(o, "Options", opts), "CheckDuplicate", true);
	text = o ? jsn_text(o, &len) : NULL;
	return text ? arena_strndup(n->a, text, len) : NULL;
}

/* 1 it stands and is ours, 0 there is none, -1. Fills the subnet. */
static int look(struct names *n, struct docker_api *d)
{
	struct docker_call c = { .method = "GET",
				 .deadline = clock_ms() + ENGINE_MS,
				 .path = arena_printf(n->a, "/networks/%s",
						      n->cf->network_egress_network) };
	struct httpc_resp rs;
	int st = docker_api_do(d, &c, 404, &rs, n->a, n->f);
	const char *p;

	if (st < 0 || st == 404)
		return st < 0 ? -1 : 0;
	if (st != 200 || !strstr(rs.body, n->bridge))
		return fault_set(n->f, FAULT_CONFLICT, "the engine has another network '%.64s'",
				 n->cf->network_egress_network);
	p = strstr(rs.body, "\"Subnet\":\"");
	if (!p || sscanf(p, "\"Subnet\":\"%63[0-9./]", n->subnet) != 1)
		return fault_set(n->f, FAULT_INTERNAL, "the engine gave the network no addresses");
	return 1;
}

static int network_up(struct names *n, struct docker_api *d)
{
	struct docker_call c = { .method = "POST",
				 .path = "/networks/create",
				 .body = network_body(n),
				 .deadline = clock_ms() + ENGINE_MS };
	struct httpc_resp rs;
	int st = look(n, d);

	if (st)
		return st < 0 ? -1 : 0;
	st = c.body ? docker_api_do(d, &c, 409, &rs, n->a, n->f) : -1;
	if (st != 201 && st != 409)
		return st < 0 ? -1
			      : fault_set(n->f, FAULT_INTERNAL,
					  "the engine refused to make the network");
	return look(n, d) > 0 ? 0 : -1;
}

static int network_down(struct names *n, struct docker_api *d)
{
	struct docker_call c = { .method = "DELETE",
				 .deadline = clock_ms() + ENGINE_MS,
				 .path = arena_printf(n->a, "/networks/%s",
						      n->cf->network_egress_network) };
	struct httpc_resp rs;
	int st = docker_api_do(d, &c, 404, &rs, n->a, n->f);

	if (st == 204 || st == 404 || st < 0)
		return st < 0 ? -1 : 0;
	return fault_set(n->f, FAULT_CONFLICT, "the network is in use");
}

int egress_up(const struct conf *cf, struct fault *f)
{
	struct names n = { .cf = cf, .a = arena_new((size_t)4 << 20), .f = f };
	struct docker_api *d = docker_api_open(cf, f);
	int rc = -1;

	name_things(&n);
	if (!n.a)
		fault_set(f, FAULT_INTERNAL, "memory");
	else if (d && network_up(&n, d) == 0 && rules_up(&n) == 0 && mark(&n) == 0)
		rc = 0;
	docker_api_close(d);
	arena_free(n.a);
	return rc;
}

int egress_down(const struct conf *cf, struct fault *f)
{
	struct names n = { .cf = cf, .a = arena_new((size_t)4 << 20), .f = f };
	struct docker_api *d = docker_api_open(cf, f);
	int rc = -1;

	name_things(&n);
	if (!n.a)
		fault_set(f, FAULT_INTERNAL, "memory");
	/* The marker first: nothing new starts; then the network, which fails while it is in use; the rules last. */
	else if (d && unmark(&n) == 0 && look(&n, d) >= 0 && network_down(&n, d) == 0) {
		rules_down(&n);
		rc = 0;
	}
	docker_api_close(d);
	arena_free(n.a);
	return rc;
}
