/* hello.c: the least a FastCGI program on libfcgi can do: the control for GET /health. 64 threads, as ours. */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>

static int listen_fd;

static void *serve(void *arg)
{
	FCGX_Request fx;

	(void)arg;
	FCGX_InitRequest(&fx, listen_fd, 0);
	while (FCGX_Accept_r(&fx) == 0) {
		FCGX_PutS(
			"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"healthy\"}",
			fx.out);
		FCGX_Finish_r(&fx);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[64];

	if (argc != 2 || FCGX_Init() || (listen_fd = FCGX_OpenSocket(argv[1], 1024)) < 0)
		return 1;
	for (int i = 0; i < 64; i++)
		if (pthread_create(&t[i], NULL, serve, NULL))
			return 1;
	for (int i = 0; i < 64; i++)
		pthread_join(t[i], NULL);
	return 0;
}
