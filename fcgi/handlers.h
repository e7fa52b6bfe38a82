/* handlers.h: what the route table names, by file. */
#pragma once

#include "router.h"

/* session.c */
handler_fn get_session, list_sessions, terminate_session, delete_session, renew_session;
/* create.c */
handler_fn create_session;
/* execution.c */
handler_fn get_execution, list_executions, cancel_execution;
/* output.c */
handler_fn get_output;
/* submit.c */
handler_fn execute, execute_sync;
/* files.c */
handler_fn upload_file, put_file, delete_file, move_file;
/* files_read.c */
handler_fn list_files, get_file;
/* files_internal.c */
handler_fn internal_list_files, internal_get_file, internal_put_file, internal_delete_file,
	internal_put_small;
/* template.c */
handler_fn create_template, list_templates, get_template, list_template_versions, update_template,
	delete_template;
/* health.c */
handler_fn get_root, get_health, get_openapi;
/* internal.c */
handler_fn container_ready, container_gone, session_heartbeat, execution_heartbeat,
	execution_status, execution_result;
/* artifact.c */
handler_fn execution_artifacts;
/* logs.c */
handler_fn put_output;
