#include "walk.h"

#include <dirent.h>
#include <fcntl.h>

#include "beneath.h"

#define TODO_BYTES ((size_t)4 << 20)

struct walk {
	int root;
	walk_fn *fn;
	void *arg;
	DIR *dir; /* being read; its path is path[0..len] with a slash at the end, "" for the root */
	char path[WALK_PATH_MAX + 1];
	size_t len;
	char **todo; /* directories still to be read */
	size_t n, cap, bytes;
	int64_t left;
	bool begun;
};

struct walk *walk_new(int root, walk_fn *fn, void *arg)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (w)
		*w = (struct walk){ .root = root, .fn = fn, .arg = arg, .left = WALK_ENTRIES_MAX };
	return w;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	if (w->dir)
		closedir(w->dir);
	while (w->n)
		free(w->todo[--w->n]);
	free(w->todo);
	free(w);
}

/* Opens w->path; one that vanished or became something else has nothing to tell. */
static void enter(struct walk *w)
{
	const char *path = w->len ? w->path : ".";
	int fd = beneath_open(w->root, path, O_RDONLY | O_DIRECTORY);

	w->dir = fd < 0 ? NULL : fdopendir(fd);
	if (w->dir)
		return;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)) {
		if (w->len)
			w->path[w->len - 1] = '\0';
		w->fn(WALK_CLOSED, w->path, NULL, w->arg);
	}
}

/* Code may make 200,000 directories with names as long as they can be: their list must not cost its container's memory. */
static bool push(struct walk *w, const char *path)
{
	size_t n = strlen(path) + 1;

	if (w->bytes + n > TODO_BYTES)
		return false;
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		char **more = realloc(w->todo, cap * sizeof(*more));

		if (!more)
			return false;
		w->todo = more;
		w->cap = cap;
	}
	if (!(w->todo[w->n] = strdup(path)))
		return false;
	w->n++;
	w->bytes += n;
	return true;
}

static void one(struct walk *w, const char *name)
{
	size_t n = strlen(name);
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	if (w->left-- <= 0) {
		w->fn(WALK_MANY, "", NULL, w->arg);
		while (w->n)
			free(w->todo[--w->n]);
		return;
	}
	if (fstatat(dirfd(w->dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		if (errno == EACCES)
			w->fn(WALK_CLOSED, w->path, NULL, w->arg);
		return;
	}
	if (w->len + n + 1 > WALK_PATH_MAX) {
		w->fn(WALK_CLOSED, w->path, NULL, w->arg);
		return;
	}
	memcpy(w->path + w->len, name, n + 1);
	if (S_ISREG(st.st_mode))
		w->fn(WALK_FILE, w->path, &st, w->arg);
	else if (!push(w, w->path))
		w->fn(WALK_CLOSED, w->path, NULL, w->arg);
	w->path[w->len] = '\0';
}

/* The next directory; false: there is none. */
static bool next(struct walk *w)
{
	char *path;

	if (!w->begun) {
		w->begun = true;
		enter(w);
		return true;
	}
	if (!w->n || w->left < 0)
		return false;
	path = w->todo[--w->n];
	w->len = strlen(path);
	w->bytes -= w->len + 1;
	memcpy(w->path, path, w->len);
	w->path[w->len++] = '/';
	w->path[w->len] = '\0';
	free(path);
	enter(w);
	return true;
}

bool walk_step(struct walk *w, int n)
{
	const struct dirent *e;

	while (n-- > 0) {
		if (!w->dir) {
			if (!next(w))
				return false;
			continue;
		}
		errno = 0;
		e = w->left < 0 ? NULL : readdir(w->dir);
		if (e) {
			one(w, e->d_name);
		} else {
			closedir(w->dir);
			w->dir = NULL;
		}
	}
	return true;
}
