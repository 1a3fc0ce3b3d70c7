"""The tests: what is measured and how. Each returns a Result; what a figure should be stands in report.py.

Noise is met by pairing: within a round every proxy gets a slice of the same test, in random order and right after one
another; a ratio is taken within a round, and its median over the rounds is what counts."""
import json
import random
import re
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import control
from proxies import OTHER, SPLICE, Broken, Process, Proxy

PEERS = ("haproxy", "nginx")
DIRECT = "direct"


@dataclass
class Slices:
    """A test made of slices of load."""

    title: str
    load: str
    connections: int
    unit: str = "us/connection"  # of CPU; a byte takes as many ns as a GB takes s
    splice: bool = False  # compare with HAProxy's splice too
    latency: bool = True

    def cpu(self, slice):
        return slice["cpu_ns"] / slice["units"] / (1 if self.unit == "s/GB" else 1000)


SLICED = {
    "short-server": Slices("100 B -> 200 B, server closes first, 64 at a time", "short-server", 64),
    "short-client": Slices("100 B -> 200 B, client closes first, 64 at a time", "short-client", 64),
    "pingpong-1": Slices("64 B ping-pong, 1 connection", "pingpong", 1, "us/ping-pong"),
    "pingpong-64": Slices("64 B ping-pong, 64 connections", "pingpong", 64, "us/ping-pong"),
    "bulk-up": Slices("bulk, client to server, 16 streams, quick ends", "upload", 16, "s/GB", True, False),
    "bulk-down": Slices("bulk, server to client, 16 streams, quick ends", "download", 16, "s/GB", True, False),
    "bulk-up-checked": Slices("the same up, the end reads every byte", "upload-checked", 16, "s/GB", True, False),
    "bulk-down-checked": Slices("the same down, the end reads every byte", "download-checked", 16, "s/GB", True, False),
}


@dataclass
class Result:
    """Of each proxy the value in every round (the same index is the same round), and of each also more to show."""

    title: str
    unit: str
    values: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)  # proxy: {what: [value in each round]}

    def add(self, proxy, value):
        self.values.setdefault(proxy, []).append(value)

    def proxies(self):
        """All that something is known of, in the order to show them."""
        known = {**self.values, **self.more}
        order = ("lbd", OTHER, *PEERS, SPLICE, DIRECT, control.ECHO)
        return sorted(known, key=lambda name: (order.index(name.split(",")[0]), int((name.split(", ") + ["0"])[1])))

    def add_more(self, proxy, what, value):
        self.more.setdefault(proxy, {}).setdefault(what, []).append(value)


class Laboratory:
    """What the tests share: tools, cores, the backend, and the list of what broke."""

    def __init__(self, folder, cores, kinds, backend, options, errors):
        self.folder, self.cores, self.kinds, self.backend = folder, cores, kinds, backend
        self.all = [name for name in kinds if name != SPLICE]
        self.rounds, self.seconds, self.quick, self.errors = options.rounds, options.seconds, options.quick, errors

    def start(self, name, sizes=(4,)):
        return Proxy(self.kinds[name], sizes, self.backend.port, self.cores[0], self.folder)

    def load_command(self, load, port, *more):
        return [self.folder / "load", load, f"127.0.0.1:{port}", *map(str, (self.backend.port, *more))]

    def heed(self, what, outcome):
        if outcome["failed"] or outcome["wrong"]:
            self.errors.append(f"{what}: {outcome['failed']} failed, {outcome['wrong']} wrong: {outcome['error']}")

    def slice(self, what, load, connections, port, proxy, seconds=None, warm_up=0.05):
        """One slice of load."""
        watched = [proxy.pid] if proxy else []
        command = self.load_command(load, port, connections, seconds or self.seconds, warm_up, *watched)
        with Process(command, self.cores[1], self.folder / "load.log", stdout=subprocess.PIPE) as load:
            line = load.child.stdout.readline()
        if proxy:
            proxy.check()
        if not line:
            raise Broken(f"{what}: load: {Path(load.log).read_text().strip()}")
        outcome = json.loads(line)
        self.heed(what, outcome)
        if outcome["units"] == 0:
            raise Broken(f"{what}: not one unit was done: {outcome['error']}")
        return outcome

    def await_quiet(self, proxy):
        """Until the connections of the slice before are gone at every end."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            before = proxy.cpu()
            time.sleep(0.005)
            if self.backend.open() == 0 and proxy.cpu() - before < 100_000:
                return
        self.errors.append(f"{proxy.kind.name}: not quiet 10 s after its last connection ended")


def shuffled(items):
    items = list(items)
    random.shuffle(items)
    return items


class Idle(Process):
    """Connections that were used once and are held open until the end of the 'with' block."""

    def __init__(self, lab, proxy, count):
        command = lab.load_command("idle", next(iter(proxy.ports.values())), count)
        super().__init__(command, lab.cores[1], lab.folder / "idle.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.child.stdout.readline()
        if not line:
            self.__exit__()
            raise Broken(f"idle connections: {Path(self.log).read_text()}")
        lab.heed(f"{count} idle connections by {proxy.kind.name}", json.loads(line))


# --- Slices of load, all proxies alive at once


def sliced(lab, names):
    """All of these tests in one go; yields their names with their results."""
    results = {name: Result(SLICED[name].title, SLICED[name].unit) for name in names}
    wanted = lab.all + [SPLICE] * any(SLICED[name].splice for name in names)
    proxies = {}
    try:
        for name in wanted:
            proxies[name] = lab.start(name)
        for round in range(-1, lab.rounds):  # round -1 warms up
            for name in shuffled(names):
                sliced_round(lab, SLICED[name], name, proxies, results[name] if round >= 0 else Result("", ""))
    finally:
        for proxy in proxies.values():
            proxy.__exit__()
    return results


def sliced_round(lab, test, name, proxies, result):
    targets = [target for target in (*proxies, DIRECT) if test.splice or target != SPLICE]
    for target in shuffled(targets):
        proxy = proxies.get(target)
        port = proxy.ports[4] if proxy else lab.backend.port
        outcome = lab.slice(f"{name} by {target}", test.load, test.connections, port, proxy)
        if proxy:
            result.add(target, test.cpu(outcome))
            result.add_more(target, "busy", outcome["cpu_ns"] / outcome["wall_ns"])
        result.add_more(target, "rate", outcome["units"] / outcome["wall_ns"] * 1e9)
        for part in ("p50", "p99", "p999") if test.latency else ():
            result.add_more(target, part, outcome[part])


# --- Memory


def memory(lab):
    count = 4000 if lab.quick else 9000
    result = Result(f"user memory per idle connection, {count} of them, each used once", "B")
    for _ in range(1 if lab.quick else 3):
        for name in shuffled(lab.all):
            with lab.start(name) as proxy:
                before = proxy.user_memory()
                with Idle(lab, proxy, count):
                    result.add(name, (proxy.user_memory() - before) / count)
                    result.add_more(name, "at start, MB", before / 1e6)
                lab.await_quiet(proxy)
    return result


def start(lab):
    """Time from fork to the first reply, with 1 and with 1,000 backends, and what each of these takes in memory."""
    times = Result("start to first reply", "ms")
    sizes = Result("user memory per backend, of 1,000", "B")
    for _ in range(max(3, lab.rounds // 2)):
        for name in shuffled(lab.all):
            memory_of = {}
            for size in shuffled([1, 1000]):
                with lab.start(name, (size,)) as proxy:
                    times.add(f"{name}, {size}", proxy.first_reply * 1000)
                    memory_of[size] = proxy.user_memory()
            sizes.add(name, (memory_of[1000] - memory_of[1]) / 999)
    return {"start": times, "memory-backend": sizes}


# --- System calls


def system_calls(lab):
    """Of one connection, and of one ping-pong, each alone: batches would hide how many a unit needs."""
    results = {}
    for load, unit in (("short-server", "calls/connection"), ("short-client", "calls/connection"), ("pingpong", "calls/ping-pong")):
        result = results[f"calls-{load}"] = Result(f"system calls, {load}, one at a time", unit)
        for name in lab.all:
            with lab.start(name) as proxy:
                counts, units = traced(lab, proxy, load)
            result.add(name, sum(counts.values()) / units)
            for call, count in sorted(counts.items(), key=lambda item: -item[1]):
                if count > units / 20:
                    result.add_more(name, call, count / units)
    return results


def traced(lab, proxy, load):
    summary = lab.folder / "strace"
    command = ["strace", "-c", "-f", "-U", "calls,name", "-p", str(proxy.pid), "-o", summary]
    with Process(command, lab.cores[1], lab.folder / "strace.log") as strace:
        while any("TracerPid:\t0\n" in file.read_text() for file in Path(f"/proc/{proxy.pid}/task").glob("*/status")):
            strace.check()
            time.sleep(0.005)
        outcome = lab.slice(f"system calls, {load} by {proxy.kind.name}", load, 1, proxy.ports[4], proxy, 0.5, 0)
        strace.child.send_signal(signal.SIGINT)
        strace.child.wait(10)
    rows = re.findall(r"^\s*(\d+)\s+(\w+)$", summary.read_text(), re.MULTILINE)
    return {name: int(calls) for calls, name in rows if name != "total"}, outcome["units"]


# --- Cost curves


def curve_backends(lab):
    result = Result("CPU per connection by number of backends (server closes first)", "us/connection")
    sizes = (1, 10, 100, 1000)
    proxies = []
    try:
        for name in lab.all:
            proxies.append(lab.start(name, sizes))
        for round in range(-1, lab.rounds):
            for proxy in shuffled(proxies):
                for size in shuffled(sizes):
                    test = SLICED["short-server"]
                    what = f"{size} backends by {proxy.kind.name}"
                    outcome = lab.slice(what, test.load, test.connections, proxy.ports[size], proxy)
                    if round >= 0:
                        result.add(f"{proxy.kind.name}, {size}", test.cpu(outcome))
    finally:
        for proxy in proxies:
            proxy.__exit__()
    return result


IDLE_BESIDE = (0, 10, 1000, 8000, 9000)


def curve_idle(lab):
    """The same process with and without idle connections: they are opened and closed in every round."""
    result = Result("CPU per connection by number of idle ones beside (server closes first)", "us/connection")
    proxies = []
    try:
        for name in lab.all:
            proxies.append(lab.start(name))
        for round in range(-1, max(3, lab.rounds // 2)):
            for proxy in shuffled(proxies):
                for count in shuffled(IDLE_BESIDE):
                    value = beside_idle(lab, proxy, count)
                    if round >= 0:
                        result.add(f"{proxy.kind.name}, {count}", value)
    finally:
        for proxy in proxies:
            proxy.__exit__()
    return result


def beside_idle(lab, proxy, count):
    def measured():
        test = SLICED["short-server"]
        outcome = lab.slice(f"beside {count} idle by {proxy.kind.name}", test.load, test.connections, proxy.ports[4], proxy)
        return test.cpu(outcome)

    lab.await_quiet(proxy)
    if not count:
        return measured()
    with Idle(lab, proxy, count):
        return measured()


def curve_connections(lab):
    result = Result("CPU per 64 B ping-pong by number of connections", "us/ping-pong")
    proxies = []
    try:
        for name in lab.all:
            proxies.append(lab.start(name))
        for round in range(-1, lab.rounds):
            for count in shuffled([1, 16, 256]):
                for proxy in shuffled(proxies):
                    what = f"{count} ping-pongs by {proxy.kind.name}"
                    outcome = lab.slice(what, "pingpong", count, proxy.ports[4], proxy)
                    if round >= 0:
                        result.add(f"{proxy.kind.name}, {count}", SLICED["pingpong-1"].cpu(outcome))
    finally:
        for proxy in proxies:
            proxy.__exit__()
    return result


# --- By name

# Name on the command line: what gives results by name. Those of SLICED come before, all in one go.
OTHERS = {
    "memory": lambda lab: {"memory": memory(lab)},
    "calls": system_calls,
    "start": start,
    "curve-backends": lambda lab: {"curve-backends": curve_backends(lab)},
    "curve-idle": lambda lab: {"curve-idle": curve_idle(lab)},
    "curve-connections": lambda lab: {"curve-connections": curve_connections(lab)},
    "control": lambda lab: control.control(lab, Result),
}
QUICK = [*SLICED, "memory"]


def run(lab, names, say):
    """Results by name, each handed to 'say' as soon as it is there."""
    together = [name for name in SLICED if name in names]
    if together:
        for name, result in sliced(lab, together).items():
            say(name, result)
    for name, test in OTHERS.items():
        if name in names:
            for part, result in test(lab).items():
                say(part, result)


def quartiles(values):
    """Lower quartile, median, upper quartile."""
    return (*statistics.quantiles(values, n=4, method="inclusive"),) if len(values) > 1 else (values[0],) * 3
