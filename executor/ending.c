#include "ending.h"

#include <signal.h>
#include <sys/wait.h>

static struct ending end(const struct ending *base, const char *status, const char *reason,
			 const char *type)
{
	struct ending e = *base;

	e.status = status;
	e.reason = reason;
	e.error_type = type;
	return e;
}

/* The first that applies wins (CONTRACT 4.7). */
struct ending ending_of(const struct ending_facts *f)
{
	struct ending e = { .exit_code = -1, .signal = SIGKILL };
	bool bad;

	if (f->reported && f->started) {
		e.exit_code = WIFEXITED(f->wait_status) ? WEXITSTATUS(f->wait_status) : -1;
		e.signal = WIFSIGNALED(f->wait_status) ? WTERMSIG(f->wait_status) : 0;
	} else if (f->reported || !f->started) {
		e.exit_code = INT32_MIN;
		e.signal = 0;
	}
	bad = e.exit_code != 0;
	if (f->cancelled)
		return end(&e, "cancelled", "user_cancelled", "Cancelled");
	if (f->session_ended)
		return end(&e, "crashed", "session_ended", "SessionEnded");
	if (f->timed_out)
		return end(&e, "timeout", "exec_timeout", "TimeoutError");
	if (f->output_limit)
		return end(&e, "failed", "output_limit", "OutputLimitExceeded");
	if (f->disk_limit || e.signal == SIGXFSZ)
		return end(&e, "failed", "disk_quota", "DiskQuotaExceeded");
	if (f->oom_rose && bad && (e.signal == SIGKILL || e.signal == 0))
		return end(&e, "failed", "oom", "OutOfMemory");
	if (f->syscall >= 0 || e.signal == SIGSYS)
		return end(&e, "failed", "seccomp", "ForbiddenSystemCall");
	if (!f->started || (f->reported && e.exit_code == INT32_MIN)) {
		e.retryable = true;
		return end(&e, "failed", f->pids_rose ? "pids_limit" : "isolation_unavailable",
			   "SandboxNotStarted");
	}
	if (f->pids_rose && bad)
		return end(&e, "failed", "pids_limit",
			   f->has_error ? NULL : "ProcessLimitExceeded");
	if (e.signal)
		return end(&e, "failed", "signaled", "Signaled");
	if (e.exit_code == 0 && !f->has_error)
		return end(&e, "completed", "exited", NULL);
	return end(&e, "failed", "exited", f->has_error ? NULL : "ExitError");
}
