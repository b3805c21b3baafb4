# SPDX-License-Identifier: AGPL-3.0-or-later
"""A process is killed at every failpoint of its room, started again, and what docs/failpoints.md says holds.

Each story is told twice: with one process armed, until it dies, and on from there unarmed. The names come
from the sources; one that its story never passes fails, so that the list stays true.
"""
import contextlib
import json
import os
import subprocess
import threading
from decimal import Decimal

import pytest

from cloud import (BUILD_DEADLINE, DEADLINE, ROOT, Late, Program, Refused, all_processes, client, hash_of, moment,
                   program, start_of)

NAMES = subprocess.run([str(ROOT / "tools" / "check-failpoints"), "--list"], check=True, capture_output=True,
                       text=True).stdout.split()
# The same functions write the files of all daemons: told with the agent, whose story has most of them.
AGENT = [n for n in NAMES if n.startswith(("agent.", "base."))]
MASTER = [n for n in NAMES if n.startswith("db.")]
BUILD = [n for n in NAMES if n.startswith(("profile.build.", "profile.fetch.", "profile.root.", "profile.tree.",
                                           "profile.cache."))]
REMOVE = [n for n in NAMES if n.startswith("profile.remove.")]
SUPERVISE = [n for n in NAMES if n.startswith("supervise.")]


def test_every_failpoint_has_its_story():
    assert sorted(AGENT + MASTER + BUILD + REMOVE + SUPERVISE) == sorted(NAMES)


# ---- what must hold ------------------------------------------------------------------------------

def check_invariants(master, node):
    """Of a cloud that had time to converge."""
    rows = master.get("/v1/instances")["instances"]
    places = [(r["node"], r["partition"]) for r in rows if r["partition"] and not r["shared"]]
    assert len(set(places)) == len(places), f"a partition with two owners: {places}"
    usage = master.get("/v1/usage", limit=1000)["usage"]
    assert len({u["id"] for u in usage}) == len(usage)
    for row in rows:
        spans = sorted((u["from"], u["to"]) for u in usage
                       if u["instance"] == row["guid"] and u["metric"] == "instance_seconds")
        assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), f"a span counted twice: {spans}"
    master.check_chain()
    if node:
        servers = [line for line in node.processes().values() if "httpd" in line]
        running = [r for r in rows if r["state"] == "started"]
        assert len(servers) == len(running), f"{len(servers)} servers for {len(running)} instances"
        for row in running:
            assert client(["curl", "-sSf", row["connection"]["url"]])


class Story:
    """Orders, a change, usage and a destruction. Each step may meet a daemon that just died: it is told again
    by whoever comes next, and no step needs the ones before to have been seen to the end."""

    def __init__(self, master):
        self.master = master

    def begin(self):
        self.master.request("tiny", "stays", parameters={"title": "one"})
        self.master.request("tiny", "goes")

    def change(self):
        self.master.request("tiny", "stays", parameters={"title": "two", "port": 8081})

    def end(self):
        self.master.request("tiny", "goes", state="destroyed")


def drive(story, node, master):
    """Tells the story to an armed agent until it dies: True if it did."""
    def died():
        return not node.program.runs()

    def reached(fits):
        """Waits until it is so, or the agent is dead."""
        until = threading.Event()

        def watch():
            with contextlib.suppress(Late):
                node.program.wait_end(DEADLINE)
            until.set()
        threading.Thread(target=watch, daemon=True).start()
        with contextlib.suppress(Late, Refused):
            sequence_wait(master, lambda: fits() or died(), until)
        return died()
    story.begin()
    if reached(lambda: all(master.show(t)["status"] == "running" for t in ("stays", "goes"))):
        return True
    story.change()
    if reached(lambda: master.show("stays")["status"] == "running"
               and master.show("stays")["connection"]["url"].endswith(":8081/")):
        return True
    if reached(lambda: master.get("/v1/usage")["usage"]):
        return True
    story.end()
    if reached(lambda: master.show("goes")["status"] == "destroyed"):
        return True
    # What follows the acknowledgement of the master is still to come.
    with contextlib.suppress(Late):
        node.program.wait_end(DEADLINE)
    return died()


def sequence_wait(master, look, until, seconds=DEADLINE):
    """As master.wait_event, in short polls, since a dead agent makes no events."""
    sequence = master.get("/v1/status")["sequence"]
    for _ in range(seconds):
        if look():
            return
        if until.is_set():
            return
        news = master.get("/v1/events", since=sequence, wait=1, limit=1000)
        sequence = max([sequence, *(e["sequence"] for e in news["events"])])
    raise Late("the story stands still")


@pytest.mark.parametrize("name", AGENT)
def test_the_agent_killed_at(cloud, master, name):
    node = cloud.node(master)
    node.stop()
    start_armed(node, master, name)
    story = Story(master)
    assert drive(story, node, master), f"the story never passed {name}"
    assert node.program.wait_end() == -9
    node.start(master, meter_seconds=1)
    story.change()
    story.end()
    master.wait("stays", lambda i: i["status"] == "running" and i["connection"]["url"].endswith(":8081/"))
    master.wait("goes", "destroyed")
    node.wait(lambda s: s["settled"] and s["linked"], "settled")
    check_invariants(master, node)
    seeds = (node.home(master.show("stays")) / "www" / "seed.txt").read_text().split()
    assert 1 <= len(seeds) <= (2 if name.startswith(("agent.setup", "agent.wish", "agent.file", "base.")) else 1), seeds


def start_armed(node, master, name):
    """The start itself may pass it: there is no line to wait for then."""
    node.program = Program(f"node {node.name}", ["node", "run", "--dir", node.folder, "--meter-seconds", 1,
                                                 "--poll-seconds", 20, "--master", master.url],
                           node.log_path, HOC_FAILPOINT=name)


# ---- the master ------------------------------------------------------------------------------------

@pytest.mark.parametrize("passage", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("name", MASTER)
def test_the_master_killed_at(cloud, name, passage):
    master = cloud.master()
    release = master.publish("tiny")
    good(master.v0("put.v0.compute_node_format", computer_guid="n1", compute_partition_list=[
        {"partition_id": f"p{i}"} for i in range(4)]))
    master.supply(release, "n1")
    master.stop()
    with contextlib.suppress(Late):  # the first passages are those of its start
        master.start(HOC_FAILPOINT=f"{name}:{passage}")
    span = {"metric": "instance_seconds", "quantity": "60", "from": moment(-120), "to": moment(-60)}
    acknowledged = []

    def tell():
        """The story; every line of it is idempotent."""
        for title in ("one", "two", "three"):
            row = master.request("tiny", title, parameters={"title": title})
            acknowledged.append((title, row["guid"], row["partition"]))
        guid = master.show("one")["guid"]
        master.request("tiny", "one", parameters={"title": "changed"})
        acknowledged.append(("changed", guid, None))
        master.post("/v1/nodes/n1/usage", {"events": [{"id": "e1", "instance": guid, **span}]})
        acknowledged.append(("usage", guid, None))
        master.request("tiny", "two", state="destroyed")
        acknowledged.append(("destroyed", None, None))
    with contextlib.suppress(OSError, ValueError, Refused, Exception):
        tell()
    assert master.program.wait_end() == -9, f"the story never passed {name}:{passage}"
    master.start()
    for what, guid, partition in acknowledged:
        if what in ("one", "two", "three"):
            row = master.show(guid)
            assert row["title"] == what and row["partition"] == partition
        elif what == "changed":
            assert master.show(guid)["parameters"] == {"title": "changed"}
        elif what == "usage":
            assert len(master.get("/v1/usage")["usage"]) == 1
        else:
            assert master.show("two")["state"] == "destroyed"
    tell()
    assert {r["title"] for r in master.get("/v1/instances")["instances"]} >= {"one", "three"}
    rows = master.get("/v1/usage")["usage"]
    assert sum(Decimal(r["quantity"]) for r in rows) == 60
    check_invariants(master, None)


def good(answer):
    assert answer[0] == 200, answer
    return answer[1]


# ---- the supervisor --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", SUPERVISE)
def test_the_supervisor_killed_at(cloud, master, name):
    node = cloud.node(master)
    if "recover" in name:
        web = master.run("tiny", "stays", parameters={"port": 8081})
        before = {pid: start_of(pid) for pid in node.processes()}
    node.stop()
    node.kill_supervisor()
    armed = subprocess.Popen([program(), "supervise", "--dir", str(node.folder)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=open(cloud.folder / "supervise.log", "ab"),
                             env={**os.environ, "HOC_FAILPOINT": name})
    try:
        if "recover" in name:
            assert armed.wait(DEADLINE) == -9, f"the story never passed {name}"
            node.start(master)
            master.wait(web, "running")
            node.wait(lambda s: s["supervisor"] and s["settled"], "settled")
            assert {pid: start_of(pid) for pid in node.processes()} == before
        else:
            wait_for_socket(node)
            node.start(master)
            master.request("tiny", "stays", parameters={"port": 8081})
            assert armed.wait(DEADLINE) == -9, f"the story never passed {name}"
            master.wait("stays", "running", 2 * DEADLINE)
            node.wait(lambda s: s["supervisor"] and s["settled"], "settled")
    finally:
        if armed.poll() is None:
            armed.kill()
            armed.wait()
    check_invariants(master, node)


def wait_for_socket(node):
    """Until the supervisor that was started by hand listens: its log says so."""
    log = node.cloud.folder / "supervise.log"
    with subprocess.Popen(["tail", "-F", "-n", "+1", str(log)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as tail:
        timer = threading.Timer(DEADLINE, tail.kill)
        timer.start()
        try:
            for line in tail.stdout:
                if "supervise.ready" in line:
                    return
            raise Late("the supervisor was not ready: " + log.read_text())
        finally:
            timer.cancel()
            tail.kill()


# ---- builds ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", BUILD)
def test_the_build_killed_at(cloud, master, mirror, name):
    node = cloud.node(master, releases=())
    mirror.serve(node)
    uri = master.publish("tiny")
    node.stop()
    start_armed(node, master, name)
    node.program.wait_log("program.started")
    master.supply(uri, "n1")
    node.program.wait_log("agent.release.failed", BUILD_DEADLINE)
    row = master.wait_installation(uri, "n1", lambda r: r["reported"] == "error")
    assert "without a result" in row["message"] or "signal" in row["message"], f"{name}: {row['message']}"
    # Nothing half made is visible, and no child of the build is left.
    root = node.folder / "releases" / hash_of(uri) / "root"
    built = node.folder / "releases" / hash_of(uri) / "built.json"
    assert not built.exists() or root.exists()
    node.stop()
    assert not [pid for pid, _, line in all_processes() if str(node.folder) in line and "supervise" not in line]
    if name not in ("profile.build.resolved",) and (node.folder / "releases" / hash_of(uri) / "lock.json").exists():
        locked = (node.folder / "releases" / hash_of(uri) / "lock.json").read_text()
    else:
        locked = None
    node.start(master)
    row = master.wait_installation(uri, "n1", lambda r: r["reported"] == "available")
    assert locked in (None, (node.folder / "releases" / hash_of(uri) / "lock.json").read_text())
    assert os.listdir(node.folder / "building") == [] or all(n.endswith(".lock") for n in os.listdir(node.folder / "building"))
    web = master.run("tiny", "stays")
    assert client(["curl", "-sSf", web["connection"]["url"]])
    check_invariants(master, node)


@pytest.mark.parametrize("name", REMOVE)
def test_the_removal_killed_at(cloud, master, name):
    node = cloud.node(master)
    uri = master.get("/v1/releases/tiny")["release"]
    lock = json.loads((node.folder / "releases" / hash_of(uri) / "lock.json").read_text())
    node.stop()
    start_armed(node, master, name)
    master.supply(uri, "n1", "destroyed")
    assert node.program.wait_end() == -9, f"the story never passed {name}"
    node.start(master)
    master.wait_installation(uri, "n1", lambda r: r is None or r["reported"] == "destroyed")
    assert not (node.folder / "releases" / hash_of(uri)).exists()
    kept = {p["sha256"] for p in lock["packages"]} & set(os.listdir(node.folder / "cache" / "sha256"))
    assert not kept, f"{len(kept)} packages that only it used are still there"
    check_invariants(master, node)
