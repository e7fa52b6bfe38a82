#include "lang.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "../lib/base/clock.h"
#include "../lib/base/embed.h"

EMBED(runner_py);
EMBED(runner_js);

#define VERSION_MS 5000

static struct lang rows[LANG_COUNT] = {
	/* -u: what was printed before a signal is not lost in a buffer. -c keeps the text out of the file system. */
	{ .name = "python",
	  .has_handler = true,
	  .args = { "-u", "-c",
		    "import os;r=os.read(6,1<<20);os.close(6);exec(compile(r,'<runner>','exec'))" } },
	{ .name = "javascript",
	  .has_handler = true,
	  .args = { "-e",
		    "const f=require('fs'),r=f.readFileSync(6,'utf8');f.closeSync(6);(0,eval)('(require,process)=>{'+r+'}')(require,process)" } },
	/* As bash -c with the code, whose size may exceed what one argument holds; it leaves no variable and no descriptor. */
	{ .name = "shell",
	  .args = { "-c",
		    "mapfile -d '' -u 3 _c;exec 3<&- 4<&- 5<&- 6<&-;set -- \"${_c[0]}\";unset _c;"
		    "eval \"shift;$1\"",
		    "bash" } },
};

static const char *const candidates[LANG_COUNT][3] = {
	{ "/usr/local/bin/python3", "/usr/bin/python3" },
	{ "/usr/local/bin/node", "/usr/bin/node", "/usr/bin/nodejs" },
	{ "/bin/bash", "/usr/bin/bash" },
};

/* The first word with a digit of what `--version` prints. */
static void take_version(struct lang *l, const char *text)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n,(");
		const char *w = *p == 'v' ? p + 1 : p;

		if (*w >= '0' && *w <= '9' && n < sizeof(l->version)) {
			memcpy(l->version, w, n - (size_t)(w - p));
			return;
		}
		p += n + strspn(p + n, " \n,(");
	}
}

/* Starts `program --version`; its answer comes on *fd. 0 when it could not be started. */
static pid_t ask(const char *program, int *fd)
{
	const char *const argv[] = { program, "--version", NULL }, *const envp[] = { "LC_ALL=C",
										     NULL };
	posix_spawn_file_actions_t fa;
	pid_t pid = 0;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return 0;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], STDOUT_FILENO);
	if (posix_spawn(&pid, program, &fa, NULL, (char *const *)(uintptr_t)argv,
			(char *const *)(uintptr_t)envp))
		pid = 0;
	posix_spawn_file_actions_destroy(&fa);
	close(p[1]);
	if (pid)
		*fd = p[0];
	else
		close(p[0]);
	return pid;
}

/* What it said until it ended; killed when it takes too long. */
static void hear(struct lang *l, pid_t pid, int fd, int64_t until)
{
	char text[512];
	size_t n = 0;
	ssize_t k = 1;
	int st;

	while (k > 0 && n < sizeof(text) - 1) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };
		int64_t left = until - clock_ms();

		k = left > 0 && poll(&pf, 1, (int)left) > 0
			    ? read(fd, text + n, sizeof(text) - 1 - n)
			    : 0;
		n += k > 0 ? (size_t)k : 0;
	}
	text[n] = '\0';
	close(fd);
	kill(pid, SIGKILL); /* of one that has ended: nothing */
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	take_version(l, text);
}

static pid_t asked[LANG_COUNT];
static int answers[LANG_COUNT];

void lang_detect(bool versions)
{
	rows[0].runner = runner_py_text;
	rows[0].runner_len = runner_py_text_len;
	rows[1].runner = runner_js_text;
	rows[1].runner_len = runner_js_text_len;
	for (size_t i = 0; i < LANG_COUNT; i++) {
		for (size_t j = 0; j < ARRAY_LEN(candidates[i]) && !rows[i].program; j++)
			if (candidates[i][j] && access(candidates[i][j], X_OK) == 0)
				rows[i].program = candidates[i][j];
		asked[i] = rows[i].program && versions ? ask(rows[i].program, &answers[i]) : 0;
	}
}

void lang_versions(void)
{
	int64_t until = clock_ms() + VERSION_MS;

	for (size_t i = 0; i < LANG_COUNT; i++)
		if (asked[i])
			hear(&rows[i], asked[i], answers[i], until);
}

const struct lang *lang_find(const char *name)
{
	for (size_t i = 0; i < LANG_COUNT; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].program ? &rows[i] : NULL;
	return NULL;
}

const struct lang *lang_row(size_t i)
{
	return i < LANG_COUNT ? &rows[i] : NULL;
}
