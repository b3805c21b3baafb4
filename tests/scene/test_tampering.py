# SPDX-License-Identifier: AGPL-3.0-or-later
"""Somebody sits between a node and its master, and everything but the master's own key was stolen: he shows the node
a good certificate of the master's name, and the master the node's. What he changes, keeps, repeats or makes up moves
nothing and counts nothing, each is named, and when he is gone all is as it should be (docs/secrets.md)."""
import http.client
import http.server
import json
import shutil
import sqlite3
import ssl
import subprocess
import threading

import pytest

from cloud import DEADLINE, client, command, plain_environment, program
from secured import SERVER, Authority, SecuredMaster, new_key, secured, write_pair
from test_join import Recorder
from test_secrets import joined, member

FETCH = "/slapos.get.v0.software_instance"
USAGE = "/v1/nodes/n1/usage"


class Meddler(http.server.ThreadingHTTPServer):
    """Relays all that the node says, as the node, and does with it what `trick` says."""
    daemon_threads = True

    def __init__(self, master, node):
        super().__init__(("127.0.0.1", 0), Relay)
        key = new_key()
        users = Authority(master.data / "ca" / "users")
        pem = users.leaf(key.public_key(), "localhost", ["hoc:master:acme"], ["localhost"], [SERVER])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, write_pair(master.cloud.folder / "meddler", "server", pem, key)))
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.master, self.identity = master, node.folder / "identity"
        self.url = f"https://localhost:{self.server_address[1]}"
        self.trick, self.kept, self.news = None, {}, threading.Condition()
        self.seen = []  # (path, what the master said to a report that was meddled with)
        self.taken = []  # rows of usage that the node sent
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a node that hangs up

    def ask(self, method, target, headers, body, master=None, identity=None):
        """(status, headers, body) of the master."""
        connection = (master or self.master).connect(identity or self.identity, seconds=70)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def saw(self, path, answer):
        with self.news:
            self.seen.append((path, answer[0], json.loads(answer[2] or b"{}")))
            self.news.notify_all()

    def wait_seen(self):
        """The next answer to a report that was meddled with."""
        with self.news:
            assert self.news.wait_for(lambda: self.seen, DEADLINE), "no report was meddled with"
            return self.seen.pop(0)

    def close(self):
        self.shutdown()
        self.server_close()


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        man = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        ask = (self.command, self.path, headers, body)
        if self.path == USAGE:
            man.taken += json.loads(body)["events"]
        trick = man.trick
        status, headers, data = trick(man, *ask) if trick else man.ask(*ask)
        if not trick:
            man.kept[self.path] = status, headers, data
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer


# ---- what he does --------------------------------------------------------------------------------

def changes_a_byte(man, method, target, headers, body):
    status, headers, data = man.ask(method, target, headers, body)
    return status, headers, data.replace(b'"started"', b'"stopped"', 1) if target == FETCH else data


def repeats_an_older_answer(man, method, target, headers, body):
    if target == FETCH:
        return man.kept[FETCH]
    return man.ask(method, target, headers, body)


def answers_for_another_node(man, method, target, headers, body):
    return man.ask(method, target, headers, body, identity=man.other if target == FETCH else None)


def cuts_the_signature(man, method, target, headers, body):
    status, headers, data = man.ask(method, target, headers, body)
    return status, {k: v for k, v in headers.items() if k.lower() != "hoc-state"}, data


def says_it_himself(man, method, target, headers, body):
    """With the header of another answer, which the master did sign."""
    if target != FETCH:
        return man.ask(method, target, headers, body)
    return 403, man.kept[FETCH][1], b'{"status": 403, "type": "Forbidden", "title": "No instance found"}'


TRICKS = [
    (changes_a_byte, "agent.state.forged", "is not what the master signed"),
    (repeats_an_older_answer, "agent.state.replayed", "is an answer to an earlier request"),
    (answers_for_another_node, "agent.state.forged", "is not what the master signed"),
    (cuts_the_signature, "agent.state.unsigned", "is not signed by the master"),
    (says_it_himself, "agent.state.forged", "is not what the master signed"),
]


@pytest.fixture
def house(cloud):
    """A cloud whose node has one instance that runs, and talks to the master through the meddler."""
    master = secured(cloud)
    node = joined(cloud, master)
    node.stop()
    man = Meddler(master, node)
    node.start(man, meter_seconds=1)
    bob = member(master, "bob", "--owner")
    want(bob, "one", "--wait=60")
    node.wait_settled()
    yield master, node, man, bob
    man.close()


def want(bob, title, *more):
    bob.hoc("request", "tiny", "web", "--param", f"title={title}", *more, seconds=90)


def served(node):
    """The process of the instance's service: another one if it was started anew."""
    partition = next(p["partition"] for p in node.status()["partitions"] if "instance" in p)
    return node.process(partition, "httpd")


def mode_of(node):
    return [(p["wanted"], p["now"]) for p in node.status()["partitions"]]


# ---- scenes --------------------------------------------------------------------------------------

def test_a_node_named_like_its_master_is_not_taken_for_it(cloud):
    master = secured(cloud)
    token = master.hoc("token", "make", "node", "localhost").out.strip()
    folder = join(cloud, master, "localhost", token)
    thief = Recorder((folder / "cert.pem", folder / "key.pem"))
    answer = command(["whoami", "--identity", master.operator.folder], check=False,
                     HOC_MASTER=f"https://localhost:{thief.port}")
    thief.close()
    assert answer.code != 0 and "certificate" in answer.err, answer.err
    assert thief.heard == b""


def join(cloud, master, name, token):
    """The identity of a node that joined, and does not run."""
    folder = cloud.folder / name
    subprocess.run([program(), "node", "join", "--dir", str(folder), master.url, "-"], input=token, text=True,
                   check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE, env=plain_environment())
    return folder / "identity"


def test_answers_that_are_meddled_with_move_nothing(cloud, house):
    master, node, man, bob = house
    man.other = join(cloud, master, "n2", master.hoc("token", "make", "node", "n2").out.strip())
    for i, (trick, event, words) in enumerate(TRICKS):
        before, mode, mark = served(node), mode_of(node), len(node.program.lines)
        man.trick = trick
        want(bob, f"title-{i}")
        node.program.wait_log(event, after=mark)
        status = node.wait(lambda s: words in s["trust"]["trouble"], trick.__name__)
        assert words in command(["node", "status", "--dir", node.folder]).out, trick.__name__
        assert (served(node), mode_of(node)) == (before, mode), trick.__name__
        assert not any(p.get("failures") for p in status["partitions"])
        man.trick = None
        # He is gone: the order arrives, and nobody has to do anything for that.
        node.wait(lambda s: s["trust"]["trouble"] == "" and s["linked"], f"after {trick.__name__}")
        node.wait_settled()
    wait_title(bob, node, f"title-{len(TRICKS) - 1}")


def wait_title(bob, node, title):
    """The node has carried out the newest order, and the master knows it."""
    node.wait_settled()
    shown = bob.hoc("show", "web", "--json").json
    assert shown["parameters"]["title"] == title and shown["status"] == "running", shown


def test_a_master_of_yesterday_is_not_followed(cloud, house):
    master, node, man, bob = house
    old = copy_of(cloud, master)
    want(bob, "two", "--wait=60")
    node.wait_settled()
    before, mode, mark = served(node), mode_of(node), len(node.program.lines)
    man.trick = lambda man, *ask: man.ask(*ask, master=old)
    # It has the master's key, and says truly what was so yesterday; somebody even gives it an order.
    old.hoc("request", "tiny", "web", "--customer", "shop", "--state", "stopped")
    node.program.wait_log("agent.state.backwards", after=mark)
    node.wait(lambda s: "it was put back" in s["trust"]["trouble"], "the fault")
    assert "it was put back" in command(["node", "status", "--dir", node.folder]).out
    assert (served(node), mode_of(node)) == (before, mode)
    # By the first answer it is found out; it is told nothing more.
    counted, rows = usage(old), node.status()["outbox"]
    node.wait(lambda s: s["outbox"] > rows, "reports that wait")
    assert usage(old) == counted
    man.trick = None
    node.wait(lambda s: s["trust"]["trouble"] == "" and s["linked"], "after it")
    want(bob, "three", "--wait=60")
    wait_title(bob, node, "three")
    sent_once(master, man)


def copy_of(cloud, master):
    """The same master as it is now, which will know nothing of what follows."""
    old = SecuredMaster(cloud, "old", cloud.databases.new() if cloud.databases else None)
    shutil.copytree(master.data, old.data, ignore=shutil.ignore_patterns("*.db*", "address", "*.lock", "*.sock"))
    if master.database:
        text = client(["pg_dump", master.database])
        dump = cloud.folder / "dump.sql"
        dump.write_text(text)
        client(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", old.database, "-f", dump])
    for path in master.data.glob("*.db"):
        with sqlite3.connect(path) as source, sqlite3.connect(old.data / path.name) as target:
            source.backup(target)
    cloud.masters.append(old)
    old.start()
    old.operator = master.operator.__class__(old, "ann", master.operator.folder)
    return old


def usage(master):
    return sorted((r["id"], r["quantity"])
                  for r in master.call("GET", "/v1/usage?customer=shop&from=2000-01-01T00:00:00Z")[1]["usage"])


def sent_once(master, man):
    """Each row that the node sent is there once, and as it was sent."""
    def all_there():
        sent = {row["id"]: row["quantity"] for row in man.taken}
        return usage(master) == sorted(sent.items())
    master.wait_event(all_there, "usage as it was sent")


def test_reports_that_are_meddled_with_count_nothing(cloud, house):
    master, node, man, bob = house

    def twice(man, method, target, headers, body):
        answer = man.ask(method, target, headers, body)
        if target == USAGE:
            man.saw(target, man.ask(method, target, headers, body))
        return answer

    def more(man, method, target, headers, body):
        if target != USAGE:
            return man.ask(method, target, headers, body)
        rows = json.loads(body)
        for row in rows["events"]:
            row["quantity"] = "999999"
        answer = man.ask(method, target, headers, json.dumps(rows).encode())
        man.saw(target, answer)
        return answer

    def unsigned(man, method, target, headers, body):
        if target != USAGE:
            return man.ask(method, target, headers, body)
        answer = man.ask(method, target, {k: v for k, v in headers.items() if k.lower() != "hoc-report"}, body)
        man.saw(target, answer)
        return answer

    def elsewhere(man, method, target, headers, body):
        """A good signature, of another request."""
        if target == USAGE:
            man.saw(target, man.ask(method, "/v1/nodes/n2/usage", headers, body))
        return man.ask(method, target, headers, body)

    for trick, words in ((twice, "came before: it is replayed"), (more, "is not what node n1 signed"),
                         (unsigned, "the report is not signed"), (elsewhere, "is not what node n1 signed")):
        man.seen.clear()
        man.trick = trick
        _, status, document = man.wait_seen()
        assert status == 403 and words in document["error"]["text"], (trick.__name__, document)
        man.trick = None
    # What was refused on its way is kept by the node, and comes when the way is free.
    sent_once(master, man)
    assert not [row for row in usage(master) if row[1] == "999999"]
    node.wait(lambda s: s["trust"]["trouble"] == "" and s["linked"], "the end")
    want(bob, "two", "--wait=60")
    wait_title(bob, node, "two")
