"""The proxies under test: how each is installed, configured, started and stopped. All are configured alike: one worker
thread, TCP, least connections, no logs, no checks, the same timeouts and backlog, nothing tuned for this benchmark."""
import os
import random
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
DESCRIPTORS = 20000
SPLICE = "haproxy+splice"
OTHER = "other lbd"
NEEDS = {  # Debian package: is it there?
    "haproxy": lambda: shutil.which("haproxy"),
    "nginx": lambda: shutil.which("nginx"),
    "libnginx-mod-stream": STREAM_MODULE.exists,
    "strace": lambda: shutil.which("strace"),
    "gcc": lambda: shutil.which("cc"),
    "libc6-dev": Path("/usr/include/stdio.h").exists,
}


class Broken(Exception):
    """Something did not work that has nothing to do with speed."""


def install():
    """What is missing, from Debian."""
    missing = [package for package, is_there in NEEDS.items() if not is_there()]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    print("+", *command, flush=True)
    if os.geteuid() != 0:
        raise Broken("needed first, as root: " + " ".join(command))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def build(folder, lbd=None):
    """Load, backend and echo into the folder, and lbd as it is shipped unless one is given; returns where lbd lies."""
    for name in ("load", "backend", "echo"):
        source = REPOSITORY / "Benchmarks" / f"{name}.c"
        subprocess.run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", folder / name, source], check=True)
    if lbd:
        return lbd.resolve()
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", "lbd"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise Broken(done.stdout[-2000:] + done.stderr[-2000:])
    place = subprocess.run([*command, "--show-bin-path"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return Path(place.stdout.strip()) / "lbd"


def free_port():
    """Outside the range that the kernel gives to clients, so that no client takes it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


# --- Configurations. A pool is a listening port and the addresses of its backends.


def lbd_configuration(pools, folder):
    yield f"control: {folder}/lbd.sock\nstate-directory: {folder}\nworkers: 1\nlog: {{ level: error }}\nlisteners:"
    for port in pools:
        yield f"  l{port}: {{ bind: 0.0.0.0:{port}, pool: p{port}, backlog: 4096 }}"
    yield "pools:"
    for port, backends in pools.items():
        yield f"  p{port}:\n    balance: least-connections\n    connect-timeout: 2s\n    idle-timeout: 1h"
        yield "    health: { check: none }\n    backends:"
        for number, address in enumerate(backends):
            yield f"      b{number}: {address}"


def haproxy_configuration(pools, folder, splice=False):
    connections = DESCRIPTORS // (4 if splice else 2) - 100  # it wants descriptors for pipes too, and else does not start
    yield f"global\n  nbthread 1\n  maxconn {connections}\ndefaults\n  mode tcp\n  timeout connect 2s"
    yield "  timeout client 1h\n  timeout server 1h\n  balance leastconn"
    if splice:
        yield "  option splice-request\n  option splice-response"  # splice-auto does not find such streams worth it
    for port, backends in pools.items():
        yield f"listen l{port}\n  bind 0.0.0.0:{port} backlog 4096"
        for number, address in enumerate(backends):
            yield f"  server b{number} {address}"


def nginx_configuration(pools, folder):
    yield f"load_module {STREAM_MODULE};\nworker_processes 1;\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;"
    yield f"error_log {folder}/nginx.log error;\nevents {{ worker_connections {DESCRIPTORS - 100}; }}\nstream {{"
    yield "proxy_connect_timeout 2s; proxy_timeout 1h;"
    for port, backends in pools.items():
        yield f"upstream p{port} {{ least_conn;"
        for address in backends:
            yield f"  server {address};"
        yield f"}}\nserver {{ listen 0.0.0.0:{port} backlog=4096; proxy_pass p{port}; }}"
    yield "}"


class Kind:
    """A kind of proxy: a name, and how to configure and start it."""

    def __init__(self, name, network, configuration, command):
        self.name, self.network, self.configuration, self.command = name, network, configuration, command

    def addresses(self, count, port):
        """Each kind has its own, so that one's connections in TIME_WAIT do not cost another a longer search for a port."""
        return [f"127.{self.network}.{number // 250}.{number % 250 + 1}:{port}" for number in range(count)]


def kinds(lbd, other=None):
    """By name; 'other' is a second lbd to compare with."""
    command = lambda binary: lambda file: [binary, "--config", file]
    haproxy = lambda file: ["haproxy", "-db", "-f", file]
    return {
        kind.name: kind
        for kind in [
            Kind("lbd", 1, lbd_configuration, command(lbd)),
            *([Kind(OTHER, 5, lbd_configuration, command(other.resolve()))] if other else []),
            Kind("haproxy", 2, haproxy_configuration, haproxy),
            Kind("nginx", 3, nginx_configuration, lambda file: ["nginx", "-p", file.parent, "-e", "stderr", "-c", file]),
            Kind(SPLICE, 4, lambda pools, folder: haproxy_configuration(pools, folder, splice=True), haproxy),
        ]
    }


# --- Processes


def favour(pid):
    """Linux weighs sessions against one another before it looks at a process's own nice value ('autogroups'), and every
    child here has its own session: so the driver's value is given to that as well, where there is such a thing."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError:
        pass  # a kernel without them, or not root: only a noisier run


class Process:
    """A child pinned to a core, or to a set of them, that is gone with its 'with' block."""

    def __init__(self, command, core, log, **pipes):
        self.log = log
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, core if isinstance(core, set) else {core})  # inherited; taskset would be one more exec in the time to start
        try:
            with open(log, "wb") as output:
                pipes = {"stdin": subprocess.DEVNULL, "stdout": output, **pipes}
                self.child = subprocess.Popen(command, stderr=output, start_new_session=True, **pipes)
        finally:
            os.sched_setaffinity(0, own)
        self.pid = self.child.pid
        favour(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        self.child.kill()
        self.child.wait()

    def cpu(self):
        """Nanoseconds of all its threads, by the clock that clock_getcpuclockid(3) names."""
        return time.clock_gettime_ns(~self.pid << 3 | 2)

    def check(self):
        if self.child.poll() is not None:
            raise Broken(f"{self.child.args[0]} ended by itself ({self.child.returncode}): {Path(self.log).read_text()[-1500:]}")

    def user_memory(self):
        """Bytes that belong to it alone: no file pages, whose number depends on what code has run yet."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


class Proxy(Process):
    """A running proxy with a pool of each of the given sizes; 'ports' by size."""

    def __init__(self, kind, sizes, backend_port, core, folder):
        self.kind = kind
        self.ports = {size: free_port() for size in sizes}
        folder = folder / f"{kind.name}-{min(self.ports.values())}"
        folder.mkdir()
        file = folder / "configuration"
        pools = {self.ports[size]: kind.addresses(size, backend_port) for size in sizes}
        file.write_text("\n".join(kind.configuration(pools, folder)) + "\n")
        self.started = time.monotonic()
        super().__init__(kind.command(file), core, folder / "log")
        try:
            self.first_reply = self.await_reply(max(sizes)) - self.started
        except BaseException:
            self.__exit__()
            raise

    def await_reply(self, size):
        while time.monotonic() < self.started + 20:
            self.check()
            if is_answering(self.ports[size]):
                return time.monotonic()
            time.sleep(0.0002)
        raise Broken(f"{self.kind.name} does not answer: {Path(self.log).read_text()[-1500:]}")


class Backend(Process):
    """The server behind all of them."""

    def __init__(self, folder, core):
        self.port = free_port()
        super().__init__([folder / "backend", str(self.port)], core, folder / "backend.log")
        deadline = time.monotonic() + 5
        while not is_answering(self.port):
            self.check()
            if time.monotonic() > deadline:
                raise Broken("the backend does not answer")

    def open(self):
        """How many connections it has."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as query:
            query.sendall(b"Q")
            return struct.unpack("5Q", query.recv(40, socket.MSG_WAITALL))[4]


def is_answering(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as client:
            client.sendall(b"P")
            return client.recv(1) == b"P"
    except OSError:
        return False


def versions(lbd, built_here):
    def first_line(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True)
    return {
        "lbd": first_line(lbd, "--version") + ", " + (f"commit {commit.stdout.strip()}" if built_here else str(lbd)),
        "haproxy": first_line("haproxy", "-v"),
        "nginx": first_line("nginx", "-v"),
    }
