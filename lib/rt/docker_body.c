#include "docker_body.h"

#include <stdio.h>

#include "../base/embed.h"
#include "../base/jsn.h"
#include "../digest.h"
#include "spec.h"

EMBED(seccomp_profile);

static struct json_object *object(void)
{
	return json_object_new_object();
}

static struct json_object *strings(const char *const *list)
{
	struct json_object *arr = json_object_new_array();

	for (; list && *list; list++)
		arr = jsn_push(arr, json_object_new_string(*list));
	return arr;
}

char *docker_volume_workspace(const char *name, struct arena *a)
{
	return arena_printf(a, "%s-workspace", name);
}

char *docker_volume_state(const char *name, struct arena *a)
{
	return arena_printf(a, "%s-state", name);
}

static struct json_object *labels(const struct rt_spec *sp, const struct docker_place *p)
{
	struct json_object *o = jsn_str(object(), "sandbox.deployment", p->deployment);

	o = jsn_str(o, "sandbox.session", sp->session_id);
	o = jsn_str(o, "sandbox.template", sp->template_id);
	return jsn_str(o, "sandbox.container", sp->name);
}

static struct json_object *volume(const struct rt_spec *sp, const struct docker_place *p,
				  const char *name, const char *to)
{
	struct json_object *o = jsn_str(jsn_str(object(), "Type", "volume"), "Source", name);

	o = jsn_str(o, "Target", to);
	return jsn_put(o, "VolumeOptions", jsn_put(object(), "Labels", labels(sp, p)));
}

static struct json_object *bind(const char *from, const char *to, bool read_only)
{
	struct json_object *o = jsn_str(jsn_str(object(), "Type", "bind"), "Source", from);

	o = jsn_bool(jsn_str(o, "Target", to), "ReadOnly", read_only);
	return jsn_put(o, "BindOptions", jsn_str(object(), "Propagation", "rprivate"));
}

static struct json_object *mounts(const struct rt_spec *sp, const struct docker_place *p,
				  struct arena *a)
{
	const char *workspace = docker_volume_workspace(sp->name, a),
		   *state = docker_volume_state(sp->name, a);
	struct json_object *arr = json_object_new_array();

	if (!workspace || !state) {
		json_object_put(arr);
		return NULL;
	}
	arr = jsn_push(arr, volume(sp, p, workspace, "/workspace"));
	arr = jsn_push(arr, volume(sp, p, state, "/var/lib/sandbox-executor"));
	arr = jsn_push(arr, bind(p->socket_dir, "/run/sandbox", false));
	/* The directory, never the socket file: that one goes stale when the listener restarts. */
	if (p->control_dir)
		arr = jsn_push(arr, bind(p->control_dir, "/run/sandbox/control", true));
	return arr;
}

static struct json_object *security(const struct docker_place *p)
{
	struct json_object *arr = json_object_new_array();
	char opt[128];

	arr = jsn_push(arr, json_object_new_string("no-new-privileges"));
	if (p->apparmor) {
		snprintf(opt, sizeof(opt), "apparmor=%s", p->apparmor);
		arr = jsn_push(arr, json_object_new_string(opt));
	}
	return arr;
}

/* The text of the profile goes into the request: the engine may be on another file system. */
static struct json_object *add_seccomp(struct json_object *arr, struct arena *a)
{
	char *opt = arena_printf(a, "seccomp=%s", seccomp_profile_text);

	if (!opt) {
		json_object_put(arr);
		return NULL;
	}
	return jsn_push(arr, json_object_new_string(opt));
}

static struct json_object *log_config(void)
{
	struct json_object *o = jsn_str(jsn_str(object(), "max-size", "10m"), "max-file", "3");

	return jsn_put(jsn_str(object(), "Type", "json-file"), "Config", o);
}

static struct json_object *limits(struct json_object *o, const struct rt_spec *sp)
{
	struct json_object *core =
		jsn_int(jsn_int(jsn_str(object(), "Name", "core"), "Soft", 0), "Hard", 0);

	o = jsn_int(o, "Memory", sp->memory_bytes);
	o = jsn_int(o, "MemorySwap", sp->memory_bytes); /* both together: equal means no swap */
	o = jsn_int(o, "NanoCpus", sp->cpu_millis * 1000000);
	o = jsn_int(o, "CpuShares", spec_cpu_shares(sp));
	o = jsn_int(o, "PidsLimit", spec_pids(sp));
	return jsn_put(o, "Ulimits", jsn_push(json_object_new_array(), core));
}

static struct json_object *host_config(const struct rt_spec *sp, const struct docker_place *p,
				       struct arena *a)
{
	static const char *const all[] = { "ALL", NULL };
	struct json_object *o = jsn_str(object(), "NetworkMode", sp->egress ? p->network : "none");

	o = jsn_put(o, "Mounts", mounts(sp, p, a));
	o = jsn_put(o, "CapDrop", strings(all));
	o = jsn_put(o, "SecurityOpt", add_seccomp(security(p), a));
	/* Nothing masked: the kernel refuses a fresh /proc inside bwrap while parts of this one are covered. */
	o = jsn_put(o, "MaskedPaths", json_object_new_array());
	o = jsn_put(o, "ReadonlyPaths", json_object_new_array());
	o = jsn_bool(jsn_bool(o, "Privileged", false), "ReadonlyRootfs", sp->read_only_root);
	o = jsn_put(o, "Tmpfs", jsn_str(object(), "/tmp", SPEC_TMP_OPTIONS));
	o = jsn_str(jsn_str(o, "IpcMode", "private"), "CgroupnsMode", "private");
	o = jsn_int(o, "ShmSize", SPEC_SHM_BYTES);
	o = jsn_put(o, "LogConfig", log_config());
	o = jsn_put(o, "RestartPolicy", jsn_str(object(), "Name", "no"));
	if (*p->runtime)
		o = jsn_str(o, "Runtime", p->runtime);
	return limits(o, sp);
}

static struct json_object *config(const struct rt_spec *sp, const struct docker_place *p,
				  struct arena *a)
{
	static const char *const none[] = { "NONE", NULL }, *const entry[] = { SPEC_PROGRAM, NULL };
	char *user = arena_printf(a, "%lld:%lld", (long long)sp->run_as_user,
				  (long long)sp->run_as_user);
	struct json_object *o =
		jsn_str(jsn_str(object(), "Image", sp->image), "Hostname", "sandbox");

	o = jsn_str(jsn_str(o, "User", user), "WorkingDir", "/workspace");
	o = jsn_put(o, "Env", strings(sp->env));
	o = jsn_put(o, "Entrypoint", strings(entry));
	o = jsn_put(o, "Cmd", json_object_new_array());
	o = jsn_put(o, "Healthcheck", jsn_put(object(), "Test", strings(none)));
	o = jsn_bool(jsn_bool(o, "Tty", false), "OpenStdin", false);
	o = jsn_str(o, "StopSignal", "SIGTERM");
	return jsn_put(o, "HostConfig", host_config(sp, p, a));
}

char *docker_body(const struct rt_spec *sp, const struct docker_place *p, struct arena *a)
{
	AUTO_JSON struct json_object *o = config(sp, p, a);
	char sum[2 * DIGEST_SZ + 1];
	struct json_object *l;
	const char *text;
	size_t len;

	if (!(text = o ? jsn_text(o, &len) : NULL))
		return NULL;
	digest_sha256_hex(text, len, sum);
	l = jsn_str(labels(sp, p), DOCKER_SPEC_LABEL, sum);
	o = jsn_put(o, "Labels", l);
	text = o ? jsn_text(o, &len) : NULL;
	return text ? arena_strndup(a, text, len) : NULL;
}
