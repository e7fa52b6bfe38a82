#include "filter.h"

#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Answered with EPERM (or ENOSYS where that makes libraries fall back): kernel surface that code does not need. */
static const struct {
	const char *name;
	int err;
} denied[] = {
	{ "perf_event_open", EPERM },
	{ "userfaultfd", EPERM },
	{ "io_uring_setup", ENOSYS },
	{ "io_uring_enter", ENOSYS },
	{ "io_uring_register", ENOSYS },
	{ "mount", EPERM },
	{ "umount2", EPERM },
	{ "pivot_root", EPERM },
	{ "chroot", EPERM },
	{ "move_mount", EPERM },
	{ "open_tree", EPERM },
	{ "fsopen", EPERM },
	{ "fsconfig", EPERM },
	{ "fsmount", EPERM },
	{ "fspick", EPERM },
	{ "mount_setattr", EPERM },
	{ "setns", EPERM },
	{ "unshare", EPERM },
	{ "process_vm_readv", EPERM },
	{ "process_vm_writev", EPERM },
	{ "kcmp", EPERM },
	{ "pidfd_getfd", EPERM },
	{ "process_madvise", EPERM },
	{ "open_by_handle_at", EPERM },
	{ "name_to_handle_at", EPERM },
	{ "acct", EPERM },
	{ "quotactl", EPERM },
	{ "quotactl_fd", EPERM },
	{ "syslog", EPERM },
	{ "settimeofday", EPERM },
	{ "clock_settime", EPERM },
	{ "adjtimex", EPERM },
	{ "clock_adjtime", EPERM },
	{ "sethostname", EPERM },
	{ "setdomainname", EPERM },
	{ "vhangup", EPERM },
	{ "lookup_dcookie", EPERM },
	{ "nfsservctl", ENOSYS },
	{ "uselib", ENOSYS },
	{ "ustat", ENOSYS },
	{ "sysfs", ENOSYS },
	{ "_sysctl", ENOSYS },
	{ "fanotify_init", EPERM },
	{ "vmsplice", EPERM },
	{ "memfd_secret", EPERM },
	{ "clone3",
	  ENOSYS }, /* its flags are behind a pointer that a filter cannot read: libc falls back to clone */
};

/* No program has a reason to call these. */
static const char *const fatal[] = {
	"ptrace",        "keyctl",          "add_key",     "request_key",  "bpf",
	"kexec_load",    "kexec_file_load", "init_module", "finit_module", "delete_module",
	"create_module", "reboot",          "swapon",      "swapoff",      "iopl",
	"ioperm",        "modify_ldt",
};

static int deny(scmp_filter_ctx c, const char *name, uint32_t action)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(c, action, nr, 0);
}

/* Calls that are refused by argument. */
static int deny_arguments(scmp_filter_ctx c)
{
	/* New namespaces give code the capabilities over them that it must not have. */
	const unsigned long ns = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
				 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	static const int families[] = { AF_PACKET,    AF_KEY,  AF_VSOCK, AF_ALG,
					AF_BLUETOOTH, AF_TIPC, AF_CAN };
	int rc = 0;

	for (unsigned long bit = 1; bit && !rc; bit <<= 1)
		if (ns & bit)
			rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
					      SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
	/* The kernel reads an int, the filter the whole register: its high half says nothing. */
	for (size_t i = 0; i < ARRAY_LEN(families) && !rc; i++)
		rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff,
					      (unsigned)families[i]));
	/* Typing into the terminal of whoever started us (CVE-2017-5226). */
	if (!rc)
		rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
	if (!rc)
		rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCLINUX));
	return rc;
}

static int export_to(scmp_filter_ctx c, unsigned char *out, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0 || seccomp_export_bpf(c, fd) < 0)
		return -1;
	n = pread(fd, out, size, 0);
	if (n == (ssize_t)size) {
		errno = E2BIG;
		return -1;
	}
	return (int)n;
}

ssize_t filter_build(unsigned char *out, size_t size, bool notify)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	int rc = 0;

	if (!c)
		return -1;
	seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: few steps per call */
	for (size_t i = 0; i < ARRAY_LEN(denied) && !rc; i++)
		rc = deny(c, denied[i].name, SCMP_ACT_ERRNO((unsigned)denied[i].err));
	for (size_t i = 0; i < ARRAY_LEN(fatal) && !rc; i++)
		rc = deny(c, fatal[i], notify ? SCMP_ACT_NOTIFY : SCMP_ACT_KILL_PROCESS);
	if (!rc)
		rc = deny_arguments(c);
	rc = rc ? -1 : export_to(c, out, size);
	seccomp_release(c);
	return rc;
}

void filter_name(int nr, char *out, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

	if (name)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "syscall_%d", nr);
	free(name);
}
