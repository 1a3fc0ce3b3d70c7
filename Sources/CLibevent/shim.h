// libevent's core: events that live in our own memory (event_struct.h makes
// `struct event` complete), loops and timers; and its HTTP server, for EventLoop/HTTPServer alone.
#ifndef SLUICE_CLIBEVENT_H
#define SLUICE_CLIBEVENT_H

// Before libevent's own configuration, which defines _GNU_SOURCE and would thereby change
// structures that Swift's Glibc module has already defined without it.
#include <sys/types.h>
#include <sys/select.h>

#include <event2/event-config.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>

#if !defined(EVENT__NUMERIC_VERSION) || EVENT__NUMERIC_VERSION < 0x02010c00
#error "Sluice needs libevent 2.1.12 or newer (Debian 12: apt-get install libevent-dev)"
#endif

#endif
