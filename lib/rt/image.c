#include "image.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../base/jsn.h"

#define MAX_HOPS   8 /* aliases of aliases */
#define MAX_DEPTH  4 /* registry/organisation/name and one to spare */
#define MAX_IMAGES 1000

/* ---- names ---- */

bool image_name_ok(const char *s)
{
	static const char *const chars =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:@/";
	size_t n = strlen(s);

	if (!n || n > IMAGE_NAME_MAX || s[n - 1] == '/' || strspn(s, chars) != n)
		return false;
	for (const char *p = s; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (*p == '.' || *p == '/') /* hidden, "..", empty */
			return false;
	return true;
}

/* A directory is an image when it looks like a root; else it is a part of longer names. */
bool image_is_root(int dir, const char *name)
{
	static const char *const signs[] = { "usr", "bin", "etc" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		char path[PATH_MAX];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", name, signs[i]);
		if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			return true;
	}
	return false;
}

/* First line of an alias file; false: none that is a name. */
static bool read_alias(int dir, const char *name, char out[IMAGE_NAME_MAX + 2])
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, IMAGE_NAME_MAX + 1);

	if (n <= 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\r\n \t")] = '\0';
	return image_name_ok(out);
}

/* What stands at one name: 1 an image, 2 an alias (name replaced), 0 nothing. */
static int look(int dir, char name[IMAGE_NAME_MAX + 2], const char *suffix, const struct conf *cf,
		struct image *out, struct arena *a)
{
	char path[IMAGE_NAME_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", name, suffix);
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return read_alias(dir, path, name) ? 2 : 0;
	if (!S_ISDIR(st.st_mode) || !image_is_root(dir, path))
		return 0;
	out->root = arena_printf(a, "%s/%s", cf->runtime_image_root, path);
	return out->root ? 1 : 0;
}

int image_find(const struct conf *cf, const char *name, struct image *out, struct arena *a,
	       struct fault *f)
{
	AUTO_CLOSE int dir = open(cf->runtime_image_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char at[IMAGE_NAME_MAX + 2];

	*out = (struct image){ 0 };
	if (!image_name_ok(name))
		return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
				 "'%.80s' cannot be the name of an image here", name);
	snprintf(at, sizeof(at), "%s", name);
	for (int hop = 0; hop < MAX_HOPS; hop++) {
		const char *slash = strrchr(at, '/');
		bool tagged = strchr(slash ? slash : at, ':');
		int rc = dir < 0 ? 0 : look(dir, at, "", cf, out, a);

		if (!rc && !tagged && dir >= 0)
			rc = look(dir, at, ":latest", cf, out, a);
		if (rc == 1)
			return 1;
		if (rc == 0)
			return out->host = str_eq(at, "host");
	}
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "image '%.80s' is a circle of aliases",
			 name);
}

/* ---- what there is ---- */

struct listing {
	const struct conf *cf;
	struct arena *a;
	struct json_object *names;
	int count;
};

static void note(struct listing *l, const char *name)
{
	struct image img;
	struct fault f = { 0 };

	if (l->count < MAX_IMAGES && image_find(l->cf, name, &img, l->a, &f) == 1) {
		l->names = jsn_push(l->names, json_object_new_string(name));
		l->count++;
	}
}

static void walk(struct listing *l, const char *prefix, int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", l->cf->runtime_image_root, prefix);
	if (!(d = opendir(path)))
		return;
	while ((e = readdir(d)) && l->count < MAX_IMAGES) {
		char name[IMAGE_NAME_MAX + 2];

		if (snprintf(name, sizeof(name), "%s%s", prefix, e->d_name) > IMAGE_NAME_MAX ||
		    !image_name_ok(name))
			continue;
		if (e->d_type == DT_DIR && !image_is_root(dirfd(d), e->d_name)) {
			if (depth < MAX_DEPTH && strlen(name) < IMAGE_NAME_MAX) {
				memcpy(name + strlen(name), "/", 2);
				walk(l, name, depth + 1);
			}
			continue;
		}
		note(l, name);
	}
	closedir(d);
}

const char *image_names(const struct conf *cf, struct arena *a)
{
	struct listing l = { .cf = cf, .a = a, .names = json_object_new_array() };
	const char *text;
	size_t len;

	walk(&l, "", 0);
	note(&l, "host");
	text = l.names ? jsn_text(l.names, &len) : NULL;
	text = text ? arena_strndup(a, text, len) : NULL;
	json_object_put(l.names);
	return text;
}
