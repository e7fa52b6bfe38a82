#include "req.h"

#include <ctype.h>
#include <fcgiapp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../lib/base/clock.h"
#include "../lib/base/ident.h"
#include "../lib/base/log.h"
#include "../lib/base/text.h"
#include "router.h"
#include "target.h"

#define READ_CHUNK 65536
#define HEAD_BYTES 16384 /* all header lines of an answer */

/* ---- the two ways in: FastCGI and plain CGI ---- */

const char *req_env(const struct req *r, const char *name)
{
	return r->fx ? FCGX_GetParam(name, ((FCGX_Request *)r->fx)->envp) : getenv(name);
}

static int write_all(struct req *r, const char *p, size_t n)
{
	while (n) {
		int step = n > READ_CHUNK ? READ_CHUNK : (int)n;
		int k = r->fx ? FCGX_PutStr(p, step, ((FCGX_Request *)r->fx)->out)
			      : (int)fwrite(p, 1, (size_t)step, stdout);

		if (k <= 0)
			return -1; /* the client is gone: nobody to tell */
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int req_watch_fd(const struct req *r)
{
	return r->fx ? ((FCGX_Request *)r->fx)->ipcFd : -1;
}

/* A web server that neither sends nor takes bytes for so long is given up; small answers fit its socket's buffer. */
static void bound_io(struct req *r, int option)
{
	struct timeval tv = { .tv_sec = REQ_IO_S };

	if (r->fx)
		setsockopt(((FCGX_Request *)r->fx)->ipcFd, SOL_SOCKET, option, &tv, sizeof(tv));
}

/* ---- in ---- */

void req_begin(struct req *r)
{
	const char *id = req_env(r, "HTTP_X_REQUEST_ID");
	const char *surface = req_env(r, "SANDBOX_SURFACE");
	const char *method = req_env(r, "REQUEST_METHOD");

	r->started_us = clock_us();
	r->method = method ? method : "";
	r->path = r->query = "";
	r->internal = str_eq(surface, "internal");
	r->remote_addr = req_env(r, "REMOTE_ADDR");
	if (id && ident_request_ok(id))
		snprintf(r->id, sizeof(r->id), "%s", id);
	else
		ident_uuid(r->id);
	log_set_request(r->id);
}

int req_length(struct req *r, int64_t max, int64_t *length, struct fault *f)
{
	const char *cl = req_env(r, "CONTENT_LENGTH");

	*length = -1;
	bound_io(r, SO_RCVTIMEO);
	if (str_empty(cl) || !strcmp(cl, "-1"))
		return 0;
	if (!text_int(cl, 0, INT64_MAX, length))
		return fault_set(f, FAULT_REFUSED, "Content-Length is not a number");
	if (*length > max)
		return fault_set(f, FAULT_PAYLOAD_TOO_LARGE,
				 "the body has %lld bytes, %lld are allowed", (long long)*length,
				 (long long)max);
	return 0;
}

ssize_t req_read(struct req *r, char *buf, size_t n)
{
	size_t step = n > READ_CHUNK ? READ_CHUNK : n;

	return r->fx ? FCGX_GetStr(buf, (int)step, ((FCGX_Request *)r->fx)->in)
		     : (ssize_t)fread(buf, 1, step, stdin);
}

/*
 * FastCGI ends a body with an empty record; a connection that ends without one (or is silent) leaves an error in
 * libfcgi's stream. Plain CGI: a web server whose client has gone closes both directions, else only one.
 */
bool req_cut(struct req *r)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (r->fx)
		return FCGX_GetError(((FCGX_Request *)r->fx)->in) != 0;
	return ferror(stdin) || (poll(&out, 1, 0) > 0 && out.revents & (POLLHUP | POLLERR));
}

const char *req_query(struct req *r, const char *name)
{
	return target_query(r->query, name, r->a);
}

int64_t req_query_int(struct req *r, struct jsn_check *c, const char *name, int64_t def, int64_t lo,
		      int64_t hi)
{
	const char *s = req_query(r, name);
	int64_t v = def;

	if (!s)
		return def;
	if (!text_int(s, INT64_MIN + 1, INT64_MAX, &v)) {
		AUTO_JSON struct json_object *in = json_object_new_string(s);

		jsn_bad(c, "int_parsing", name, in, "must be an integer");
	} else if (v < lo || v > hi) {
		AUTO_JSON struct json_object *in = json_object_new_string(s);

		jsn_bad(c, v < lo ? "greater_than_equal" : "less_than_equal", name, in,
			"must be in %lld..%lld", (long long)lo, (long long)hi);
	}
	return v;
}

double req_query_num(struct req *r, struct jsn_check *c, const char *name, double def, double lo,
		     double hi)
{
	const char *s = req_query(r, name);
	char *end;
	double v;

	if (!s)
		return def;
	v = strtod(s, &end);
	if (!*s || *end || isspace((unsigned char)*s) || strpbrk(s, "xXnNiI") || !isfinite(v)) {
		AUTO_JSON struct json_object *in = json_object_new_string(s);

		jsn_bad(c, "float_parsing", name, in, "must be a number");
		return def;
	}
	if (v < lo || v > hi) {
		AUTO_JSON struct json_object *in = json_object_new_string(s);

		jsn_bad(c, v < lo ? "greater_than_equal" : "less_than_equal", name, in,
			"must be in %g..%g", lo, hi);
	}
	return v;
}

struct db *req_db(struct req *r, struct fault *f)
{
	if (!r->db)
		r->db = db_get(r->t->work.pool, f);
	return r->db;
}

void req_db_done(struct req *r)
{
	db_put(r->t->work.pool, TAKE_PTR(r->db));
}

/* ---- out ---- */

int req_reply(struct req *r, int status, struct json_object *out, struct fault *f)
{
	if (!out)
		return fault_set(f, FAULT_INTERNAL, "response memory");
	json_object_put(r->out);
	r->status = status;
	r->out = out;
	return 0;
}

int req_empty(struct req *r, int status)
{
	r->status = status;
	return 0;
}

int req_bytes(struct req *r, int status, const char *type, const char *data, size_t n)
{
	r->status = status;
	r->content_type = type;
	r->bytes = data;
	r->nbytes = n;
	return 0;
}

void req_header(struct req *r, const char *name, const char *value)
{
	if (!value || strpbrk(value, "\r\n") || r->nheaders == REQ_MAX_HEADERS) {
		log_error("request.header_dropped", S("header", name));
		return;
	}
	r->headers[r->nheaders].name = name;
	r->headers[r->nheaders++].value = value;
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Payload Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

/* Faults that common code raises, in the words of the internal surface. */
static const struct fault_info *internal_words(const struct fault_info *info)
{
	static const struct {
		enum fault_id from, to;
	} words[] = {
		{ FAULT_INVALID, FAULT_INT_INVALID },
		{ FAULT_REFUSED, FAULT_INT_REFUSED },
		{ FAULT_UNAUTHORIZED, FAULT_INT_UNAUTHORIZED },
		{ FAULT_FORBIDDEN, FAULT_INT_FORBIDDEN },
		{ FAULT_SESSION_NOT_FOUND, FAULT_INT_NOT_FOUND },
		{ FAULT_SESSION_GONE, FAULT_INT_NOT_FOUND },
		{ FAULT_EXECUTION_NOT_FOUND, FAULT_INT_NOT_FOUND },
		{ FAULT_SESSION_NOT_ACTIVE, FAULT_INT_CONFLICT },
		{ FAULT_CONFLICT, FAULT_INT_CONFLICT },
		{ FAULT_CONFLICT_RETRY, FAULT_INT_CONFLICT },
		{ FAULT_INTERNAL, FAULT_INT_INTERNAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (info == &fault_infos[words[i].from])
			return &fault_infos[words[i].to];
	return info;
}

/* What `detail` says to older clients (CONTRACT 2, "fixed detail"). */
static struct json_object *old_detail(struct req *r, struct json_object *o, const struct fault *f)
{
	if (f->errors_json)
		return jsn_raw(o, "detail", f->errors_json);
	if (fault_is(f, FAULT_NOT_FOUND) || fault_is(f, FAULT_METHOD_NOT_ALLOWED))
		return jsn_str(o, "detail", reason(f->info->status));
	if (fault_is(f, FAULT_SESSION_NOT_ACTIVE) && f->session_id)
		return jsn_str(o, "detail",
			       arena_printf(r->a, "Session is not active: %s", f->session_id));
	return jsn_str(o, "detail", f->detail);
}

static struct json_object *fault_json(struct req *r, const struct fault *f)
{
	const struct fault_info *info = r->internal ? internal_words(f->info) : f->info;
	struct json_object *o = json_object_new_object();

	o = jsn_str(o, "error_code", info->code);
	o = jsn_str(o, "description", info->description);
	o = jsn_str(o, "solution", info->solution);
	o = f->detail_json ? jsn_raw(o, "error_detail", f->detail_json)
			   : jsn_str(o, "error_detail", f->detail);
	o = jsn_str(o, "error_link",
		    arena_printf(r->a, "%s#%s", r->t->work.cf->server_docs_url, info->code));
	o = jsn_str(o, "request_id", r->id);
	o = jsn_bool(o, "retryable", info->retryable);
	o = old_detail(r, o, f);
	o = jsn_str(o, "error", reason(info->status));
	o = jsn_str(o, "message", f->detail[0] ? f->detail : info->description);
	if (f->session_id)
		o = jsn_str(o, "session_id", f->session_id);
	if (f->execution_id)
		o = jsn_str(o, "execution_id", f->execution_id);
	if (f->has_next)
		o = jsn_int(o, "next", f->next);
	return o;
}

void req_fault(struct req *r, const struct fault *f)
{
	int wait_s = f->retry_after_s;

	if (!wait_s && (f->info->status == 503 || f->info->status == 429))
		wait_s = 1;
	r->nheaders = 0;
	r->bytes = NULL;
	r->content_type = NULL;
	json_object_put(r->out);
	r->out = fault_json(r, f);
	r->status = f->info->status;
	if (f->allow)
		req_header(r, "Allow", f->allow);
	if (wait_s)
		req_header(r, "Retry-After", arena_printf(r->a, "%d", wait_s));
	if (r->status == 401)
		req_header(r, "WWW-Authenticate", "Bearer realm=\"sandbox\"");
	if (r->status == 416)
		req_header(r, "Content-Range",
			   arena_printf(r->a, "bytes */%lld", (long long)f->size));
}

/* The origin itself when [server] cors_origins names it, else NULL. */
static const char *cors_origin(struct req *r)
{
	const char *origin = req_env(r, "HTTP_ORIGIN"), *list = r->t->work.cf->server_cors_origins;
	size_t n = origin ? strlen(origin) : 0;

	for (const char *p = list; n && *p;) {
		size_t skip = strspn(p, ", "), k;

		p += skip;
		k = strcspn(p, ", ");
		if ((k == n && !strncmp(p, origin, n)) || (k == 1 && *p == '*'))
			return origin;
		p += k;
	}
	return NULL;
}

static size_t put_cors(struct req *r, char *buf, size_t size)
{
	const char *origin = cors_origin(r);

	if (!origin || strpbrk(origin, "\r\n"))
		return 0;
	return (size_t)snprintf(
		buf, size,
		"Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n"
		"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
		"Access-Control-Allow-Headers: Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID\r\n"
		"Access-Control-Expose-Headers: X-Request-ID, X-Process-Time, Location, ETag, Retry-After, Idempotent-Replay, "
		"X-Total-Count, Link, X-Output-Next, X-Output-Complete, X-Output-Dropped, X-Output-Attempt, Content-Range\r\n"
		"Access-Control-Max-Age: 600\r\n",
		origin);
}

static size_t put_headers(struct req *r, char *buf, size_t size, bool has_body)
{
	double s = (double)(clock_us() - r->started_us) / 1e6;
	bool cached = false;
	size_t n;

	n = (size_t)snprintf(buf, size,
			     "Status: %d %s\r\nX-Request-ID: %s\r\nX-Process-Time: %.3f\r\n",
			     r->status, reason(r->status), r->id, s);
	if (has_body)
		n += (size_t)snprintf(buf + n, size - n, "Content-Type: %s\r\n",
				      r->content_type ? r->content_type : "application/json");
	if (has_body && r->nbytes != SIZE_MAX)
		n += (size_t)snprintf(buf + n, size - n, "Content-Length: %zu\r\n", r->nbytes);
	for (size_t i = 0; i < r->nheaders && n < size; i++) {
		cached |= !strcmp(r->headers[i].name, "Cache-Control");
		n += (size_t)snprintf(buf + n, size - n, "%s: %s\r\n", r->headers[i].name,
				      r->headers[i].value);
	}
	if (r->replayed && n < size)
		n += (size_t)snprintf(buf + n, size - n, "Idempotent-Replay: true\r\n");
	if (!cached && n < size)
		n += (size_t)snprintf(buf + n, size - n, "Cache-Control: no-store\r\n");
	if (n < size)
		n += put_cors(r, buf + n, size - n);
	if (n < size)
		n += (size_t)snprintf(buf + n, size - n, "X-Content-Type-Options: nosniff\r\n\r\n");
	return n < size ? n : 0;
}

void req_stream(struct req *r, int status, const char *type, int64_t n)
{
	char head[HEAD_BYTES];

	r->status = status;
	r->content_type = type;
	r->nbytes = n < 0 ? SIZE_MAX : (size_t)n;
	r->streamed = true;
	bound_io(r, SO_SNDTIMEO);
	(void)write_all(r, head, put_headers(r, head, sizeof(head), true));
}

int req_stream_write(struct req *r, const char *data, size_t n)
{
	if (!strcmp(r->method, "HEAD"))
		return -1;
	r->bytes_out += (int64_t)n;
	return write_all(r, data, n);
}

void req_send(struct req *r, const struct fault *f)
{
	char head[HEAD_BYTES];
	size_t n;

	if (r->streamed)
		return;
	if (f->info)
		req_fault(r, f);
	if (r->out) {
		r->bytes = jsn_text(r->out, &r->nbytes);
		r->content_type = NULL;
	}
	if (r->bytes == NULL && r->status != 204 &&
	    r->status != 304) { /* no memory even for the answer */
		r->bytes = "{}";
		r->nbytes = 2;
		r->status = r->status ? r->status : 500;
	}
	n = put_headers(r, head, sizeof(head), r->bytes != NULL);
	if (r->nbytes > READ_CHUNK)
		bound_io(r, SO_SNDTIMEO);
	(void)write_all(r, head, n);
	if (r->bytes && strcmp(r->method, "HEAD")) {
		(void)write_all(r, r->bytes, r->nbytes);
		r->bytes_out = (int64_t)r->nbytes;
	}
}

void req_end(struct req *r)
{
	req_db_done(r);
	json_object_put(r->out);
	json_object_put(r->in);
	log_set_request(NULL);
	arena_reset(r->a);
}
