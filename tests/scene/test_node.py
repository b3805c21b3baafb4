# SPDX-License-Identifier: AGPL-3.0-or-later
"""A node that loses its master, its agent, its supervisor, its power; and partitions that misbehave."""
import os
import signal

from cloud import client, command, start_of


def pids_of(node):
    return {pid: start_of(pid) for pid in node.processes()}


def test_an_agent_that_was_killed_adopts_what_runs(master, node):
    web = master.run("tiny", "web")
    before = pids_of(node)
    node.kill()
    assert client(["curl", "-sSf", web["connection"]["url"]])
    node.start(master)
    node.wait_settled()
    assert pids_of(node) == before and before
    assert master.show(web)["status"] == "running"


def test_supervisor_and_agent_killed_at_once_and_nothing_runs_twice(master, node):
    web = master.run("tiny", "web")
    before = pids_of(node)
    node.kill()
    node.kill_supervisor()
    assert client(["curl", "-sSf", web["connection"]["url"]])
    node.start(master)
    node.wait_settled()
    assert pids_of(node) == before and before
    assert len([line for line in node.processes("p0").values() if "httpd" in line]) == 1


def test_a_service_that_dies_is_back_and_its_promise_tells(master, node):
    web = master.run("tiny", "web")
    pid = node.process("p0", "httpd")
    os.kill(pid, signal.SIGKILL)
    history = master.wait_event(lambda: (lambda h: h if any(line["state"] == "broken" for line in h) else None)(
        master.history(web, "service-page")), "the broken promise")
    assert "kill" in next(line["message"] for line in history if line["state"] == "broken").lower()
    web = master.wait(web, "running")
    assert node.process("p0", "httpd") != pid
    assert client(["curl", "-sSf", web["connection"]["url"]])


def test_a_node_works_and_boots_without_its_master(cloud):
    master = cloud.master()
    node = cloud.node(master, meter_seconds=1)
    web = master.run("tiny", "web")
    node.wait_settled()
    master.stop()
    # Without a master: what dies comes back, and a power cut ends nothing for good.
    os.kill(node.process("p0", "httpd"), signal.SIGKILL)
    node.wait(lambda s: s["outbox"] > 0, "news that wait")
    node.power_cut()
    assert node.processes() == {} and not node.has_netns("p0")
    assert node.boot().out.strip() == "settled"
    assert client(["curl", "-sSf", web["connection"]["url"]])
    booted = pids_of(node)
    # The master returns: what waited arrives, and once.
    master.start()
    node.start(master, meter_seconds=1)
    node.wait_settled()
    web = master.wait(web, "running")
    assert pids_of(node) == booted
    assert "broken" in [line["state"] for line in master.history(web, "service-page")]
    rows = master.get("/v1/usage", instance=web["guid"], limit=1000)["usage"]
    assert rows and len({row["id"] for row in rows}) == len(rows)
    spans = sorted((row["from"], row["to"]) for row in rows if row["metric"] == "instance_seconds")
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), "a span was counted twice"


def test_a_promise_that_hangs_is_broken_and_holds_up_no_other(master, node):
    web = master.request("tiny", "web", parameters={"promise": "hangs"})
    web = master.wait(web, lambda i: i["status"] == "broken" and i["promises"]["kept"] == 5)
    hangs = master.promises(web)["hangs"]
    assert hangs["state"] == "broken" and "did not end within" in hangs["message"]
    assert all(p["state"] == "kept" for name, p in master.promises(web).items() if name != "hangs")
    assert client(["curl", "-sSf", web["connection"]["url"]])
    # Nothing of the hanging command is left.
    node.wait(lambda s: not any(p.get("busy") for p in s["partitions"]), "the check's end")
    assert not [line for line in node.processes("p0").values() if "sleep" in line]


def test_a_promise_breaks_and_is_kept_again(master, node):
    web = master.request("tiny", "web", parameters={"promise": "flag"})
    web = master.wait(web, "broken")
    flag = node.home(web) / "www" / "flag"
    flag.write_text("up")
    web = master.wait(web, "running")
    flag.unlink()
    web = master.wait(web, "broken")
    flag.write_text("up")
    master.wait(web, "running")
    assert [line["state"] for line in master.history(web, "flag")] == ["broken", "kept", "broken", "kept"]


def test_one_slow_partition_blocks_nobody(master, node):
    slow = master.request("tiny", "slow", parameters={"setup_seconds": 600})
    node.wait(lambda s: any(p.get("title") == "slow" and p["busy"] for p in s["partitions"]), "the slow step")
    quick = master.run("tiny", "quick")
    assert master.show(slow)["status"] in ("allocated", "starting")
    assert client(["curl", "-sSf", quick["connection"]["url"]])


def test_an_instance_that_cannot_be_set_up_says_why(master, node):
    web = master.wait(master.request("tiny", "web", parameters={"setup_fails": True}), "broken")
    assert "fails" in web["message"] and "nothing works today" in web["message"]
    other = master.run("tiny", "other")
    assert other["status"] == "running"
    assert master.run("tiny", "web", parameters={})["status"] == "running"


def test_a_child_is_requested_run_and_known_to_its_parent(master, node):
    family = master.run("tiny", "family", type="parent", parameters={"child_title": "a leaf"})
    family = master.wait(family, lambda i: i["status"] == "running" and "child_url" in i["connection"])
    rows = master.get("/v1/instances", customer="local")["instances"]
    leaf = next(row for row in rows if row["title"] == "leaf")
    assert leaf["requester"] == family["guid"] and leaf["tree"] == "family"
    assert "title: a leaf" in client(["curl", "-sSf", family["connection"]["child_url"]])
    assert family["connection"]["child_url"] in client(["curl", "-sSf", family["connection"]["url"]])
    # The tree goes as one.
    master.wait(master.request("tiny", "family", type="parent", parameters={"child_title": "a leaf"}, state="stopped"),
                "stopped")
    master.wait(leaf, "stopped")
    master.destroy(family)
    master.wait(leaf, "destroyed")
    node.wait(lambda s: all(p["wanted"] == "free" for p in s["partitions"]), "free partitions")
    assert node.processes() == {}


def test_shared_instances_are_written_into_their_host(master, node):
    waits = master.request("tiny", "guest-one", type="host", shared=True)
    assert waits["status"] == "waiting" and "can host it" in waits["refusals"][0]
    host = master.run("tiny", "house", type="host")
    url = host["connection"]["url"]
    one = master.wait(waits, lambda i: i["host"] == host["guid"])
    two = master.request("tiny", "guest-two", type="host", shared=True)
    assert two["host"] == host["guid"] and two["shared"] and two["partition"] == host["partition"]
    assert master.get("/v1/nodes/n1")["partitions"]["free"] == 2

    def page(words):
        node.wait_settled()
        return client(["curl", "-sSf", url]).strip() == words
    master.wait_event(lambda: page("guests: guest-one guest-two"), "both guests on the page")
    pid = node.process(host["partition"], "httpd")
    master.request("tiny", "guest-one", type="host", shared=True, state="destroyed")
    assert master.show(one)["status"] == "destroyed"
    master.wait_event(lambda: page("guests: guest-two"), "one guest on the page")
    assert node.process(host["partition"], "httpd") == pid


def test_a_bang_makes_the_node_process_the_tree_again(master, node):
    web = master.run("tiny", "web")
    node.wait_settled()
    (node.home(web) / "www" / "index.html").write_text("spoilt")
    pid = node.process("p0", "httpd")
    before = master.show(web)["timestamp"]
    banged = master.post("/v1/instances/web/bang", {"message": "look again"})
    assert banged["timestamp"] > before
    web = master.wait(web, lambda i: i["status"] == "running" and i["timestamp"] > before)
    assert "title: hello" in client(["curl", "-sSf", web["connection"]["url"]])
    assert node.process("p0", "httpd") == pid


def test_only_one_agent_works_on_a_node(master, node):
    second = command(["node", "run", "--dir", node.folder, "--master", master.url], check=False)
    assert second.code == 4 and "runs" in second.err


def test_unformat_refuses_while_an_agent_runs_and_leaves_nothing_after(cloud, master, node):
    master.run("tiny", "web")
    refused = command(["node", "unformat", "--dir", node.folder], check=False)
    assert refused.code == 4, refused.err
    node.stop()
    command(["node", "unformat", "--dir", node.folder])
    assert node.processes() == {} and node.supervisor() is None
    assert not node.has_netns("p0") and not os.path.exists(f"/sys/class/net/{node.bridge}")
    assert not node.folder.exists()


def test_format_again_changes_nothing_and_partitions_may_grow(cloud):
    node = cloud.node(partitions=2)
    before = node.partitions
    assert node.format(2).partitions == before
    assert node.format(4).partitions[:2] == before and len(node.partitions) == 4
    assert node.format(2).partitions == before


def test_what_the_agent_cannot_use_it_names(cloud):
    node = cloud.node(partitions=1)
    for arguments, word in ((["--steps", "0"], "steps"), (["--poll-seconds", "x"], "poll-seconds"),
                            (["--meter-seconds", "901"], "meter-seconds")):
        answer = command(["node", "run", "--dir", node.folder, "--alone", *arguments], check=False)
        assert answer.code == 2 and word in answer.err
    nothing = command(["node", "run", "--dir", cloud.folder / "empty", "--alone"], check=False)
    assert nothing.code != 0 and "node format" in nothing.err
