#include "httpc.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

#define CONNECT_MS 5000
#define POLL_MS \
	250 /* a half-closed TCP peer wakes no poll of libcurl: looked for as often as this */
#define HEADERS_MAX 32768 /* bytes of an answer's header lines that are kept */

struct httpc {
	CURL *easy;
	CURLM *multi; /* owns the connections */
	int tcp;      /* the last one opened, maybe closed since; -1: none yet */
};

struct call {
	const struct httpc_req *rq;
	struct httpc_resp *rs;
	CURL *easy;
	const struct httpc *h;
	struct arena *a;
	char *buf; /* body as it grows */
	size_t len, cap;
	char head[HEADERS_MAX];
	size_t nhead;
	bool too_big, refused;
	int64_t moved, moved_at; /* bytes so far; clock_ms() of the last of them */
};

int httpc_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) ? -1 : 0;
}

struct httpc *httpc_new(void)
{
	struct httpc *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->tcp = -1;
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (!h->easy || !h->multi) {
		httpc_free(h);
		return NULL;
	}
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 8L);
	return h;
}

void httpc_free(struct httpc *h)
{
	if (!h)
		return;
	if (h->easy)
		curl_easy_cleanup(h->easy);
	if (h->multi)
		curl_multi_cleanup(h->multi);
	free(h);
}

/*
 * A peer that sends its headers and its body apart, with Nagle's algorithm (RFC 896) on, waits for the acknowledgement of
 * the first, which Linux delays by 40 ms on a connection that is kept open. Ceph's gateway is one. So: acknowledge now.
 * libcurl does not tell the socket of a call under way: it is the last one opened, or that is no harm.
 */
static void acknowledge(const struct httpc *h)
{
	int on = 1;

	if (h->tcp >= 0)
		(void)setsockopt(h->tcp, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype what)
{
	struct httpc *h = arg;

	if (what == CURLSOCKTYPE_IPCXN)
		h->tcp = fd;
	return CURL_SOCKOPT_OK;
}

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;

	(void)one; /* libcurl: always 1 */
	if (n > 5 && !strncmp(p, "HTTP/", 5)) {
		c->nhead = 0; /* a new answer after 100 Continue */
		if (!c->rq->unix_socket)
			acknowledge(c->h);
	}
	if (c->nhead + n < sizeof(c->head)) {
		memcpy(c->head + c->nhead, p, n);
		c->nhead += n;
		c->head[c->nhead] = '\0';
	}
	return n;
}

static int keep(struct call *c, const char *p, size_t n)
{
	if (c->len + n + 1 > c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 4096;
		char *more;

		while (cap < c->len + n + 1)
			cap *= 2;
		if (!(more = realloc(c->buf, cap)))
			return -1;
		c->buf = more;
		c->cap = cap;
	}
	memcpy(c->buf + c->len, p, n);
	c->len += n;
	return 0;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;

	(void)one;
	if (c->rq->sink) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->rs->status);
		c->rs->headers = c->head;
		c->refused = c->rq->sink(c->rq->sink_arg, c->rs, p, n) < 0;
		return c->refused ? CURL_WRITEFUNC_ERROR : n;
	}
	c->too_big = n > c->rq->max_body - c->len;
	return c->too_big || keep(c, p, n) < 0 ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_source(char *buf, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	ssize_t k = c->rq->source(c->rq->source_arg, buf, one * n);

	c->refused |= k < 0;
	return k < 0 ? CURL_READFUNC_ABORT : (size_t)k;
}

/* libcurl asks for the beginning only. */
static int on_seek(void *arg, curl_off_t at, int origin)
{
	const struct httpc_req *rq = ((struct call *)arg)->rq;

	if (at != 0 || origin != SEEK_SET || !rq->rewind || rq->rewind(rq->source_arg) < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	return CURL_SEEKFUNC_OK;
}

static struct curl_slist *header_list(const struct httpc_req *rq)
{
	struct curl_slist *l = NULL;
	char type[128];

	for (size_t i = 0; rq->headers && rq->headers[i]; i++)
		l = curl_slist_append(l, rq->headers[i]);
	if (rq->body && rq->content_type) {
		snprintf(type, sizeof(type), "Content-Type: %s", rq->content_type);
		l = curl_slist_append(l, type);
	}
	return curl_slist_append(l,
				 "Expect:"); /* no wait for 100 Continue: our peers take the body */
}

static void set_body(CURL *e, struct call *c)
{
	const struct httpc_req *rq = c->rq;

	if (rq->source) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)rq->body_len);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_source);
		curl_easy_setopt(e, CURLOPT_READDATA, c);
		curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
	} else if (rq->body) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, rq->body);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
	} else if (!strcmp(rq->method, "HEAD")) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, rq->method);
}

static void set_time(CURL *e, const struct httpc_req *rq)
{
	int64_t left = rq->deadline - clock_ms();

	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(left < CONNECT_MS ? left : CONNECT_MS));
	if (rq->deadline != INT64_MAX)
		curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left);
}

static void set_options(struct httpc *h, struct call *c, struct curl_slist *headers, char *errbuf)
{
	const struct httpc_req *rq = c->rq;
	CURL *e = h->easy;

	curl_easy_reset(e); /* options go, live connections stay */
	curl_easy_setopt(e, CURLOPT_URL, rq->url);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L); /* "." and ".." are the peer's to judge */
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY,
			 ""); /* cluster-internal: whatever the environment says */
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, errbuf);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, h);
	if (rq->unix_socket)
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, rq->unix_socket);
	if (rq->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, rq->ca_file);
	set_time(e, rq);
	set_body(e, c);
}

static bool hung_up(int fd)
{
	struct pollfd pf = { .fd = fd, .events = POLLRDHUP };

	return fd >= 0 && poll(&pf, 1, 0) > 0 && (pf.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* libcurl's own (CURLOPT_LOW_SPEED_TIME) takes the average of some seconds, and notices that much later. */
static bool stalled(struct call *c)
{
	curl_off_t up = 0, down = 0;
	int64_t moved, now = clock_ms();

	curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(c->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	moved = up + down + (int64_t)c->nhead;
	if (moved != c->moved) {
		c->moved = moved;
		c->moved_at = now;
	}
	return c->rq->stall_s && now - c->moved_at > c->rq->stall_s * 1000;
}

/* Runs to the end, the deadline, a stall or the hang-up of watch_fd. */
static CURLcode perform(struct httpc *h, struct call *c)
{
	int running = 1, fd = c->rq->watch_fd;

	while (running) {
		struct curl_waitfd w = { .fd = fd, .events = CURL_WAIT_POLLPRI };
		struct CURLMsg *m;
		int left = 0;

		if (curl_multi_perform(h->multi, &running))
			return CURLE_FAILED_INIT;
		while ((m = curl_multi_info_read(h->multi, &left)))
			if (m->msg == CURLMSG_DONE)
				return m->data.result;
		if (running &&
		    curl_multi_poll(h->multi, fd >= 0 ? &w : NULL, fd >= 0 ? 1 : 0, POLL_MS, NULL))
			return CURLE_FAILED_INIT;
		if (hung_up(fd)) {
			c->rs->gone = true;
			return CURLE_ABORTED_BY_CALLBACK;
		}
		if (stalled(c))
			return CURLE_OPERATION_TIMEDOUT;
	}
	return CURLE_OK;
}

static int report(struct call *c, CURLcode cc, const char *errbuf, struct fault *f)
{
	const struct httpc_req *rq = c->rq;

	c->rs->timed_out = cc == CURLE_OPERATION_TIMEDOUT;
	c->rs->cause = curl_easy_strerror(cc);
	if (c->rs->gone || c->refused)
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "the call was given up");
	if (c->too_big) {
		log_warn("http.too_big", S("method", rq->method), S("url", rq->url),
			 I("limit", rq->max_body));
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "the answer is larger than %zu bytes", rq->max_body);
	}
	log_debug("http.failed", S("method", rq->method), S("url", rq->url),
		  S("socket", rq->unix_socket), I("curl", cc),
		  S("error", errbuf[0] ? errbuf : curl_easy_strerror(cc)));
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			 c->rs->timed_out ? "it did not answer in time"
					  : "it could not be reached");
}

int httpc_do(struct httpc *h, const struct httpc_req *rq, struct httpc_resp *rs, struct arena *a,
	     struct fault *f)
{
	AUTO_FREE struct call *c = calloc(1, sizeof(*c));
	struct curl_slist *headers = header_list(rq);
	char errbuf[CURL_ERROR_SIZE] = "";
	CURLcode cc;
	int rc = 0;

	*rs = (struct httpc_resp){ 0 };
	if (!c || !headers || !rq->url || rq->deadline <= clock_ms()) {
		curl_slist_free_all(headers);
		rs->timed_out = c && headers && rq->url;
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "no time is left for the call");
	}
	*c = (struct call){
		.rq = rq, .rs = rs, .easy = h->easy, .h = h, .a = a, .moved_at = clock_ms()
	};
	set_options(h, c, headers, errbuf);
	curl_multi_add_handle(h->multi, h->easy);
	cc = perform(h, c);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &rs->status);
	curl_multi_remove_handle(h->multi, h->easy);
	curl_slist_free_all(headers);
	rs->headers = arena_strndup(a, c->head, c->nhead);
	rs->len = c->len;
	if (cc != CURLE_OK)
		rc = report(c, cc, errbuf, f);
	else if (!(rs->body = arena_strndup(a, c->buf ? c->buf : "", c->len)))
		rc = fault_set(f, FAULT_INTERNAL, "request memory");
	free(c->buf);
	return rc;
}

const char *httpc_header(const struct httpc_resp *rs, const char *name, struct arena *a)
{
	size_t k = strlen(name);

	for (const char *p = rs->headers; p && *p;) {
		size_t n = strcspn(p, "\r\n");

		if (n > k && p[k] == ':' && !strncasecmp(p, name, k)) {
			const char *v = p + k + 1 + strspn(p + k + 1, " \t");

			return arena_strndup(a, v, (size_t)(p + n - v));
		}
		p += n + strspn(p + n, "\r\n");
	}
	return NULL;
}
