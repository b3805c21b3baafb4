# SPDX-License-Identifier: AGPL-3.0-or-later
"""The master learns no secret: a whole life of a cloud, and every byte that is left of it (docs/zero-knowledge.md)."""
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import secrets
import signal
import socket
import sqlite3
import subprocess

import pytest

from canary import Watch, age_secret, files_of, forms, key_secrets, memory_of, process_list
from cloud import DEADLINE, Node, bundle, client, hash_of, plain_environment, program, short_path
from secured import secured

FORBIDDEN = 5
PRICES = {"currency": "EUR", "vats": [{"country": "FR", "rate": "20"}], "components": [
    {"release": "tiny", "kind": "usage", "text": "Running", "metric": "instance_seconds", "unit": "instance-hour",
     "tiers": [{"unit_price": "0.10"}]}]}


def profile():
    """The tiny profile, with a certificate for each page."""
    files = bundle("tiny")["files"]
    text = files["profile.jsonnet"]
    assert text.count("  services: {\n    page: {") == 1
    files["profile.jsonnet"] = text.replace("  services: {\n    page: {",
                                            "  certificates: { site: {} },\n  services: {\n    page: {")
    return files


def canary(word):
    """A text that each way of escaping changes."""
    return f"{word}-{secrets.token_hex(8)}\"\\/é'<{secrets.token_urlsafe(9)}>"


class Life:
    """A cloud whose secrets are known to us, and the places where they could be left."""

    def __init__(self, cloud, monkeypatch):
        self.cloud = cloud
        cloud.builder.with_releases("tiny")
        self.watch = Watch(cloud.folder / "watch")
        self.said = self.watch.folder / "said"
        self.backups = self.watch.folder / "backups"
        self.backups.mkdir()
        for name, value in self.watch.environment().items():
            monkeypatch.setenv(name, value)
        self.masters, self.agents = set(), set()  # process ids
        self.tokens, self.tokens_at = {}, {}  # secrets; the master's process that took them
        self.node = None

    # -- secrets

    def secret_file(self, name, text):
        path = self.watch.folder / f"secret-{len(self.watch.canaries)}"
        path.write_text(text)
        self.watch.plant(name, text)
        return path

    def plant_identity(self, name, folder):
        self.plant_key(name, folder / "key.pem")
        words, raw = age_secret((folder / "seal.age").read_text())
        self.watch.plant(f"sealing key of {name}", words)
        self.watch.plant(f"sealing key of {name}, raw", raw)

    def plant_key(self, name, path):
        for part, secret in key_secrets(path.read_bytes()).items():
            self.watch.plant(f"key of {name}, {part}", secret)

    def plant_password(self, name, instance):
        """And the key of its certificate, which stays when passwords are made anew."""
        home = self.node.home(instance)
        self.watch.plant(f"password of {name}", (home / "etc/password").read_text())
        if f"key of {instance['title']}, number" not in self.watch.canaries:
            self.plant_key(instance["title"], home / "etc/tls/site.key")

    # -- what people do

    def hoc(self, who, *arguments, is_private=False, **options):
        """A command whose output nobody may learn a secret from, but the one who asks for it."""
        answer = who.hoc(*arguments, **options)
        if not is_private:
            with open(self.said, "a", encoding="utf-8") as said:
                said.write(f"$ hoc {arguments}\n{answer.out}{answer.err}")
        return answer

    def plant_token(self, name, text):
        self.tokens[name] = text.rpartition(".")[2]
        self.tokens_at[name] = self.master.program.pid
        self.watch.plant(f"token of {name}", self.tokens[name])
        return text

    def token(self, by, name, *arguments):
        return self.plant_token(name, self.hoc(by, "token", "make", *arguments, is_private=True).out.strip())

    def person(self, by, name, *more, machine=""):
        text = self.token(by, name + machine, "person", name, *more)
        person = self.master.join(name, text, machine)
        self.plant_identity(name + machine, person.folder)
        return person

    def start_master(self):
        self.master.start()
        self.masters.add(self.master.program.pid)

    def take_software(self):
        """Of the tiny profile: ours differs in the instance only, so that its tree is the same."""
        builder, files = self.cloud.builder, profile()
        plain, ours = (json.dumps(bundle("tiny", f), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                       for f in (None, files))
        node, was = self.node, hashlib.sha256(plain.encode()).hexdigest()
        node.take_software(builder, was)
        built = node.folder / "releases" / hash_of(self.release)
        (node.folder / "releases" / was).rename(built)
        (built / "bundle.json").unlink()  # the builder's too
        (built / "bundle.json").write_text(ours)

    def start_node(self):
        self.node.start(self.master, meter_seconds=1)
        self.agents.add(self.node.program.pid)

    def make_master(self):
        phrase = self.secret_file("passphrase", secrets.token_urlsafe(24))
        self.master = secured(self.cloud, "--zone", "zone.test", start=False, secrets=["--passphrase-file", phrase])
        self.start_master()
        self.plant_token("ann", self.master.token)
        self.watch.plant("what binds ACME accounts", (self.master.data / "eab.key").read_bytes())
        self.ann = self.master.operator = self.master.join("ann", self.master.token)
        self.plant_identity("ann", self.ann.folder)

    def make_node(self):
        node = self.node = Node(self.cloud, "n1")
        self.cloud.nodes.append(node)
        node.format(4)
        token = self.token(self.ann, "n1", "node", "n1")
        done = subprocess.run([program(), "node", "join", "--dir", str(node.folder), self.master.url, "-"], input=token,
                              capture_output=True, text=True, timeout=DEADLINE, env=plain_environment())
        assert done.returncode == 0, done.stderr
        self.plant_identity("n1", node.folder / "identity")
        self.release = self.master.publish("tiny", profile())
        self.take_software()
        self.watch.plant("seed of the builder", bytes.fromhex((node.folder / "keys/builder").read_text().split()[1]))
        self.start_node()
        self.master.wait_node("n1", lambda n: n["partitions"]["total"] == 4)
        self.master.supply(self.release, "n1")
        self.master.wait_installation(self.release, "n1", lambda row: row and row["reported"] == "available")

    def delegate(self):
        """The node may issue certificates itself; it asks when it starts."""
        self.master.put("/v1/nodes/n1/delegation", {"names": ["zone.test"]})
        self.node.stop()
        self.start_node()
        self.node.program.wait_log("agent.authority.fresh")
        self.plant_key("the node's issuer", self.node.folder / "identity/issuer.key")

    def order(self, who, title, phrase, *more):
        return self.hoc(who, "request", "tiny", title, "--secret", f"phrase=@{phrase}", "--json", "--wait=60", *more,
                        seconds=90).json

    def password(self, name):
        return self.watch.canaries[f"password of {name}"]

    def change(self, web, number, do, reader):
        """Has an instance's password made anew, and waits until who may read it reads the new one."""
        path = self.node.home(web) / "etc/password"
        before = path.read_text()
        do()

        def is_new(_):
            now = path.read_text()
            return now != before and self.hoc(reader, "secret", "show", web["title"], "password",
                                              is_private=True).out.strip() == now
        self.master.wait(web, is_new)
        self.plant_password(f"{web['title']}, {number}", web)

    # -- what is left

    def backup(self):
        path = self.backups / f"{len(list(self.backups.iterdir()))}"
        if self.master.database:
            path.write_text(client(["pg_dump", "--inserts", self.master.database]))
            return
        with contextlib.closing(sqlite3.connect(f"file:{self.master.data}/master.db?mode=ro", uri=True)) as source:
            with contextlib.closing(sqlite3.connect(path)) as target:
                source.backup(target)

    def look_at_disk(self):
        """The master's directory with its database, or also that of PostgreSQL; and makes a backup."""
        database = [self.cloud.databases.folder] if self.master.database else []
        self.watch.look("disk", files_of(self.master.data, *database))
        self.backup()

    def look_at_memory(self):
        """What a core file of the master would hold."""
        pid = self.master.program.pid
        assert self.watch.look("memory", ((f"{pid} {at}", data) for at, data in memory_of(pid))) > 4 << 20

    def look_around(self):
        """At all that a thief of the master, or a neighbour on the machine, could take now."""
        watch = self.watch
        self.look_at_disk()
        self.look_at_memory()
        watch.look("processes", process_list([b"hoc"]))
        if self.node.program.runs():
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(short_path(self.node.folder / "node.sock"))
                door.sendall(b"follow\n")
                with door.makefile("rb") as lines:
                    watch.look("status", [("node.sock", lines.readline())])

    def look_back(self):
        """At all that was written down during the whole life, once more for all secrets of it."""
        watch = self.watch
        watch.look("backup", files_of(self.backups))
        watch.look("log", files_of(self.master.log_path))
        watch.look("node's log", files_of(self.node.log_path))
        watch.look("calls", watch.calls())
        for who, pids in (("master", self.masters), ("node", self.agents), ("client", None)):
            for way in ("in", "out"):
                rest = self.masters | self.agents if pids is None else ()
                watch.look(f"wire of {who}, {way}", watch.sessions(way, pids, rest))
        watch.look("said", files_of(self.said))
        home = self.node.folder
        kept = [home / "partitions", home / "identity", home / "keys", *home.glob("node.db*")]
        kept += [home / name for name in ("releases", "cache", "repo")]
        watch.look("node, elsewhere", files_of(home, but=lambda p: any(k == p or k in p.parents for k in kept)))

    def token_traffic(self, name):
        """[(who, way, path of the request)] for each time that a token's secret was said."""
        found = []
        word = self.tokens[name].encode()
        for who, pids, rest in (("master", self.masters, ()), ("other", None, self.masters)):
            for way in ("in", "out"):
                found += [(who, way)] * sum(data.count(word) for _, data in self.watch.sessions(way, pids, rest))
        return sorted(found)

    def expected_traffic(self, name):
        """Who lets in is told the token by the master, who comes in tells the master; the first is printed by init."""
        made = [] if name == "ann" else [("master", "out"), ("other", "in")]
        if name == "bob's browser":
            return sorted(2 * made)  # the answer has the token, and a link with it; nobody opened it
        return sorted([*made, ("master", "in"), ("other", "out")])

    def tolerates(self, find):
        """What has to pass, and what a caller did wrong himself (docs/zero-knowledge.md)."""
        if find.canary.startswith("token of "):
            master = self.tokens_at[find.canary[len("token of "):]]
            # How often it is said, and by whom, is counted.
            return find.place.startswith("wire") or (find.place == "memory" and find.where.startswith(f"{master} "))
        if find.canary == "what binds ACME accounts":
            return find.place in ("disk", "memory")  # the master's own
        return find.canary == "refused phrase" and find.place in ("wire of master, in", "memory")


@pytest.fixture
def life(cloud, monkeypatch):
    return Life(cloud, monkeypatch)


def ordered(life, shop, title):
    """Instances of two customers: one whose secrets are sealed, one who has them in clear."""
    watch, master = life.watch, life.master
    bob = life.person(life.ann, "bob", "--customer", shop, "--owner")
    phrase = life.secret_file("phrase of web", canary("phrase"))
    web = life.order(bob, "web", phrase, "--param", f"title={title}")
    assert (life.node.home(web) / "etc/phrase").read_text() == phrase.read_text()
    life.plant_password("web, 1", web)
    life.hoc(bob, "show", "web")
    life.hoc(bob, "show", "web", "--json")
    assert life.password("web, 1") in life.hoc(bob, "show", "web", "--reveal", is_private=True).out
    # A browser may become bob by a link.
    life.plant_token("bob's browser", life.hoc(bob, "passkey", "add", is_private=True).out.strip().replace("#", "."))
    # What we look for can be found, where nobody seals it.
    dave = life.person(life.ann, "dave", "--customer", "open", "--owner")
    master.put("/v1/customers/open/secrets", {"mode": "clear"})
    clear = canary("clear")
    watch.control("sent in clear", clear, "disk", "backup", "memory", "wire of master, in")
    status, answer = dave.call("POST", "/v1/instances", {"release": "tiny", "title": "open", "customer": "open",
                                                         "parameters": {"phrase": clear}})
    assert status == 200, answer
    answer = master.wait(answer, "running")
    watch.control("published in clear", (life.node.home(answer) / "etc/password").read_text(),
                  "disk", "backup", "memory", "wire of node, out", "wire of master, in")
    # Who sends a secret in clear and may not is refused, and it goes no further.
    watch.plant("refused phrase", canary("refused"))
    status, answer = bob.call("POST", "/v1/instances", {"release": "tiny", "title": "bad", "customer": shop,
                                                        "parameters": {"phrase": watch.canaries["refused phrase"]}})
    assert status == 400, answer
    return bob, web


def shared(life, shop, bob, web):
    """With a colleague; sealed again, made anew; an instance that has another one made."""
    carl = life.person(bob, "carl", "--customer", shop)
    life.hoc(bob, "secret", "share", "web", "carl")
    assert life.hoc(carl, "secret", "show", "web", "password", is_private=True).out.strip() == life.password("web, 1")
    life.hoc(bob, "secret", "reseal", "web")
    life.change(web, 2, lambda: life.hoc(bob, "secret", "rotate", "web"), bob)
    family = life.order(bob, "family", life.secret_file("phrase of family", canary("family")), "--type", "parent")
    leaf = next(i for i in life.master.get("/v1/instances")["instances"] if i["title"] not in ("web", "open", "family"))
    life.plant_password("family", family)
    life.plant_password("leaf", life.master.wait(leaf, "running"))
    return carl


def keys_changed(life, bob, carl, title):
    """A second key for the same person, another key in the place of the first, shares, another phrase."""
    phone = life.person(bob, "bob", machine="-phone")
    life.hoc(bob, "key", "renew", "--new-key", "--key", "ed25519")
    life.plant_identity("bob, renewed", bob.folder)
    life.hoc(carl, "key", "renew")
    shares = life.watch.folder / "shares"
    shares.mkdir()
    life.hoc(carl, "key", "split", "--need", 2, "--of", 3, "--into", shares)
    for share in sorted(shares.iterdir()):
        life.watch.plant(f"{share.name} of carl", bytes.fromhex(share.read_text().split()[3])[4:])
    phrase = life.secret_file("phrase of web, 2", canary("second"))
    web = life.order(bob, "web", phrase, "--param", f"title={title}")
    assert (life.node.home(web) / "etc/phrase").read_text() == phrase.read_text()
    return phone


def cut_off(life):
    """Power is cut, and comes back: first at the master, then at the node."""
    life.master.kill()
    life.look_at_disk()
    life.start_master()
    life.node.wait_settled()
    life.node.kill()
    life.start_node()
    life.node.wait_settled()


def taken_back(life, bob, carl, phone, web):
    """From the colleague; and the phone was lost."""
    life.change(web, 3, lambda: life.hoc(bob, "secret", "revoke", "web", "carl"), bob)
    assert life.hoc(carl, "secret", "show", "web", "password", check=False).code == FORBIDDEN
    life.hoc(bob, "key", "revoke", life.hoc(phone, "whoami", "--json").json["key"])


def billed_and_proven(life, shop, bob):
    prices, export = life.watch.folder / "prices.json", life.watch.folder / "cloud.audit"
    prices.write_text(json.dumps(PRICES))
    life.hoc(life.ann, "price", "set", "default", prices)
    life.hoc(life.ann, "customer", "set", shop, "--address", "1 rue de la Paix", "--country", "FR")
    now = life.master.get("/v1/status")["now"]
    life.hoc(life.ann, "invoice", "run", shop, "--from", "2026-01-01", "--to", now)
    for words in (["invoice", "list"], ["list"], ["usage"], ["member", "list", shop], ["key", "list"], ["catalog"]):
        life.hoc(bob, *words)
    life.hoc(life.ann, "audit", "export", "--out", export)
    life.hoc(life.ann, "audit", "verify")
    life.watch.look("export", files_of(export))


def test_the_master_learns_no_secret(life):
    watch = life.watch
    shop, title = f"shop-{secrets.token_hex(8)}", canary("title")
    watch.control("title", title, "disk", "backup", "memory", "calls", "said", "wire of client, in",
                  "wire of client, out", "wire of master, in", "wire of master, out", "wire of node, in")
    watch.control("customer", shop, "disk", "backup", "said", "export", "wire of master, out")
    life.make_master()
    life.make_node()
    life.delegate()
    watch.control("release", life.release, "status", "node's log", "node, elsewhere")
    watch.control("folder", str(life.cloud.folder), "processes")
    watch.control("address", life.master.address, "log")

    bob, web = ordered(life, shop, title)
    life.look_around()
    carl = shared(life, shop, bob, web)
    phone = keys_changed(life, bob, carl, title)
    life.look_around()
    cut_off(life)
    taken_back(life, bob, carl, phone, web)
    billed_and_proven(life, shop, bob)
    life.look_around()
    for title in ("web", "family"):
        life.hoc(bob, "destroy", title, "--wait=60", seconds=90)
    life.node.wait_settled()
    life.look_around()
    life.node.stop()
    life.master.stop()
    life.look_at_disk()
    life.look_back()

    assert len(watch.canaries) >= 65
    assert not watch.blind(), watch.blind()
    assert not watch.leaks(life.tolerates), "\n".join(map(str, watch.leaks(life.tolerates)))
    for name in life.tokens:
        assert life.token_traffic(name) == life.expected_traffic(name), name
    print(f"\n{len(watch.canaries)} secrets, {len(watch.labels)} forms, bytes searched:", dict(watch.searched))


def test_every_form_is_found(tmp_path):
    """Each form of a text and of a key, in the middle of other bytes and across two pieces of a file."""
    watch = Watch(tmp_path / "watch")
    planted = {"text": canary("text"), "key": secrets.token_bytes(32)}
    for name, secret in planted.items():
        watch.plant(name, secret)
    for name, secret in planted.items():
        for form, value in forms(secret).items():
            assert (name, form, 100) in watch.finds(os.urandom(100) + value + os.urandom(100)), (name, form)
    # Encoded by other hands, at each place in a group of three.
    for shift in range(3):
        around = bytes(shift) + planted["key"] + b"more"
        for words in (["base64", "-w0"], ["basenc", "--base64url", "-w0"], ["basenc", "--base16", "-w0"]):
            text = subprocess.run(words, input=around, capture_output=True, check=True).stdout
            assert any(name == "key" for name, _, _ in watch.finds(text)), words
    assert not watch.finds(os.urandom(1 << 20))
    long = tmp_path / "long"
    long.write_bytes(bytes((8 << 20) - 10) + planted["key"] + bytes(100))
    watch.look("file", files_of(long))
    assert [f.form for f in watch.leaks() if f.form == "raw"] == ["raw"]
    # In the memory of a process.
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={"WORD": planted["text"]})
    try:
        child.stdin.write(b"x\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"x\n"
        watch.look("memory", memory_of(child.pid))
    finally:
        child.kill()
        child.communicate()
    assert {f.place for f in watch.leaks() if f.canary == "text"} == {"memory"}


def death_of(process):
    """Whether it ended with a core; it stays a child that was not waited for."""
    how = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert how.si_code in (os.CLD_DUMPED, os.CLD_KILLED), how
    return how.si_code == os.CLD_DUMPED


@pytest.fixture
def cores(tmp_path, monkeypatch):
    """Every limit would let a program leave a core file, in a folder that can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("this machine allows no core files at all")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    monkeypatch.chdir(tmp_path)
    # Whoever runs this in the background of a shell has it ignored, and children inherit that.
    quit_before = signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # Sanitizers would catch the signal, and forbid cores themselves.
    kept = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("ASAN_OPTIONS", kept + ":handle_segv=0:handle_abort=0:handle_sigbus=0:disable_coredump=0")
    yield tmp_path
    signal.signal(signal.SIGQUIT, quit_before)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_a_crash_leaves_no_core(cloud, cores):
    # Another program does leave one: nothing else prevents it here.
    other = subprocess.Popen(["sleep", "600"])
    other.send_signal(signal.SIGSEGV)
    has_dumped = death_of(other)
    other.wait()
    if not has_dumped:
        pytest.skip("this machine writes no core files")
    before = set(cores.iterdir())
    master = secured(cloud)
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGBUS):
        master.program.process.send_signal(number)
        assert not death_of(master.program.process), number
        assert master.program.wait_end() == -number
        master.start()
    node = Node(cloud, "n1")
    cloud.nodes.append(node)
    node.format(1)
    node.start(None)
    node.program.process.send_signal(signal.SIGSEGV)
    assert not death_of(node.program.process)
    node.program.wait_end()
    assert set(cores.iterdir()) == before
