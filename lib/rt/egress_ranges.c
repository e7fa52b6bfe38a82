#include <arpa/inet.h>

#include "../base/text.h"
#include "egress.h"

#define RANGE_MAX 64  /* bytes of one range; INET6_ADDRSTRLEN and a prefix are 50 */
#define COUNT_MAX 256 /* of the configured ones: a packet passes them one by one */

/* IANA special-purpose registries, and what clouds answer metadata at. Configuration adds to these. */
static const char *const always[] = {
	"0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10", "127.0.0.0/8",    "168.63.129.16/32",
	"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",  "192.168.0.0/16", "198.18.0.0/15",
	"224.0.0.0/4",    "240.0.0.0/4",   "::/96",         "::ffff:0:0/96",  "64:ff9b::/96",
	"fc00::/7",       "fe80::/10",     "ff00::/8",
};

/* ADDRESS or ADDRESS/PREFIX. */
static bool range_ok(const char *s, bool *v6)
{
	char addr[RANGE_MAX], in[sizeof(struct in6_addr)];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	int64_t prefix;

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, s, n);
	addr[n] = '\0';
	*v6 = strchr(addr, ':') != NULL;
	return inet_pton(*v6 ? AF_INET6 : AF_INET, addr, in) == 1 &&
	       (!slash || text_int(slash + 1, 0, *v6 ? 128 : 32, &prefix));
}

const char *const *egress_ranges(const struct conf *cf, bool v6, struct arena *a, struct fault *f)
{
	const char **out = arena_alloc(a, (ARRAY_LEN(always) + COUNT_MAX + 1) * sizeof(*out));
	char *list = arena_strdup(a, cf->network_egress_deny), *save = NULL;
	size_t n = 0, given = 0;
	bool is6;

	if (!out || !list) {
		fault_set(f, FAULT_INTERNAL, "request memory");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (range_ok(always[i], &is6) && is6 == v6)
			out[n++] = always[i];
	for (char *s = strtok_r(list, ", \t\n", &save); s; s = strtok_r(NULL, ", \t\n", &save)) {
		if (!range_ok(s, &is6) || ++given > COUNT_MAX) {
			fault_set(
				f, FAULT_RUNTIME_UNAVAILABLE,
				"[network] egress_deny: '%.64s' is no address range, or one too many",
				s);
			return NULL;
		}
		if (is6 == v6)
			out[n++] = s;
	}
	return out;
}
