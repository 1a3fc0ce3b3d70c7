// What load and backend say to each other: the first byte of a connection names the behaviour, and every byte
// after it is known beforehand, so that both ends can check what a proxy passed on.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum behaviour {
    ANSWER_CLOSE = 'S', // REQUEST bytes are answered with REPLY bytes and a close
    ANSWER_WAIT = 'C',  // the same, but the client closes
    ECHO = 'P',         // whatever comes goes back
    UPLOAD = 'U',       // swallowed and counted; one read in CHECK_EVERY is checked
    UPLOAD_CHECKED = 'V', // the same, every read
    DOWNLOAD = 'D',     // streams; each further byte from the client stops it or starts it again
    QUERY = 'Q',        // asked directly, not through a proxy: answers with struct counters and a close
};

enum { REQUEST = 100, REPLY = 200, PING = 64, PERIOD = 65521, CHUNK = 128 << 10, CHECK_EVERY = 16 };

// Of the whole backend since it started.
struct counters {
    uint64_t uploaded, downloaded, streaming, wrong, open;
};

// Byte i of every stream is pattern[i % PERIOD]; a CHUNK may be taken from any place in the period.
static unsigned char pattern[PERIOD + CHUNK];

static inline void make_pattern(void) {
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof pattern; i++) {
        state = state * 1664525 + 1013904223;
        pattern[i] = i < PERIOD ? state >> 24 : pattern[i - PERIOD];
    }
}

static inline int is_pattern(const unsigned char *bytes, size_t length, uint64_t position) {
    return memcmp(bytes, pattern + position % PERIOD, length) == 0;
}
