/*
 * runtime.h: where a session's container lives: Docker, Kubernetes or an OCI
 * runtime on this host. The rest of the system knows only this interface.
 *
 * Rules for every backend:
 *   - calls are idempotent: create of an existing name adopts it (or replaces
 *     one that never started), destroy of a missing one succeeds, so that a
 *     repeated attempt after a crash is harmless;
 *   - no call outlives `deadline` (absolute, clock_ms());
 *   - no backend touches the database, no backend ever sees a struct db;
 *   - a struct rt may be used by several threads at once;
 *   - containers of another deployment are never listed, adopted or removed.
 *
 * Inside every container (CONTRACT 10.2):
 *   /workspace                          writable for run_as_user, kept over a restart of the container
 *   /var/lib/sandbox-executor           spool and token file, writable for run_as_user, mode 0700
 *   /var/lib/sandbox-executor/token     the session token, 0400
 *   /run/sandbox/executor.sock          made by the executor; on the host at rt_socket_path()
 *   /run/sandbox/control/control.sock   the web server's internal listener (its directory is mounted)
 *   /opt/sandbox/bin/sandbox-executor   the program that is started
 */
#pragma once

#include "../base/arena.h"
#include "../base/conf.h"
#include "../base/fault.h"

/* RT_UNKNOWN: the runtime did not answer; never a reason to destroy or to give up. */
enum rt_state { RT_ABSENT, RT_STARTING, RT_RUNNING, RT_EXITED, RT_UNKNOWN };

/* Why a create failed, beside the fault that the client reads. */
enum rt_why { RT_WHY_NONE, RT_WHY_IMAGE_MISSING, RT_WHY_REFUSED, RT_WHY_UNREACHABLE };

struct rt_spec {
	const char *name; /* container id of CONTRACT 1.3: the idempotency key */
	const char *session_id, *template_id;
	const char *image;      /* template's image_url */
	const char *token;      /* session token, becomes the token file; never in env or argv */
	const char *const *env; /* NULL-terminated "K=V" for the executor (10.2) */
	int64_t cpu_millis, memory_bytes, disk_bytes, max_processes;
	int64_t run_as_user; /* uid = gid inside */
	bool read_only_root;
	bool egress; /* false: no network at all */
};

struct rt_status {
	enum rt_state state;
	enum rt_why why;
	const char *runtime_id; /* docker id, pod uid, pid as text; NULL: none */
	const char *pod_name;   /* kubernetes only, else NULL */
	int exit_code;          /* RT_EXITED; -1 when the runtime does not know */
	bool oom_killed;
	const char *image_digest; /* NULL: unknown */
};

struct rt_usage {
	int64_t cpu_ms, memory_bytes;
}; /* -1: not measurable */

/* What the node has and can do, for its row (CONTRACT 8.2). */
struct rt_probe {
	int64_t total_cpu_millis, total_memory_bytes;
	double cpu_usage, mem_usage; /* 0-1; NAN unknown */
	const char *version;         /* e.g. "docker 20.10.24" or "runc 1.1.5" */
	const char *
		images_json; /* JSON array of image names that are present, as templates name them */
};

struct rt; /* each backend's own */

struct rt_ops {
	const char *name; /* the word in [runtime] type = */

	/* NULL with a fault (RUNTIME_UNAVAILABLE). Cheap: connects to nothing. */
	struct rt *(*open)(const struct conf *, struct fault *);
	void (*close)(struct rt *);

	/* Creates and starts. 0: running (or starting). -1: fault, and out->why. What a failed create made is removed again. */
	int (*create)(struct rt *, const struct rt_spec *, int64_t deadline, struct rt_status *out,
		      struct arena *, struct fault *);
	/* 0 with the state (RT_UNKNOWN too), -1 with a fault only when the answer cannot be read. */
	int (*inspect)(struct rt *, const char *name, int64_t deadline, struct rt_status *out,
		       struct arena *, struct fault *);
	/* SIGTERM, after grace_ms SIGKILL, then removes container, directories, volumes. Missing: success. */
	int (*destroy)(struct rt *, const char *name, int grace_ms, int64_t deadline,
		       struct fault *);
	/* Every container of this deployment. fn returning non-zero stops the walk. */
	int (*each)(struct rt *, int64_t deadline,
		    int (*fn)(const char *name, const char *session_id, const struct rt_status *,
			      void *),
		    void *arg, struct fault *);
	/* The executor's own stdout and stderr, the last `tail` lines, <= 1 MiB, arena-owned. 1 found, 0 absent, -1 fault. */
	int (*logs)(struct rt *, const char *name, int tail, int64_t deadline, const char **text,
		    struct arena *, struct fault *);
	int (*stats)(struct rt *, const char *name, int64_t deadline, struct rt_usage *out,
		     struct fault *);
	int (*probe)(struct rt *, int64_t deadline, struct rt_probe *out, struct arena *,
		     struct fault *);
};

extern const struct rt_ops rt_docker, rt_oci;

/* By the word of [runtime] type; "auto" chooses as CONTRACT 12.1 says. NULL: no such backend. */
const struct rt_ops *rt_find(const struct conf *);

/* Host path of the directory / socket of a container: socket_dir + 16 hex digits of SHA-256(name) (CONTRACT 12.1). */
char *rt_socket_dir(const struct conf *, const char *name, struct arena *) MUST_CHECK;
char *rt_socket_path(const struct conf *, const char *name, struct arena *) MUST_CHECK;
