# SPDX-License-Identifier: AGPL-3.0-or-later
"""Secrets from who has them to who needs them, and nowhere between: sealed, shared, taken back (docs/joining.md)."""
import subprocess

import pytest

from cloud import DEADLINE, Node, client, plain_environment, program
from secured import secured

FORBIDDEN, USAGE = 5, 2
PHRASE = "correct-horse-battery-staple-canary"
ARMOUR = "-----BEGIN AGE ENCRYPTED FILE-----"


def joined(cloud, master, name="n1"):
    """A node of the cloud, with the tiny profile built."""
    node = Node(cloud, name)
    cloud.nodes.append(node)
    node.format(2)
    token = master.hoc("token", "make", "node", name).out.strip()
    done = subprocess.run([program(), "node", "join", "--dir", str(node.folder), master.url, "-"], input=token,
                          capture_output=True, text=True, timeout=DEADLINE, env=plain_environment())
    assert done.returncode == 0, done.stderr
    uri = master.publish("tiny")
    node.take_software(cloud.builder.with_releases("tiny"), uri)
    node.start(master)
    master.wait_node(name, lambda n: n["partitions"]["total"] == 2)
    master.supply(uri, name)
    master.wait_installation(uri, name, lambda row: row and row["reported"] == "available")
    return node


def member(master, name, *more):
    return master.join(name, master.hoc("token", "make", "person", name, "--customer", "shop", *more).out.strip())


@pytest.fixture
def house(cloud):
    """A master, a node, and the owner of a customer."""
    master = secured(cloud)
    node = joined(cloud, master)
    return master, node, member(master, "bob", "--owner")


def secret(person, name):
    """What the person reads; None: it is not sealed to him."""
    answer = person.hoc("secret", "show", "web", name, check=False)
    if answer.code == FORBIDDEN:
        return None
    assert answer.code == 0, answer.err
    return answer.out.rstrip("\n")


def order(person, phrase_file, *more):
    return person.hoc("request", "tiny", "web", "--secret", f"phrase=@{phrase_file}", "--json", *more, seconds=90)


def everything(master):
    """Each byte that the master keeps."""
    found = b"".join(p.read_bytes() for p in sorted(master.data.rglob("*")) if p.is_file())
    if master.database:
        found += client(["pg_dump", "--inserts", master.database]).encode()
    return found


def holds(stored, text):
    """In clear, as hex, in base64 of any phase."""
    import base64
    raw = text.encode()
    forms = [raw, raw.hex().encode()]
    forms += [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return [form for form in forms if form in stored]


def test_a_secret_is_shared_and_taken_back(cloud, house):
    master, node, bob = house
    carl = member(master, "carl")
    phrase = cloud.folder / "phrase"
    phrase.write_text(PHRASE + "\n")
    web = order(bob, phrase, "--wait=60").json
    home = node.home(web)
    # The node read it; bob can read again what he ordered, and what the node made.
    assert (home / "etc/phrase").read_text() == PHRASE
    first = (home / "etc/password").read_text()
    assert secret(bob, "phrase") == PHRASE and secret(bob, "password") == first
    # The master has sealed texts, and says so; carl reads neither.
    shown = bob.hoc("show", "web", "--json").json
    assert shown["parameters"]["phrase"].startswith(ARMOUR) and shown["connection"]["password"].startswith(ARMOUR)
    assert shown["secrets"] == {"parameters": {"phrase": "sealed"}, "connection": {"password": "sealed"}}
    assert secret(carl, "phrase") is None and secret(carl, "password") is None
    assert "password = (sealed to: bob)" in carl.hoc("show", "web").out
    text = bob.hoc("show", "web").out
    assert "password = (sealed; you can read it: --reveal)" in text and first not in text
    assert f"password = {first}" in bob.hoc("show", "web", "--reveal").out
    assert "sealed" in bob.hoc("list").out
    # Shared: bob seals it again at once, and so does the node from now on.
    before = master.show(web)["connection"]["password"]
    bob.hoc("secret", "share", "web", "carl")
    assert secret(carl, "password") == first and secret(carl, "phrase") is None
    node.wait_settled()
    assert master.show(web)["connection"]["password"] != before
    assert secret(carl, "password") == first and secret(bob, "password") == first
    # Taken back: the node makes another, which carl cannot read; what he knows is worth nothing.
    bob.hoc("secret", "revoke", "web", "carl")
    web = master.wait(web, lambda i: (home / "etc/password").read_text() != first and secret(bob, "password") != first)
    second = (home / "etc/password").read_text()
    assert secret(bob, "password") == second and secret(carl, "password") is None
    assert "password = (sealed to: bob)" in carl.hoc("show", "web").out
    # Nowhere in the master, however one looks.
    node.stop()
    master.stop()
    stored = everything(master)
    assert b"AGE ENCRYPTED" in stored
    for what in (PHRASE, first, second):
        assert not holds(stored, what), what


def test_the_same_order_seals_once(cloud, house):
    master, node, bob = house
    phrase = cloud.folder / "phrase"
    phrase.write_text(PHRASE)
    web = order(bob, phrase, "--wait=60").json
    node.wait_settled()
    before, events = master.show(web), len(master.events())
    assert order(bob, phrase).json["version"] == before["version"]
    assert len(master.events()) == events
    # Another value is another order.
    phrase.write_text("another phrase")
    order(bob, phrase, "--wait=60")
    master.wait(web, lambda i: (node.home(web) / "etc/phrase").read_text() == "another phrase")


def test_clear_secrets_are_turned_away(cloud):
    master = secured(cloud)
    bob = member(master, "bob", "--owner")
    master.publish("tiny")
    body = {"release": "tiny", "title": "open", "customer": "shop", "parameters": {"phrase": PHRASE}}
    status, answer = bob.call("POST", "/v1/instances", body)
    assert status == 400 and answer["error"]["field"] == "parameters.phrase", answer
    assert "seal it" in answer["error"]["text"]
    # Said on the command line it is sealed all the same, with a warning.
    asked = bob.hoc("request", "tiny", "typed", "--param", f"phrase={PHRASE}", "--json")
    assert "command line" in asked.err and PHRASE not in asked.out
    # A word that is no secret, a secret as a plain word, no terminal to ask.
    for words, said in ((["--secret", "title=@/dev/null"], "no secret parameter title"),
                        (["--secret", "phrase=plain"], "not to stand on a command line"),
                        (["--secret", "phrase=@/nowhere"], "does not exist")):
        answer = bob.hoc("request", "tiny", "bad", *words, check=False)
        assert answer.code == USAGE and said in answer.err, answer.err
    # The operator may let a customer's stand in clear: then they are marked.
    master.put("/v1/customers/shop/secrets", {"mode": "clear"})
    status, answer = bob.call("POST", "/v1/instances", body)
    assert status == 200 and answer["secrets"]["parameters"] == {"phrase": "clear"}, answer
    assert f"phrase = {PHRASE} (clear at the master)" in bob.hoc("show", "open").out
    assert "clear at the master" in bob.hoc("list").out
