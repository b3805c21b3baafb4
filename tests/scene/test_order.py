# SPDX-License-Identifier: AGPL-3.0-or-later
"""From order to running to gone: the life of one instance, as its customer sees it."""
import pytest

from cloud import client, command, start_of


def test_an_order_is_built_run_and_every_promise_kept(master, node):
    web = master.request("tiny", "web", parameters={"title": "first page"})
    assert web["node"] == "n1" and web["partition"] == "p0" and web["state"] == "started"
    web = master.wait(web, "running")
    assert web["promises"] == {"kept": 5, "broken": 0, "unknown": 0}
    assert web["reported"] == "started"
    assert "title: first page" in client(["curl", "-sSf", web["connection"]["url"]])
    assert len(web["connection"]["password"]) == 24
    kinds = [e["kind"] for e in master.events() if e["subject"] == web["guid"]]
    assert kinds[:2] == ["instance.requested", "instance.allocated"]
    assert "instance.reported" in kinds and "instance.published" in kinds


def test_the_same_request_again_changes_nothing_and_answers_the_same(master, node):
    web = master.run("tiny", "web", parameters={"title": "one"})
    node.wait_settled()
    web, events = master.show(web), len(master.events())
    assert master.request("tiny", "web", parameters={"title": "one"}) == web
    assert len(master.events()) == events


def test_a_title_change_touches_only_the_page(master, node):
    web = master.run("tiny", "web", parameters={"title": "one"})
    pid = node.process("p0", "httpd")
    home = node.home(web)
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.is_file()}
    web = master.run("tiny", "web", parameters={"title": "two"})
    assert "title: two" in client(["curl", "-sSf", web["connection"]["url"]])
    after = {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.is_file()}
    assert [p.name for p in before if after.get(p) != before[p]] == ["index.html"]
    assert set(after) == set(before)
    assert node.process("p0", "httpd") == pid
    assert (home / "www" / "seed.txt").read_text().count(web["guid"]) == 1


def test_a_port_change_restarts_the_service(master, node):
    web = master.run("tiny", "web", parameters={"port": 8080})
    pid = node.process("p0", "httpd")
    web = master.wait(master.request("tiny", "web", parameters={"port": 8081}),
                      lambda i: i["status"] == "running" and i["connection"]["url"].endswith(":8081/"))
    assert node.process("p0", "httpd") != pid
    assert "title: hello" in client(["curl", "-sSf", web["connection"]["url"]])


def test_stop_keeps_the_data_and_start_brings_it_back(master, node):
    web = master.run("tiny", "web")
    mark = node.home(web) / "www" / "mark.txt"
    mark.write_text("still here")
    web = master.wait(master.request("tiny", "web", state="stopped"), "stopped")
    assert node.processes("p0") == {}
    assert web["connection"]["password"] and mark.read_text() == "still here"
    back = master.run("tiny", "web", state="started")
    assert back["connection"] == web["connection"]
    assert client(["curl", "-sSf", back["connection"]["url"] + "mark.txt"]) == "still here"
    assert (node.home(web) / "www" / "seed.txt").read_text().count(web["guid"]) == 1


def test_destroy_leaves_nothing_and_touches_nobody_else(master, node):
    gone = master.run("tiny", "gone")
    stays = master.run("tiny", "stays")
    pid = node.process(stays["partition"], "httpd")
    born, network = start_of(pid), node.netns(gone["partition"])
    assert master.destroy(gone)["status"] == "destroyed"
    node.wait_settled()
    assert node.processes(gone["partition"]) == {}
    assert not node.home(gone).exists()
    assert node.netns(gone["partition"]) != network, "the next tenant would share the network of the one before"
    assert master.get("/v1/nodes/n1")["partitions"]["free"] == 2
    assert start_of(node.process(stays["partition"], "httpd")) == born
    assert client(["curl", "-sSf", stays["connection"]["url"]])
    with pytest.raises(AssertionError):
        client(["curl", "-sS", "--max-time", "2", gone["connection"]["url"]])
    # The partition serves again, and nothing of the one before is in it.
    again = master.run("tiny", "again")
    assert again["partition"] == gone["partition"] and again["guid"] != gone["guid"]
    assert gone["guid"] not in (node.home(again) / "www" / "seed.txt").read_text()
    assert again["connection"]["password"] != gone["connection"]["password"]


def test_destroying_twice_answers_the_same(master, node):
    web = master.run("tiny", "web")
    first = master.destroy(web)
    again = master.request("tiny", "web", state="destroyed")
    assert again["guid"] == first["guid"] and again["status"] == "destroyed"


def test_an_order_waits_until_its_node_appears(cloud, master):
    release = master.publish("tiny")
    web = master.request("tiny", "web")
    assert web["status"] == "waiting" and web["refusals"] == ["there is no node"]
    cloud.node(master)
    web = master.wait(web, "running")
    assert web["node"] == "n1" and web["refusals"] == [] and web["release"] == release


def test_a_release_that_is_no_longer_wanted_is_removed(master, node):
    web = master.run("tiny", "web")
    kept = command(["unsupply", "tiny", "n1"], check=False, HOC_MASTER=master.url)
    assert kept.code == 4 and "web" in kept.err or "instance" in kept.err
    master.destroy(web)
    master.hoc("unsupply", "tiny", "n1")
    master.wait_installation("tiny", "n1", lambda row: row is None)
    folder = node.folder / "releases" / web["release"].rpartition(":")[2]
    assert not folder.exists()
    waits = master.request("tiny", "late")
    assert waits["status"] == "waiting" and "not supplied" in waits["refusals"][0]
