# SPDX-License-Identifier: AGPL-3.0-or-later
"""The master alone: orders, refusals, bad input, both dialects. The node is a few calls of ours, so
these scenes cost milliseconds and run on both engines alike."""
import json
import socket
import threading

import pytest

from cloud import DEADLINE, Refused, command, engine, moment


class PaperNode:
    """What a node says to a master, without a machine behind it."""

    def __init__(self, master, name="n1", partitions=2):
        self.master, self.name = master, name
        good(master.v0("put.v0.compute_node_format", computer_guid=name, compute_partition_list=[
            {"partition_id": f"p{i}", "ip_list": [{"ip-address": f"10.9.8.{i + 2}", "network-interface": "paper",
                                                   "netmask": "255.255.255.255"}]} for i in range(partitions)]))

    def has(self, release):
        self.master.supply(release, self.name)
        for state in ("building", "available"):
            good(self.master.v0("put.v0.software_installation_reported_state", software_release_uri=release,
                                computer_guid=self.name, reported_state=state))
        return self

    def says(self, instance, state):
        return good(self.master.v0("put.v0.software_instance_reported_state", instance_guid=instance["guid"],
                                   reported_state=state))

    def kept(self, instance, *names, state="kept"):
        return self.master.post(f"/v1/nodes/{self.name}/promises", {"results": [
            {"instance": instance["guid"], "name": name, "state": state, "message": ""} for name in names]})


def good(answer):
    status, document = answer
    assert status == 200, document
    return document


@pytest.fixture
def release(master):
    return master.publish("tiny")


@pytest.fixture
def paper(master, release):
    return PaperNode(master).has(release)


# ---- orders ----------------------------------------------------------------------------------

def test_the_same_order_twice_is_one_instance_and_the_same_answer(master, paper):
    first = master.request("tiny", "web", parameters={"title": "a", "port": 81})
    events = master.get("/v1/status")["sequence"]
    assert master.request("tiny", "web", parameters={"port": 81, "title": "a"}) == first
    assert master.get("/v1/status")["sequence"] == events


def test_many_identical_orders_at_once_are_one_instance(master, paper):
    answers, start = [], threading.Barrier(8)

    def order():
        start.wait()
        answers.append(master.request("tiny", "web", parameters={"title": "a"}))
    threads = [threading.Thread(target=order) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(DEADLINE)
    assert len(answers) == 8 and all(a == answers[0] for a in answers)
    assert [i["title"] for i in master.get("/v1/instances")["instances"]] == ["web"]
    assert master.get("/v1/nodes/n1")["partitions"] == {"total": 2, "free": 1}


def test_different_orders_at_once_never_share_a_partition(master, release):
    PaperNode(master, partitions=5).has(release)
    threads = [threading.Thread(target=master.request, args=("tiny", f"web{i}")) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(DEADLINE)
    rows = master.get("/v1/instances")["instances"]
    places = sorted(r["partition"] for r in rows if r["partition"])
    assert places == ["p0", "p1", "p2", "p3", "p4"] and len(rows) == 8
    assert master.get("/v1/nodes/n1")["partitions"]["free"] == 0
    assert all("no free partition" in r["refusals"][0] for r in rows if not r["partition"])


def test_the_status_follows_what_the_node_says(master, paper):
    web = master.request("tiny", "web")
    assert web["status"] == "allocated"
    paper.kept(web, "answers", state="broken")
    paper.says(web, "started")
    assert master.show(web)["status"] == "broken"
    paper.kept(web, "answers")
    assert master.show(web)["status"] == "running"
    assert [h["state"] for h in master.history(web, "answers")] == ["broken", "kept"]
    master.request("tiny", "web", state="stopped")
    assert master.show(web)["status"] == "stopping"
    paper.says(web, "stopped")
    assert master.show(web)["status"] == "stopped"
    master.request("tiny", "web", state="destroyed")
    assert master.show(web)["status"] == "destroying"
    paper.says(web, "destroyed")
    assert master.show(web)["status"] == "destroyed"
    assert master.get("/v1/nodes/n1")["partitions"]["free"] == 2


def test_a_long_poll_is_woken_by_the_change_and_by_its_time(master, paper):
    web = master.request("tiny", "web")
    seen = []

    def wait():
        seen.append(master.get(f"/v1/instances/web?since={web['version']}&wait=20"))
    waiter = threading.Thread(target=wait)
    waiter.start()
    paper.says(web, "started")
    waiter.join(10)
    assert seen and seen[0]["version"] > web["version"] and seen[0]["reported"] == "started"
    again = master.get(f"/v1/instances/web?since={seen[0]['version']}&wait=1")
    assert again["version"] == seen[0]["version"]


def test_a_node_is_told_what_changed_and_of_nothing_else(master, paper):
    all_of_it = master.get("/v1/nodes/n1/changes", since=0)
    assert all_of_it["reset"] and all_of_it["instances"] == []
    web = master.request("tiny", "web")
    other = master.request("tiny", "other")
    news = master.get("/v1/nodes/n1/changes", since=all_of_it["sequence"])
    assert not news["reset"] and sorted(news["instances"]) == sorted([web["guid"], other["guid"]])
    master.request("tiny", "web", parameters={"title": "x"})
    assert master.get("/v1/nodes/n1/changes", since=news["sequence"])["instances"] == [web["guid"]]


# ---- refusals ----------------------------------------------------------------------------------

@pytest.mark.parametrize("more,field", [
    ({"parameters": {"title": 7}}, "parameters.title"),
    ({"parameters": {"colour": "red"}}, "parameters.colour"),
    ({"parameters": {"port": 70000}}, "parameters.port"),
    ({"parameters": []}, "parameters"),
    ({"type": "baroque"}, "type"),
    ({"title": ""}, "title"),
    ({"title": 5}, "title"),
    ({"release": "nowhere"}, "release"),
    ({"state": "asleep"}, "state"),
    ({"where": {"planet": "mars"}}, "where.planet"),
    ({"where": {"node": "n9"}}, "where.node"),
    ({"where": {"node": ""}}, "where.node"),
    ({"where": {"instance": "inst-x"}}, "where.instance"),
    ({"requester": "inst-x"}, "requester"),
    ({"colour": "red"}, "colour"),
    ({"shared": "yes"}, "shared"),
])
def test_a_bad_order_names_the_field(master, paper, more, field):
    body = {"release": "tiny", "title": "web", **more}
    with pytest.raises(Refused) as refused:
        master.post("/v1/instances", body)
    assert refused.value.status == 400 and refused.value.kind == "invalid"
    assert refused.value.field == field, refused.value
    assert master.get("/v1/instances")["instances"] == []


def test_an_order_that_fits_nowhere_waits_and_says_why(master, release):
    PaperNode(master, "n1", 1).has(release)
    PaperNode(master, "n2", 1)
    master.put("/v1/nodes/n1", {"region": "north", "capabilities": {"disk": "fast"}})
    for where, words in (({"region": "south"}, "region"), ({"capability": "gpu"}, "gpu"),
                         ({"capability": "disk=slow"}, "disk"), ({"network": "x"}, "network"),
                         ({"node": "n2"}, "not supplied")):
        web = master.request("tiny", f"web-{words}", where=where)
        assert web["status"] == "waiting" and words in " ".join(web["refusals"]), web["refusals"]
    fits = master.request("tiny", "fits", where={"region": "north", "capability": "disk=fast"})
    assert fits["node"] == "n1"
    full = master.request("tiny", "full")
    assert full["status"] == "waiting"
    assert any("n1" in r and "no free partition" in r for r in full["refusals"])
    # What it waits for comes: it is placed at once.
    PaperNode(master, "n3", 1).has(release)
    assert master.wait(full, lambda i: i["node"] == "n3")["refusals"] == []


def test_a_title_is_taken_only_once(master, paper):
    master.request("tiny", "web")
    master.request("tiny", "other")
    with pytest.raises(Refused) as refused:
        master.post("/v1/instances/other/title", {"title": "web"})
    assert refused.value.status == 409
    renamed = master.post("/v1/instances/other/title", {"title": "third"})
    assert renamed["title"] == "third" and master.show("third")["guid"] == renamed["guid"]


def test_what_is_not_there_is_not_found(master):
    for path in ("/v1/instances/web", "/v1/nodes/n9", "/v1/releases/x", "/v1/invoices/HOC-2026-000001", "/v2", "/v1/x",
                 "/v1/customers/nobody", "/v1/promises/history?subject=a&name=b"):
        with pytest.raises(Refused) as refused:
            master.get(path)
        assert refused.value.status == 404 and refused.value.kind == "not-found", path


# ---- bad input -----------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"release": "tiny"', b"\xff\xfe{}",
                                  b'{"title": "a", "title": "b", "release": "tiny"}', b'{"title": "\\ud800"}',
                                  b"[" * 5000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b'{"title": 1e999}'])
def test_a_malformed_body_is_refused_and_harms_nobody(master, body):
    status, document = master.call("POST", "/v1/instances", body)
    assert status == 400 and document["error"]["kind"] == "invalid", document
    assert master.get("/v1/status")["sequence"] >= 0


def test_a_huge_body_is_refused_before_it_is_held(master):
    status, document = master.call("POST", "/v1/instances", b'{"title": "' + b"x" * (5 << 20) + b'"}')
    assert status == 413 and document["error"]["kind"] == "too-large"
    with raw(master) as door:
        door.sendall(b"POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 99999999999\r\n\r\n")
        assert b" 413 " in door.recv(4096)
    assert master.get("/v1/status")


def test_the_wrong_type_or_method_is_said(master):
    status, document = master.call("POST", "/v1/instances", b"a=1", headers={"Content-Type": "text/plain"})
    assert status in (400, 415), document
    status, document = master.call("DELETE", "/v1/instances")
    assert status == 405 and document["error"]["text"]
    status, _ = master.call("GET", "/v1/instances?limit=many")
    assert status == 400
    status, document = master.call("GET", "/v1/instances?colour=red")
    assert status == 400 and document["error"]["field"] == "colour"


def raw(master):
    host, _, port = master.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def test_bytes_that_are_not_http_are_answered_or_dropped(master):
    doors = []
    for text in (b"\0" * 100, b"\0\r\n\r\n", b"A" * 100000, b"\x16\x03\x01\x02\x00\x01"):
        doors.append(raw(master))
        doors[-1].sendall(text)  # no end of a line: it may wait for more
    for text in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/instances HTTP/1.1\r\n\r\n",
                 b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        with raw(master) as door:
            door.sendall(text)
            answer = door.recv(100)
            assert not answer or answer[9:10] in (b"4", b"5"), answer
    assert master.get("/v1/status")
    for door in doors:
        door.close()


def test_slow_clients_hold_up_nobody(master, paper):
    slow = []
    for _ in range(60):
        door = raw(master)
        door.sendall(b"POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 1000\r\n\r\n{")
        slow.append(door)
    web = master.request("tiny", "web")
    assert web["node"] == "n1" and master.show(web)
    # One of them ends well: its order is taken like any other.
    body = json.dumps({"release": "tiny", "title": "late"}).encode()
    slow[0].sendall(body[1:] + b" " * (1000 - len(body)))
    assert b" 200 " in slow[0].recv(4096)
    for door in slow:
        door.close()
    assert master.show("late")["node"] == "n1"


def test_a_caller_who_leaves_a_long_poll_costs_nothing(master, paper):
    web = master.request("tiny", "web")
    for _ in range(20):
        with raw(master) as door:
            door.sendall(f"GET /v1/instances/web?since={web['version']}&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    paper.says(web, "started")
    assert master.show(web)["reported"] == "started"


# ---- the program ---------------------------------------------------------------------------------

@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"])
def test_without_tls_it_listens_on_loopback_only(cloud, listen):
    answer = command(["master", "run", "--data", cloud.folder / "m", "--listen", listen, "--local"], check=False)
    assert answer.code == 2 and "loopback" in answer.err


def test_without_local_it_says_what_is_missing(cloud):
    answer = command(["master", "run", "--data", cloud.folder / "m", "--listen", "127.0.0.1:0"], check=False)
    assert answer.code != 0 and "--local" in answer.err


def test_two_masters_do_not_share_a_folder(master):
    answer = command(["master", "run", "--data", master.data, "--listen", "127.0.0.1:0", "--local"], check=False)
    assert answer.code == 4, answer.err


def test_a_master_that_stops_answers_who_waits_and_forgets_nothing(cloud, master, paper):
    web = master.request("tiny", "web")
    answers = []

    def wait():
        answers.append(master.call("GET", f"/v1/instances/web?since={web['version']}&wait=30"))
    waiter = threading.Thread(target=wait)
    waiter.start()
    master.get("/v1/status")
    master.stop()
    waiter.join(10)
    assert not waiter.is_alive()
    master.start()
    assert master.show("web") == web


def test_a_master_killed_among_orders_has_all_it_acknowledged(cloud, master, release):
    PaperNode(master, partitions=40).has(release)
    acknowledged, is_over = [], threading.Event()

    def order(which):
        for n in range(1000):
            try:
                acknowledged.append(master.request("tiny", f"web-{which}-{n}")["guid"])
            except (OSError, Refused, ValueError, Exception):  # noqa: B014  whatever a dying master gives
                return
            if len(acknowledged) > 40:
                is_over.set()
    threads = [threading.Thread(target=order, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    assert is_over.wait(DEADLINE)
    master.kill()
    for t in threads:
        t.join(DEADLINE)
    master.start()
    rows = master.get("/v1/instances")["instances"]
    assert set(acknowledged) <= {r["guid"] for r in rows}
    places = [r["partition"] for r in rows if r["partition"]]
    assert len(set(places)) == len(places) <= 40


def test_the_chain_of_events_verifies_and_shows_what_happened(master, paper):
    web = master.request("tiny", "web")
    paper.says(web, "started")
    paper.kept(web, "äöü — answers")
    master.request("tiny", "web", parameters={"title": "Ünïcode \\ \" / \u2028"})
    assert master.check_chain() >= 8
    kinds = {e["kind"] for e in master.events()}
    assert {"release.published", "node.formatted", "installation.wanted", "instance.requested", "instance.allocated",
            "instance.reported", "instance.changed", "promise.moved"} <= kinds


def test_the_status_tells_the_engine_and_that_it_is_local(master):
    status = master.get("/v1/status")
    assert status["database"] == engine() and "local" in status["mode"] and status["version"]


# ---- the reference calls ----------------------------------------------------------------------

def test_reference_calls_and_v1_and_the_command_line_act_on_the_same_instances(master, paper, release):
    made = good(master.v0("post.v0.software_instance", title="web", software_release_uri=release,
                          software_type="default", parameters={"_": json.dumps({"title": "by v0", "port": 8000})},
                          sla_parameters={"computer_guid": "n1"}))
    members = {"title", "instance_guid", "software_release_uri", "software_type", "state", "connection_parameters",
               "parameters", "shared", "root_instance_title", "ip_list", "full_ip_list", "sla_parameters",
               "computer_guid", "compute_partition_id", "processing_timestamp", "access_status_message"}
    assert set(made) == members
    assert made["computer_guid"] == "n1" and made["ip_list"] == [["paper", "10.9.8.2"]]
    web = master.show("web")
    assert web["guid"] == made["instance_guid"] and web["parameters"] == {"title": "by v0", "port": 8000}
    assert master.hoc("show", "web", "--json").json["guid"] == web["guid"]
    by_cli = master.hoc("request", "tiny", "web", "--param", "title=by cli", "--where", "node=n1", "--json").json
    assert by_cli["guid"] == web["guid"]
    again = good(master.v0("get.v0.software_instance", instance_guid=web["guid"]))
    assert json.loads(again["parameters"]["_"]) == {"title": "by cli"}
    assert again["processing_timestamp"] > made["processing_timestamp"]
    assert good(master.v0("allDocs.v0.instance_tree_list"))["result_list"] == [{"title": "web"}]
    rows = good(master.v0("allDocs.v0.compute_node_instance_list", computer_guid="n1"))["result_list"]
    assert [r["instance_guid"] for r in rows] == [web["guid"]] and rows[0]["compute_partition_id"] == "p0"
    assert good(master.v0("get.v0.compute_partition", computer_guid="n1",
                          compute_partition_id="p0"))["instance_guid"] == web["guid"]
    assert good(master.v0("get.v0.instance_tree", title="web"))["instance_guid"] == web["guid"]
    good(master.v0("put.v0.software_instance_connection_parameter", instance_guid=web["guid"],
                   connection_parameter_dict={"url": "http://here/"}))
    assert master.show("web")["connection"] == {"url": "http://here/"}
    good(master.v0("put.v0.software_instance_title", instance_guid=web["guid"], title="site"))
    assert master.show("site")["guid"] == web["guid"]
    good(master.v0("put.v0.software_instance_error", instance_guid=web["guid"], message="no luck"))
    assert master.show("site")["status"] == "broken" and master.show("site")["message"] == "no luck"
    before = master.show("site")["timestamp"]
    good(master.v0("put.v0.software_instance_bang", instance_guid=web["guid"], message="again"))
    assert master.show("site")["timestamp"] > before
    assert good(master.v0("allDocs.v0.compute_node_software_installation_list",
                          computer_guid="n1"))["result_list"] == [{"software_release_uri": release,
                                                                  "state": "available"}]
    assert good(master.v0("allDocs.WIP.compute_node_list"))["result_list"] == [{"computer_guid": "n1"}]


@pytest.mark.parametrize("name,body,status", [
    ("get.v0.software_instance", {"instance_guid": "inst-none"}, 403),
    ("get.v0.software_instance", {}, 400),
    ("get.v0.software_instance", {"instance_guid": 1}, 400),
    ("get.v0.software_instance", {"instance_guid": "a", "colour": "red"}, 400),
    ("get.v0.instance_tree", {"title": "none"}, 403),
    ("get.v0.compute_partition", {"computer_guid": "n1", "compute_partition_id": "p1"}, 403),
    ("allDocs.v0.compute_node_instance_list", {"computer_guid": "n9"}, 403),
    ("put.v0.software_instance_reported_state", {"instance_guid": "inst-none", "reported_state": "destroyed"}, 403),
    ("put.v0.software_instance_reported_state", {"instance_guid": "inst-none", "reported_state": "asleep"}, 400),
    ("get.v0.hateoas_url", {}, 403),
    ("get.v0.nothing", {}, 404),
])
def test_reference_calls_refuse_in_their_own_words(master, paper, name, body, status):
    got, document = master.v0(name, **body)
    assert got == status, document
    assert set(document) == {"status", "type", "title"} and document["status"] == status and document["title"]


def test_a_node_may_not_destroy_what_nobody_gave_up(master, paper):
    web = master.request("tiny", "web")
    status, document = master.v0("put.v0.software_instance_reported_state", instance_guid=web["guid"],
                                 reported_state="destroyed")
    assert status == 403, document
    assert master.show(web)["partition"] == "p0"


def test_usage_counts_once_however_often_it_is_sent(master, paper):
    web = master.request("tiny", "web")
    span = {"instance": web["guid"], "metric": "instance_seconds", "from": moment(-120), "to": moment(-60)}
    body = {"events": [{"id": "e1", "quantity": "60", **span}, {"id": "e2", "quantity": "0.5", **span}]}
    assert master.post("/v1/nodes/n1/usage", body) == {"accepted": 2, "duplicates": 0}
    assert master.post("/v1/nodes/n1/usage", body) == {"accepted": 0, "duplicates": 2}
    assert [u["quantity"] for u in master.get("/v1/usage")["usage"]] == ["60", "0.5"]
    for bad, field in (({"quantity": "much"}, "quantity"), ({"metric": "luck"}, "metric"), ({"from": "x"}, "from"),
                       ({"to": moment(-500)}, "to"), ({"instance": "inst-x"}, "instance")):
        with pytest.raises(Refused) as refused:
            master.post("/v1/nodes/n1/usage", {"events": [{"id": "e3", "quantity": "1", **span, **bad}]})
        assert refused.value.status == 400 and refused.value.field == f"events[0].{field}", refused.value


def test_the_api_describes_itself(master):
    document = master.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert {"/v1/instances", "/v1/nodes/{node}/changes", "/slapos.post.v0.software_instance"} <= set(document["paths"])
    for path, methods in document["paths"].items():
        for method, row in methods.items():
            assert row.get("operationId") and (row.get("summary") or row.get("description")), (path, method)
