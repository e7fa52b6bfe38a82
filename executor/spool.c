#include "spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../lib/base/ident.h"

#define RESULT_MAX ((off_t)64 << 20) /* twice what a callback may carry (CONTRACT 1.2) */

static char dir[256];

int spool_open(const char *state_dir)
{
	if (snprintf(dir, sizeof(dir), "%s/spool", state_dir) >= (int)sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

static void path_of(const char *id, const char *suffix, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.%s", dir, id, suffix);
}

void spool_log_path(const char *id, const char *stream, char *out, size_t size)
{
	path_of(id, stream, out, size);
}

int spool_put(const char *id, const char *text, size_t n)
{
	char tmp[400], path[400];
	AUTO_CLOSE int fd = -1;

	path_of(id, "tmp", tmp, sizeof(tmp));
	path_of(id, "json", path, sizeof(path));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		text += k;
		n -= (size_t)k;
	}
	return rename(tmp, path);
}

void spool_drop(const char *id)
{
	char path[400];

	path_of(id, "json", path, sizeof(path));
	unlink(path);
}

static char *slurp(const char *path, size_t *n)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > RESULT_MAX ||
	    !(text = malloc((size_t)st.st_size + 1)))
		return NULL;
	if (read(fd, text, (size_t)st.st_size) != st.st_size) {
		free(text);
		return NULL;
	}
	text[st.st_size] = '\0';
	*n = (size_t)st.st_size;
	return text;
}

void spool_each(void (*fn)(const char *, char *, size_t, void *), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t k = strlen(e->d_name), n;
		char id[IDENT_SZ], path[400], *text;

		if (k < 6 || k - 5 >= sizeof(id) || strcmp(e->d_name + k - 5, ".json"))
			continue;
		memcpy(id, e->d_name, k - 5);
		id[k - 5] = '\0';
		path_of(id, "json", path, sizeof(path));
		if (ident_ok(id) && (text = slurp(path, &n)))
			fn(id, text, n, arg);
	}
	if (d)
		closedir(d);
}
