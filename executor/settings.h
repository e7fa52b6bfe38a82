/* settings.h: what the executor is told by its environment (CONTRACT 10.2), read once. */
#pragma once

#include "../lib/base/util.h"

struct settings {
	const char *session_id, *container_id, *pod_name, *workspace, *control_url, *token_file,
		*listen, *state_dir, *template_id, *limit_action;
	char token[257]; /* read from token_file, never in the environment */
	int64_t max_parallel, max_queue;
	int64_t max_code_bytes, max_event_bytes, max_return_bytes, output_inline_bytes,
		output_max_bytes;
	int64_t max_artifacts, heartbeat_s, memory_bytes, disk_bytes, max_processes;
	int64_t allow_unisolated, egress;
	int64_t pull; /* storage may hold files of this session: they are fetched before code runs */
};

/* 0, or -1 with a message in `why`. Strings point into the environment. */
int settings_load(struct settings *, char *why, size_t whysz) MUST_CHECK;
