// Kernel interfaces that Swift's Glibc module leaves out, and macros that Swift
// cannot import, as inline functions and constants of the same meaning.
#ifndef SLUICE_CLINUX_H
#define SLUICE_CLINUX_H

// No _GNU_SOURCE here: it would change structures that Swift's Glibc module has
// already defined without it. What needs it is declared below, as in its manual page.
#include <errno.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern int pipe2(int descriptors[2], int flags);
extern ssize_t splice(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t count, unsigned int flags);
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int mkostemp(char *pattern, int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// Processors that the calling thread may run on, or -1 with errno.
static inline int sluice_processors(void) {
    unsigned char mask[1024];
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    if (bytes < 0) return -1;
    int count = 0;
    for (long i = 0; i < bytes; i++) count += __builtin_popcount(mask[i]);
    return count;
}

// Asks the scheduler for short turns of the calling thread (EEVDF, Linux 6.12), so that it gets the processor soon
// after it wakes; the nice value stays. Older kernels ignore the length. -1 with errno.
static inline int sluice_take_short_turns(unsigned long long nanoseconds) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } attributes;
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) < 0) return -1;
    if (attributes.policy != 0) return 0; // Somebody has chosen a policy for us.
    attributes.size = sizeof attributes;
    attributes.flags = 0;
    attributes.runtime = nanoseconds;
    return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// The user behind the other end of a Unix socket (SO_PEERCRED); -1 with errno.
static inline int sluice_peer_user(int descriptor, unsigned int *user) {
    struct { pid_t process; uid_t user; gid_t group; } credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return -1;
    *user = credentials.user;
    return 0;
}

// pidfd_open(2) has no glibc wrapper before 2.36 and none in Swift's module map.
static inline int sluice_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int sluice_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

// waitid(P_PIDFD): fills the status in the two numbers that matter.
// Returns 1 when the child has ended, 0 when it still runs, -1 with errno.
static inline int sluice_wait_pidfd(int pidfd, int *code, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) return -1;
    if (info.si_pid == 0) return 0;
    *code = info.si_code;
    *status = info.si_status;
    return 1;
}

// Bytes that the kernel still holds for the peer of a stream socket (SIOCOUTQ).
static inline int sluice_unsent(int descriptor, int *bytes) {
    return ioctl(descriptor, SIOCOUTQ, bytes);
}

// Bytes of those that were not even sent yet (SIOCOUTQNSD): the peer, or the way to it, takes no more.
static inline int sluice_not_sent(int descriptor, int *bytes) {
    return ioctl(descriptor, SIOCOUTQNSD, bytes);
}

// POSIX_SPAWN_SETSID, which <spawn.h> hides without _GNU_SOURCE.
static const int sluice_spawn_session = 0x80;


#endif
