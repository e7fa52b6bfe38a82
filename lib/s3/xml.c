#include "xml.h"

#include <expat.h>
#include <limits.h>
#include <stdio.h>

#define PATH_SZ 128
#define DEPTH   8          /* S3's answers have four levels */
#define TEXT_SZ (4 * 1024) /* a key has 1024 bytes, encoded 3072 */

struct reader {
	XML_Parser p;
	int (*element)(void *arg, const char *path, const char *text);
	void *arg;
	char *root;
	char path[PATH_SZ]; /* below the root */
	char text[TEXT_SZ];
	size_t len, depth;
	bool bad;
};

static void give_up(struct reader *r)
{
	r->bad = true;
	XML_StopParser(r->p, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;
	size_t n = strlen(r->path);

	(void)attributes;
	if (r->bad)
		return;
	r->len = 0;
	if (r->depth++ == 0) {
		snprintf(r->root, XML_ROOT_SZ, "%s", name);
		return;
	}
	if (r->depth > DEPTH || n + 1 + strlen(name) >= sizeof(r->path)) {
		give_up(r);
		return;
	}
	snprintf(r->path + n, sizeof(r->path) - n, "%s%s", n ? "/" : "", name);
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	char *slash;

	(void)name;
	if (r->bad)
		return;
	r->text[r->len] = '\0';
	if (r->element(r->arg, r->path, r->text) < 0) {
		give_up(r);
		return;
	}
	r->depth--;
	slash = strrchr(r->path, '/');
	*(slash ? slash : r->path) = '\0';
	r->len = 0;
}

static void XMLCALL on_text(void *arg, const XML_Char *s, int n)
{
	struct reader *r = arg;

	if (r->bad)
		return;
	if (r->len + (size_t)n >= sizeof(r->text)) {
		give_up(r);
		return;
	}
	memcpy(r->text + r->len, s, (size_t)n);
	r->len += (size_t)n;
}

/* Entities that grow without end begin here. */
static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
			       const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	give_up(arg);
}

int xml_read(const char *doc, size_t n, char root[XML_ROOT_SZ],
	     int (*element)(void *arg, const char *path, const char *text), void *arg)
{
	AUTO_FREE struct reader *r = calloc(1, sizeof(*r));
	bool ok;

	root[0] = '\0';
	if (!r || n > INT_MAX || !(r->p = XML_ParserCreate("UTF-8")))
		return -1;
	r->element = element;
	r->arg = arg;
	r->root = root;
	XML_SetUserData(r->p, r);
	XML_SetElementHandler(r->p, on_start, on_end);
	XML_SetCharacterDataHandler(r->p, on_text);
	XML_SetStartDoctypeDeclHandler(r->p, on_doctype);
	ok = XML_Parse(r->p, doc, (int)n, XML_TRUE) == XML_STATUS_OK && !r->bad;
	XML_ParserFree(r->p);
	return ok ? 0 : -1;
}
