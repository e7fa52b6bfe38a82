#include "idem.h"

#include <stdio.h>

#include "../lib/base/clock.h"
#include "../lib/base/log.h"
#include "../lib/digest.h"
#include "router.h"

#define KEY_MAX  255
#define RENEW_MS 10000 /* a third of IDEM_LEASE_S */
#define KEEP_MAX \
	(8 << 20) /* bytes of an answer that are kept; a larger one is answered by its object */

static bool key_ok(const char *k)
{
	size_t n = strlen(k);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)k[i] < 0x21 || (unsigned char)k[i] > 0x7e)
			return false;
	return n >= 1 && n <= KEY_MAX;
}

static int bad_key(struct req *r, struct fault *f)
{
	struct jsn_check c = { .a = r->a, .where = "header" };

	jsn_bad(&c, "value_error", "Idempotency-Key", NULL, "must be 1-%d visible ASCII characters",
		KEY_MAX);
	return jsn_done(&c, f);
}

/* An alias and its canonical path are one route: the same key, the same scope. */
static char *scope_of(struct req *r)
{
	const char *route = r->route->canonical ? r->route->canonical : r->route->pattern;
	char *text = arena_printf(r->a, "%s\n%s %s\n%s\n%s", r->who.key_id ? r->who.key_id : "",
				  r->method, route, r->params[0] ? r->params[0] : "",
				  r->params[1] ? r->params[1] : "");
	char *hex = arena_alloc(r->a, 65);

	if (!text || !hex)
		return NULL;
	digest_sha256_hex(text, strlen(text), hex);
	return hex;
}

static char *fingerprint_of(struct req *r)
{
	char *body = r->in ? jsn_canonical(r->in, r->a) : arena_strdup(r->a, "");
	char *text = body ? arena_printf(r->a, "%s\n%s", r->query, body) : NULL;
	char *hex = arena_alloc(r->a, 65);

	if (!text || !hex)
		return NULL;
	digest_sha256_hex(text, strlen(text), hex);
	return hex;
}

/* A stored answer: header lines, an empty line, the body. */
static int replay(struct req *r, const struct idem_row *row)
{
	const char *p = row->response, *end = row->response + row->response_len;

	while (p < end && *p != '\n') {
		size_t n = strcspn(p, "\n"), k = strcspn(p, ":");

		if (k < n)
			req_header(r, arena_strndup(r->a, p, k),
				   arena_strndup(r->a, p + k + 2, n - k - 2));
		p += n + 1;
	}
	p++;
	r->replayed = true;
	req_bytes(r, (int)row->http_status, "application/json", p, p < end ? (size_t)(end - p) : 0);
	return 1;
}

int idem_begin(struct req *r, struct fault *f)
{
	const char *key = req_env(r, "HTTP_IDEMPOTENCY_KEY"), *print;
	struct idem_claim claim = { 0 };
	struct idem_row row;
	struct db *db;
	int rc;

	if (!key)
		return 0;
	if (!key_ok(key))
		return bad_key(r, f);
	claim.key = key;
	claim.scope = scope_of(r);
	print = fingerprint_of(r);
	if (!claim.scope || !print)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (!(db = req_db(r, f)) ||
	    (rc = idem_claim(db, &claim, print, r->t->work.owner, &row, r->a, f)) < 0)
		return -1;
	if (rc == 1) {
		r->idem = (struct idem){ .claim = claim,
					 .object_id = row.object_id,
					 .renewed_ms = clock_ms() };
		return 0;
	}
	if (row.fingerprint && strcmp(row.fingerprint, print))
		return fault_set(f, FAULT_IDEMPOTENCY_MISMATCH,
				 "the Idempotency-Key was used with another body or query");
	if (row.state && !strcmp(row.state, "done") && row.response)
		return replay(r, &row);
	fault_set(f, FAULT_IDEMPOTENCY_RUNNING,
		  "the first request with this Idempotency-Key has not ended");
	f->retry_after_s = 1;
	return -1;
}

static char *stored_form(struct req *r, size_t *n)
{
	size_t len = 0, head = 0;
	const char *body = r->out ? jsn_text(r->out, &len) : r->bytes;
	char *text;

	if (!r->out)
		len = r->nbytes;
	for (size_t i = 0; i < r->nheaders; i++)
		head += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 3;
	if (!body || len > KEEP_MAX || !(text = arena_alloc(r->a, head + 1 + len + 1)))
		return NULL;
	head = 0;
	for (size_t i = 0; i < r->nheaders; i++)
		head += (size_t)sprintf(text + head, "%s: %s\n", r->headers[i].name,
					r->headers[i].value);
	text[head++] = '\n';
	memcpy(text + head, body, len);
	*n = head + len;
	return text;
}

/* Would the same request fail the same way? Then its answer is kept (CONTRACT 1.6: not 401, 403, 413, 429, 5xx). */
static bool final(const struct fault *f)
{
	int st = f->info->status;

	return st < 500 && !f->info->retryable && st != 401 && st != 403 && st != 413;
}

void idem_end(struct req *r, const struct fault *f)
{
	struct fault own = { 0 };
	char *answer = NULL;
	struct db *db;
	size_t n = 0;

	if (!r->idem.claim.scope)
		return;
	if (f->info && final(f))
		req_fault(r, f);
	if (!f->info || final(f))
		answer = stored_form(r, &n);
	if (!(db = req_db(r, &own)))
		return; /* the lease runs out */
	if ((answer ? idem_store(db, &r->idem.claim, r->status, answer, n, &own)
		    : idem_release(db, &r->idem.claim, &own)) < 0)
		log_warn("idempotency.kept_open", S("error", own.detail));
}

void idem_keep(struct req *r)
{
	struct fault f = { 0 };
	struct db *db;

	if (!r->idem.claim.scope || clock_ms() - r->idem.renewed_ms < RENEW_MS)
		return;
	r->idem.renewed_ms = clock_ms();
	if (!(db = req_db(r, &f)) || idem_renew(db, &r->idem.claim, &f) < 0)
		log_warn("idempotency.not_renewed", S("error", f.detail));
	req_db_done(r);
}
