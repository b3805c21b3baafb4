# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our side: a master, a node, and a client of the API."""
import http.client
import json
import os
import subprocess
import time

import kit

START_SECONDS = 20


class Api:
    """A client with one connection that is kept."""

    def __init__(self, address):
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def ask(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        reply = self.connection.getresponse()
        answer = json.loads(reply.read() or b"null")
        if reply.status // 100 != 2:
            raise kit.Trouble(f"{method} {path}: {reply.status} {json.dumps(answer)[:300]}")
        return answer

    def get(self, path):
        return self.ask("GET", path)

    def publish_tiny(self):
        """The profile of bench/profiles/tiny with the library; its release."""
        files = {name: (kit.ROOT / path).read_text(encoding="utf-8") for name, path in (
            ("profile.jsonnet", "bench/profiles/tiny/profile.jsonnet"),
            ("hoc.libsonnet", "profiles/lib/hoc.libsonnet"))}
        bundle = {"name": "tiny", "entry": "profile.jsonnet", "files": files}
        return self.ask("POST", "/v1/releases", {"bundle": bundle})["release"]

    def order(self, release, title, **more):
        return self.ask("POST", "/v1/instances", {"release": release, "title": title, **more})

    def await_status(self, instance, status, seconds=120):
        """Long polls until the instance has the status."""
        def look():
            nonlocal instance
            if instance["status"] == status:
                return instance
            path = f"/v1/instances/{instance['guid']}?since={instance['version']}&wait=20"
            instance = self.get(path)
            return None
        return poll(look, seconds, lambda: f"{instance['title']} is {instance['status']}, not {status}: "
                    f"{instance['message']} {instance['refusals']}")


def poll(look, seconds, why):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = look()
        if got:
            return got
    raise kit.Trouble(f"after {seconds} s {why()}")


class Master:
    def __init__(self, place, programs, name, db=None, delay_us=None):
        """delay_us: its disk is counted and slowed (only of use with SQLite)."""
        self.count_file = os.path.join(place.path, name + ".flushes")
        data = place.folder(name)
        address = os.path.join(data, "address")
        if os.path.exists(address):
            os.unlink(address)
        argv = [programs.hoc, "master", "run", "--data", data, "--listen", "127.0.0.1:0", "--local",
                "--log-level", "warn"] + (["--db", db] if db else [])
        if delay_us is not None:
            argv = programs.under_slow_disk(delay_us, self.count_file, argv)
        self.process = place.start(name, argv)
        self.address = kit.await_(lambda: self.look(address, place, name), START_SECONDS, "the master's start")
        self.api = Api(self.address)

    def look(self, path, place, name):
        if self.process.poll() is not None:
            raise kit.Trouble(f"the master ended: {place.log(name)[-400:]}")
        try:
            with open(path, encoding="ascii") as f:
                return f.read().strip()
        except FileNotFoundError:
            return None

    def stop(self):
        kit.end(self.process)


class Node:
    """A real one: namespaces, bridge, containers."""

    def __init__(self, place, programs, master, partitions):
        self.place, self.programs, self.master, self.name = place, programs, master, "bench"
        self.dir = os.path.join(place.path, "node")
        place.ends.append(self.unformat)
        self.hoc("node", "format", "--dir", self.dir, "--name", self.name, "--partitions", str(partitions))
        self.process = place.start("node", [
            programs.hoc, "node", "run", "--dir", self.dir, "--master", f"http://{master.address}",
            "--log-level", "debug"])

    def hoc(self, *words):
        done = subprocess.run([self.programs.hoc, *words], capture_output=True, text=True)
        if done.returncode:
            raise kit.Trouble(f"hoc {' '.join(words[:2])}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def supply(self, release, seconds=180):
        """Wants the release on the node, and waits until it is built."""
        api = self.master.api
        kit.await_(lambda: [n for n in api.get("/v1/nodes")["nodes"] if n["node"] == self.name], 30,
                   "the node's registration")
        api.ask("PUT", "/v1/installations", {"release": release, "node": self.name, "state": "available"})

        def look():
            s = api.get(f"/v1/installations?node={self.name}")["installations"][0]
            if self.process.poll() is not None:
                raise kit.Trouble(f"the node ended: {self.place.log('node')[-400:]}")
            if s["reported"] == "error":
                raise kit.Trouble(f"the release was not built: {s['message']}")
            return s["reported"] == "available"
        kit.await_(look, seconds, "the build of the release")

    def supervisor_pid(self):
        socket = os.path.join(self.dir, "supervise", "socket")
        kit.await_(lambda: os.path.exists(socket), START_SECONDS, "the supervisor's start")
        return kit.pid_with_words("supervise", self.dir)

    def unformat(self):
        """After the agent was ended (the place ends what started last first)."""
        if os.path.isdir(self.dir):
            self.hoc("node", "unformat", "--dir", self.dir)
