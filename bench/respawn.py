# SPDX-License-Identifier: AGPL-3.0-or-later
"""Crash → respawn: SIGKILL of a service until its successor says so, beside supervisord and runit.

The same program everywhere: busybox sh that writes a line into a FIFO and becomes `sleep`. Ours runs
it in a container (namespaces, user range, seccomp, read-only root); the rivals only fork. All live at
once; every round kills each in turn, once it has run for more than a second, since runit holds back
what ended sooner.
"""
import json
import os
import select
import shutil
import socket
import subprocess
import time

import kit

SCRIPT = "echo up > {fifo}; exec sleep 1000"
AGE_SECONDS = 1.2
DEADLINE_SECONDS = 20


class Beat:
    """The FIFO in which a service says that it is up."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, 0o666)
        self.fd = os.open(path, os.O_RDWR)

    def wait(self):
        ready, _, _ = select.select([self.fd], [], [], DEADLINE_SECONDS)
        if not ready:
            raise kit.Trouble(f"nothing came up at {self.path}")
        os.read(self.fd, 4096)


class Ours:
    def __init__(self, base, program, rootfs, standby):
        self.name = "hoc, standby" if standby else "hoc"
        self.dir = os.path.join(base, "hoc-standby" if standby else "hoc")
        home = os.path.join(self.dir, "home")
        os.makedirs(home, 0o755)
        self.beat = Beat(os.path.join(home, "beat"))
        bundle = os.path.join(self.dir, "bundle")
        subprocess.run([program, "bundle", bundle, rootfs, home, "/bin/sh", "-c",
                        SCRIPT.format(fifo="/hoc/beat")], check=True)
        self.process = subprocess.Popen([program, "supervise", self.dir], stderr=subprocess.DEVNULL)
        self.serial = 0
        self.lines = self.connect()
        self.ask({"verb": "start", "service": {"id": "p0/web", "bundle": bundle, "steady_ms": 1000,
                                               "standby": standby}})
        self.beat.wait()

    def connect(self):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(os.path.join(self.dir, "supervise", "socket"))
                return s.makefile("rwb")
            except OSError:
                s.close()
                if time.monotonic() > deadline:
                    raise

    def ask(self, request):
        self.serial += 1
        self.lines.write(json.dumps(dict(request, serial=self.serial)).encode() + b"\n")
        self.lines.flush()
        reply = json.loads(self.lines.readline())
        if "error" in reply:
            raise kit.Trouble(reply["error"]["text"])
        return reply

    def pid(self):
        return self.ask({"verb": "list"})["services"][0]["pid"]

    def stop(self):
        self.ask({"verb": "kill_partition", "partition": "p0"})
        self.process.terminate()
        self.process.wait()


class Supervisord:
    name = "supervisord"

    def __init__(self, base, rootfs):
        self.dir = os.path.join(base, "supervisord")
        os.makedirs(self.dir)
        self.beat = Beat(os.path.join(self.dir, "beat"))
        self.conf = os.path.join(self.dir, "conf")
        script = SCRIPT.format(fifo=self.beat.path)
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"""[supervisord]
nodaemon=true
logfile={self.dir}/log
pidfile={self.dir}/pid
[unix_http_server]
file={self.dir}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{self.dir}/socket
[program:web]
command={rootfs}/bin/sh -c "{script}"
autorestart=true
startsecs=1
stdout_logfile=/dev/null
stderr_logfile=/dev/null
""")
        self.process = subprocess.Popen(["supervisord", "-c", self.conf], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.beat.wait()

    def pid(self):
        out = subprocess.run(["supervisorctl", "-c", self.conf, "pid", "web"],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
        return int(out)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Runit:
    name = "runit"

    def __init__(self, base, rootfs):
        self.dir = os.path.join(base, "runit")
        service = os.path.join(self.dir, "web")
        os.makedirs(service)
        self.beat = Beat(os.path.join(base, "runit-beat"))
        run = os.path.join(service, "run")
        with open(run, "w", encoding="ascii") as f:
            f.write(f"#!{rootfs}/bin/sh\n{SCRIPT.format(fifo=self.beat.path)}\n")
        os.chmod(run, 0o755)
        self.process = subprocess.Popen(["runsv", service], stderr=subprocess.DEVNULL)
        self.beat.wait()

    def pid(self):
        with open(os.path.join(self.dir, "web", "supervise", "pid"), encoding="ascii") as f:
            return int(f.read())

    def stop(self):
        self.process.terminate()
        self.process.wait()


def make_rootfs(base):
    rootfs = os.path.join(base, "root")
    for name in ("hoc", "proc", "dev", "sys", "tmp", "run", "bin"):
        os.makedirs(os.path.join(rootfs, name), 0o755)
    shutil.copy("/bin/busybox", os.path.join(rootfs, "bin"))
    for name in ("sh", "sleep"):
        os.symlink("busybox", os.path.join(rootfs, "bin", name))
    return rootfs


def measure(rivals, rounds):
    took = {r.name: [] for r in rivals}
    for _ in range(rounds):
        time.sleep(AGE_SECONDS)  # the age that makes a respawn immediate with all of them
        for r in rivals:
            pid = r.pid()
            begin = time.perf_counter()
            os.kill(pid, 9)
            r.beat.wait()
            took[r.name].append((time.perf_counter() - begin) * 1000)
    return took


def run(base, program, rounds):
    """{name: milliseconds}, of `rounds` crashes each, by `program` (bench/respawn.c) and rivals."""
    rivals = []
    try:
        rootfs = make_rootfs(base)
        rivals += [Ours(base, program, rootfs, False), Ours(base, program, rootfs, True),
                   Supervisord(base, rootfs), Runit(base, rootfs)]
        return measure(rivals, rounds)
    finally:
        for r in rivals:
            r.stop()
