/*
 * fault.h: what went wrong, in the words the API promises its callers.
 *
 * A fault is a value: nothing to free, copy it freely. What is shown to the
 * client (`detail`, `detail_json`, `errors_json`) never carries SQL, host paths
 * or upstream bodies; those go to the log where they happen. The catalogue is
 * CONTRACT section 2: code, description and solution are fixed, only the detail
 * is made at run time.
 */
#pragma once

#include "util.h"

/* clang-format off */
/*   id                   status retry code                              description | solution */
#define FAULT_LIST(X) \
	X(INVALID,              422, 0, "Sandbox.InvalidParameter",         "A parameter has the wrong type, form or range", "Correct the named parameter and send the request again") \
	X(REFUSED,              400, 0, "Sandbox.InvalidParameter",         "A parameter is refused by a rule of this deployment", "Correct the named parameter and send the request again") \
	X(UNAUTHORIZED,         401, 0, "Sandbox.Unauthorized",             "No valid credential was given", "Send a valid API key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'") \
	X(FORBIDDEN,            403, 0, "Sandbox.Forbidden",                "The credential does not allow this call", "Use a key whose role allows the call, or ask the operator for one") \
	X(NOT_FOUND,            404, 0, "Sandbox.NotFound",                 "There is no such path", "See /openapi.json for the paths of this API") \
	X(METHOD_NOT_ALLOWED,   405, 0, "Sandbox.MethodNotAllowed",         "The path does not know this method", "Use a method that the Allow header names") \
	X(SESSION_NOT_FOUND,    404, 0, "Sandbox.SessionNotFound",          "There is no such session", "List the sessions, or create one") \
	X(SESSION_GONE,         404, 0, "Sandbox.SessionGone",              "The session was deleted", "Create a new session") \
	X(EXECUTION_NOT_FOUND,  404, 0, "Sandbox.ExecutionNotFound",        "There is no such execution", "List the executions of the session") \
	X(TEMPLATE_NOT_FOUND,   404, 0, "Sandbox.TemplateNotFound",         "There is no such template", "List the templates") \
	X(FILE_NOT_FOUND,       404, 0, "Sandbox.FileNotFound",             "There is no such file", "List the files of the session") \
	X(CONTAINER_NOT_FOUND,  404, 0, "Sandbox.ContainerNotFound",        "There is no such container", "List the containers") \
	X(RUNTIME_NOT_FOUND,    404, 0, "Sandbox.RuntimeNotFound",          "There is no such runtime node", "List the runtime nodes") \
	X(SYNC_TIMEOUT,         408, 1, "Sandbox.ExecTimeout",              "The execution did not end in time for this call", "Read the execution later by its execution_id; it goes on") \
	X(EXECUTOR_TIMEOUT,     504, 1, "Sandbox.ExecTimeout",              "The executor did not answer in time", "Send the request again") \
	X(CONFLICT,             409, 0, "Sandbox.Conflict",                 "The request conflicts with something that exists", "Choose another id or name, or remove the other object first") \
	X(CONFLICT_RETRY,       409, 1, "Sandbox.Conflict",                 "The request conflicts with something that is under way", "Send the request again after the time in Retry-After") \
	X(SESSION_NOT_ACTIVE,   409, 0, "Sandbox.SessionNotActive",         "The session has ended", "Create a new session") \
	X(TEMPLATE_IN_USE,      409, 0, "Sandbox.TemplateInUse",            "Active sessions use the template", "End those sessions first, or set is_active to false") \
	X(IDEMPOTENCY_RUNNING,  409, 1, "Sandbox.IdempotencyConflict",      "The first request with this Idempotency-Key is still running", "Send the request again after the time in Retry-After") \
	X(IDEMPOTENCY_MISMATCH, 422, 0, "Sandbox.IdempotencyConflict",      "The key or id was used for a different request", "Use a new Idempotency-Key or execution_id for a new request") \
	X(PRECONDITION_FAILED,  412, 0, "Sandbox.PreconditionFailed",       "The object has changed since it was read", "Read it again and repeat with its new ETag") \
	X(PAYLOAD_TOO_LARGE,    413, 0, "Sandbox.PayloadTooLarge",          "The body is larger than this call accepts", "Send less, or ask the operator to raise the limit") \
	X(QUOTA_EXCEEDED,       413, 0, "Sandbox.QuotaExceeded",            "The session's disk is full", "Delete files, or create a session with more disk") \
	X(UNSUPPORTED_MEDIA,    415, 0, "Sandbox.UnsupportedMediaType",     "The body is not JSON", "Send 'Content-Type: application/json'") \
	X(RANGE,                416, 0, "Sandbox.RangeNotSatisfiable",      "The range begins beyond the end", "Ask for a range inside the size that Content-Range names") \
	X(QUEUE_FULL,           429, 1, "Sandbox.TooManyRequestsExecution", "The session's execution queue is full", "Wait for executions to end, then send the request again") \
	X(RATE_LIMITED,         429, 1, "Sandbox.RateLimited",              "Too many requests", "Send the request again after the time in Retry-After") \
	X(EXEC_EXCEPTION,       500, 1, "Sandbox.ExecException",            "The execution could not be recorded", "Send the request again; if it persists, give the operator the request_id") \
	X(INTERNAL,             500, 1, "Sandbox.InternalError",            "A fault of the service", "Send the request again; if it persists, give the operator the request_id") \
	X(BUSY,                 503, 1, "Sandbox.RuntimeBusy",              "No room at the moment", "Send the request again after the time in Retry-After") \
	X(RUNTIME_UNAVAILABLE,  503, 1, "Sandbox.RuntimeUnavailable",       "The runtime or the executor could not be reached", "Send the request again after the time in Retry-After") \
	X(STORAGE_UNAVAILABLE,  503, 1, "Sandbox.StorageUnavailable",       "The file storage could not be reached", "Send the request again after the time in Retry-After") \
	X(DATABASE_UNAVAILABLE, 503, 1, "Sandbox.DatabaseUnavailable",      "The database could not be reached", "Send the request again after the time in Retry-After") \
	X(ISOLATION,            503, 0, "Sandbox.IsolationUnavailable",     "No node can isolate code", "Ask the operator to run 'sandboxctl doctor'") \
	X(INT_UNAUTHORIZED,     401, 0, "Internal.Unauthorized",            "No valid session token was given", "Send the session's token as 'Authorization: Bearer TOKEN'") \
	X(INT_FORBIDDEN,        403, 0, "Internal.Forbidden",               "The token belongs to another session", "Use the token of the session that the call is about") \
	X(INT_INVALID,          422, 0, "Internal.InvalidParameter",        "A parameter has the wrong type, form or range", "Correct the named parameter") \
	X(INT_REFUSED,          400, 0, "Internal.InvalidParameter",        "A parameter is refused by a rule", "Correct the named parameter") \
	X(INT_NOT_FOUND,        404, 0, "Internal.InvalidExecution",        "There is no such execution or session", "Discard the report") \
	X(INT_CONFLICT,         409, 0, "Internal.StateConflict",           "The state does not allow this report", "Discard the report; a container that is not current should stop") \
	X(INT_INTERNAL,         500, 1, "Internal.InternalError",           "A fault of the service", "Report again later") \
	X(EXE_UNAUTHORIZED,     401, 0, "Executor.Unauthorized",            "No valid session token was given", "Send the session's token as 'Authorization: Bearer TOKEN'") \
	X(EXE_NOT_FOUND,        404, 0, "Executor.ExecutionNotFound",       "The executor does not know this execution", "Submit the execution first") \
	X(EXE_CONFLICT,         409, 0, "Executor.StateConflict",           "The execution is still running", "Wait for its end, then acknowledge it") \
	X(EXE_INVALID,          400, 0, "Executor.ValidationError",         "A parameter has the wrong type, form or range", "Correct the named parameter") \
	X(EXE_INSTALL,          422, 0, "Executor.DependencyInstallError",  "The packages could not be installed", "Read the installer's message in error_detail") \
	X(EXE_INTERNAL,         500, 1, "Executor.InternalError",           "A fault of the executor", "Send the request again") \
	X(EXE_LAYER,            500, 1, "Executor.SessionConfigSyncError",  "The package layer could not be attached", "Send the request again") \
	X(EXE_QUEUE_FULL,       503, 1, "Executor.QueueFull",               "The executor's job table is full", "Wait for executions to end") \
	X(EXE_ISOLATION,        503, 0, "Executor.IsolationUnavailable",    "The executor could not prove its isolation", "Ask the operator to run 'sandboxctl doctor'")
/* clang-format on */

enum fault_id {
#define X(id, ...) FAULT_##id,
	FAULT_LIST(X)
#undef X
		FAULT__MAX
};

struct fault_info {
	int status; /* HTTP */
	bool retryable;
	const char *code, *description, *solution;
};

struct fault {
	const struct fault_info *info; /* NULL: no fault */
	char detail[512];              /* error_detail when detail_json is NULL; UTF-8 */
	const char *detail_json;       /* raw JSON for error_detail, caller's arena */
	const char *errors_json; /* raw JSON array of {type,loc,msg,input} (422), caller's arena */
	const char *session_id, *execution_id; /* shown when set, caller's arena */
	const char *allow;                     /* 405: the Allow header */
	int retry_after_s;                     /* 0: the default of the code, if it has one */
	int64_t size;                          /* 416: bytes there are */
	int64_t next;                          /* 409 of a log: where its next piece begins */
	bool has_next;
};

extern const struct fault_info fault_infos[FAULT__MAX];

/* Always returns -1, so that a function may `return fault_set(f, ...)`. Forgets what `f` held. */
int fault_set(struct fault *f, enum fault_id id, const char *fmt, ...) PRINTF(3, 4);

static inline bool fault_is(const struct fault *f, enum fault_id id)
{
	return f->info == &fault_infos[id];
}
