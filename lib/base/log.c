#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <syslog.h>

#include "clock.h"
#include "text.h"

#define LINE_BYTES 4096 /* PIPE_BUF: lines of concurrent writers never mix */
#define TAIL_BYTES 64   /* kept free for the end of a line that was cut */

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const int syslog_levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
static const char *component = "?";
static char host[64];
static enum log_level max_level = LOG_LV_INFO;
static bool as_text, to_syslog;
static int log_fd = STDERR_FILENO;
static pid_t pid; /* ours, also after a fork */
static __thread char request_id[129];

struct line {
	char b[LINE_BYTES];
	size_t n;
	bool cut;
};

/* All of it or nothing. */
static bool put(struct line *l, const char *s, size_t n)
{
	if (l->cut || l->n + n > sizeof(l->b) - TAIL_BYTES) {
		l->cut = true;
		return false;
	}
	memcpy(l->b + l->n, s, n);
	l->n += n;
	return true;
}

/* A quoted string; what does not fit is left out at a character's edge. */
static void put_quoted(struct line *l, const char *s)
{
	const char *end = s + strlen(s);
	char esc[8];

	if (!put(l, "\"", 1))
		return;
	while (s < end) {
		size_t k = text_utf8_len(s, (size_t)(end - s));
		unsigned char c = (unsigned char)*s;
		bool ok;

		if (!k) {
			ok = put(l, "\xef\xbf\xbd", 3);
			k = 1;
		} else if (c == '"' || c == '\\') {
			ok = put(l, (char[]){ '\\', (char)c }, 2);
		} else if (c < 0x20 || c == 0x7f) {
			ok = put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c));
		} else {
			ok = put(l, s, k);
		}
		if (!ok)
			break;
		s += k;
	}
	l->b[l->n++] = '"'; /* TAIL_BYTES keeps room */
}

static void put_field(struct line *l, const struct log_field *f)
{
	char num[32];

	/* A field that cannot even begin is dropped whole. */
	if (l->cut || l->n + strlen(f->key) + 32 > sizeof(l->b) - TAIL_BYTES) {
		l->cut = true;
		return;
	}
	put(l, as_text ? " " : ",\"", as_text ? 1 : 2);
	put(l, f->key, strlen(f->key));
	put(l, as_text ? "=" : "\":", as_text ? 1 : 2);
	if (f->str)
		put_quoted(l, f->str);
	else
		put(l, num, (size_t)snprintf(num, sizeof(num), "%lld", (long long)f->num));
}

static void learn_pid(void)
{
	pid = getpid();
}

void log_init(const char *name, enum log_level max, bool text)
{
	if (!pid)
		pthread_atfork(NULL, NULL, learn_pid);
	learn_pid();
	component = name;
	max_level = max;
	as_text = text;
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
}

void log_set_level(enum log_level max)
{
	max_level = max;
}

int log_to(const char *target)
{
	int fd;

	if (!strcmp(target, "stderr"))
		return 0;
	if (!strcmp(target, "syslog")) {
		openlog(component, LOG_PID, LOG_DAEMON);
		to_syslog = true;
		return 0;
	}
	fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = fd;
	return 0;
}

void log_set_request(const char *id)
{
	snprintf(request_id, sizeof(request_id), "%s", id ? id : "");
}

const char *log_request_id(void)
{
	return request_id;
}

void log_emit(enum log_level lv, const char *event, const struct log_field *f)
{
	struct line l = { .n = 0 };
	char ts[CLOCK_RFC3339_SZ];

	if (lv > max_level)
		return;
	clock_format(clock_wall_ms(), ts);
	l.n = (size_t)snprintf(
		l.b, LINE_BYTES / 2,
		as_text ? "%s %-5s %s[%d] %s"
			: "{\"ts\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"pid\":%d,\"msg\":\"%s\"",
		ts, level_names[lv], component, (int)pid, event);
	if (!as_text && host[0])
		put_field(&l, &(struct log_field)S("host", host));
	if (request_id[0])
		put_field(&l, &(struct log_field)S("request_id", request_id));
	for (; f->key; f++)
		put_field(&l, f);
	if (l.cut) {
		const char *mark = as_text ? " cut=1" : ",\"cut\":1";

		memcpy(l.b + l.n, mark, strlen(mark));
		l.n += strlen(mark);
	}
	memcpy(l.b + l.n, as_text ? "\n" : "}\n", as_text ? 1 : 2);
	l.n += as_text ? 1 : 2;
	if (to_syslog)
		syslog(syslog_levels[lv], "%.*s", (int)l.n - 1, l.b);
	else if (write(log_fd, l.b, l.n) < 0)
		return; /* nowhere left to report it */
}
