// Kernel interfaces that Swift's Glibc module leaves out, and macros that Swift
// cannot import, as inline functions and constants of the same meaning.
#ifndef SLUICE_CLINUX_H
#define SLUICE_CLINUX_H

// No _GNU_SOURCE here: it would change structures that Swift's Glibc module has
// already defined without it. What needs it is declared below, as in its manual page.
#include <errno.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern int pipe2(int descriptors[2], int flags);
extern ssize_t splice(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t count, unsigned int flags);
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int mkostemp(char *pattern, int flags);
extern int clone(int (*function)(void *), void *stack, int flags, void *argument, ...);

// As write(2), but EAGAIN where it would block, whatever the descriptor's flags, which others may share; EOPNOTSUPP
// where the kernel or the kind of file does not know that.
static inline ssize_t sluice_write_now(int descriptor, const void *bytes, size_t count) {
    struct iovec part = { (void *)bytes, count };
    return (ssize_t)syscall(SYS_pwritev2, descriptor, &part, 1, -1L, -1L, 8 /* RWF_NOWAIT */);
}

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

// Locks the whole file for as long as this open file lives (F_OFD_SETLK); -1 with errno, EAGAIN where another one has it.
static inline int sluice_lock_open_file(int descriptor) {
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(descriptor, 37, &whole);
}

// Whether another open file has it locked so (F_OFD_GETLK): 1 or 0; -1 with errno. Never waits.
static inline int sluice_open_file_is_locked(int descriptor) {
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(descriptor, 36, &whole) < 0 ? -1 : whole.l_type != F_UNLCK;
}

// Whether a folder's files live in memory alone (tmpfs); -1 with errno.
static inline int sluice_is_in_memory(const char *folder) {
    struct statfs status;
    if (statfs(folder, &status) < 0) return -1;
    return status.f_type == 0x01021994;
}

// Bytes that the kernel still holds for the peer of a stream socket (SIOCOUTQ).
static inline int sluice_unsent(int descriptor, int *bytes) {
    return ioctl(descriptor, SIOCOUTQ, bytes);
}

// Bytes of those that were not even sent yet (SIOCOUTQNSD): the peer, or the way to it, takes no more.
static inline int sluice_not_sent(int descriptor, int *bytes) {
    return ioctl(descriptor, SIOCOUTQNSD, bytes);
}

// What a crash must give back before it goes on as it would have: only calls that a signal handler may make. One Swift
// file uses it: each has a copy of its own.
static struct {
    int descriptor; // -1: nothing to give back
    int is_watching;
    struct termios found;
    size_t length;
    char farewell[64];
    struct sigaction before[65];
} sluice_terminal = {.descriptor = -1};

static inline void sluice_crashed(int signal) {
    int descriptor = sluice_terminal.descriptor;
    if (descriptor >= 0) {
        ssize_t written = write(descriptor, sluice_terminal.farewell, sluice_terminal.length);
        (void)written;
        tcsetattr(descriptor, TCSANOW, &sluice_terminal.found);
    }
    // Then whoever handled it before, or the end: it waits until we return.
    sigaction(signal, &sluice_terminal.before[signal], NULL);
    raise(signal);
}

// From here on a crash gives the terminal back; -1 with errno. Asked again it takes the new values.
static inline int sluice_give_terminal_back_on_crash(int descriptor, struct termios found, const char *farewell) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE};
    sluice_terminal.found = found;
    sluice_terminal.length = strlen(farewell);
    if (sluice_terminal.length >= sizeof sluice_terminal.farewell) { errno = EINVAL; return -1; }
    memcpy(sluice_terminal.farewell, farewell, sluice_terminal.length);
    sluice_terminal.descriptor = descriptor;
    if (sluice_terminal.is_watching) return 0;
    sluice_terminal.is_watching = 1;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = sluice_crashed;
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        if (sigaction(crashes[i], &action, &sluice_terminal.before[crashes[i]]) < 0) return -1;
    return 0;
}

// The terminal is as it was, or gone: a crash has nothing to give back.
static inline void sluice_terminal_is_given_back(void) { sluice_terminal.descriptor = -1; }

// A child that is to be, between clone and exec. posix_spawn cannot give it a limit of its own.
struct sluice_child {
    char *const *arguments;
    int output;                // -1: ours
    int leads_session;         // else a process group
    int closes;                // what is not close-on-exec too
    uint64_t descriptor_limit; // soft; 0: ours
    int failure;               // errno; 0: it runs
};

// On a stack of its own in our memory, with its own signal handlers and descriptors; errno is shared, and we stand still.
static inline int sluice_become_program(void *argument) {
    struct sluice_child *child = argument;
    // The kernel's sigaction, all of it 0: SIG_DFL. The C library's refuses two signals, which it keeps for itself.
    const uint64_t standard[4] = {0};
    for (int signal = 1; signal < 65; signal++) syscall(SYS_rt_sigaction, signal, standard, NULL, 8);
    // Where we have no standard descriptors of our own it may have one of their numbers, which is given away below.
    if (child->output >= 0 && child->output < 3 && (child->output = fcntl(child->output, F_DUPFD_CLOEXEC, 3)) < 0) goto failed;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || (null == 0 ? fcntl(0, F_SETFD, 0) : dup2(null, 0)) < 0) goto failed;
    if (child->output >= 0 && (dup2(child->output, 1) < 0 || dup2(child->output, 2) < 0)) goto failed;
    if (child->closes && syscall(SYS_close_range, 3, ~0U, 0) < 0) goto failed;
    if ((child->leads_session ? setsid() : setpgid(0, 0)) < 0) goto failed;
    struct rlimit limit;
    if (child->descriptor_limit > 0) {
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0) goto failed;
        limit.rlim_cur = child->descriptor_limit;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) goto failed;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(child->arguments[0], child->arguments);
failed:
    child->failure = errno;
    _exit(127);
}

// Returns when the child has become the program, which blocks for as long as the file system does; -1 with errno.
static inline pid_t sluice_spawn(struct sluice_child *child) {
    const size_t size = 256 * 1024; // As much of it is used as the arguments take.
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    child->failure = 0;
    pid_t process = clone(sluice_become_program, stack + size, 0x4100 /* CLONE_VM | CLONE_VFORK */ | SIGCHLD, child);
    int failure = process < 0 ? errno : child->failure;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, size);
    if (failure == 0) return process;
    if (process > 0) while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
    errno = failure;
    return -1;
}

#endif
