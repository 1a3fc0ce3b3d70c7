"""What the control socket costs with 1,000 backends in 50 pools: an answer's time while two workers are under full load,
the CPU of a call while they are not (HAProxy answers on the threads that relay, so that under load the two cannot be told
apart), and what traffic notices of it. Both proxies are alive at once and take turns, as everywhere."""
import json
import random
import socket
import subprocess
import time

import proxies
from proxies import OTHER, Broken, Process

POOLS, SERVERS = 50, 20
CALLS = 20  # a round, to measure the CPU of one
PAUSE = 0.02  # between two calls under load


ECHO = "echo"


class Lbd:
    status, status_text = "status output=json", "status"

    def __init__(self, kind):
        self.name, self.command = kind.name, kind.command

    @staticmethod
    def configuration(pools, folder):
        return "\n".join(proxies.lbd_configuration(pools, folder)).replace("workers: 1\n", "workers: 2\n")

    socket = "lbd.sock"

    @staticmethod
    def change(port, drains):
        return f"{'drain' if drains else 'undrain'} p{port}/b7"

    @staticmethod
    def is_over(answer):
        end = answer[answer.rfind(b"\n", 0, -1) + 1 :]
        if end.startswith(b"-"):
            raise Broken(f"lbd refused: {end.decode().strip()}")
        return end == b"+ok\n"


class HAProxy:
    name = "haproxy"
    status = status_text = "show stat"
    command = staticmethod(lambda file: ["haproxy", "-db", "-f", file])
    socket = "haproxy.sock"

    @staticmethod
    def configuration(pools, folder):
        text = "\n".join(proxies.haproxy_configuration(pools, folder))
        return text.replace("nbthread 1\n", f"nbthread 2\n  stats socket {folder}/{HAProxy.socket} mode 600 level admin\n")

    @staticmethod
    def change(port, drains):
        return f"set server l{port}/b7 state {'drain' if drains else 'ready'}"

    @staticmethod
    def is_over(answer):
        return False  # it hangs up


class Running(Process):
    """One of them, on both cores, with all its pools."""

    def __init__(self, lab, kind, network):
        self.kind, self.folder = kind, lab.folder / f"control-{kind.name.replace(' ', '-')}"
        self.folder.mkdir()
        self.socket = self.folder / kind.socket
        self.ports = []
        while len(self.ports) < POOLS:
            port = proxies.free_port()
            if port not in self.ports:
                self.ports.append(port)
        addresses = lambda pool: [f"127.{network}.{pool}.{number + 1}:{lab.backend.port}" for number in range(SERVERS)]
        file = self.folder / "configuration"
        file.write_text(kind.configuration({port: addresses(pool) for pool, port in enumerate(self.ports)}, self.folder) + "\n")
        super().__init__(kind.command(file), set(lab.cores), self.folder / "log")
        deadline = time.monotonic() + 20
        while not proxies.is_answering(self.ports[0]):
            self.check()
            if time.monotonic() > deadline:
                self.__exit__()
                raise Broken(f"{kind.name} does not answer")

    def ask(self, line):
        """Seconds until the whole answer was there."""
        return ask(self.socket, line, self.kind.is_over)[0]

    def changes(self):
        """Without end: a drain and its undrain, of one pool after the other but the first, which has the traffic."""
        while True:
            for port in self.ports[1:]:
                yield self.kind.change(port, True)
                yield self.kind.change(port, False)

    def cpu_of(self, lines):
        """Milliseconds a call."""
        before = self.cpu()
        for line in lines:
            self.ask(line)
        time.sleep(0.005)
        return (self.cpu() - before) / len(lines) / 1e6


def ask(path, line, is_over):
    """Seconds until the whole answer was there, on a connection of its own, and its length."""
    began = time.perf_counter()
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(line.encode() + b"\n")
        while not (answer and is_over(answer)):
            more = connection.recv(1 << 20)
            if not more:
                break
            answer += more
    if not answer:
        raise Broken(f"{path} said nothing to '{line}'")
    return time.perf_counter() - began, len(answer)


class Echo(Process):
    """Answers with as many bytes as it is asked for, and does nothing else."""

    def __init__(self, lab):
        self.socket = lab.folder / "echo.sock"
        super().__init__([lab.folder / "echo", self.socket], set(lab.cores), lab.folder / "echo.log")
        while not self.socket.exists():
            self.check()
            time.sleep(0.005)

    def ask(self, length):
        return ask(self.socket, str(length), lambda answer: False)[0]


def polled(lab, running, changes, echo=None):
    """A slice of load, a status and a change in turn meanwhile: the load's outcome, seconds of both. With `echo` that is
    asked instead, for as many bytes."""
    port, statuses, done = running.ports[0], [], []
    length = ask(running.socket, running.kind.status, running.kind.is_over)[1]
    command = lab.load_command("pingpong", port, 64, max(lab.seconds, 1), 0.05, running.pid)
    with Process(command, lab.cores[1], lab.folder / "load.log", stdout=subprocess.PIPE) as load:
        time.sleep(0.1)
        while load.child.poll() is None:
            statuses.append(echo.ask(length) if echo else running.ask(running.kind.status))
            time.sleep(PAUSE)
            done.append(echo.ask(0) if echo else running.ask(next(changes)))
            time.sleep(PAUSE)
        line = load.child.stdout.readline()
    running.check()
    if not line:
        raise Broken(f"load beside the control socket of {running.kind.name} failed")
    outcome = json.loads(line)
    lab.heed(f"load beside the control socket of {running.kind.name}", outcome)
    return outcome, statuses, done


def control(lab, Result):
    """Results by name."""
    kinds = [*(Lbd(lab.kinds[name]) for name in ("lbd", OTHER) if name in lab.kinds), HAProxy()]
    results = {
        "control-status": Result("status of 1,000 backends under load, JSON, median of a round", "ms"),
        "control-status-p99": Result("the slowest hundredth of them", "ms"),
        "control-status-cpu": Result("CPU of a status of 1,000 backends, JSON", "ms"),
        "control-status-text-cpu": Result("the same, text", "ms"),
        "control-change": Result("drain or undrain of one of 1,000 backends under load, median of a round", "ms"),
        "control-change-p99": Result("the slowest hundredth of them", "ms"),
        "control-change-cpu": Result("CPU of a drain or undrain", "ms"),
        "control-traffic": Result("p99 of a ping-pong while both are asked, over p99 while nobody asks", "times"),
    }
    samples = {name: ([], []) for name in [*(kind.name for kind in kinds), ECHO]}
    running = []
    try:
        echo = Echo(lab)
        running.append(echo)
        for network, kind in enumerate(kinds):
            running.append(Running(lab, kind, 10 + network))
        changes = {one.kind.name: one.changes() for one in running[1:]}
        for round in range(-1, lab.rounds):  # round -1 warms up
            for one in random.sample(running, len(running)):
                name = ECHO if one is echo else one.kind.name
                if one is echo:
                    values = echo_round(lab, running[1], echo, samples[name])
                else:
                    values = one_round(lab, one, changes[name], samples[name])
                for what, value in values.items():
                    if round >= 0:
                        results[what].add(name, value)
    finally:
        for one in running:
            one.__exit__()
    for name, (statuses, done) in samples.items():
        results["control-status-p99"].add(name, p99(statuses) * 1000)
        results["control-change-p99"].add(name, p99(done) * 1000)
    return results


def one_round(lab, one, changes, samples):
    name = one.kind.name
    alone = lab.slice(f"load by {name}", "pingpong", 64, one.ports[0], one, max(lab.seconds, 1))
    beside, statuses, done = polled(lab, one, changes)
    samples[0].extend(statuses)
    samples[1].extend(done)
    return {
        "control-status": median(statuses) * 1000,
        "control-change": median(done) * 1000,
        "control-traffic": beside["p99"] / alone["p99"],
        "control-status-cpu": one.cpu_of([one.kind.status] * CALLS),
        "control-status-text-cpu": one.cpu_of([one.kind.status_text] * CALLS),
        "control-change-cpu": one.cpu_of([next(changes) for _ in range(CALLS)]),
    }


def echo_round(lab, beside, echo, samples):
    """What the same takes of a process that does nothing else, while `beside` has the load."""
    _, statuses, done = polled(lab, beside, None, echo)
    samples[0].extend(statuses)
    samples[1].extend(done)
    return {"control-status": median(statuses) * 1000, "control-change": median(done) * 1000}


def median(values):
    return sorted(values)[len(values) // 2]


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]
