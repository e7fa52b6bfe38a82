/* filter_test.c: the seccomp program, run as the kernel runs it, over calls that matter. */
#include "unit.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../../executor/filter.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define DENY(e) (SECCOMP_RET_ERRNO | (e))
#define FATAL   SECCOMP_RET_USER_NOTIF

static const struct {
	const char *name;
	int nr;
	uint64_t arg0, arg1;
	uint32_t action;
} rows[] = {
	{ "read", SYS_read, 0, 0, SECCOMP_RET_ALLOW },
	{ "openat", SYS_openat, 0, 0, SECCOMP_RET_ALLOW },
	{ "execve", SYS_execve, 0, 0, SECCOMP_RET_ALLOW },
	{ "futex", SYS_futex, 0, 0, SECCOMP_RET_ALLOW },
	{ "memfd_create", SYS_memfd_create, 0, 0, SECCOMP_RET_ALLOW },
	{ "clone of a thread", SYS_clone,
	  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, SECCOMP_RET_ALLOW },
	{ "fork by clone", SYS_clone, 17, 0, SECCOMP_RET_ALLOW },
	{ "clone of a user namespace", SYS_clone, CLONE_NEWUSER | 17, 0, DENY(EPERM) },
	{ "clone of a network namespace", SYS_clone, CLONE_NEWNET | 17, 0, DENY(EPERM) },
	{ "clone of a mount namespace", SYS_clone, CLONE_NEWNS | 17, 0, DENY(EPERM) },
	{ "clone3", SYS_clone3, 0, 0, DENY(ENOSYS) },
	{ "unshare", SYS_unshare, CLONE_NEWUSER, 0, DENY(EPERM) },
	{ "setns", SYS_setns, 0, 0, DENY(EPERM) },
	{ "mount", SYS_mount, 0, 0, DENY(EPERM) },
	{ "umount2", SYS_umount2, 0, 0, DENY(EPERM) },
	{ "pivot_root", SYS_pivot_root, 0, 0, DENY(EPERM) },
	{ "fsopen", SYS_fsopen, 0, 0, DENY(EPERM) },
	{ "move_mount", SYS_move_mount, 0, 0, DENY(EPERM) },
	{ "chroot", SYS_chroot, 0, 0, DENY(EPERM) },
	{ "perf_event_open", SYS_perf_event_open, 0, 0, DENY(EPERM) },
	{ "userfaultfd", SYS_userfaultfd, 0, 0, DENY(EPERM) },
	{ "io_uring_setup", SYS_io_uring_setup, 0, 0, DENY(ENOSYS) },
	{ "open_by_handle_at", SYS_open_by_handle_at, 0, 0, DENY(EPERM) },
	{ "pidfd_getfd", SYS_pidfd_getfd, 0, 0, DENY(EPERM) },
	{ "socket AF_UNIX", SYS_socket, AF_UNIX, 1, SECCOMP_RET_ALLOW },
	{ "socket AF_INET6", SYS_socket, AF_INET6, 1, SECCOMP_RET_ALLOW },
	{ "socket AF_NETLINK", SYS_socket, AF_NETLINK, 3, SECCOMP_RET_ALLOW },
	{ "socket AF_ALG", SYS_socket, AF_ALG, 5, DENY(EAFNOSUPPORT) },
	{ "socket AF_VSOCK", SYS_socket, AF_VSOCK, 1, DENY(EAFNOSUPPORT) },
	{ "socket AF_VSOCK, high half set", SYS_socket, (1ULL << 32) | AF_VSOCK, 1,
	  DENY(EAFNOSUPPORT) },
	{ "socket AF_PACKET, high half set", SYS_socket, (1ULL << 32) | AF_PACKET, 3,
	  DENY(EAFNOSUPPORT) },
	{ "socket AF_UNIX, high half set", SYS_socket, (1ULL << 32) | AF_UNIX, 1,
	  SECCOMP_RET_ALLOW },
	{ "socket AF_PACKET", SYS_socket, AF_PACKET, 3, DENY(EAFNOSUPPORT) },
	{ "ioctl TCGETS", SYS_ioctl, 0, TCGETS, SECCOMP_RET_ALLOW },
	{ "ioctl TIOCSTI", SYS_ioctl, 0, TIOCSTI, DENY(EPERM) },
	{ "ioctl TIOCSTI with high bits", SYS_ioctl, 0, TIOCSTI | (1ULL << 32), DENY(EPERM) },
	{ "ptrace", SYS_ptrace, 0, 0, FATAL },
	{ "keyctl", SYS_keyctl, 0, 0, FATAL },
	{ "add_key", SYS_add_key, 0, 0, FATAL },
	{ "bpf", SYS_bpf, 0, 0, FATAL },
	{ "kexec_load", SYS_kexec_load, 0, 0, FATAL },
	{ "init_module", SYS_init_module, 0, 0, FATAL },
	{ "finit_module", SYS_finit_module, 0, 0, FATAL },
	{ "reboot", SYS_reboot, 0, 0, FATAL },
	{ "swapon", SYS_swapon, 0, 0, FATAL },
};

static bool jumps(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ: return a == f->k;
	case BPF_JGT: return a > f->k;
	case BPF_JGE: return a >= f->k;
	case BPF_JSET: return (a & f->k) != 0;
	default: fail_msg("jump 0x%x", f->code);
	}
	return false;
}

/* The few instructions that libseccomp makes. */
static uint32_t run(const struct sock_filter *f, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0, steps = 0; pc < n && steps < 5000; pc++, steps++)
		switch (BPF_CLASS(f[pc].code)) {
		case BPF_LD:
			assert_true(f[pc].k + 4 <= sizeof(*d));
			memcpy(&a, (const char *)d + f[pc].k, 4);
			break;
		case BPF_ALU:
			assert_int_equal(BPF_OP(f[pc].code), BPF_AND);
			a &= f[pc].k;
			break;
		case BPF_JMP:
			pc += BPF_OP(f[pc].code) == BPF_JA ? f[pc].k
			      : jumps(&f[pc], a)           ? f[pc].jt
							   : f[pc].jf;
			break;
		case BPF_RET: return f[pc].k;
		default: fail_msg("instruction 0x%x", f[pc].code);
		}
	fail_msg("the program does not end");
	return 0;
}

static unsigned char code[FILTER_MAX];

static size_t build(bool notify)
{
	ssize_t n = filter_build(code, sizeof(code), notify);

	assert_true(n > 0 && n % (ssize_t)sizeof(struct sock_filter) == 0);
	return (size_t)n / sizeof(struct sock_filter);
}

static uint32_t act(size_t n, int nr, uint64_t arg0, uint64_t arg1)
{
	const struct seccomp_data d = { .nr = nr, .arch = ARCH, .args = { arg0, arg1 } };

	return run((const struct sock_filter *)(const void *)code, n, &d);
}

static void what_each_call_gets(void **state)
{
	size_t n = build(true);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ROW(act(n, rows[i].nr, rows[i].arg0, rows[i].arg1) == rows[i].action, i,
			  rows[i].name);
}

static void without_a_listener_fatal_calls_kill(void **state)
{
	size_t n = build(false);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t want = rows[i].action == FATAL ? SECCOMP_RET_KILL_PROCESS : rows[i].action;

		CHECK_ROW(act(n, rows[i].nr, rows[i].arg0, rows[i].arg1) == want, i, rows[i].name);
	}
}

/* A 32-bit program could call by other numbers what this one refuses. */
static void another_architecture_is_refused(void **state)
{
	struct seccomp_data d = { .nr = SYS_read, .arch = AUDIT_ARCH_I386 };
	size_t n = build(true);
	uint32_t r = run((const struct sock_filter *)(const void *)code, n, &d) &
		     SECCOMP_RET_ACTION_FULL;

	(void)state;
	assert_true(r == SECCOMP_RET_KILL_PROCESS || r == SECCOMP_RET_KILL_THREAD ||
		    r == SECCOMP_RET_ERRNO);
}

static void names_for_people(void **state)
{
	char name[64];

	(void)state;
	filter_name(SYS_ptrace, name, sizeof(name));
	assert_string_equal(name, "ptrace");
	filter_name(99999, name, sizeof(name));
	assert_string_equal(name, "syscall_99999");
}

static void too_small_a_buffer_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(filter_build(code, 64, true), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_call_gets),
		cmocka_unit_test(without_a_listener_fatal_calls_kill),
		cmocka_unit_test(another_architecture_is_refused),
		cmocka_unit_test(names_for_people),
		cmocka_unit_test(too_small_a_buffer_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
