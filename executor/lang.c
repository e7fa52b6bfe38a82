#include "lang.h"

#include "../lib/base/embed.h"
#include "../lib/base/proc.h"

EMBED(runner_py);
EMBED(runner_js);

#define VERSION_MS 5000

static struct lang rows[LANG_COUNT] = {
	/* -u: what was printed before a signal is not lost in a buffer. -c keeps the text out of the file system. */
	{ .name = "python", .has_handler = true,
	  .args = { "-u", "-c", "import os;r=os.read(6,1<<20);os.close(6);exec(compile(r,'<runner>','exec'))" } },
	{ .name = "javascript", .has_handler = true,
	  .args = { "-e", "const f=require('fs'),r=f.readFileSync(6,'utf8');f.closeSync(6);(0,eval)('(require,process)=>{'+r+'}')(require,process)" } },
	/* As bash -c with the code, whose size may exceed what one argument holds; it leaves no variable and no descriptor. */
	{ .name = "shell", .args = { "-c", "mapfile -d '' -u 3 _c;exec 3<&- 4<&- 5<&- 6<&-;set -- \"${_c[0]}\";unset _c;"
				     "eval \"shift;$1\"", "bash" } },
};

static const char *const candidates[LANG_COUNT][3] = {
	{ "/usr/local/bin/python3", "/usr/bin/python3" },
	{ "/usr/local/bin/node", "/usr/bin/node", "/usr/bin/nodejs" },
	{ "/bin/bash", "/usr/bin/bash" },
};

/* The first word with a digit of what `--version` prints. */
static void ask_version(struct lang *l)
{
	const char *const argv[] = { l->program, "--version", NULL }, *const envp[] = { "LC_ALL=C", NULL };
	struct proc_spec sp = { .argv = argv, .envp = envp, .max_output = 512, .timeout_ms = VERSION_MS };
	struct proc_result r;

	if (proc_run(&sp, &r) < 0)
		return;
	for (const char *p = r.out; *p;) {
		size_t n = strcspn(p, " \n,(");
		const char *w = *p == 'v' ? p + 1 : p;

		if (*w >= '0' && *w <= '9' && n < sizeof(l->version)) {
			memcpy(l->version, w, n - (size_t)(w - p));
			break;
		}
		p += n + strspn(p + n, " \n,(");
	}
	proc_result_free(&r);
}

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
		if (rows[i].program && versions)
			ask_version(&rows[i]);
	}
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
