/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Runs a program, counts the flushes (fsync, fdatasync) of it and its children, and makes each
 * last longer:
 *
 *     slow_disk DELAY_US COUNT_FILE PROGRAM ARGUMENT…
 *
 * COUNT_FILE holds eight bytes, the count in the machine's order, up to date at any moment. A
 * seccomp filter hands these two system calls to us, and we let them go on when their time has
 * come; so it holds for programs without libc too (Go), where a preloaded library sees nothing.
 * Flushes of different threads wait side by side, like those of a disk with a queue. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 1024 };

/* Flushes that wait: a ring in the order of their coming, which is that of their time. */
struct waiting {
	uint64_t id;
	int64_t until_us;
};

struct slow {
	int64_t delay_us;
	_Atomic uint64_t *count;
	int listener;
	pid_t child;
	size_t first, n;
	struct waiting ring[WAITING_MAX];
};

static int64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the child ----------------------------------------------------------------------------- */

static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* A descriptor as one byte's company. */
static int send_fd(int to, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec text = {&byte, 1};
	struct msghdr m = {.msg_iov = &text,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof control};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	return sendmsg(to, &m, 0) == 1 ? 0 : -1;
}

static int receive_fd(int from)
{
	int fd = -1;
	char byte, control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec text = {&byte, 1};
	struct msghdr m = {.msg_iov = &text,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof control};
	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

static void be_child(int to, char **argv)
{
	int fd = install_filter();
	/* If we are killed, what we hold back must not go on alone. */
	if (fd < 0 || send_fd(to, fd) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(126);
	(void)close(fd);
	(void)close(to);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* ---- us ------------------------------------------------------------------------------------ */

static void let_go(struct slow *s, uint64_t id)
{
	struct seccomp_notif_resp answer = {.id = id,
					    .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	/* ENOENT: it was killed meanwhile. */
	(void)ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void let_go_due(struct slow *s)
{
	int64_t now = now_us();
	while (s->n && s->ring[s->first].until_us <= now) {
		let_go(s, s->ring[s->first].id);
		s->first = (s->first + 1) % WAITING_MAX;
		s->n--;
	}
}

static void take(struct slow *s)
{
	struct seccomp_notif notice = {0};
	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0)
		return;
	++*s->count;
	if (!s->delay_us || s->n == WAITING_MAX) {
		let_go(s, notice.id);
		return;
	}
	s->ring[(s->first + s->n++) % WAITING_MAX] =
		(struct waiting){notice.id, now_us() + s->delay_us};
}

static struct timespec until_next(const struct slow *s)
{
	int64_t left = s->n ? s->ring[s->first].until_us - now_us() : 0;
	return (struct timespec){.tv_nsec = left > 0 ? left * 1000 : 0};
}

/* Until nobody is left under the filter. The program gets the signals that would end us. */
static void serve(struct slow *s, int signals)
{
	for (;;) {
		struct pollfd p[] = {{.fd = s->listener, .events = POLLIN},
				     {.fd = signals, .events = POLLIN}};
		struct timespec wait = until_next(s);
		struct signalfd_siginfo got;
		int rc = ppoll(p, 2, s->n ? &wait : NULL, NULL);
		if (rc > 0 && (p[0].revents & POLLIN))
			take(s);
		else if (rc > 0 && p[0].revents)
			return;
		if (rc > 0 && (p[1].revents & POLLIN) &&
		    read(signals, &got, sizeof got) == sizeof got)
			(void)kill(s->child, (int)got.ssi_signo);
		let_go_due(s);
	}
}

static _Atomic uint64_t *open_count(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) < 0)
		return NULL;
	void *p = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int start(struct slow *s, char **argv)
{
	int pair[2], status = 0;
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	s->child = fork();
	if (s->child < 0)
		return -1;
	if (s->child == 0)
		be_child(pair[1], argv);
	(void)close(pair[1]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	s->listener = receive_fd(pair[0]);
	if (s->listener < 0)
		return -1;
	serve(s, signalfd(-1, &set, SFD_CLOEXEC));
	(void)waitpid(s->child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	struct slow s = {.listener = -1};
	if (argc < 4) {
		(void)fprintf(stderr, "slow_disk DELAY_US COUNT_FILE PROGRAM ARGUMENT…\n");
		return 2;
	}
	s.delay_us = strtoll(argv[1], NULL, 10);
	s.count = open_count(argv[2]);
	int rc = s.delay_us >= 0 && s.delay_us < 1000000 && s.count ? start(&s, argv + 3) : -1;
	if (rc < 0)
		(void)fprintf(stderr, "slow_disk: %s\n", strerrordesc_np(errno));
	return rc < 0 ? 1 : rc;
}
