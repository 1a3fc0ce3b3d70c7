// The server behind the proxies: one thread, one epoll, and as little work per byte as can be, so that it is not what
// the benchmark measures. Usage: backend PORT, on all addresses of 127.0.0.0/8 at once.
#define _GNU_SOURCE
#include "wire.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

enum { DESCRIPTORS = 1 << 16, BACKLOG = 4096, EVENTS = 256 };

struct connection {
    unsigned char behaviour; // 0 until the first byte
    unsigned char streaming;
    uint16_t received;  // of a request
    uint32_t reads;     // of an upload; each CHECK_EVERY-th is checked
    uint64_t position;  // of an upload or download
};

static struct connection connections[DESCRIPTORS];
static struct counters counters;
static unsigned char buffer[CHUNK];
static int epoll;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void finish(int fd) {
    counters.streaming -= connections[fd].streaming;
    counters.open--;
    close(fd);
}

// Small answers on an empty socket: less than all of it is as much a fault as none.
static int answer(int fd, const void *bytes, size_t length) {
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void set_streaming(int fd, int streaming) {
    struct connection *c = &connections[fd];
    struct epoll_event event = { .events = EPOLLIN | (streaming ? EPOLLOUT : 0), .data.fd = fd };
    counters.streaming += streaming - c->streaming;
    c->streaming = streaming;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0) die("epoll_ctl");
}

static void stream(int fd) {
    struct connection *c = &connections[fd];
    ssize_t n = send(fd, pattern + c->position % PERIOD, CHUNK, MSG_NOSIGNAL);
    if (n > 0) {
        c->position += n;
        counters.downloaded += n;
    } else if (errno != EAGAIN) {
        finish(fd);
    }
}

// Most reads of an upload throw the bytes away in the kernel: copying them here would make this end the bottleneck.
static ssize_t swallow(int fd) {
    struct connection *c = &connections[fd];
    int checked = c->behaviour == UPLOAD_CHECKED || c->reads++ % CHECK_EVERY == 0;
    ssize_t n = recv(fd, buffer, checked ? CHUNK : 4 << 20, checked ? 0 : MSG_TRUNC);
    if (n <= 0) return n;
    if (checked && !is_pattern(buffer, n, c->position)) counters.wrong++;
    c->position += n;
    counters.uploaded += n;
    return n;
}

// A whole request, in however many pieces it came, is answered once.
static int request(int fd, const unsigned char *bytes, ssize_t n) {
    struct connection *c = &connections[fd];
    size_t skipped = c->received == 0; // the first byte is the behaviour
    if (c->received + n > REQUEST || !is_pattern(bytes + skipped, n - skipped, c->received + skipped)) counters.wrong++;
    c->received += n;
    if (c->received < REQUEST) return 1;
    return answer(fd, pattern, REPLY) && c->behaviour == ANSWER_WAIT;
}

// False when the connection is over.
static int serve(int fd, const unsigned char *bytes, ssize_t n) {
    switch (connections[fd].behaviour) {
    case ANSWER_CLOSE:
    case ANSWER_WAIT:
        return request(fd, bytes, n);
    case ECHO:
        return answer(fd, bytes, n);
    case UPLOAD: // only the first read comes here
    case UPLOAD_CHECKED:
        if (!is_pattern(bytes + 1, n - 1, 1)) counters.wrong++;
        connections[fd].position = n;
        counters.uploaded += n;
        return 1;
    case DOWNLOAD:
        set_streaming(fd, !connections[fd].streaming);
        return 1;
    case QUERY:
        counters.open--; // the one that asks
        answer(fd, &counters, sizeof counters);
        counters.open++;
        return 0;
    default:
        counters.wrong++;
        return 0;
    }
}

static void receive(int fd) {
    struct connection *c = &connections[fd];
    int uploads = c->behaviour == UPLOAD || c->behaviour == UPLOAD_CHECKED;
    ssize_t n = uploads ? swallow(fd) : recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        finish(fd);
        return;
    }
    if (uploads) return;
    if (c->behaviour == 0) c->behaviour = buffer[0];
    if (!serve(fd, buffer, n)) finish(fd);
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        if (fd < 0 && errno == EAGAIN) return;
        if (fd < 0 && errno == ECONNABORTED) continue;
        if (fd < 0 || fd >= DESCRIPTORS) die("accept4");
        connections[fd] = (struct connection){ 0 };
        counters.open++;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    }
}

static int listen_on(int port) {
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0) die("bind");
    if (listen(fd, BACKLOG) < 0) die("listen");
    return fd;
}

int main(int count, char **arguments) {
    if (count != 2) return 64;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_pattern();
    int listener = listen_on(atoi(arguments[1]));
    struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.fd = listener };
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(fd);
            else if (events[i].events & ~EPOLLOUT) receive(fd);
            else stream(fd);
        }
    }
}
