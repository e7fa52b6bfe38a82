/* The image `host`: what of this machine every container may read, and the little that it must not share. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../base/tree.h"
#include "image.h"

/* /usr, and what programs in it cannot do without. Nothing that holds accounts, keys or addresses of this machine. */
static const char *const shared[] = {
	"/usr",
	"/etc/alternatives",
	"/etc/fonts",
	"/etc/ld.so.cache",
	"/etc/matplotlibrc",
	"/etc/mime.types",
	"/etc/protocols",
	"/etc/services",
	"/etc/ssl/certs",
	"/etc/pki/ca-trust/extracted",
	"/etc/pki/tls/certs",
};

static const struct {
	const char *name, *to;
} links[] = {
	{ "bin", "usr/bin" },     { "sbin", "usr/sbin" },   { "lib", "usr/lib" },
	{ "lib64", "usr/lib64" }, { "lib32", "usr/lib32" }, { "etc/mtab", "../proc/self/mounts" },
};

static const char *const dirs[] = { "etc", "usr", "home", "root", "var/tmp" };

static const struct {
	const char *name, *text;
} files[] = {
	{ "hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n" },
	{ "hostname", "sandbox\n" },
	{ "nsswitch.conf",
	  "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n" },
	{ "resolv.conf", "" },
};

const char *const *image_host_shared(struct arena *a)
{
	const char **list = arena_alloc(a, sizeof(shared) + sizeof(shared[0]));
	size_t n = 0;

	for (size_t i = 0; list && i < ARRAY_LEN(shared); i++)
		if (access(shared[i], F_OK) == 0)
			list[n++] = shared[i];
	return list;
}

/* The accounts: user code finds a name for its own uid. */
static int make_accounts(int etc, int64_t uid)
{
	char passwd[512], group[128];
	int p, g;

	p = snprintf(passwd, sizeof(passwd),
		     "root:x:0:0:root:/root:/usr/sbin/nologin\n"
		     "sandbox:x:%lld:%lld:sandbox:/workspace:/bin/sh\n"
		     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		     (long long)uid, (long long)uid);
	g = snprintf(group, sizeof(group), "root:x:0:\nsandbox:x:%lld:\nnogroup:x:65534:\n",
		     (long long)uid);
	if (tree_write(etc, "passwd", passwd, (size_t)p, 0644) < 0)
		return -1;
	return tree_write(etc, "group", group, (size_t)g, 0644);
}

int image_host_make(int root, int64_t uid)
{
	AUTO_CLOSE int etc = -1;

	if (image_mount_points(root) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(root, dirs[i], 0755) < 0 && errno != EEXIST)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].to, root, links[i].name) < 0 && errno != EEXIST)
			return -1;
	if ((etc = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (tree_write(etc, files[i].name, files[i].text, strlen(files[i].text), 0644) < 0)
			return -1;
	if (make_accounts(etc, uid) < 0)
		return -1;
	return fchmodat(root, "var/tmp", 01777, 0);
}
