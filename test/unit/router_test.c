/* router_test.c: which row answers, what it captures, which methods are named. */
#include "unit.h"

#include "../../fcgi/router.h"

static int a_handler(struct req *r, struct fault *f)
{
	(void)r;
	(void)f;
	return 0;
}

#define H a_handler

static const struct route table[] = {
	{ "GET", "/", H, ROUTE_PUBLIC, BODY_NONE, NULL },
	{ "GET", "/s", H, 0, BODY_NONE, NULL },
	{ "POST", "/s", H, 0, BODY_NONE, NULL },
	{ "GET", "/s/{id}", H, 0, BODY_NONE, NULL },
	{ "DELETE", "/s/{id}", H, 0, BODY_NONE, NULL },
	{ "POST", "/s/{id}/run", H, 0, BODY_NONE, NULL },
	{ "GET", "/s/{id}/files", H, 0, BODY_NONE, NULL },
	{ "PUT", "/s/{id}/files/{path*}", H, 0, BODY_NONE, NULL },
	{ "GET", "/a/{x}/b/{y}/c/{z}", H, 0, BODY_NONE, NULL },
	{ "GET", "/w/{a}/{b}/{c}/{d}", H, 0, BODY_NONE,
	  NULL }, /* more than REQ_MAX_PARAMS: never found */
	{ "POST", "/internal/s/{id}", H, ROUTE_INTERNAL, BODY_NONE, NULL },
	{ "POST", "/s/{id}/both", H, ROUTE_INTERNAL, BODY_NONE, NULL },
	{ "GET", "/s/{id}/both", H, 0, BODY_NONE, NULL },
	{ .fn = NULL },
};

/* row: index in the table, -1 none. allow: NULL is a 404, else a 405's header. */
static const struct {
	const char *method, *path;
	bool internal;
	int row;
	const char *p0, *p1, *p2, *allow;
} finds[] = {
	{ "GET", "/", false, 0, NULL, NULL, NULL, NULL },
	{ "HEAD", "/", false, 0, NULL, NULL, NULL, NULL },
	{ "GET", "/s", false, 1, NULL, NULL, NULL, NULL },
	{ "POST", "/s", false, 2, NULL, NULL, NULL, NULL },
	{ "GET", "/s/x", false, 3, "x", NULL, NULL, NULL },
	{ "GET", "/s/run", false, 3, "run", NULL, NULL, NULL },
	{ "DELETE", "/s/a b\xc3\xa4", false, 4, "a b\xc3\xa4", NULL, NULL, NULL },
	{ "POST", "/s/x/run", false, 5, "x", NULL, NULL, NULL },
	{ "GET", "/s/x/files", false, 6, "x", NULL, NULL, NULL },
	{ "PUT", "/s/x/files/a", false, 7, "x", "a", NULL, NULL },
	{ "PUT", "/s/x/files/a/b/c.txt", false, 7, "x", "a/b/c.txt", NULL, NULL },
	{ "PUT", "/s/x/files/a ", false, 7, "x", "a ", NULL, NULL },
	{ "GET", "/a/1/b/2/c/3", false, 8, "1", "2", "3", NULL },
	{ "POST", "/internal/s/x", true, 10, "x", NULL, NULL, NULL },
	{ "POST", "/s/x/both", true, 11, "x", NULL, NULL, NULL },
	{ "GET", "/s/x/both", false, 12, "x", NULL, NULL, NULL },
	/* no such path */
	{ "GET", "/x", false, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/ss", false, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/S", false, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/s/x/y", false, -1, NULL, NULL, NULL, NULL },
	{ "PUT", "/s/x/files/", false, -1, NULL, NULL, NULL, NULL },
	{ "POST", "/s/x/runner", false, -1, NULL, NULL, NULL, NULL },
	{ "POST", "/s//run", false, -1, NULL, NULL, NULL, NULL },
	/* the database would take it for x */
	{ "GET", "/s/x ", false, -1, NULL, NULL, NULL, NULL },
	{ "POST", "/s/x  /run", false, -1, NULL, NULL, NULL, NULL },
	{ "PUT", "/s/x /files/a", false, -1, NULL, NULL, NULL, NULL },
	{ "POST", "/internal/s/x ", true, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/w/1/2/3/4", false, -1, NULL, NULL, NULL, NULL },
	/* the other listener's */
	{ "POST", "/internal/s/x", false, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/s", true, -1, NULL, NULL, NULL, NULL },
	{ "GET", "/", true, -1, NULL, NULL, NULL, NULL },
	/* the path, not the method */
	{ "POST", "/", false, -1, NULL, NULL, NULL, "GET, HEAD" },
	{ "PUT", "/s", false, -1, NULL, NULL, NULL, "GET, HEAD, POST" },
	{ "POST", "/s/x", false, -1, NULL, NULL, NULL, "GET, HEAD, DELETE" },
	{ "HEAD", "/s/x/run", false, -1, NULL, NULL, NULL, "POST" },
	{ "get", "/s", false, -1, NULL, NULL, NULL, "GET, HEAD, POST" },
	{ "", "/s", false, -1, NULL, NULL, NULL, "GET, HEAD, POST" },
	{ "POST", "/s/x/both", false, -1, NULL, NULL, NULL, "GET, HEAD" },
	{ "GET", "/s/x/both", true, -1, NULL, NULL, NULL, "POST" },
};

static void finds_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(finds); i++) {
		struct req r = { .a = arena_new(4096),
				 .method = finds[i].method,
				 .path = finds[i].path,
				 .internal = finds[i].internal };
		const char *allow = "unset";
		const struct route *rt = route_find(table, &r, &allow);
		const char *want[REQ_MAX_PARAMS] = { finds[i].p0, finds[i].p1, finds[i].p2 };

		CHECK_ROW(rt == (finds[i].row < 0 ? NULL : &table[finds[i].row]), i, finds[i].path);
		CHECK_ROW(finds[i].allow ? str_eq(allow, finds[i].allow) : !allow, i,
			  finds[i].path);
		for (size_t k = 0; rt && k < ARRAY_LEN(want); k++)
			if (want[k])
				CHECK_ROW(str_eq(r.params[k], want[k]), i, finds[i].path);
		arena_free(r.a);
	}
}

static const struct {
	const char *path;
	bool internal;
	const char *allow;
} options[] = {
	{ "/", false, "GET, HEAD, OPTIONS" },
	{ "/s", false, "GET, HEAD, POST, OPTIONS" },
	{ "/s/x", false, "GET, HEAD, DELETE, OPTIONS" },
	{ "/s/x/files/a/b", false, "PUT, OPTIONS" },
	{ "/x", false, NULL },
	{ "/internal/s/x", false, NULL },
	{ "/internal/s/x", true, "POST, OPTIONS" },
	{ "/s", true, NULL },
};

static void names_methods(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		struct req r = { .a = arena_new(4096),
				 .method = "OPTIONS",
				 .path = options[i].path,
				 .internal = options[i].internal };
		const char *allow = route_allow(table, &r);

		CHECK_ROW(options[i].allow ? str_eq(allow, options[i].allow) : !allow, i,
			  options[i].path);
		arena_free(r.a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_rows),
					    cmocka_unit_test(names_methods) };

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
