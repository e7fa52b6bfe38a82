#include "settings.h"

#include <fcntl.h>
#include <stdio.h>

#include "../lib/base/text.h"

#define AT(f) offsetof(struct settings, f)

static const struct {
	const char *name;
	size_t off;
	const char *def;
} words[] = {
	{ "SESSION_ID", AT(session_id), NULL },
	{ "CONTAINER_ID", AT(container_id), NULL },
	{ "POD_NAME", AT(pod_name), "" },
	{ "WORKSPACE_PATH", AT(workspace), "/workspace" },
	{ "CONTROL_PLANE_URL", AT(control_url), NULL },
	{ "INTERNAL_API_TOKEN_FILE", AT(token_file), "/var/lib/sandbox-executor/token" },
	{ "EXECUTOR_LISTEN", AT(listen), "/run/sandbox/executor.sock" },
	{ "SANDBOX_EXECUTOR_STATE_DIR", AT(state_dir), "/var/lib/sandbox-executor" },
	{ "SANDBOX_EXECUTOR_TEMPLATE", AT(template_id), "" },
	{ "SANDBOX_EXECUTION_OUTPUT_LIMIT_ACTION", AT(limit_action), "drop" },
};

/* Ceilings are those of sandbox.ini(5); 0 for a size of the container: not told. */
static const struct {
	const char *name;
	size_t off;
	int64_t def, min, max;
} numbers[] = {
	{ "SANDBOX_EXECUTION_MAX_PARALLEL", AT(max_parallel), 10, 1, 256 },
	{ "SANDBOX_EXECUTION_MAX_QUEUE", AT(max_queue), 100, 0, 1000 },
	{ "SANDBOX_EXECUTION_MAX_CODE_BYTES", AT(max_code_bytes), 1 << 20, 1, 8 << 20 },
	{ "SANDBOX_EXECUTION_MAX_EVENT_BYTES", AT(max_event_bytes), 1 << 20, 2, 8 << 20 },
	{ "SANDBOX_EXECUTION_MAX_RETURN_BYTES", AT(max_return_bytes), 1 << 20, 2, 8 << 20 },
	{ "SANDBOX_EXECUTION_OUTPUT_INLINE_BYTES", AT(output_inline_bytes), 1 << 20, 1024,
	  4 << 20 },
	{ "SANDBOX_EXECUTION_OUTPUT_MAX_BYTES", AT(output_max_bytes), 100 << 20, 1024,
	  (int64_t)10 << 30 },
	{ "SANDBOX_EXECUTION_MAX_ARTIFACTS", AT(max_artifacts), 1000, 0, 100000 },
	{ "SANDBOX_EXECUTION_HEARTBEAT_INTERVAL", AT(heartbeat_s), 5, 1, 300 },
	{ "SANDBOX_EXECUTOR_MEMORY_BYTES", AT(memory_bytes), 0, 0, INT64_MAX },
	{ "SANDBOX_EXECUTOR_DISK_BYTES", AT(disk_bytes), 0, 0, INT64_MAX },
	{ "SANDBOX_EXECUTOR_MAX_PROCESSES", AT(max_processes), 0, 0, 1 << 20 },
	{ "SANDBOX_EXECUTOR_ALLOW_UNISOLATED", AT(allow_unisolated), 0, 0, 1 },
	{ "SANDBOX_EXECUTOR_EGRESS", AT(egress), 0, 0, 1 },
	{ "SANDBOX_EXECUTOR_PULL", AT(pull), 1, 0, 1 },
};

static int read_token(struct settings *s, char *why, size_t whysz)
{
	AUTO_CLOSE int fd = open(s->token_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, s->token, sizeof(s->token) - 1);

	while (n > 0 && (s->token[n - 1] == '\n' || s->token[n - 1] == '\r'))
		n--;
	if (n <= 0) {
		snprintf(why, whysz, "cannot read the session token from %s: %s", s->token_file,
			 n < 0 ? strerror(errno) : "it is empty");
		return -1;
	}
	s->token[n] = '\0';
	return 0;
}

int settings_load(struct settings *s, char *why, size_t whysz)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *v = getenv(words[i].name);

		if (str_empty(v) && !words[i].def) {
			snprintf(why, whysz, "%s is required", words[i].name);
			return -1;
		}
		*(const char **)((char *)s + words[i].off) = str_empty(v) ? words[i].def : v;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *v = getenv(numbers[i].name);
		int64_t *field = (int64_t *)((char *)s + numbers[i].off);

		*field = numbers[i].def;
		if (!str_empty(v) && !text_int(v, numbers[i].min, numbers[i].max, field)) {
			snprintf(why, whysz, "%s: '%.40s' is not in %lld..%lld", numbers[i].name, v,
				 (long long)numbers[i].min, (long long)numbers[i].max);
			return -1;
		}
	}
	return read_token(s, why, whysz);
}
