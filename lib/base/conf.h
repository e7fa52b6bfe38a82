/*
 * conf.h: sandbox.ini(5), parsed once at start.
 *
 * Every key is a row of the table in conf.c: type, default, range. An unknown
 * key, a bad value or, in production, an empty or well-known secret stops the
 * start with file, line and reason. SANDBOX_<SECTION>_<KEY> in the environment
 * overrides the file; a secret may be named as <key>_file instead.
 */
#pragma once

#include "util.h"

/* Numbers: seconds for times, bytes for sizes, unless the comment says otherwise. Strings are never NULL. */
struct conf {
	/* [server] */
	char *server_listen, *server_environment, *server_public_url, *server_docs_url,
		*server_cors_origins;
	int64_t server_workers, server_threads, server_slow_threads, server_shutdown_grace;
	/* [auth] */
	char *auth_mode;
	bool auth_trust_upstream;
	/* [internal] */
	char *internal_secret, *internal_secret_previous;
	/* [limits] */
	int64_t limits_max_body_bytes, limits_max_execute_body_bytes, limits_max_upload_bytes;
	/* [ratelimit] */
	bool ratelimit_enabled;
	int64_t ratelimit_requests_per_minute, ratelimit_burst, ratelimit_creates_per_minute;
	/* [database] */
	char *database_host, *database_socket, *database_name, *database_user, *database_password,
		*database_tls_ca;
	int64_t database_port, database_pool_size, database_connect_timeout, database_query_timeout;
	/* [storage] */
	char *storage_endpoint, *storage_public_endpoint, *storage_region, *storage_bucket,
		*storage_access_key, *storage_secret_key;
	bool storage_path_style;
	int64_t storage_presign_ttl, storage_timeout, storage_large_file_bytes, storage_part_bytes,
		storage_retention_hours;
	/* [session] */
	int64_t session_default_timeout, session_idle_threshold, session_max_lifetime,
		session_creating_timeout;
	int64_t session_cpu_min_millis, session_cpu_max_millis;
	int64_t session_memory_min, session_memory_max, session_disk_min, session_disk_max;
	int64_t session_processes_min, session_processes_max;
	int64_t session_max_recoveries, session_tombstone_days, session_record_days;
	/* [execution] */
	int64_t execution_default_timeout, execution_max_timeout;
	int64_t execution_max_code_bytes, execution_max_event_bytes, execution_max_return_bytes;
	int64_t execution_output_inline_bytes, execution_output_max_bytes;
	char *execution_output_limit_action;
	int64_t execution_max_parallel, execution_max_queue, execution_max_retries,
		execution_max_artifacts;
	int64_t execution_heartbeat_interval, execution_heartbeat_timeout;
	/* [executor] */
	bool executor_allow_unisolated;
	int64_t executor_port;
	/* [runtime] */
	char *runtime_type, *runtime_deployment, *runtime_node_id, *runtime_endpoint,
		*runtime_oci_binary, *runtime_image_root, *runtime_state_dir,
		*runtime_runtime_class, *runtime_control_url, *runtime_socket_dir,
		*runtime_image_pull, *runtime_namespace, *runtime_kubeconfig,
		*runtime_service_account;
	bool runtime_direct;
	int64_t runtime_start_timeout, runtime_max_sessions;
	int64_t runtime_total_cpu_millis, runtime_total_memory;                  /* 0: detected */
	int64_t runtime_cpu_overcommit_millis, runtime_memory_overcommit_millis; /* factor x 1000 */
	/* [network] */
	char *network_egress_network, *network_egress_deny;
	/* [template] */
	char *template_python_basic_image, *template_python_datascience_image,
		*template_nodejs_basic_image;
	/* [dependencies] */
	char *dependencies_default_index_url, *dependencies_allowed_index_hosts;
	bool dependencies_only_binary;
	int64_t dependencies_parallel_builds, dependencies_max_layer_bytes,
		dependencies_layer_ttl_days;
	/* [health] */
	int64_t health_interval, health_timeout, health_failures, health_sync_interval;
	/* [metrics] */
	bool metrics_enabled;
	/* [log] */
	char *log_level, *log_format, *log_target;
	bool log_audit;
};

/*
 * 0, or -1 with "file:line: [section] key: what" in `why`. `path` NULL: only the environment and the
 * defaults. After success conf_free() is due.
 */
int conf_load(struct conf *, const char *path, char *why, size_t whysz) MUST_CHECK;
void conf_free(struct conf *);

/* Prints "section key default" of every key, a line each. */
int conf_print_keys(void);
/* Prints "section key value" of every key; of a secret only whether it is set. */
int conf_print(const struct conf *);

/* "512Mi" (Ki, Mi, Gi or none) to bytes; "0.5" or "500m" to thousandths. False: not of that form. */
bool conf_size(const char *text, int64_t *bytes) MUST_CHECK;
bool conf_millis(const char *text, int64_t *millis) MUST_CHECK;
