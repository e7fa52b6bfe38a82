#include "spec.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/tree.h"

#define PARENT_MODE 0750 /* only the control plane's group gets to the sockets (CONTRACT 10.2) */
#define REMOVE_MS   2000 /* a directory with a socket in it */

char *spec_control_dir(const struct conf *cf, struct arena *a)
{
	const char *path = str_starts(cf->runtime_control_url, "unix://")
				   ? cf->runtime_control_url + strlen("unix://")
				   : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash > path ? arena_strndup(a, path, (size_t)(slash - path)) : NULL;
}

static int fail(const char *what, const char *dir, struct fault *f)
{
	log_error("socket_dir.failed", S("what", what), S("dir", dir), S("error", strerror(errno)));
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE, "this node cannot %s a socket directory",
			 what);
}

/* chmod, because the mode of mkdir goes through the umask. `control` is a mount point that the runtime need not make. */
static int make_one(const char *dir)
{
	AUTO_CLOSE int fd = -1;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (mkdirat(fd, "control", 0755) < 0 && errno != EEXIST))
		return -1;
	return fchmod(fd, 0777);
}

int spec_socket_dir_make(const struct conf *cf, const char *name, struct arena *a, struct fault *f)
{
	char *dir = rt_socket_dir(cf, name, a);

	if (!dir)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (tree_make(cf->runtime_socket_dir, PARENT_MODE) < 0 || make_one(dir) < 0)
		return fail("make", dir, f);
	return 0;
}

int spec_socket_dir_remove(const struct conf *cf, const char *name, struct arena *a,
			   struct fault *f)
{
	char *dir = rt_socket_dir(cf, name, a);

	if (!dir)
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (tree_remove(AT_FDCWD, dir, clock_ms() + REMOVE_MS) < 0)
		return fail("remove", dir, f);
	return 0;
}
