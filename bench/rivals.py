# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rivals from Debian, each on its own folder and ports, never as a service of the host."""
import os
import socket
import subprocess

import kit

START_SECONDS = 30


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Etcd:
    """One member, which flushes each group of puts; spoken to through its HTTP gateway."""

    def __init__(self, place, programs, delay_us):
        client, peer = free_ports(2)
        self.address, self.count_file = f"127.0.0.1:{client}", os.path.join(place.path, f"etcd{delay_us}.flushes")
        url, peers = f"http://{self.address}", f"http://127.0.0.1:{peer}"
        self.process = place.start("etcd", programs.under_slow_disk(delay_us, self.count_file, [
            "etcd", "--name", "bench", "--data-dir", os.path.join(place.path, f"etcd{delay_us}"),
            "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peers,
            "--initial-advertise-peer-urls", peers, "--initial-cluster", f"bench={peers}", "--log-level", "error"]))
        kit.await_(self.is_up, START_SECONDS, "etcd's start")

    def is_up(self):
        return subprocess.run(["etcdctl", "--endpoints", self.address, "endpoint", "health"],
                              env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True).returncode == 0

    def stop(self):
        kit.end(self.process)


class Postgresql:
    """The engine under our master, with its disk counted and slowed."""

    def __init__(self, place, programs, delay_us):
        self.script = str(kit.ROOT / "tests" / "pg-cluster.sh")
        self.dir = place.folder("postgresql")
        self.count_file = os.path.join(place.path, f"postgresql{delay_us}.flushes")
        self.process = place.start("postgresql", programs.under_slow_disk(
            delay_us, self.count_file, [self.script, "start", self.dir]), stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        place.ends.append(self.stop)
        if not self.url.startswith("postgresql:"):
            raise kit.Trouble(f"PostgreSQL did not start: {place.log('postgresql')[-300:]}")

    def stop(self):
        if self.process.poll() is None:
            subprocess.run([self.script, "stop", self.dir], capture_output=True, check=False)
            self.process.wait(30)


SUPERVISORD = """[supervisord]
nodaemon=true
logfile={dir}/log
pidfile={dir}/pid
[unix_http_server]
file={dir}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """[program:p{n}]
command=/bin/sleep 100000
autorestart=true
stdout_logfile=/dev/null
stderr_logfile=/dev/null
"""


class Supervisord:
    def __init__(self, place, programs):
        """`programs`: how many it has to look after."""
        d = place.folder(f"supervisord{programs}")
        conf = os.path.join(d, "conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(SUPERVISORD.format(dir=d) + "".join(PROGRAM.format(n=n) for n in range(programs)))
        self.process = place.start("supervisord", ["supervisord", "-c", conf])
        kit.await_(lambda: os.path.exists(f"{d}/socket") and len(self.children()) >= programs, START_SECONDS,
                   "supervisord's start")

    def children(self):
        return children(self.process.pid)

    def pids(self):
        return [self.process.pid]


class Runit:
    """runsvdir, and a runsv for each service."""

    def __init__(self, place, services):
        d = place.folder(f"runit{services}")
        for n in range(services):
            os.makedirs(os.path.join(d, f"s{n}"))
            run = os.path.join(d, f"s{n}", "run")
            with open(run, "w", encoding="ascii") as f:
                f.write("#!/bin/sh\nexec /bin/sleep 100000\n")
            os.chmod(run, 0o755)
        self.process = place.start("runit", ["runsvdir", "-P", d])
        # HUP: it ends its services as well.
        place.ends[-1] = self.stop
        kit.await_(self.is_named, START_SECONDS, "runit's start")
        kit.await_(lambda: sum(len(children(p)) for p in children(self.process.pid)) >= services, START_SECONDS,
                   "the start of runit's services")

    def is_named(self):
        """Did the child become the program?"""
        with open(f"/proc/{self.process.pid}/comm", encoding="ascii") as f:
            return f.read().strip() == "runsvdir"

    def pids(self):
        return [self.process.pid] + children(self.process.pid)

    def stop(self):
        below = children(self.process.pid)
        self.process.send_signal(1)
        self.process.wait(30)
        kit.await_(lambda: not any(os.path.exists(f"/proc/{p}") for p in below), 30, "the end of runit's services")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []
