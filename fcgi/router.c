#include "router.h"

/* MariaDB compares ids without the blanks at their ends, nothing else does: with them an id is nobody's. */
static bool ends_blank(const char *segment, size_t n)
{
	return segment[n - 1] == ' ';
}

/* Captures {name} segments; {name*} takes the rest of the path. */
static bool match(const char *pat, const char *path, struct req *r)
{
	size_t np = 0;

	while (*pat && *path) {
		if (*pat == '{') {
			bool rest = pat[strcspn(pat, "}") - 1] == '*';
			size_t n = rest ? strlen(path) : strcspn(path, "/");

			if (!n || np == REQ_MAX_PARAMS || (!rest && ends_blank(path, n)) ||
			    !(r->params[np++] = arena_strndup(r->a, path, n)))
				return false;
			path += n;
			pat += strcspn(pat, "}") + 1;
		} else if (*pat++ != *path++) {
			return false;
		}
	}
	return !*pat && !*path;
}

/* Internal rows exist on the internal listener only, the others on the public one only. */
static bool visible(const struct route *rt, const struct req *r)
{
	return r->internal == !!(rt->flags & ROUTE_INTERNAL);
}

static const char *add_method(struct req *r, const char *list, const char *method)
{
	if (!list)
		return !strcmp(method, "GET") ? "GET, HEAD" : method;
	return arena_printf(r->a, "%s, %s", list, !strcmp(method, "GET") ? "GET, HEAD" : method);
}

const struct route *route_find(const struct route *rt, struct req *r, const char **allow)
{
	const char *method = !strcmp(r->method, "HEAD") ? "GET" : r->method;

	*allow = NULL;
	for (; rt->fn; rt++) {
		if (!visible(rt, r) || !match(rt->pattern, r->path, r))
			continue;
		if (!strcmp(rt->method, method)) {
			*allow = NULL;
			return rt;
		}
		*allow = add_method(r, *allow, rt->method);
	}
	return NULL;
}

const char *route_allow(const struct route *rt, struct req *r)
{
	const char *allow = NULL;

	for (; rt->fn; rt++)
		if (visible(rt, r) && match(rt->pattern, r->path, r))
			allow = add_method(r, allow, rt->method);
	return allow ? arena_printf(r->a, "%s, OPTIONS", allow) : NULL;
}
