#include "wspath.h"

#include <strings.h>

#include "text.h"

/* C0, DEL and C1, the last as UTF-8 writes it: C2 80 to C2 9F. */
static bool is_control(const unsigned char *s, size_t n)
{
	return s[0] < 0x20 || s[0] == 0x7f || (n > 1 && s[0] == 0xc2 && s[1] < 0xa0);
}

static const char *bad_characters(const char *p, size_t n)
{
	for (size_t i = 0, k; i < n; i += k) {
		if (!(k = text_utf8_len(p + i, n - i)))
			return "it is not UTF-8";
		if (is_control((const unsigned char *)p + i, n - i))
			return "it has a control character";
		if (p[i] == '\\')
			return "it has a backslash";
	}
	return NULL;
}

static const char *bad_segment(const char *s, size_t n)
{
	if (!n)
		return "it has an empty segment";
	if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return "it has a '.' or '..' segment";
	return n > WSSEG_MAX ? "a segment has more than 255 bytes" : NULL;
}

const char *wspath_bad(const char *path, size_t n)
{
	const char *why;

	if (!n)
		return "it is empty";
	if (n > WSPATH_MAX)
		return "it has more than 1024 bytes";
	if (path[0] == '/')
		return "it begins with a slash";
	if (path[n - 1] == '/')
		return "it ends with a slash";
	if ((why = bad_characters(path, n)))
		return why;
	for (const char *s = path, *end = path + n; s <= end;) {
		const char *slash = memchr(s, '/', (size_t)(end - s));
		size_t k = (size_t)((slash ? slash : end) - s);

		if ((why = bad_segment(s, k)))
			return why;
		s += k + 1;
	}
	return NULL;
}

/* The last segment's extension, without its dot; "" when it has none. A leading dot makes a hidden file, no extension. */
static const char *extension(const char *path)
{
	const char *name = strrchr(path, '/'), *dot;

	name = name ? name + 1 : path;
	dot = strrchr(name, '.');
	return dot && dot != name ? dot + 1 : "";
}

/* clang-format off */
static const struct {
	const char *extension, *type;
} types[] = {
	{ "7z",      "application/x-7z-compressed" },
	{ "avif",    "image/avif" },
	{ "bmp",     "image/bmp" },
	{ "bz2",     "application/x-bzip2" },
	{ "c",       "text/x-c" },
	{ "cpp",     "text/x-c++" },
	{ "css",     "text/css" },
	{ "csv",     "text/csv" },
	{ "doc",     "application/msword" },
	{ "docx",    "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
	{ "epub",    "application/epub+zip" },
	{ "flac",    "audio/flac" },
	{ "geojson", "application/geo+json" },
	{ "gif",     "image/gif" },
	{ "go",      "text/x-go" },
	{ "gz",      "application/gzip" },
	{ "h",       "text/x-c" },
	{ "htm",     "text/html" },
	{ "html",    "text/html" },
	{ "ico",     "image/vnd.microsoft.icon" },
	{ "ics",     "text/calendar" },
	{ "ini",     "text/plain" },
	{ "ipynb",   "application/x-ipynb+json" },
	{ "jar",     "application/java-archive" },
	{ "java",    "text/x-java" },
	{ "jpeg",    "image/jpeg" },
	{ "jpg",     "image/jpeg" },
	{ "js",      "text/javascript" },
	{ "json",    "application/json" },
	{ "jsonl",   "application/jsonl" },
	{ "log",     "text/plain" },
	{ "md",      "text/markdown" },
	{ "mjs",     "text/javascript" },
	{ "mp3",     "audio/mpeg" },
	{ "mp4",     "video/mp4" },
	{ "ods",     "application/vnd.oasis.opendocument.spreadsheet" },
	{ "odt",     "application/vnd.oasis.opendocument.text" },
	{ "ogg",     "audio/ogg" },
	{ "parquet", "application/vnd.apache.parquet" },
	{ "pdf",     "application/pdf" },
	{ "png",     "image/png" },
	{ "pptx",    "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
	{ "py",      "text/x-python" },
	{ "rs",      "text/x-rust" },
	{ "rtf",     "application/rtf" },
	{ "sh",      "text/x-shellscript" },
	{ "sql",     "application/sql" },
	{ "sqlite",  "application/vnd.sqlite3" },
	{ "svg",     "image/svg+xml" },
	{ "tar",     "application/x-tar" },
	{ "tgz",     "application/gzip" },
	{ "tif",     "image/tiff" },
	{ "tiff",    "image/tiff" },
	{ "toml",    "application/toml" },
	{ "ts",      "text/x-typescript" },
	{ "tsv",     "text/tab-separated-values" },
	{ "txt",     "text/plain" },
	{ "wasm",    "application/wasm" },
	{ "wav",     "audio/wav" },
	{ "webm",    "video/webm" },
	{ "webp",    "image/webp" },
	{ "whl",     "application/zip" },
	{ "xls",     "application/vnd.ms-excel" },
	{ "xlsx",    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	{ "xml",     "application/xml" },
	{ "xz",      "application/x-xz" },
	{ "yaml",    "application/yaml" },
	{ "yml",     "application/yaml" },
	{ "zip",     "application/zip" },
	{ "zst",     "application/zstd" },
};
/* clang-format on */
const char *wspath_type(const char *path)
{
	const char *ext = extension(path);

	for (size_t i = 0; *ext && i < ARRAY_LEN(types); i++)
		if (!strcasecmp(types[i].extension, ext))
			return types[i].type;
	return "application/octet-stream";
}

const char *wspath_artifact(const char *path)
{
	size_t n = strlen(path);

	if (str_starts(path, "output/"))
		return "output";
	if (str_starts(path, "logs/") || (n > 4 && !strcmp(path + n - 4, ".log")))
		return "log";
	return "artifact";
}

bool wspath_hidden(const char *path)
{
	return path[0] == '.' || strstr(path, "/.");
}
