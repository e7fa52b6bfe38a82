/*
 * A new volume belongs to whom the image says. A worker cannot chown, so the
 * engine does it: by unpacking an archive with the right owners. Into a running
 * configuration with a read-only root the engine unpacks below a volume only,
 * never the volume's own directory; where that has the wrong owner, a second
 * container, which is never started, takes the same volumes with a writable root.
 */
#include "../base/jsn.h"
#include "../base/text.h"
#include "docker.h"
#include "tar.h"

#define STATE_DIR "/var/lib/sandbox-executor"
#define WORKSPACE "/workspace"

/* The first block of an archive says who owns the directory; the rest is not wanted. */
struct head {
	char block[TAR_BLOCK];
	size_t n;
	bool refused; /* an error message came instead */
};

static int take_head(void *arg, const struct httpc_resp *rs, const char *p, size_t n)
{
	struct head *h = arg;
	size_t room = sizeof(h->block) - h->n, k = n < room ? n : room;

	h->refused = rs->status != 200;
	memcpy(h->block + h->n, p, k);
	h->n += k;
	return 0;
}

static bool owned(const struct docker_job *j, const char *dir, int64_t uid, unsigned int need,
		  unsigned int forbid)
{
	struct fault own = { 0 };
	struct head h = { .n = 0 };
	struct docker_call c = { .method = "GET",
				 .deadline = j->deadline,
				 .sink = take_head,
				 .sink_arg = &h,
				 .path = arena_printf(j->a, "/containers/%s/archive?path=%s",
						      j->name, dir) };
	struct tar_entry e;
	struct httpc_resp rs;

	if (docker_api_do(j->rt->api, &c, 0, &rs, j->a, &own) < 0 || h.n < sizeof(h.block) ||
	    h.refused)
		return false;
	return tar_head(h.block, &e) && e.uid == uid && e.gid == uid && (e.mode & need) == need &&
	       !(e.mode & forbid);
}

static int unpack(const struct docker_job *j, const char *container, const char *dir,
		  const struct tar_entry *e, size_t n)
{
	struct docker_call c = { .method = "PUT",
				 .type = "application/x-tar",
				 .deadline = j->deadline,
				 .path = arena_printf(j->a, "/containers/%s/archive?path=%s",
						      container, dir) };
	struct httpc_resp rs;
	int st;

	if (!(c.body = tar_make(e, n, &c.body_len, j->a)))
		return fault_set(j->f, FAULT_INTERNAL, "request memory");
	st = docker_api_do(j->rt->api, &c, 0, &rs, j->a, j->f);
	if (st == 200 || st < 0)
		return st < 0 ? -1 : 0;
	return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
			 "the engine could not prepare the container's volumes");
}

static struct json_object *mount_of(const char *name, const char *to)
{
	struct json_object *o = jsn_str(json_object_new_object(), "Type", "volume");

	return jsn_str(jsn_str(o, "Source", name), "Target", to);
}

static const char *helper_body(const struct docker_job *j, const struct rt_spec *sp)
{
	struct json_object *mounts = json_object_new_array(), *entry = json_object_new_array(),
			   *host, *labels;
	AUTO_JSON struct json_object *o = jsn_str(json_object_new_object(), "Image", sp->image);
	const char *text;
	size_t n;

	mounts = jsn_push(mounts, mount_of(docker_volume_workspace(j->name, j->a), WORKSPACE));
	mounts = jsn_push(mounts, mount_of(docker_volume_state(j->name, j->a), STATE_DIR));
	host = jsn_str(jsn_put(json_object_new_object(), "Mounts", mounts), "NetworkMode", "none");
	labels = jsn_str(json_object_new_object(), "sandbox.helper", j->name);
	o = jsn_put(o, "Entrypoint", jsn_push(entry, json_object_new_string("/never-started")));
	o = jsn_put(jsn_put(o, "Labels", labels), "HostConfig", host);
	text = o ? jsn_text(o, &n) : NULL;
	return text ? arena_strndup(j->a, text, n) : NULL;
}

char *docker_helper_name(const char *name, struct arena *a)
{
	return arena_printf(a, "%s-helper", name);
}

/* 409: one that a killed creator left; it is made for exactly this. */
static int make_helper(const struct docker_job *j, const struct rt_spec *sp, const char *helper)
{
	struct docker_call c = { .method = "POST",
				 .deadline = j->deadline,
				 .body = helper_body(j, sp),
				 .path = arena_printf(j->a, "/containers/create?name=%s", helper) };
	struct httpc_resp rs;
	int st = c.body ? docker_api_do(j->rt->api, &c, 409, &rs, j->a, j->f) : -1;

	if (st == 201 || st == 409 || st < 0)
		return st < 0 ? -1 : 0;
	return fault_set(j->f, FAULT_RUNTIME_UNAVAILABLE,
			 "the engine could not prepare the container's volumes");
}

static int chown_by_helper(const struct docker_job *j, const struct rt_spec *sp)
{
	const struct tar_entry dirs[] = {
		{ .name = "workspace/",
		  .mode = 0755,
		  .uid = sp->run_as_user,
		  .gid = sp->run_as_user },
		{ .name = "var/lib/sandbox-executor/",
		  .mode = 0700,
		  .uid = sp->run_as_user,
		  .gid = sp->run_as_user },
	};
	const char *helper = docker_helper_name(j->name, j->a);
	int rc;

	if (!helper)
		return fault_set(j->f, FAULT_INTERNAL, "request memory");
	if (make_helper(j, sp, helper) < 0)
		return -1;
	rc = unpack(j, helper, "/", dirs, ARRAY_LEN(dirs));
	if (docker_simple(j, "DELETE", arena_printf(j->a, "/containers/%s?force=1", helper), 404) <
	    0)
		return -1;
	return rc;
}

/* 1 both volumes are the user's, 0 one is not, -1. */
static int ready(const struct docker_job *j, const struct rt_spec *sp)
{
	struct docker_found now;
	int64_t user = -1;

	if (docker_look(j, &now) < 0)
		return -1;
	if (now.user && text_int(now.user, 0, INT32_MAX, &user) && user == sp->run_as_user)
		return 1;
	return owned(j, WORKSPACE, sp->run_as_user, 0700, 0) &&
	       owned(j, STATE_DIR, sp->run_as_user, 0700, 0077);
}

int docker_own_volumes(const struct docker_job *j, const struct rt_spec *sp)
{
	const struct tar_entry token = { .name = "token",
					 .mode = 0400,
					 .uid = sp->run_as_user,
					 .gid = sp->run_as_user,
					 .data = sp->token,
					 .len = strlen(sp->token) };
	int rc = ready(j, sp);

	if (rc < 0 || (rc == 0 && chown_by_helper(j, sp) < 0))
		return -1;
	return unpack(j, j->name, STATE_DIR, &token, 1);
}
