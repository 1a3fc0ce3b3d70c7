// The clients before the proxies: one thread, one epoll; runs one test for one slice against one address and prints
// one line of JSON. It reads the CPU clock of the watched process itself, right before and right after the measured
// part: connections that the test keeps open, and a warm-up, are made before.
//
// Usage: load short-server|short-client|pingpong|idle|(up|down)load[-checked]  ADDRESS:PORT  BACKEND-PORT
//             [CONNECTIONS [SECONDS [WARM-UP SECONDS [PROCESS TO WATCH]]]]
#define _GNU_SOURCE
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 20000, EVENTS = 256, SAMPLES = 4 << 20, ADDRESSES = 64, PATIENCE = 5, IDLE_BATCH = 64 };
static const uint64_t SECOND = 1000000000;

struct client {
    int fd;
    unsigned received; // of the reply in hand
    uint32_t reads;    // of a download; each CHECK_EVERY-th is checked
    uint64_t started;
    uint64_t position; // of a stream
};

struct phase {
    uint64_t until; // nothing new begins after that
    uint64_t units;
    int busy;       // clients in the middle of something
};

// Starts a client's next unit; handles what the kernel says about it.
struct test {
    const char *name;
    unsigned char behaviour;
    int keeps; // connections are made once, before the phases
    int checks_all;
    void (*begin)(struct client *);
    void (*ready)(struct client *, uint32_t events);
};

static struct client clients[CLIENTS];
static uint32_t samples[SAMPLES];
static size_t sampled;
static struct phase phase;
static const struct test *test;
static struct sockaddr_in target, backend;
static int epoll, connections = 1;
static unsigned char buffer[CHUNK];
static uint64_t failed, wrong;
static char first_error[128] = "";

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) die("clock_gettime");
    return t.tv_sec * SECOND + t.tv_nsec;
}

static uint64_t now(void) { return nanoseconds(CLOCK_MONOTONIC); }

static void pause_for(uint64_t duration) {
    struct timespec t = { .tv_sec = duration / SECOND, .tv_nsec = duration % SECOND };
    nanosleep(&t, NULL);
}

static void complain(uint64_t *counter, const char *what, int error) {
    if ((*counter)++ == 0 && !first_error[0])
        snprintf(first_error, sizeof first_error, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
}

// --- One connection

// Several addresses in turn (what listens, listens on all of 127.0.0.0/8): to one, a client has ports for 28,000
// connections a minute. Several sources would do the same, but cost two more system calls each.
static struct sockaddr_in next_target(void) {
    static unsigned number;
    struct sockaddr_in result = target;
    result.sin_addr.s_addr = htonl(ntohl(target.sin_addr.s_addr) + number++ % ADDRESSES);
    return result;
}

static void finish(struct client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    phase.busy--;
}

static void fail(struct client *c, const char *what, int error) {
    complain(&failed, what, error);
    finish(c);
}

static int open_client(struct client *c) {
    struct sockaddr_in to = next_target();
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .started = now() };
    if (c->fd < 0) die("socket");
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) return -1;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
    return 0;
}

// True when all went; false when the kernel will say when to try again, or the client has failed.
static int put(struct client *c, const void *bytes, size_t length) {
    ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);
    if (n == (ssize_t)length) return 1;
    if (n >= 0) fail(c, "a small message was sent in part", 0);
    else if (errno != EAGAIN && errno != ENOTCONN) fail(c, "send", errno);
    return 0;
}

static void count_unit(struct client *c) {
    uint64_t end = now();
    if (sampled < SAMPLES) samples[sampled++] = end - c->started;
    c->started = end;
    phase.units++;
}

// --- Short connections

static void send_request(struct client *c) {
    unsigned char request[REQUEST];
    memcpy(request, pattern, REQUEST);
    request[0] = test->behaviour;
    if (put(c, request, REQUEST)) c->position = REQUEST;
}

// On loopback the connection stands as soon as connect returns; else the request goes at the first EPOLLOUT.
static void begin_short(struct client *c) {
    phase.busy++;
    if (open_client(c) < 0) fail(c, "connect", errno);
    else send_request(c);
}

static void end_short(struct client *c) {
    count_unit(c);
    finish(c);
    if (c->started < phase.until) begin_short(c);
}

static void ready_short(struct client *c, uint32_t events) {
    if (c->position == 0) send_request(c);
    while (c->fd >= 0 && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        ssize_t n = recv(c->fd, buffer, REPLY + 1, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) return fail(c, "receive", errno);
        if (n == 0 && c->received < REPLY) return fail(c, "closed before the whole reply", 0);
        if (c->received + n > REPLY || !is_pattern(buffer, n, c->received)) complain(&wrong, "wrong byte in a reply", 0);
        c->received += n;
        if (n == 0 || (c->received >= REPLY && test->behaviour == ANSWER_WAIT)) return end_short(c);
        if (!(events & EPOLLRDHUP)) return; // edge-triggered: the end comes as an event of its own
    }
}

// --- Ping-pong

static void begin_ping(struct client *c) {
    unsigned char ping[PING];
    memcpy(ping, pattern + c->position % PERIOD, PING);
    ping[0] = ECHO;
    c->received = 0;
    if (put(c, ping, PING)) c->position++;
    else if (c->fd >= 0) fail(c, "a ping does not go out", 0);
}

static void start_ping(struct client *c) {
    phase.busy++;
    c->started = now();
    begin_ping(c);
}

static void ready_ping(struct client *c, uint32_t events) {
    if (!(events & ~EPOLLOUT)) return;
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return fail(c, n ? "receive" : "closed in the middle of a ping-pong", n ? errno : 0);
    size_t skipped = c->received == 0;
    if (c->received + n > PING || !is_pattern(buffer + skipped, n - skipped, c->position - 1 + c->received + skipped))
        complain(&wrong, "wrong byte in a pong", 0);
    c->received += n;
    if (c->received < PING) return;
    count_unit(c);
    if (c->started < phase.until) begin_ping(c);
    else phase.busy--;
}

// --- Streams

static struct counters query(void) {
    struct counters answer;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&backend, sizeof backend) < 0 || send(fd, "Q", 1, MSG_NOSIGNAL) != 1 ||
        recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) die("query the backend");
    close(fd);
    return answer;
}

static void push(struct client *c) {
    while (now() < phase.until) {
        const unsigned char *bytes = pattern + c->position % PERIOD;
        unsigned char first = test->behaviour;
        ssize_t n = c->position ? send(c->fd, bytes, CHUNK, MSG_NOSIGNAL) : send(c->fd, &first, 1, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) return fail(c, "send", errno);
        c->position += n;
        phase.units += n;
    }
}

static void ready_upload(struct client *c, uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) return fail(c, "an upload was closed", 0);
    push(c);
}

static void begin_upload(struct client *c) {
    phase.busy++;
    push(c);
}

static void ready_download(struct client *c, uint32_t events) {
    if (!(events & ~EPOLLOUT)) return;
    for (;;) {
        int checked = test->checks_all || c->reads++ % CHECK_EVERY == 0;
        ssize_t n = recv(c->fd, buffer, checked ? CHUNK : 4 << 20, checked ? 0 : MSG_TRUNC);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return fail(c, n ? "receive" : "a download was closed", n ? errno : 0);
        if (checked && !is_pattern(buffer, n, c->position)) complain(&wrong, "wrong byte in a download", 0);
        c->position += n;
        phase.units += n;
    }
}

static void toggle_download(struct client *c) {
    unsigned char first = DOWNLOAD;
    put(c, &first, 1);
}

static void begin_download(struct client *c) {
    phase.busy++;
    toggle_download(c);
}

// --- A phase

static const struct test tests[] = {
    { "short-server", ANSWER_CLOSE, 0, 1, begin_short, ready_short },
    { "short-client", ANSWER_WAIT, 0, 1, begin_short, ready_short },
    { "pingpong", ECHO, 1, 1, start_ping, ready_ping },
    { "idle", ECHO, 1, 1, start_ping, ready_ping },
    { "upload", UPLOAD, 1, 0, begin_upload, ready_upload },
    { "upload-checked", UPLOAD_CHECKED, 1, 1, begin_upload, ready_upload },
    { "download", DOWNLOAD, 1, 0, begin_download, ready_download },
    { "download-checked", DOWNLOAD, 1, 1, begin_download, ready_download },
};

static void turn(int milliseconds) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, milliseconds);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (c->fd >= 0) test->ready(c, events[i].events);
    }
}

// A stream's phase is over when all that was sent has arrived; both ends count, and the backend is asked directly.
static int has_arrived(const struct counters *before) {
    struct counters after = query();
    if (test->behaviour != DOWNLOAD) return after.uploaded - before->uploaded == phase.units;
    return after.streaming == 0 && after.downloaded - before->downloaded == phase.units;
}

static void drain_streams(const struct counters *before, uint64_t deadline) {
    if (test->behaviour == DOWNLOAD)
        for (int i = 0; i < connections; i++)
            if (clients[i].fd >= 0) toggle_download(&clients[i]);
    while (!has_arrived(before)) {
        if (now() > deadline) return complain(&failed, "not all bytes of the streams arrived", 0);
        turn(1);
    }
    phase.busy = 0;
}

static void run_phase(double seconds) {
    int streams = test->begin == begin_upload || test->begin == begin_download;
    struct counters before = streams ? query() : (struct counters){ 0 };
    uint64_t start = now(), deadline = start + (seconds + PATIENCE) * SECOND;
    phase = (struct phase){ .until = start + seconds * SECOND };
    sampled = 0;
    for (int i = 0; i < connections; i++)
        if (!test->keeps || clients[i].fd >= 0) test->begin(&clients[i]);
    while (phase.busy > 0 && now() < (streams ? phase.until : deadline)) turn(100);
    if (streams) return drain_streams(&before, deadline);
    if (phase.busy > 0) {
        failed += phase.busy - 1;
        complain(&failed, "no answer within 5 s", 0);
    }
}

// --- The slice

// The rest of what the proxy does for connections that are over at our end.
static void settle(clockid_t clock) {
    for (int i = 0; clock && i < 50; i++) {
        uint64_t before = nanoseconds(clock);
        pause_for(SECOND / 1000);
        if (nanoseconds(clock) - before < 20000) return;
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double part) {
    return sampled ? samples[(size_t)(part * (sampled - 1))] / 1000.0 : 0;
}

static uint64_t own_cpu(void) { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

static void report(uint64_t wall, uint64_t cpu, uint64_t own) {
    qsort(samples, sampled, sizeof *samples, by_size);
    printf("{\"units\": %lu, \"wall_ns\": %lu, \"cpu_ns\": %lu, \"load_cpu_ns\": %lu, \"p50\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"failed\": %lu, \"wrong\": %lu, \"error\": \"%s\"}\n",
           phase.units, wall, cpu, own, quantile(.5), quantile(.99), quantile(.999), failed, wrong, first_error);
}

static void measure(double seconds, double warm_up, clockid_t clock) {
    uint64_t wrong_before = query().wrong;
    if (warm_up > 0) run_phase(warm_up);
    settle(clock);
    uint64_t cpu = clock ? nanoseconds(clock) : 0, own = own_cpu(), start = now();
    run_phase(seconds);
    uint64_t wall = now() - start;
    settle(clock);
    cpu = clock ? nanoseconds(clock) - cpu : 0;
    if (query().wrong != wrong_before) complain(&wrong, "the backend received a wrong byte", 0);
    report(wall, cpu, own_cpu() - own);
}

static void connect_all(void) {
    for (struct client *c = clients; c < clients + connections; c++)
        if (open_client(c) < 0) fail(c, "connect", errno);
}

// Holds used but quiet connections until its input ends; a batch at a time, so that no backlog overflows.
static void idle(void) {
    int total = connections;
    for (connections = 0; connections < total;) {
        int batch = connections + IDLE_BATCH < total ? IDLE_BATCH : total - connections;
        struct client *first = &clients[connections];
        phase = (struct phase){ 0 };
        for (int i = 0; i < batch; i++)
            if (open_client(&first[i]) == 0) start_ping(&first[i]);
            else complain(&failed, "connect", errno);
        for (uint64_t deadline = now() + PATIENCE * SECOND; phase.busy > 0 && now() < deadline;) turn(100);
        if (phase.busy > 0) complain(&failed, "no answer within 5 s", 0);
        connections += batch;
    }
    report(0, 0, own_cpu());
    fflush(stdout);
    while (read(0, buffer, sizeof buffer) > 0) {}
}

static struct sockaddr_in address(const char *text) {
    struct sockaddr_in result = { .sin_family = AF_INET };
    char host[64];
    int port;
    if (sscanf(text, "%63[0-9.]:%d", host, &port) != 2 || !inet_aton(host, &result.sin_addr)) exit(64);
    result.sin_port = htons(port);
    return result;
}

int main(int count, char **arguments) {
    if (count < 4) return 64;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(arguments[1], tests[i].name)) test = &tests[i];
    if (!test) return 64;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    target = address(arguments[2]);
    backend = address("127.0.0.1:1");
    backend.sin_port = htons(atoi(arguments[3]));
    if (count > 4) connections = atoi(arguments[4]);
    if (connections < 1 || connections > CLIENTS) return 64;
    double seconds = count > 5 ? atof(arguments[5]) : 1, warm_up = count > 6 ? atof(arguments[6]) : 0;
    // The kernel's number for the CPU clock of another process; see clock_getcpuclockid(3).
    clockid_t clock = count > 7 ? (clockid_t)(~(unsigned)atoi(arguments[7]) << 3 | 2) : 0;
    make_pattern();
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    if (!strcmp(test->name, "idle")) return idle(), failed + wrong > 0;
    if (test->keeps) connect_all();
    measure(seconds, warm_up, clock);
    return 0;
}
