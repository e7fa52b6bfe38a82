#include <stdio.h>

#include "../base/jsn.h"
#include "../base/text.h"
#include "docker_body.h"

#define FRAME_TEXT 2 /* highest stream number: 0 stdin, 1 stdout, 2 stderr */

static const struct {
	const char *word;
	enum rt_state state;
} states[] = {
	{ "created", RT_STARTING }, { "running", RT_RUNNING }, { "restarting", RT_STARTING },
	{ "paused", RT_RUNNING },   { "exited", RT_EXITED },   { "dead", RT_EXITED },
	{ "removing", RT_EXITED },
};

static enum rt_state state_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_eq(states[i].word, word))
			return states[i].state;
	return RT_UNKNOWN;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, name, &v)
		       ? v
		       : NULL;
}

static const char *text_of(struct json_object *o, const char *name, struct arena *a)
{
	struct json_object *v = member(o, name);

	return json_object_is_type(v, json_type_string) ? arena_strdup(a, json_object_get_string(v))
							: NULL;
}

static void read_labels(struct json_object *l, struct docker_found *out, struct arena *a)
{
	out->deployment = text_of(l, "sandbox.deployment", a);
	out->session = text_of(l, "sandbox.session", a);
	out->spec = text_of(l, DOCKER_SPEC_LABEL, a);
	out->user = text_of(l, DOCKER_USER_LABEL, a);
}

int docker_read_inspect(const char *text, size_t len, struct docker_found *out, struct arena *a)
{
	struct fault f = { 0 };
	AUTO_JSON struct json_object *o = jsn_parse(text, len, a, &f);
	struct json_object *st = member(o, "State");
	const char *word = text_of(st, "Status", a), *started = text_of(st, "StartedAt", a);

	if (!word || !(out->st.runtime_id = text_of(o, "Id", a)))
		return -1;
	out->st.state = state_of(word);
	out->st.exit_code =
		out->st.state == RT_EXITED ? json_object_get_int(member(st, "ExitCode")) : -1;
	out->st.oom_killed = json_object_get_boolean(member(st, "OOMKilled"));
	out->st.image_digest = text_of(o, "Image", a);
	out->never_started =
		str_eq(word, "created") || str_starts(started, "0001-"); /* Go's zero time */
	read_labels(member(member(o, "Config"), "Labels"), out, a);
	return 0;
}

int docker_read_listed(struct json_object *o, const char **name, struct docker_found *out,
		       struct arena *a)
{
	struct json_object *names = member(o, "Names");
	struct json_object *first = json_object_is_type(names, json_type_array)
					    ? json_object_array_get_idx(names, 0)
					    : NULL;
	const char *slashed = json_object_get_string(first), *status = text_of(o, "Status", a);
	int code;

	out->st.state = state_of(text_of(o, "State", a));
	out->st.runtime_id = text_of(o, "Id", a);
	out->st.image_digest = text_of(o, "ImageID", a);
	out->st.exit_code = -1;
	/* A list has the code in words only: "Exited (137) 2 hours ago". */
	if (out->st.state == RT_EXITED && status && sscanf(status, "Exited (%d)", &code) == 1)
		out->st.exit_code = code;
	out->never_started = out->st.state == RT_STARTING;
	read_labels(member(o, "Labels"), out, a);
	*name = slashed && *slashed == '/' ? arena_strdup(a, slashed + 1) : NULL;
	return *name && out->st.runtime_id ? 0 : -1;
}

static struct json_object *add_tags(struct json_object *names, struct json_object *tags)
{
	size_t n = json_object_is_type(tags, json_type_array) ? json_object_array_length(tags) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(tags, i));

		if (s && !str_starts(s, "<none>"))
			names = jsn_push(names, json_object_new_string(s));
	}
	return names;
}

const char *docker_read_images(const char *text, size_t len, struct arena *a)
{
	struct fault f = { 0 };
	AUTO_JSON struct json_object *list = jsn_parse(text, len, a, &f);
	AUTO_JSON struct json_object *names = json_object_new_array();
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	const char *out;

	if (!json_object_is_type(list, json_type_array))
		return NULL;
	for (size_t i = 0; i < n; i++)
		names = add_tags(names, member(json_object_array_get_idx(list, i), "RepoTags"));
	out = names ? jsn_text(names, &n) : NULL;
	return out ? arena_strndup(a, out, n) : NULL;
}

/* Room for n more bytes; beyond twice the maximum the older half goes. */
static int make_room(struct docker_log *l, size_t n)
{
	if (!l->buf && !(l->buf = malloc(2 * l->max)))
		return -1;
	if (l->len + n > 2 * l->max) {
		size_t keep = l->max - n;

		memmove(l->buf, l->buf + l->len - keep, keep);
		l->len = keep;
	}
	return 0;
}

static int keep_text(struct docker_log *l, const char *p, size_t n)
{
	if (n > l->max) {
		p += n - l->max;
		n = l->max;
	}
	if (make_room(l, n) < 0)
		return -1;
	memcpy(l->buf + l->len, p, n);
	l->len += n;
	return 0;
}

int docker_log_feed(struct docker_log *l, const char *p, size_t n)
{
	while (n) {
		if (!l->left) {
			l->head[l->nhead++] = (unsigned char)*p++;
			n--;
			if (l->nhead == sizeof(l->head)) {
				l->left = (size_t)l->head[4] << 24 | (size_t)l->head[5] << 16 |
					  (size_t)l->head[6] << 8 | l->head[7];
				l->nhead = 0;
				if (l->head[0] > FRAME_TEXT)
					return -1;
			}
			continue;
		}
		size_t k = n < l->left ? n : l->left;

		if (keep_text(l, p, k) < 0)
			return -1;
		p += k;
		n -= k;
		l->left -= k;
	}
	return 0;
}

char *docker_log_text(struct docker_log *l, struct arena *a)
{
	size_t from = l->len > l->max ? l->len - l->max : 0, n;
	const char *line;
	char *out;

	/* What was cut begins with a whole line. */
	if (from && (line = memchr(l->buf + from, '\n', l->len - from)))
		from = (size_t)(line + 1 - l->buf);
	out = text_utf8_repair(a, l->buf ? l->buf + from : "", l->len - from, &n);
	free(l->buf);
	*l = (struct docker_log){ .max = l->max };
	return out;
}
