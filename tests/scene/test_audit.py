# SPDX-License-Identifier: AGPL-3.0-or-later
"""Checking a master afterwards: `hoc audit`. Databases are changed behind a master's back, masters
show one log today and another tomorrow, archives are bent. The masters that sign and lie are written
here, with the tree of RFC 9162 and every text that is signed once more from docs/audit.md."""
import base64
import contextlib
import copy
import hashlib
import http.server
import json
import re
import shutil
import sqlite3
import stat
import threading
import time
import urllib.parse

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloud import DEADLINE, PROFILES, Program, client, command, engine, event_hash

BROKEN, FORK = 12, 20
BORN = 1_795_000_000_000


# ---- a master on paper: what it would say, and the keys it would sign with -------------------------

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\1", root_of(leaves[:k]), root_of(leaves[k:]))


def path_of(m, leaves):
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return path_of(m, leaves[:k]) + [root_of(leaves[k:])]
    return path_of(m - k, leaves[k:]) + [root_of(leaves[:k])]


def subproof(m, leaves, whole=True):
    if m == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root_of(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root_of(leaves[:k])]


def plain(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Key:
    def __init__(self, private=None):
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.name = hashlib.sha256(self.public).hexdigest()

    def sign(self, *lines):
        text = "".join(f"{line}\n" for line in lines).encode()
        return plain(self.private.sign(text, ec.ECDSA(hashes.SHA256())))


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def iso(at_ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}Z"


class Paper:
    """A master's history; every method that adds keeps it right, tests then make it wrong."""

    def __init__(self, cloud, key, certificate, chain, roots):
        self.cloud, self.key, self.roots, self.chain = cloud, key, roots, chain
        self.masters = [{"key": key.name, "certificate": certificate}]
        self.events, self.entries, self.leaves = [], [], []
        self.checkpoints, self.heads, self.witnesses = [], [], []
        self.is_closed = False
        self.at_ms = BORN

    def event(self, subject):
        before = self.events[-1]["hash"] if self.events else "0" * 64
        self.at_ms += 1000
        event = {"sequence": len(self.events) + 1, "at": iso(self.at_ms), "subject": subject,
                 "kind": "customer.changed", "body": {"n": len(self.events)}}
        event["hash"] = event_hash(before, event)
        self.events.append(event)

    def entry(self, kind, subject, body, hidden=False):
        self.at_ms += 1000
        text = f"hoc-log-entry-v1\n{kind}\n{subject}\n{self.at_ms}\n{compact(body)}\n"
        self.leaves.append(sha(b"\0", text.encode()))
        row = {"position": len(self.entries), "hash": self.leaves[-1].hex()}
        self.entries.append({**row, "hidden": True} if hidden else
                            {**row, "kind": kind, "subject": subject, "at_ms": self.at_ms, "body": body})

    def sign(self, key=None):
        """A checkpoint of the newest event and a head of the log."""
        key = key or self.key
        self.at_ms += 1000
        last = self.events[-1]
        if not self.checkpoints or self.checkpoints[-1]["sequence"] < last["sequence"]:
            self.checkpoints.append({
                "sequence": last["sequence"], "hash": last["hash"], "at_ms": self.at_ms, "key": key.name,
                "signature": key.sign("hoc-checkpoint-v1", self.cloud, last["sequence"], last["hash"], self.at_ms)})
        size, root = len(self.leaves), root_of(self.leaves).hex()
        self.heads.append({
            "size": size, "root": root, "at_ms": self.at_ms, "key": key.name,
            "signature": key.sign("hoc-log-head-v1", self.cloud, size, root, self.at_ms)})
        return self

    def seen_by(self, key, size, root, name=""):
        word = {"key": key.name, "public": plain(key.public), "size": size, "root": root, "at_ms": self.at_ms,
                "signature": key.sign("hoc-log-witness-v1", self.cloud, size, root)}
        self.witnesses.append({**word, **({"witness": name} if name else {})})

    def grow(self, n=1, word="thing"):
        for _ in range(n):
            self.event(f"{word} {len(self.events)}")
            self.entry("key", f"{word} {len(self.entries)}", {"kind": "person", "owner": word})
        return self

    def copy(self):
        twin = copy.copy(self)
        for name in ("events", "entries", "leaves", "checkpoints", "heads", "witnesses", "masters"):
            setattr(twin, name, copy.deepcopy(getattr(self, name)))
        return twin

    # -- answers

    def answer(self, path, query):
        first = {k: int(v[0]) for k, v in query.items() if v[0].lstrip("-").isdigit()}
        limit = first.get("limit", 100)
        after = lambda rows, key: [r for r in rows if r[key] > first.get("since", -1)][:limit]  # noqa: E731
        signed = {"cloud": self.cloud, "signed": True}
        if path == "/v1/checkpoints":
            return 200, {**signed, "checkpoints": after(self.checkpoints, "sequence")}
        if path == "/v1/events":
            if self.is_closed:
                return 403, {"error": {"kind": "forbidden", "field": "", "text": "you may not"}}
            return 200, {"events": after(self.events, "sequence")}
        if path == "/v1/ca":
            return 200, {"cloud": self.cloud, "users": {"roots": self.roots, "chain": self.chain},
                         "masters": self.masters}
        if path == "/v1/log/heads":
            return 200, {**signed, "heads": after(self.heads, "size")}
        if path == "/v1/log/head":
            return 200, {**signed, **self.heads[-1], "witnesses": self.witnesses}
        if path == "/v1/log/entries":
            return 200, {"size": len(self.entries), "entries": self.entries[first.get("from", 0):][:limit]}
        if path == "/v1/log/consistency":
            old, new = first["first"], first["second"]
            proof = subproof(old, self.leaves[:new]) if 0 < old else []
            return 200, {"first": old, "second": new, "hashes": [h.hex() for h in proof]}
        if path == "/v1/log/proof":
            at = [leaf.hex() for leaf in self.leaves].index(query["hash"][0])
            proof = path_of(at, self.leaves[:first["size"]])
            return 200, {"position": at, "size": first["size"], "hashes": [h.hex() for h in proof]}
        return 404, {"error": {"kind": "not-found", "field": "", "text": "no such path"}}


class Stage:
    """A master's address, behind which papers are exchanged; an identity; what was posted."""

    def __init__(self, folder):
        self.folder = folder
        command(["master", "init", "--data", folder / "made", "--cloud", "acme", "--name", "localhost",
                 "--operator", "ann"])
        made = folder / "made"
        private = serialization.load_pem_private_key((made / "identity" / "key.pem").read_bytes(), None)
        self.roots = (made / "ca" / "users" / "root.pem").read_text()
        certificate = (made / "identity" / "cert.pem").read_text()
        self.leaf = certificate[:certificate.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
        self.paper = Paper("acme", Key(private), self.leaf, (made / "ca" / "users" / "issuer.pem").read_text(),
                           self.roots)
        self.identity = folder / "identity"
        self.identity.mkdir(mode=0o700)
        (self.identity / "roots.pem").write_text(self.roots)
        self.mine = Key()
        (self.identity / "key.pem").touch(mode=0o600)
        (self.identity / "key.pem").write_bytes(self.mine.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.posted = []
        stage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def give(self, status, document):
                raw = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self):
                target = urllib.parse.urlsplit(self.path)
                self.give(*stage.paper.answer(target.path, urllib.parse.parse_qs(target.query)))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stage.posted.append((self.path, body))
                self.give(200, {"witness": "person:ann", "size": body["size"]})

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def audit(self, *arguments, has_identity=True):
        more = {"HOC_IDENTITY": str(self.identity)} if has_identity else {"HOME": str(self.folder)}
        return command(["audit", *arguments], check=False,
                       HOC_MASTER=f"http://127.0.0.1:{self.server.server_port}", **more)

    def verify(self, *arguments, **options):
        """(exit code, {about: [(state, text)]}, what was said aloud)"""
        answer = self.audit("verify", "--json", *arguments, **options)
        found = {}
        for row in (answer.json["findings"] if answer.out else []):
            found.setdefault(row["about"], []).append((row["state"], row["text"]))
        return answer.code, found, answer.err

    @property
    def memory(self):
        return self.identity / "log-head.json"


@pytest.fixture
def stage(tmp_path):
    one = Stage(tmp_path)
    one.paper.grow(5).sign()
    yield one
    one.close()


def state(found, about):
    return found[about][0][0]


# ---- what holds -------------------------------------------------------------------------------

def test_a_history_that_holds_is_remembered_and_witnessed(stage):
    code, found, _ = stage.verify()
    assert code == 0, found
    assert {about: state(found, about) for about in ("chain", "checkpoints", "log", "heads")} == {
        "chain": "holds", "checkpoints": "holds", "log": "holds", "heads": "holds"}
    kept = json.loads(stage.memory.read_text())
    assert (kept["cloud"], kept["size"], kept["sequence"]) == ("acme", 5, 5)
    assert stat.S_IMODE(stage.memory.stat().st_mode) == 0o600
    [(path, word)] = stage.posted
    assert path == "/v1/log/witness" and word["size"] == 5 and word["root"] == stage.paper.heads[-1]["root"]
    signature = base64.urlsafe_b64decode(word["signature"] + "==")
    stage.mine.private.public_key().verify(
        signature, f"hoc-log-witness-v1\nacme\n5\n{word['root']}\n".encode(), ec.ECDSA(hashes.SHA256()))
    # It grows; the next look continues the first, at sizes that are no powers of two.
    for more in (1, 3, 4):
        stage.paper.grow(more).sign()
        code, found, _ = stage.verify()
        assert code == 0 and state(found, "memory") == "holds", found
    assert json.loads(stage.memory.read_text())["size"] == 13


def test_others_entries_prove_the_log_by_their_hashes(stage):
    stage.paper.entry("key", "somebody's", {"kind": "person", "owner": "bob"}, hidden=True)
    stage.paper.sign()
    code, found, _ = stage.verify()
    assert code == 0 and "of 1 others'" in found["log"][0][1], found


def test_events_that_are_not_for_the_caller_are_said_to_be_unchecked(stage):
    stage.paper.is_closed = True
    code, found, _ = stage.verify()
    assert code == 0 and state(found, "chain") == "not checked", found
    assert state(found, "checkpoints") == "holds"


def test_witnesses_agree_at_their_sizes(stage):
    bob = Key()
    stage.paper.seen_by(bob, 3, root_of(stage.paper.leaves[:3]).hex(), "person:bob")
    stage.paper.seen_by(Key(), 5, root_of(stage.paper.leaves).hex())
    code, found, _ = stage.verify()
    assert code == 0 and found["witnesses"] == [("holds", "2 saw this log too")], found


def test_the_own_certificate_has_to_be_in_the_log(stage):
    (stage.identity / "cert.pem").write_text(stage.leaf)
    code, found, err = stage.verify()
    assert code == BROKEN and "your certificate" in err, found
    der = base64.b64decode("".join(stage.leaf.split("-----")[2].split()))
    from cryptography import x509
    serial = x509.load_der_x509_certificate(der).serial_number
    text = f"{serial:x}"
    text = text if len(text) % 2 == 0 else "0" + text
    body = {"serial": text, "sha256": hashlib.sha256(b"another").hexdigest()}
    stage.paper.entry("certificate", text, body)
    assert stage.verify()[0] == BROKEN  # one of that number, and another one
    stage.paper.entry("certificate", text, {**body, "sha256": hashlib.sha256(der).hexdigest()})
    code, found, _ = stage.verify()
    assert code == 0 and state(found, "inclusion") == "not checked"  # no head covers it yet
    stage.paper.sign()
    code, found, _ = stage.verify()
    assert code == 0 and found["inclusion"] == [("holds", "your certificate is entry 6")], found


# ---- another log ------------------------------------------------------------------------------

def forked(code, err):
    return code == FORK and "ANOTHER HISTORY" in err


def test_an_older_backup_is_found_out(stage):
    old = stage.paper.copy()
    stage.paper.grow(3).sign()
    assert stage.verify()[0] == 0
    kept = stage.memory.read_text()
    stage.paper = old
    code, found, err = stage.verify()
    assert forked(code, err), found
    assert "the log shrank: it has 5 entries, but this client saw 8" in found["log"][0][1]
    assert "event 6 is missing" in found["chain"][0][1]
    assert stage.memory.read_text() == kept and len(stage.posted) == 1
    # It grows beyond, on another way.
    stage.paper.grow(6, "other").sign()
    code, found, err = stage.verify()
    assert forked(code, err), found
    assert "the first 8 entries are not those that this client saw" in found["log"][0][1]
    assert "event 8 is not the one that this client saw" in found["chain"][0][1]


def test_who_may_not_see_events_finds_an_older_chain_too(stage):
    old = stage.paper.copy()
    stage.paper.grow(2).sign()
    assert stage.verify()[0] == 0
    old.is_closed = True
    old.entries, old.leaves = stage.paper.entries, stage.paper.leaves
    old.heads = stage.paper.heads
    stage.paper = old
    code, found, err = stage.verify()
    assert forked(code, err) and "the newest checkpoint is of event 5" in found["chain"][0][1], found


def test_two_clients_that_are_shown_different_logs_find_out_by_their_witness(stage):
    other = stage.paper.copy()
    other.grow(2, "other").sign()
    stage.paper.grow(2, "ours").sign()
    stage.paper.seen_by(Key(), 7, root_of(other.leaves).hex(), "person:bob")
    code, found, err = stage.verify()
    assert forked(code, err), found
    assert "the first 7 entries are not those that person:bob saw" in found["log"][0][1]
    assert not stage.memory.exists() and not stage.posted


def test_a_witness_of_more_than_there_is(stage):
    stage.paper.seen_by(Key(), 9, "ab" * 32)
    code, found, err = stage.verify()
    assert forked(code, err) and "the log shrank" in found["log"][0][1], found


def test_a_cloud_does_not_change_its_name(stage):
    assert stage.verify()[0] == 0
    paper = Paper("other", stage.paper.key, stage.paper.masters[0]["certificate"], stage.paper.chain, stage.roots)
    stage.paper = paper.grow(5).sign()
    code, found, err = stage.verify()
    assert forked(code, err), found


# ---- what does not hold ------------------------------------------------------------------------

def bend(paper, what):
    """Makes the history wrong in one way; what the audit has to say."""
    if what == "event changed":
        paper.events[2]["subject"] = "another"
        return "chain: event 3 was changed"
    if what == "event later":
        paper.events[2]["at"] = iso(BORN)
        return "chain: event 3 was changed"
    if what == "event gone":
        del paper.events[2]
        return "chain: event 3 is missing"
    if what == "event between":
        paper.events.insert(2, {**paper.events[1], "sequence": 3})
        for event in paper.events[3:]:
            event["sequence"] += 1
        return "chain: event 3 was changed"
    if what == "chain written anew":
        paper.events[2]["subject"] = "another"
        for i in range(2, 5):
            paper.events[i]["hash"] = event_hash(paper.events[i - 1]["hash"], paper.events[i])
        return "chain: event 5 is not the one that the master signed"
    if what == "end cut off":
        del paper.events[3:]
        return "chain: event 4 is missing: the chain ends at 3"
    if what == "entry changed":
        paper.entries[1]["body"]["owner"] = "eve"
        return "log: entry 1 was changed"
    if what == "entry gone":
        del paper.entries[1]
        return "log: entry 1 is missing"
    if what == "entry exchanged":
        bent = paper.copy()
        bent.entries, bent.leaves = bent.entries[:4], bent.leaves[:4]
        bent.entry("key", "exchanged", {})
        paper.entries = bent.entries
        return "log: the first 5 entries are not those that the master signed"
    if what == "entries cut off":
        del paper.entries[3:]
        return "log: the log shrank: it has 3 entries, but the master signed 5"
    if what == "checkpoint forged":
        paper.checkpoints[0]["at_ms"] += 1
        return "checkpoints: the signature over event 5 does not hold"
    if what == "head forged":
        paper.heads[0]["root"] = "ab" * 32
        return "heads: the signature over size 5 does not hold"
    if what == "key that nobody certified":
        paper.checkpoints, paper.heads = [], []
        paper.sign(Key())
        return "checkpoints: 1 are signed by keys that no certificate vouches for"
    if what == "witness forged":
        paper.seen_by(Key(), 5, root_of(paper.leaves).hex())
        paper.witnesses[0]["size"] = 4
        return "witnesses: the signature of key"
    raise AssertionError(what)


WAYS = ["event changed", "event later", "event gone", "event between", "chain written anew", "end cut off",
        "entry changed", "entry gone", "entry exchanged", "entries cut off", "checkpoint forged", "head forged",
        "key that nobody certified", "witness forged"]


def test_each_way_to_lie_is_named(stage):
    for way in WAYS:
        right = stage.paper
        stage.paper = right.copy()
        wanted = bend(stage.paper, way)
        code, found, err = stage.verify()
        assert code == BROKEN and wanted in err, f"{way}: {code} {err}"
        # The same from an archive, without the master.
        path = stage.folder / "bent.audit"
        assert stage.audit("export", "--out", path).code == 0
        code, found, err = stage.verify("--file", path)
        assert code == BROKEN and wanted in err, f"{way}: {code} {err}"
        stage.paper = right
        assert not stage.memory.exists() and not stage.posted


def test_a_certificate_of_another_cloud_vouches_for_nothing(stage, tmp_path_factory):
    other = Stage(tmp_path_factory.mktemp("other"))
    try:
        (stage.identity / "roots.pem").write_text(other.roots)
        code, found, err = stage.verify()
        assert code == BROKEN and "its certificate is untrusted" in err, found
        # A certificate of the right cloud, but of no master: the issuer's own.
        (stage.identity / "roots.pem").write_text(stage.roots)
        stage.paper.masters[0]["certificate"] = stage.paper.chain
        code, found, err = stage.verify()
        assert code == BROKEN, found
    finally:
        other.close()


def test_an_archive_proves_itself_without_a_master(stage):
    path = stage.folder / "x.audit"
    stage.paper.seen_by(Key(), 5, root_of(stage.paper.leaves).hex())
    assert stage.audit("export", "--out", path).code == 0
    right = path.read_bytes()
    assert stage.audit("export", "--out", path).code == 0  # over itself
    stage.close()
    code, found, _ = stage.verify("--file", path)
    assert code == 0 and state(found, "chain") == state(found, "log") == state(found, "witnesses") == "holds", found
    code, found, _ = stage.verify("--file", path, has_identity=False)
    assert code == 0 and "compare the fingerprint" in found["roots"][0][1], found
    assert "event 5" in found["checkpoints"][0][1]
    lines = right.splitlines(keepends=True)
    for bent, words in (
            (right[:-1], "cut off"),
            (b"".join(lines[:-1]), "no end"),
            (b"".join(lines[:-3] + lines[-2:]), ""),
            (right + lines[-1], "behind the archive's end"),
            (right.replace(b'"version":1', b'"version":2'), "version"),
            (b"not an archive\n", "line 1"),
            (b"", "no end"),
            (right.replace(b'"acme"', b'"acne"', 1), "")):
        path.write_bytes(bent)
        code, found, err = stage.verify("--file", path)
        assert code in (BROKEN, 15) and words in err, f"{words}: {code} {err}"
    assert stage.verify("--file", stage.folder / "nowhere")[0] == 3


def test_an_archive_in_another_order_is_none(stage):
    path = stage.folder / "x.audit"
    assert stage.audit("export", "--out", path).code == 0
    right = [json.loads(line) for line in path.read_text().splitlines()][:-1]

    def write(records):
        text = "".join(compact(r) + "\n" for r in records).encode()
        end = {"type": "end", "record": {"lines": len(records), "sha256": hashlib.sha256(text).hexdigest()}}
        path.write_bytes(text + compact(end).encode() + b"\n")
        return stage.verify("--file", path)

    assert write(right)[0] == 0
    for kind in ("checkpoint", "head"):
        # What was signed last would be compared with nothing.
        moved = [r for r in right if r["type"] != kind] + [r for r in right if r["type"] == kind]
        code, found, err = write(moved)
        assert code == BROKEN and f"a {kind} stands behind what it vouches for" in err, found
    for kind in ("audit", "roots"):
        again = next(r for r in right if r["type"] == kind)
        at = right.index(next(r for r in right if r["type"] == "event"))
        assert write(right[:at] + [again] + right[at:])[0] == BROKEN
    assert write([right[0], {"type": "surprise", "record": {}}])[0] == BROKEN
    assert write(right[1:])[0] == BROKEN


# ---- a master of ours, whose database is changed behind its back -----------------------------------

TAMPERING = {
    "UPDATE event SET body = '{\"name\":\"other\"}' WHERE sequence = 2": "event 2 was changed",
    "UPDATE event SET at_ms = at_ms + 1 WHERE sequence = 1": "event 1 was changed",
    "DELETE FROM event WHERE sequence = 2": "event 2 is missing",
    "DELETE FROM event WHERE sequence = 1": "event 1 is missing",
    "INSERT INTO event SELECT sequence + 1, at_ms, subject, kind, body, hash FROM event ORDER BY sequence DESC LIMIT 1":
        "was changed, or does not follow",
    "UPDATE log_leaf SET body = '{}' WHERE position = 0": "entry 0 was changed",
    "DELETE FROM log_leaf WHERE position = 0": "entry 0 is missing",
}


@pytest.mark.skipif(engine() != "sqlite", reason="the file is changed with SQLite's own library")
def test_a_changed_database_is_named_by_the_first_row(cloud):
    master = cloud.master()
    master.publish("tiny")
    master.publish("redis")
    for name in ("acme", "other"):
        master.put(f"/v1/customers/{name}", {"country": "FR"})
        master.put(f"/v1/customers/{name}", {"country": "DE"})
    assert master.hoc("audit", "verify", "--release", "tiny").code == 0
    path = cloud.folder / "whole.audit"
    master.hoc("audit", "export", "--out", path)
    assert master.hoc("audit", "verify", "--file", path).code == 0
    master.stop()
    database = master.data / "master.db"
    shutil.copy(database, cloud.folder / "right.db")
    for statement, words in TAMPERING.items():
        shutil.copy(cloud.folder / "right.db", database)
        with sqlite3.connect(database) as connection:
            assert connection.execute(statement).rowcount == 1
        connection.close()
        master.start()
        answer = master.hoc("audit", "verify", check=False)
        assert answer.code == BROKEN and words in answer.err, f"{statement}: {answer.code} {answer.err}"
        master.stop()
    shutil.copy(cloud.folder / "right.db", database)
    master.start()
    assert master.hoc("audit", "verify").code == 0


@pytest.mark.skipif(engine() != "sqlite", reason="a backup of the database is a copy of its file")
def test_a_master_with_keys_that_is_put_back_is_found_out(cloud):
    data, identity = cloud.folder / "master", cloud.folder / "ann"
    made = command(["master", "init", "--data", data, "--cloud", "acme", "--name", "localhost", "--operator", "ann"]).out
    token = re.search(r"hoc1\.p\.\S+", made)[0]
    address = "127.0.0.1:0"

    @contextlib.contextmanager
    def running():
        nonlocal address
        program = Program("master", ["master", "run", "--data", data, "--listen", address], cloud.folder / "master.log")
        try:
            program.wait_log("master.ready")
            address = (data / "address").read_text().strip()
            yield f"https://localhost:{address.rpartition(':')[2]}"
            program.stop()
        finally:
            program.discard()

    def hoc(url, *arguments, **more):
        return command(arguments, HOC_MASTER=url, HOC_IDENTITY=str(identity), HOC_CONFIG=str(cloud.folder / "none"),
                       **more)

    def verify(url, wanted):
        """Looks until a head covers so many entries: heads are seconds apart, and no long poll tells of them."""
        until = time.monotonic() + DEADLINE
        while True:
            answer = hoc(url, "audit", "verify", "--json")
            kept = identity / "log-head.json"
            if kept.exists() and json.loads(kept.read_text())["size"] >= wanted:
                return answer
            assert time.monotonic() < until, answer.out
            client(["curl", "-sS", "--cacert", identity / "roots.pem", "--cert", identity / "cert.pem", "--key",
                    identity / "key.pem", f"{url}/v1/events?since=1000000&wait=1"])

    def entries(url):
        return hoc(url, "audit", "log", "--json").json["size"]

    with running() as url:
        hoc(url, "login", url, token)
        size = entries(url)
        answer = verify(url, size)
        assert {row["about"] for row in answer.json["findings"]} >= {"chain", "checkpoints", "log", "heads", "inclusion"}
        assert all(row["state"] == "holds" for row in answer.json["findings"])
    shutil.copy(data / "master.db", cloud.folder / "backup.db")
    with running() as url:
        hoc(url, "publish", PROFILES / "redis")
        answer = verify(url, size + 1)
        assert answer.code == 0 and any(row["about"] == "witnesses" for row in answer.json["findings"])
        assert hoc(url, "audit", "verify", "--release", "redis").code == 0
        archive = cloud.folder / "x.audit"
        hoc(url, "audit", "export", "--out", archive)
    assert hoc("https://localhost:1", "audit", "verify", "--file", archive).code == 0
    (data / "master.db-wal").unlink(missing_ok=True)
    shutil.copy(cloud.folder / "backup.db", data / "master.db")
    with running() as url:
        answer = hoc(url, "audit", "verify", check=False)
        assert forked(answer.code, answer.err) and "this client saw" in answer.out, answer.out


def test_pages_of_a_long_history_meet(cloud):
    master = cloud.master()
    for i in range(1100):
        status, _ = master.call("PUT", "/v1/customers/acme", {"address": f"{i} street"})
        assert status == 200
    answer = master.hoc("audit", "verify", "--json").json
    assert answer["holds"] and answer["events"] == 1100
    assert master.hoc("audit", "verify", "--from", "700", "--json").json["events"] == 401
