#include "listen.h"

#include <event2/util.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 128

int listen_on(const char *address, char *why, size_t whysz)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage ss;
	int len = sizeof(ss), fd, one = 1;
	bool is_unix = address[0] == '/';

	if (is_unix && strlen(address) < sizeof(un.sun_path)) {
		memcpy(un.sun_path, address, strlen(address) + 1);
		unlink(address);
	} else if (is_unix || evutil_parse_sockaddr_port(address, (struct sockaddr *)&ss, &len)) {
		snprintf(
			why, whysz,
			"EXECUTOR_LISTEN: '%s' is neither a socket path nor an address with a port",
			address);
		return -1;
	}
	fd = socket(is_unix ? AF_UNIX : ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd >= 0 && !is_unix)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 ||
	    bind(fd, is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&ss,
		 is_unix ? sizeof(un) : (socklen_t)len) < 0 ||
	    (is_unix && chmod(address, 0666) < 0) || listen(fd, BACKLOG) < 0) {
		snprintf(why, whysz, "cannot listen on %s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
