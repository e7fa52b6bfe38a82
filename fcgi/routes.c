#include "handlers.h"

#define API "/api/v1"
#define S1  API "/sessions/{id}"

/* clang-format off */
const struct route routes[] = {
	{ "GET",    "/",                               get_root,               ROUTE_PUBLIC, BODY_NONE, NULL },
	{ "GET",    "/health",                         get_health,             ROUTE_PUBLIC, BODY_NONE, API "/health" },
	{ "GET",    "/openapi.json",                   get_openapi,            ROUTE_PUBLIC, BODY_NONE, API "/openapi.json" },
	{ "GET",    API "/health",                     get_health,             ROUTE_PUBLIC, BODY_NONE, NULL },
	{ "GET",    API "/openapi.json",               get_openapi,            ROUTE_PUBLIC, BODY_NONE, NULL },

	{ "POST",   API "/sessions",                   create_session,         ROUTE_JSON | ROUTE_IDEM | ROUTE_SLOW, BODY_SMALL, NULL },
	{ "GET",    API "/sessions",                   list_sessions,          0,            BODY_NONE, NULL },
	{ "GET",    S1,                                get_session,            0,            BODY_NONE, NULL },
	{ "DELETE", S1,                                delete_session,         0,            BODY_NONE, NULL },
	{ "POST",   S1 "/terminate",                   terminate_session,      0,            BODY_NONE, NULL },
	{ "POST",   S1 "/renew",                       renew_session,          ROUTE_JSON_OPT, BODY_SMALL, NULL },

	{ "POST",   S1 "/execute",                     execute,                ROUTE_JSON | ROUTE_IDEM, BODY_EXECUTE, NULL },
	{ "POST",   S1 "/execute-sync",                execute_sync,           ROUTE_JSON | ROUTE_IDEM | ROUTE_SLOW, BODY_EXECUTE, NULL },
	{ "GET",    S1 "/executions",                  list_executions,        0,            BODY_NONE, NULL },
	{ "POST",   API "/executions/sessions/{id}/execute",      execute,         ROUTE_JSON | ROUTE_IDEM, BODY_EXECUTE, S1 "/execute" },
	{ "POST",   API "/executions/sessions/{id}/execute-sync", execute_sync,    ROUTE_JSON | ROUTE_IDEM | ROUTE_SLOW, BODY_EXECUTE, S1 "/execute-sync" },
	{ "GET",    API "/executions/sessions/{id}/executions",   list_executions, 0,        BODY_NONE, S1 "/executions" },
	{ "GET",    API "/executions/{id}",            get_execution,          0,            BODY_NONE, NULL },
	{ "GET",    API "/executions/{id}/status",     get_execution,          0,            BODY_NONE, API "/executions/{id}" },
	{ "GET",    API "/executions/{id}/result",     get_execution,          0,            BODY_NONE, API "/executions/{id}" },
	{ "POST",   API "/executions/{id}/cancel",     cancel_execution,       ROUTE_SLOW,   BODY_NONE, NULL },
	{ "GET",    API "/executions/{id}/output",     get_output,             ROUTE_SLOW,   BODY_NONE, NULL },

	{ "GET",    S1 "/files",                       list_files,             ROUTE_SLOW,   BODY_NONE, NULL },
	{ "POST",   S1 "/files/upload",                upload_file,            ROUTE_RAW | ROUTE_SLOW, BODY_FORM, NULL },
	{ "POST",   S1 "/files/move",                  move_file,              ROUTE_JSON | ROUTE_SLOW, BODY_SMALL, NULL },
	{ "GET",    S1 "/files/{path*}",               get_file,               ROUTE_SLOW,   BODY_NONE, NULL },
	{ "PUT",    S1 "/files/{path*}",               put_file,               ROUTE_RAW | ROUTE_SLOW, BODY_UPLOAD, NULL },
	{ "DELETE", S1 "/files/{path*}",               delete_file,            ROUTE_SLOW,   BODY_NONE, NULL },

	{ "POST",   API "/templates",                  create_template,        ROUTE_JSON | ROUTE_IDEM | ROUTE_ADMIN, BODY_SMALL, NULL },
	{ "GET",    API "/templates",                  list_templates,         0,            BODY_NONE, NULL },
	{ "GET",    API "/templates/{id}",             get_template,           0,            BODY_NONE, NULL },
	{ "GET",    API "/templates/{id}/versions",    list_template_versions, 0,            BODY_NONE, NULL },
	{ "PUT",    API "/templates/{id}",             update_template,        ROUTE_JSON | ROUTE_ADMIN, BODY_SMALL, NULL },
	{ "DELETE", API "/templates/{id}",             delete_template,        ROUTE_ADMIN,  BODY_NONE, NULL },

/* Internal rows: each path stands for itself and for its alias below /api/v1 (req.c drops that prefix). */
#define I1 "/internal/sessions/{id}"
#define X1 "/internal/executions/{id}"
	{ "POST",   I1 "/container_ready",             container_ready,        ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, NULL },
	{ "POST",   I1 "/container_exited",            container_gone,         ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, NULL },
	{ "POST",   I1 "/heartbeat",                   session_heartbeat,      ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, NULL },
	{ "GET",    I1 "/files",                       internal_list_files,    ROUTE_INTERNAL, BODY_NONE, NULL },
	{ "POST",   I1 "/files",                       internal_put_small,     ROUTE_INTERNAL | ROUTE_RAW, BODY_RESULT, NULL },
	{ "GET",    I1 "/files/{path*}",               internal_get_file,      ROUTE_INTERNAL, BODY_NONE, NULL },
	{ "PUT",    I1 "/files/{path*}",               internal_put_file,      ROUTE_INTERNAL | ROUTE_RAW, BODY_FILE, NULL },
	{ "DELETE", I1 "/files/{path*}",               internal_delete_file,   ROUTE_INTERNAL, BODY_NONE, NULL },
	{ "POST",   "/internal/containers/ready",      container_ready,        ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, I1 "/container_ready" },
	{ "POST",   "/internal/containers/exited",     container_gone,         ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, I1 "/container_exited" },
	{ "POST",   X1 "/heartbeat",                   execution_heartbeat,    ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, NULL },
	{ "POST",   X1 "/status",                      execution_status,       ROUTE_INTERNAL | ROUTE_JSON, BODY_SMALL, NULL },
	{ "POST",   X1 "/artifacts",                   execution_artifacts,    ROUTE_INTERNAL | ROUTE_JSON, BODY_RESULT, NULL },
	{ "PUT",    X1 "/output",                      put_output,             ROUTE_INTERNAL | ROUTE_RAW, BODY_RESULT, NULL },
	{ "POST",   X1 "/result",                      execution_result,       ROUTE_INTERNAL | ROUTE_JSON, BODY_RESULT, NULL },
	{ .fn = NULL },
};
/* clang-format on */
