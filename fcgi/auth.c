#include "auth.h"

#include <arpa/inet.h>

#include "../lib/base/log.h"
#include "../lib/store/apikey.h"
#include "../lib/store/session.h"
#include "../lib/token.h"
#include "router.h"

#define KEY_MAX    256   /* bytes of a credential; longer ones are refused unread */
#define TOKENS_MAX 4096  /* sessions compared to tell a foreign token from a wrong one */
#define LATE_MS    60000 /* CONTRACT 1.4 */

static const char *bearer(struct req *r)
{
	const char *h = req_env(r, "HTTP_AUTHORIZATION");

	if (!h || strncasecmp(h, "Bearer ", 7))
		return NULL;
	h += 7;
	return h + strspn(h, " ");
}

static int refuse(struct req *r, struct fault *f, const char *why)
{
	log_warn("auth.failed", S("surface", r->internal ? "internal" : "public"),
		 S("remote_addr", r->remote_addr), S("error", why));
	return fault_set(f, FAULT_UNAUTHORIZED, "%s", why);
}

/* A unix socket of the web server shows as no address or "unix:". */
static bool is_local(const char *addr)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (str_empty(addr) || str_starts(addr, "unix:"))
		return true;
	if (inet_pton(AF_INET, addr, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, addr, &v6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

static enum role role_of(const char *word)
{
	if (!strcmp(word, "admin"))
		return ROLE_ADMIN;
	if (!strcmp(word, "user"))
		return ROLE_USER;
	return ROLE_READONLY;
}

static int with_key(struct req *r, struct fault *f)
{
	const char *a = bearer(r), *b = req_env(r, "HTTP_X_API_KEY");
	const char *key = str_empty(a) ? b : a;
	struct apikey k;
	struct db *db;
	int found;

	if (str_empty(key))
		return refuse(r, f, "no API key was given");
	if (!str_empty(a) && !str_empty(b) && strcmp(a, b))
		return refuse(r, f, "Authorization and X-API-Key differ");
	if (strlen(key) > KEY_MAX)
		return refuse(r, f, "the API key is too long");
	if (!(db = req_db(r, f)))
		return -1;
	if ((found = apikey_find(db, key, &k, r->a, f)) < 0)
		return -1;
	if (!found)
		return refuse(r, f, "the API key is unknown, expired or revoked");
	r->who.key_id = k.id;
	r->who.role = role_of(k.role);
	return 0;
}

static int without_key(struct req *r, struct fault *f)
{
	if (!r->t->work.cf->auth_trust_upstream && !is_local(r->remote_addr))
		return fault_set(
			f, FAULT_FORBIDDEN,
			"authentication is off and the request did not come over loopback or a unix socket");
	r->who.key_id = "local";
	r->who.role = ROLE_ADMIN;
	return 0;
}

static int check_role(struct req *r, struct fault *f)
{
	bool reads = !strcmp(r->route->method, "GET");
	enum role need = r->route->flags & ROUTE_ADMIN ? ROLE_ADMIN
			 : reads                       ? ROLE_READONLY
						       : ROLE_USER;

	if (r->who.role >= need)
		return 0;
	log_warn("auth.forbidden", S("key_id", r->who.key_id), S("route", r->route->pattern));
	return fault_set(f, FAULT_FORBIDDEN, "the call needs the role %s",
			 need == ROLE_ADMIN ? "admin" : "user");
}

int auth_check(struct req *r, struct fault *f)
{
	if (r->internal) {
		const char *token = bearer(r);

		if (str_empty(token) || strlen(token) > KEY_MAX)
			return refuse(r, f, "no session token was given");
		r->who.token = token;
		return 0;
	}
	if (r->route->flags & ROUTE_PUBLIC)
		return 0;
	if ((str_eq(r->t->work.cf->auth_mode, "off") ? without_key(r, f) : with_key(r, f)) < 0)
		return -1;
	return check_role(r, f);
}

/* Is it good for some other session? Only asked after a mismatch, so honest callers never pay for it. */
static bool belongs_to_another(struct req *r)
{
	struct session_token *t = arena_alloc(r->a, TOKENS_MAX * sizeof(*t));
	struct fault f = { 0 };
	struct db *db = t ? req_db(r, &f) : NULL;
	int n = db ? session_tokens(db, t, TOKENS_MAX, r->a, &f) : 0;

	for (int i = 0; i < n; i++)
		if (token_matches(r->t->work.cf, r->who.token, t[i].id, t[i].token_epoch))
			return true;
	return false;
}

int auth_session(struct req *r, const char *session_id, int64_t epoch, int64_t ended_ms_ago,
		 bool late, struct fault *f)
{
	if (!token_matches(r->t->work.cf, r->who.token, session_id, epoch)) {
		if (!belongs_to_another(r))
			return refuse(r, f, "the session token is not valid");
		log_warn("internal.denied", S("session_id", session_id));
		return fault_set(f, FAULT_FORBIDDEN, "the token belongs to another session");
	}
	if (ended_ms_ago == INT64_MIN)
		return 0;
	if (ended_ms_ago > LATE_MS)
		return refuse(r, f, "the session has ended, its token is void");
	return late ? 0
		    : fault_set(f, FAULT_SESSION_NOT_ACTIVE, "Session is not active: %.64s",
				session_id);
}
