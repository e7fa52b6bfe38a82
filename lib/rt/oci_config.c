#include "oci_config.h"

#include "../base/embed.h"
#include "../base/jsn.h"
#include "spec.h"

#define CPU_PERIOD_US 100000 /* the kernel's own default */

EMBED(seccomp_profile);

struct mount {
	const char *to, *type, *from;
	const char *options[8]; /* NULL-terminated */
};

/* Order matters: what lies below another follows it. */
static const struct mount fixed_mounts[] = {
	{ "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "noexec", "strictatime", "mode=755", "size=64k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=64m" } },
	/* Pages of a tmpfs count towards the memory limit. */
	{ "/tmp", "tmpfs", "tmpfs", { "nosuid", "nodev", "mode=1777", "size=512m" } },
	/* Its own subtree only, by the cgroup namespace: where OOM kills are read. */
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const char *const namespaces[] = { "pid", "mount", "ipc", "uts", "cgroup" };

/* All empty: no capability for the executor, nor a bounding set from which a set-uid file could draw one. */
static const char *const capability_sets[] = { "bounding", "effective", "inheritable", "permitted",
					       "ambient" };

static struct json_object *object(void)
{
	return json_object_new_object();
}

static struct json_object *array(void)
{
	return json_object_new_array();
}

static struct json_object *push_str(struct json_object *arr, const char *s)
{
	return jsn_push(arr, json_object_new_string(s));
}

static struct json_object *strings(const char *const *list)
{
	struct json_object *arr = array();

	for (; list && *list; list++)
		arr = push_str(arr, *list);
	return arr;
}

static struct json_object *mount_json(const struct mount *m)
{
	struct json_object *o = jsn_str(object(), "destination", m->to);

	o = jsn_str(jsn_str(o, "type", m->type), "source", m->from);
	return jsn_put(o, "options", strings(m->options));
}

static struct json_object *bind(struct json_object *arr, const char *from, const char *to,
				bool writable, bool exec)
{
	struct mount m = { to,
			   "bind",
			   from,
			   { "bind", "nosuid", "nodev", writable ? "rw" : "ro",
			     exec ? NULL : "noexec" } };

	return jsn_push(arr, mount_json(&m));
}

static struct json_object *mounts(const struct oci_place *p)
{
	struct json_object *arr = array();

	for (size_t i = 0; i < ARRAY_LEN(fixed_mounts); i++)
		arr = jsn_push(arr, mount_json(&fixed_mounts[i]));
	for (const char *const *s = p->shared; s && *s; s++)
		arr = bind(arr, *s, *s, false, true);
	arr = bind(arr, p->workspace, "/workspace", true, true);
	arr = bind(arr, p->state, "/var/lib/sandbox-executor", true, false);
	arr = bind(arr, p->socket_dir, "/run/sandbox", true, false);
	/* The directory, never the socket file: that one goes stale when the listener restarts. */
	if (p->control_dir)
		arr = bind(arr, p->control_dir, "/run/sandbox/control", false, false);
	if (p->resolv_conf)
		arr = bind(arr, p->resolv_conf, "/etc/resolv.conf", false, false);
	return bind(arr, p->executor, "/opt/sandbox/bin/sandbox-executor", false, true);
}

static struct json_object *environment(const struct rt_spec *sp)
{
	struct json_object *arr =
		push_str(array(),
			 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	arr = push_str(arr, "HOME=/workspace");
	for (const char *const *e = sp->env; e && *e; e++)
		arr = push_str(arr, *e);
	return arr;
}

static struct json_object *process(const struct rt_spec *sp, const struct oci_place *p)
{
	static const char *const args[] = { SPEC_PROGRAM, NULL };
	struct json_object *user =
		jsn_int(jsn_int(object(), "uid", sp->run_as_user), "gid", sp->run_as_user);
	struct json_object *caps = object();
	struct json_object *core =
		jsn_int(jsn_int(jsn_str(object(), "type", "RLIMIT_CORE"), "hard", 0), "soft", 0);
	struct json_object *o = jsn_bool(object(), "terminal", false);

	for (size_t i = 0; i < ARRAY_LEN(capability_sets); i++)
		caps = jsn_put(caps, capability_sets[i], array());
	o = jsn_put(o, "user", jsn_int(user, "umask", 022));
	o = jsn_put(o, "args", strings(args));
	o = jsn_put(o, "env", environment(sp));
	o = jsn_str(o, "cwd", "/workspace");
	o = jsn_put(o, "capabilities", caps);
	o = jsn_put(o, "rlimits", jsn_push(array(), core));
	if (p->apparmor)
		o = jsn_str(o, "apparmorProfile", p->apparmor);
	return jsn_bool(o, "noNewPrivileges", true);
}

static struct json_object *resources(const struct rt_spec *sp, const struct oci_place *p)
{
	struct json_object *devices = jsn_str(jsn_bool(object(), "allow", false), "access", "rwm");
	struct json_object *memory = jsn_int(object(), "limit", sp->memory_bytes);
	struct json_object *cpu = jsn_int(object(), "quota", sp->cpu_millis * CPU_PERIOD_US / 1000);
	struct json_object *pids = jsn_int(object(), "limit", spec_pids(sp));
	struct json_object *o;

	if (p->swap_limit) /* memory and swap together: equal means no swap */
		memory = jsn_int(memory, "swap", sp->memory_bytes);
	cpu = jsn_int(cpu, "period", CPU_PERIOD_US);
	cpu = jsn_int(cpu, "shares", spec_cpu_shares(sp));
	o = jsn_put(object(), "devices", jsn_push(array(), devices));
	o = jsn_put(jsn_put(o, "memory", memory), "cpu", cpu);
	return jsn_put(o, "pids", pids);
}

static struct json_object *linux_part(const struct rt_spec *sp, const struct oci_place *p)
{
	struct json_object *net = jsn_str(object(), "type", "network");
	struct json_object *ns = array();
	struct json_object *o = jsn_str(object(), "cgroupsPath", p->cgroup);

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		ns = jsn_push(ns, jsn_str(object(), "type", namespaces[i]));
	if (p->netns)
		net = jsn_str(net, "path", p->netns);
	o = jsn_put(o, "namespaces", jsn_push(ns, net));
	o = jsn_put(o, "resources", resources(sp, p));
	/* Nothing masked: the kernel refuses a fresh /proc inside bwrap while parts of this one are covered. */
	o = jsn_put(o, "maskedPaths", array());
	o = jsn_put(o, "readonlyPaths", array());
	return jsn_raw(o, "seccomp", seccomp_profile_text);
}

char *oci_config(const struct rt_spec *sp, const struct oci_place *p, struct arena *a)
{
	struct json_object *root =
		jsn_bool(jsn_str(object(), "path", p->root), "readonly", sp->read_only_root);
	struct json_object *notes = jsn_str(object(), "sandbox.deployment", p->deployment);
	AUTO_JSON struct json_object *o = jsn_str(object(), "ociVersion", "1.0.2");
	const char *text;
	size_t len;

	notes = jsn_str(jsn_str(notes, "sandbox.session", sp->session_id), "sandbox.template",
			sp->template_id);
	o = jsn_str(jsn_put(o, "process", process(sp, p)), "hostname", "sandbox");
	o = jsn_put(jsn_put(o, "root", root), "mounts", mounts(p));
	o = jsn_put(jsn_put(o, "annotations", notes), "linux", linux_part(sp, p));
	text = jsn_text(o, &len);
	return text ? arena_strndup(a, text, len) : NULL;
}
