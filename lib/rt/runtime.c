#include "runtime.h"

#include "../base/clock.h"
#include "../base/text.h"
#include "../digest.h"
#include "../httpc.h"

#define PING_MS  2000 /* a local daemon answers in a few; a hung one must not hold up a start */
#define PING_MAX 4096
#define SOCKET_HEX \
	8 /* bytes of the digest in a path: keeps it below sun_path's 108 (CONTRACT 12.1) */

static const struct rt_ops *const backends[] = { &rt_docker, &rt_oci };

static bool docker_answers(const struct conf *cf)
{
	const char *sock = str_starts(cf->runtime_endpoint, "unix://")
				   ? cf->runtime_endpoint + strlen("unix://")
				   : NULL;
	struct arena *a = arena_new(1 << 16);
	struct httpc *h = httpc_new();
	struct httpc_resp resp = { 0 };
	struct fault f = { 0 };
	bool ok = false;

	if (a && h) {
		struct httpc_req req = {
			.method = "GET",
			.unix_socket = sock,
			.watch_fd = -1,
			.max_body = PING_MAX,
			.deadline = clock_ms() + PING_MS,
			.url = sock ? "http://docker/_ping"
				    : arena_printf(a, "%s/_ping", cf->runtime_endpoint),
		};

		ok = req.url && httpc_do(h, &req, &resp, a, &f) == 0 && resp.status == 200;
	}
	httpc_free(h);
	arena_free(a);
	return ok;
}

/* CONTRACT 12.1: kubernetes inside a cluster, else docker when its socket answers, else oci. */
static const char *choose(const struct conf *cf)
{
	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	return docker_answers(cf) ? "docker" : "oci";
}

const struct rt_ops *rt_find(const struct conf *cf)
{
	const char *word = str_eq(cf->runtime_type, "auto") ? choose(cf) : cf->runtime_type;

	for (size_t i = 0; i < ARRAY_LEN(backends); i++)
		if (str_eq(backends[i]->name, word))
			return backends[i];
	return NULL;
}

char *rt_socket_dir(const struct conf *cf, const char *name, struct arena *a)
{
	unsigned char sum[DIGEST_SZ];
	char hex[2 * SOCKET_HEX + 1];

	digest_sha256(name, strlen(name), sum);
	text_hex(sum, SOCKET_HEX, hex);
	return arena_printf(a, "%s/%s", cf->runtime_socket_dir, hex);
}

char *rt_socket_path(const struct conf *cf, const char *name, struct arena *a)
{
	char *dir = rt_socket_dir(cf, name, a);

	return dir ? arena_printf(a, "%s/executor.sock", dir) : NULL;
}
