/* conf_where.c: where a value comes from that a rule of conf_check.c refuses. Read again only for that. */
#include <ctype.h>
#include <stdio.h>

#include "conf_check.h"

#define NAME_MAX_LEN 63 /* no section and no key is longer, conf.c */

struct name {
	char section[NAME_MAX_LEN + 1], key[NAME_MAX_LEN + 1];
};

/* "[section] key: what" */
static bool name_of(const char *why, struct name *nm)
{
	return sscanf(why, "[%63[^]]] %63[^:]", nm->section, nm->key) == 2;
}

static bool in_environment(const struct name *nm)
{
	static const char *const suffixes[] = { "", "_FILE" };
	char var[2 * NAME_MAX_LEN + 16];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(var, sizeof(var), "SANDBOX_%s_%s%s", nm->section, nm->key, suffixes[i]);
		for (char *p = var; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		if (getenv(var))
			return true;
	}
	return false;
}

static bool sets(const char *line, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n))
		return false;
	if (!strncmp(line + n, "_file", 5))
		n += 5;
	n += strspn(line + n, " \t");
	return line[n] == '=' || line[n] == ':';
}

/* The last line that gives the key a value; 0: none. */
static int line_of(const char *path, const struct name *nm)
{
	char line[256], head[NAME_MAX_LEN + 3];
	FILE *file = fopen(path, "re");
	int n = 0, at = 0;
	bool inside = false, whole = true;

	if (!file)
		return 0;
	snprintf(head, sizeof(head), "[%s]", nm->section);
	while (fgets(line, sizeof(line), file)) {
		const char *p = line + strspn(line, " \t");

		if (whole) {
			n++;
			if (*p == '[')
				inside = str_starts(p, head);
			else if (inside && sets(p, nm->key))
				at = n;
		}
		whole = strchr(line, '\n') != NULL; /* a comment may be longer than `line` */
	}
	fclose(file);
	return at;
}

void conf_where(const char *path, char *why, size_t whysz)
{
	char first[400];
	struct name nm;
	int line = 0;

	snprintf(first, sizeof(first), "%s", why);
	if (name_of(why, &nm)) {
		if (in_environment(&nm))
			path = "environment";
		else if (path)
			line = line_of(path, &nm);
	}
	if (line)
		snprintf(why, whysz, "%s:%d: %s", path, line, first);
	else if (path)
		snprintf(why, whysz, "%s: %s", path, first);
}
