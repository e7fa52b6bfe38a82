#include "files.h"

#include <assert.h>
#include <stdio.h>

#include "../base/clock.h"
#include "../base/jsn.h"
#include "../base/log.h"
#include "dispatch.h"
#include "files_write.h"

#define SILENT_MS 30000 /* CONTRACT 2: ExecTimeout after 30 s of silence */

char *files_key(const char *session_id, const char *path, struct arena *a)
{
	assert(*session_id);
	return arena_printf(a, "sessions/%s/%s", session_id, path);
}

char *files_prefix(const char *session_id, struct arena *a)
{
	return files_key(session_id, "", a);
}

struct s3 *files_s3(struct work *w, struct fault *f)
{
	if (!w->s3)
		w->s3 = s3_open(w->cf, f);
	return w->s3;
}

int files_remove(struct work *w, const char *session_id, const char *path, const char *if_match,
		 bool *running, struct arena *a, struct fault *f)
{
	struct files_write x;

	*running = false;
	if (files_write_begin(&x, w, session_id, path, a, f) < 0)
		return -1;
	if (!x.found)
		return files_write_end(&x, FILES_SAME, 0, running, f);
	if (files_write_check(&x, if_match, NULL, f) < 0)
		return files_write_fail(&x, FILES_SAME, 0);
	if (files_write_reserve(&x, 0, 0, true, f) < 0 || s3_remove(x.s3, x.key, f) < 0)
		return files_write_fail(&x, FILES_UNKNOWN, 0);
	return files_write_end(&x, FILES_CHANGED, -1, running, f) < 0 ? -1 : 1;
}

/* ---- word to the session's code ---- */

static struct json_object *path_list(const char *const *paths, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		list = jsn_push(list, json_object_new_string(paths[i]));
	return jsn_put(json_object_new_object(), "paths", list);
}

static int pull_answer(const struct httpc_resp *rs, const char *session_id, struct fault *f)
{
	if (rs->status == 200)
		return 0;
	log_warn("workspace.pull_refused", S("session_id", session_id), I("status", rs->status),
		 S("error", rs->body));
	if (rs->status == 409)
		return fault_set(
			f, FAULT_CONFLICT,
			"the file is stored; in the session something else of that name is in its way");
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			 "the file is stored, but the session's executor did not take it");
}

int files_pull(struct work *w, const char *session_id, const char *const *paths, size_t n,
	       int watch_fd, struct arena *a, struct fault *f)
{
	AUTO_JSON struct json_object *in = path_list(paths, n);
	struct httpc_resp rs;
	struct executor e;
	struct session s;
	const char *body;
	struct db *db;
	size_t len;
	int rc;

	if (!in || !(body = jsn_text(in, &len)))
		return fault_set(f, FAULT_INTERNAL, "request memory");
	if (!(db = db_get(w->pool, f)))
		return -1;
	rc = session_load(db, session_id, &s, a, f);
	db_put(w->pool, db);
	if (rc < 0 || strcmp(s.state, "running"))
		return rc; /* one that starts anew reads all files then */
	if (executor_of(w, s.container_id, s.id, s.token_epoch, &e, a, f) < 0)
		return -1;
	if (executor_call(w, &e, "POST", "/workspace/pull", body, len, clock_ms() + SILENT_MS,
			  watch_fd, &rs, a, f) == 0)
		return pull_answer(&rs, session_id, f);
	if (rs.timed_out)
		return fault_set(f, FAULT_EXECUTOR_TIMEOUT,
				 "the file is stored, but the executor was silent for %d s",
				 SILENT_MS / 1000);
	return fault_set(f, FAULT_RUNTIME_UNAVAILABLE,
			 "the file is stored, but the session's executor could not be reached");
}
