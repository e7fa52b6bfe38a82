#include "packages.h"

#include <ctype.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>

#define NAME_MAX_BYTES    100 /* CONTRACT 7 */
#define VERSION_MAX_BYTES 100
#define RELEASE           "v?([0-9]+!)?[0-9]+(\\.[0-9]+)*"

/* PEP 440, appendix B, without the local part. */
static const char public_form[] =
	"^" RELEASE "([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?"
	"(-[0-9]+|[-_.]?(post|rev|r)[-_.]?[0-9]*)?([-_.]?dev[-_.]?[0-9]*)?$";
static const char local_form[] = "^[a-z0-9]+([-_.][a-z0-9]+)*$";
/* What may stand before `.*`: releases, and pre- and post-releases of them. */
static const char wild_form[] = "^" RELEASE "([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?"
				"(-[0-9]+|[-_.]?(post|rev|r)[-_.]?[0-9]*)?$";
static const char compatible_form[] = "^v?([0-9]+!)?[0-9]+\\.[0-9]+"; /* ~= needs two numbers */

static regex_t public_re, local_re, wild_re, compatible_re;

static void compile(void)
{
	const struct {
		regex_t *re;
		const char *form;
	} all[] = {
		{ &public_re, public_form },
		{ &local_re, local_form },
		{ &wild_re, wild_form },
		{ &compatible_re, compatible_form },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (regcomp(all[i].re, all[i].form, REG_EXTENDED | REG_ICASE | REG_NOSUB))
			abort(); /* constants: only no memory can be the reason */
}

static bool is(const regex_t *re, const char *s)
{
	return regexec(re, s, 0, NULL, 0) == 0;
}

/* "requests2.31": a letter, digits, a dot and a digit. */
static bool glued(const char *s)
{
	for (; *s; s++) {
		size_t n = strspn(s + 1, "0123456789");

		if (isalpha((unsigned char)*s) && n && s[n + 1] == '.' &&
		    isdigit((unsigned char)s[n + 2]))
			return true;
	}
	return false;
}

bool package_name_ok(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > NAME_MAX_BYTES || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return !strstr(s, "..") && !glued(s);
}

/* One version behind `op` ("" when it is bare). `v` may be written to. */
static bool version_ok(const char *op, char *v)
{
	bool exact = !*op || !strcmp(op, "==") || !strcmp(op, "!=");
	size_t n = strlen(v);
	char *plus;

	if (n > 2 && !strcmp(v + n - 2, ".*")) {
		v[n - 2] = '\0';
		return *op && exact && is(&wild_re, v);
	}
	if ((plus = strchr(v, '+'))) {
		if (!exact || !is(&local_re, plus + 1))
			return false;
		*plus = '\0';
	}
	return is(&public_re, v) && (strcmp(op, "~=") || is(&compatible_re, v));
}

static const char *operator_at(const char *s)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "~=", "<", ">" };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (str_starts(s, ops[i]))
			return ops[i];
	return "";
}

bool package_version_ok(const char *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	size_t len = strlen(s), n;
	char one[VERSION_MAX_BYTES + 1];
	const char *op = operator_at(s);

	pthread_once(&once, compile);
	if (!len || len > VERSION_MAX_BYTES)
		return false;
	if (!*op)
		return version_ok("", memcpy(one, s, len + 1));
	for (;; s += n + 1, s += strspn(s, " "), op = operator_at(s)) {
		if (!*op)
			return false;
		s += strlen(op);
		s += strspn(s, " ");
		n = strcspn(s, ",");
		memcpy(one, s, n);
		one[n] = '\0';
		if (!version_ok(op, one))
			return false;
		if (!s[n])
			return true;
	}
}

bool package_index_ok(const char *url)
{
	const char *host = str_starts(url, "https://")  ? url + strlen("https://")
			   : str_starts(url, "http://") ? url + strlen("http://")
							: "";

	if (!*host || strchr("/:", *host))
		return false;
	/* Visible ASCII without what opens credentials, query or fragment, or what quoting gives a meaning. */
	for (const char *p = host; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("@?#\\\"'`<>{}|^", *p))
			return false;
	return true;
}

struct package {
	const char *name, *version;
};

static const struct jsn_field fields[] = {
	{ "name", NULL, JSN_STR, true, offsetof(struct package, name), 1, NAME_MAX_BYTES, NULL },
	{ "version", NULL, JSN_STR, false, offsetof(struct package, version), 1, VERSION_MAX_BYTES,
	  NULL },
};

void packages_check(struct jsn_check *c, const char *path, struct json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *v = json_object_array_get_idx(array, i);
		struct package p = { 0 };
		char at[120], sub[140];

		snprintf(at, sizeof(at), "%s.%zu", path, i);
		jsn_read(c, v, at, fields, ARRAY_LEN(fields), &p);
		if (p.name && !package_name_ok(p.name)) {
			snprintf(sub, sizeof(sub), "%s.name", at);
			jsn_bad(c, "value_error", sub, json_object_object_get(v, "name"),
				"must be a package's name, without extras or a version");
		}
		if (p.version && !package_version_ok(p.version)) {
			snprintf(sub, sizeof(sub), "%s.version", at);
			jsn_bad(c, "value_error", sub, json_object_object_get(v, "version"),
				"must be a PEP 440 version or a comma list of == != <= >= < > ~= with one");
		}
	}
}
