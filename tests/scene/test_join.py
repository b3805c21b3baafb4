# SPDX-License-Identifier: AGPL-3.0-or-later
"""Coming into a cloud, and staying there: tokens, keys, certificates, as people use them (docs/joining.md)."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from cloud import DEADLINE, Late, client, command, engine, plain_environment, program
from secured import SERVER, Authority, Person, days, new_key, now, secured, write_pair

FORBIDDEN, CONFLICT, MISSING, USAGE = 5, 4, 3, 2


def hoc(*arguments, stdin=None, **environment):
    """(code, output, errors)"""
    done = subprocess.run([program(), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE, env=plain_environment(**environment))
    return done.returncode, done.stdout, done.stderr


def token_of(by, *arguments):
    return by.hoc("token", "make", *arguments).out.strip()


def login(master, folder, token, *more):
    return hoc("login", master.url, "-", "--identity", folder, *more, stdin=token)


def refused(answer, code, *words):
    assert answer[0] == code, answer
    assert all(word in answer[2] for word in words), answer[2]


def serial(folder):
    return re.search(r"serial +(\S+)", command(["cert", "show", "--identity", folder]).out).group(1)


def keys(person):
    return person.hoc("key", "list", "--json").json["keys"]


def test_a_token_is_for_one_key(cloud):
    master = secured(cloud)
    token = token_of(master, "person", "bob", "--customer", "shop", "--owner")
    bob = master.join("bob", token)
    me = bob.hoc("whoami", "--json").json
    assert me["name"] == "bob" and me["customers"] == [{"customer": "shop", "role": "owner"}]
    assert (bob.folder / "name").read_text() == "person bob of acme\n"
    # Another key is refused, though the token is right.
    other = cloud.folder / "other"
    refused(login(master, other, token), FORBIDDEN, "used by another key")
    assert not (other / "cert.pem").exists()
    # The answer was lost after the key was made: the same key comes in again.
    (bob.folder / "cert.pem").unlink()
    code, out, err = login(master, bob.folder, token)
    assert code == 0 and "you are person bob of acme" in out, err
    assert bob.hoc("whoami", "--json").json["key"] == me["key"]
    # Who is in is not replaced unasked.
    refused(login(master, bob.folder, token), CONFLICT, "holds the identity of person bob", "hoc logout")
    # bob invites somebody into his customer, and nobody elsewhere.
    carl = master.join("carl", token_of(bob, "person", "carl", "--customer", "shop"))
    assert carl.hoc("whoami", "--json").json["customers"] == [{"customer": "shop", "role": "member"}]
    refused(hoc("token", "make", "node", "n9", "--identity", bob.folder, HOC_MASTER=master.url),
            FORBIDDEN, "only operators")
    refused(login(master, other, token_of(master, "node", "n9")), USAGE, "hoc node join --dir DIR")


def test_tokens_that_are_not_good(cloud):
    master = secured(cloud)
    folder = cloud.folder / "eve"
    refused(login(master, folder, "hoc1.p.x.y"), USAGE, "token")
    refused(hoc("login", master.url, "--identity", folder), USAGE, "--token-file")
    refused(hoc("login", "http://localhost", "-", "--identity", folder), USAGE, "https://")
    token = token_of(master, "person", "eve")
    # One letter of the secret is another.
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    refused(login(master, folder, wrong), FORBIDDEN, "not known")
    assert wrong.rpartition(".")[2] not in login(master, folder, wrong)[2]
    # The right one still works, from a file, with another kind of key.
    path = cloud.folder / "token"
    path.write_text(token + "\n")
    (folder / "key.pem").unlink()
    code, out, err = hoc("join", master.url, "--token-file", path, "--identity", folder, "--key", "ed25519",
                         "--title", "tower")
    assert code == 0, err
    eve = Person(master, "eve", folder)
    assert keys(eve)[0]["title"] == "tower"
    assert "ED25519" in client(["openssl", "pkey", "-in", folder / "key.pem", "-noout", "-text"])


class Recorder:
    """A TLS server of somebody else, which keeps what it is sent, and holds the caller as long as it likes."""

    def __init__(self, pair, hold=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*map(str, pair))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.hold, self.arrived, self.go, self.done = hold, threading.Event(), threading.Event(), threading.Event()
        self.heard, self.handshakes = b"", 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            raw = self.socket.accept()[0]
            self.arrived.set()
            if self.hold:
                self.go.wait(DEADLINE)
            raw.settimeout(DEADLINE)
            with self.context.wrap_socket(raw, server_side=True) as stream:
                self.handshakes += 1
                while piece := stream.recv(65536):
                    self.heard += piece
        except OSError:
            pass
        self.done.set()

    def close(self):
        self.go.set()
        if not self.done.wait(DEADLINE):
            raise Late("the recorder was not left alone")
        self.socket.close()


def look_alike(cloud, master):
    """A server's certificate of an authority that has the cloud's names, and other keys."""
    users = Authority(master.data / "ca" / "users")
    key = new_key()
    pem = Authority(like=users).leaf(key.public_key(), "localhost", hosts=["localhost", "127.0.0.1"],
                                     purposes=[SERVER])
    return write_pair(cloud.folder / "alike", "server", pem, key)


def test_a_server_that_is_another_hears_nothing(cloud):
    master = secured(cloud)
    token = token_of(master, "person", "eve")
    thief = Recorder(look_alike(cloud, master))
    folder = cloud.folder / "eve"
    answer = hoc("login", f"https://localhost:{thief.port}", "-", "--identity", folder, stdin=token)
    thief.close()
    refused(answer, FORBIDDEN)
    assert thief.heard == b"" and token not in answer[2]
    assert not (folder / "roots.pem").exists() and not (folder / "cert.pem").exists()
    # Nor does somebody who is in give anything to a server that took the master's place.
    ann = master.operator
    thief = Recorder(look_alike(cloud, master))
    answer = hoc("whoami", "--identity", ann.folder, HOC_MASTER=f"https://localhost:{thief.port}")
    thief.close()
    assert answer[0] != 0 and thief.heard == b""
    assert "certificate" in answer[2], answer
    # The token was not used up.
    assert login(master, folder, token)[0] == 0


def test_what_is_secret_is_nowhere_to_be_seen(cloud):
    master = secured(cloud)
    token = token_of(master, "person", "eve")
    secret = token.rpartition(".")[2]
    folder = cloud.folder / "eve"
    # While hoc waits for a server, its command line and environment tell nothing.
    slow = Recorder(look_alike(cloud, master), hold=True)
    waiting = subprocess.Popen([program(), "login", f"https://localhost:{slow.port}", "-", "--identity", folder],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=plain_environment())
    waiting.stdin.write(token + "\n")
    waiting.stdin.close()
    assert slow.arrived.wait(DEADLINE)
    seen = b"".join(pathlib.Path(f"/proc/{waiting.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    slow.close()
    said = waiting.stdout.read() + waiting.stderr.read()
    assert waiting.wait(DEADLINE) == FORBIDDEN
    assert secret not in said and secret.encode() not in seen
    assert login(master, folder, token)[0] == 0
    # Nothing of it is in any file of the master: database, log, settings; nor the keys.
    private = [line for name in ("key.pem", "seal.age") for line in (folder / name).read_text().split("\n")
               if len(line) > 40 and not line.startswith(("-----", "#"))]
    assert len(private) >= 2
    master.stop()
    for path in [*master.data.rglob("*"), master.log_path]:
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            for text in [secret, *private]:
                assert text.encode() not in data, path
    for name, mode in (("key.pem", 0o600), ("seal.age", 0o600), ("cert.pem", 0o644)):
        assert (folder / name).stat().st_mode & 0o777 == mode
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_lost_key_is_revoked_by_the_second(cloud):
    master = secured(cloud)
    laptop = master.join("bob", token_of(master, "person", "bob"))
    phone = Person(master, "bob", cloud.folder / "phone").login(token_of(laptop, "person", "bob"))
    assert len(keys(phone)) == 2
    lost = laptop.hoc("whoami", "--json").json["key"]
    number = serial(laptop.folder)
    phone.hoc("key", "revoke", lost, "--reason", "key-compromise")
    refused(hoc("whoami", "--identity", laptop.folder, HOC_MASTER=master.url),
            FORBIDDEN, "was revoked on", "hoc logout", "hoc login")
    refused(hoc("key", "renew", "--identity", laptop.folder, HOC_MASTER=master.url), FORBIDDEN, "revoked")
    assert phone.hoc("whoami", "--json").json["name"] == "bob"
    assert phone.hoc("cert", "show", number, "--json").json["status"] == "revoked"
    # The list of revoked certificates says so too, to ordinary software.
    status, crl = master.anonymous("GET", "/v1/ca/users/crl")
    assert status == 200
    (cloud.folder / "crl").write_bytes(crl)
    text = client(["openssl", "crl", "-inform", "DER", "-in", cloud.folder / "crl", "-noout", "-text"])
    assert number.upper() in text and "Key Compromise" in text
    # bob may not revoke another's; the operator may.
    ann = master.hoc("whoami", "--json").json["key"]
    refused(hoc("key", "revoke", ann, "--identity", phone.folder, HOC_MASTER=master.url), MISSING, "no such key")
    # What is gone here is gone at the master, what opens secrets stays.
    assert "seal.age" in phone.hoc("logout").out
    assert sorted(p.name for p in phone.folder.iterdir() if p.name != "lock") == ["seal.age"]
    assert all("revoked_at" in k for k in master.hoc("key", "list", "--person", "bob", "--json").json["keys"])
    refused(hoc("whoami", "--identity", phone.folder, HOC_MASTER=master.url), FORBIDDEN, "no identity", "hoc login")
    # A token for who is there brings him back, with the same sealing key.
    seal = client(["age-keygen", "-y", phone.folder / "seal.age"]).strip()
    phone.login(token_of(master, "person", "bob"))
    assert [k["seal_key"] for k in keys(phone) if "revoked_at" not in k] == [seal]


def older(cloud):
    """A master whose authority is half a year old: the same keys, certificates that begin earlier."""
    master = secured(cloud, start=False)
    folder = master.data / "ca" / "users"
    signer = serialization.load_pem_private_key((folder / "root.key").read_bytes(), None)
    for name in ("root.pem", "issuer.pem"):
        was = x509.load_pem_x509_certificate((folder / name).read_bytes())
        new = (x509.CertificateBuilder().subject_name(was.subject).issuer_name(was.issuer)
               .public_key(was.public_key()).serial_number(was.serial_number)
               .not_valid_before(was.not_valid_before - days(180)).not_valid_after(was.not_valid_after))
        for extension in was.extensions:
            new = new.add_extension(extension.value, extension.critical)
        (folder / name).write_bytes(new.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    master.init()  # another root: another fingerprint in the token
    master.start()
    master.operator = master.join("ann", master.token)
    return master


def forge(master, person, start, end):
    """The person's certificate as if the days had gone by."""
    users = Authority(master.data / "ca" / "users")
    pem = users.leaf(person.key.public_key(), person.name, uris=[f"hoc:person:{person.name}"],
                     start=now() - days(start), end=now() + days(end))
    (person.folder / "cert.pem").write_bytes(pem)
    return serial(person.folder)


def test_certificates_are_renewed_in_passing(cloud):
    master = older(cloud)
    bob = master.join("bob", token_of(master, "person", "bob"))
    was = forge(master, bob, 10, 20)
    bob.hoc("whoami")
    assert serial(bob.folder) == was  # a third of its life is no reason
    was = forge(master, bob, 25, 5)
    bob.hoc("whoami")
    assert serial(bob.folder) != was
    # It has ended; the month of grace has not.
    was = forge(master, bob, 40, -10)
    assert bob.hoc("whoami", "--json").json["name"] == "bob"
    assert serial(bob.folder) != was
    forge(master, bob, 70, -40)
    refused(hoc("whoami", "--identity", bob.folder, HOC_MASTER=master.url), FORBIDDEN, "too long ago", "hoc login")
    # Without a master, a certificate that holds is no error by itself.
    forge(master, bob, 25, 5)
    master.stop()
    answer = hoc("whoami", "--identity", bob.folder, HOC_MASTER=master.url)
    assert answer[0] == 10 and "could not be renewed" in answer[2], answer
    master.start()
    # Whoever logs in again after an end keeps his key.
    forge(master, bob, 70, -40)
    assert login(master, bob.folder, token_of(master, "person", "bob"))[0] == 0
    assert len(keys(bob)) == 1


def test_a_key_is_changed(cloud):
    master = secured(cloud)
    bob = master.join("bob", token_of(master, "person", "bob"))
    old, seal = keys(bob)[0], (bob.folder / "seal.age").read_text()
    pair = write_pair(cloud.folder, "old", (bob.folder / "cert.pem").read_bytes(), bob.key)
    was = serial(bob.folder)
    assert f"key       {old['key']}" in bob.hoc("key", "renew").out
    assert serial(bob.folder) != was
    bob.hoc("key", "renew", "--new-key", "--key", "ed25519")
    first, second = keys(bob)
    assert first["key"] == old["key"] and first["reason"] == "superseded"
    assert "revoked_at" not in second and second["seal_key"] == old["seal_key"]
    assert second["statement"] != old["statement"] and (bob.folder / "seal.age").read_text() == seal
    status, document = master.call("GET", "/v1/me", identity=pair)
    assert status == 403 and "revoked" in document["error"]["text"]
    # Cut off between the renames of a change: the next command finishes it.
    os.rename(bob.folder / "cert.pem", bob.folder / "cert.next")
    assert bob.hoc("whoami", "--json").json["key"] == second["key"]
    assert (bob.folder / "cert.pem").exists() and not (bob.folder / "cert.next").exists()


def roots_of(folder):
    return (folder / "roots.pem").read_text().count("BEGIN CERTIFICATE")


def test_roots_are_followed_if_old_ones_vouch(cloud):
    master = secured(cloud)
    ann = master.operator
    assert roots_of(ann.folder) == 1
    master.stop()
    command(["ca", "roll-root", "--data", master.data, "--authority", "users"])
    # A root of somebody else among them, as a master that was taken over would tell.
    path = master.data / "ca" / "users" / "root.pem"
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "acme users root")])
    alien = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
             .serial_number(7).not_valid_before(now() - days(1)).not_valid_after(now() + days(9))
             .add_extension(x509.BasicConstraints(True, None), True)
             .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
             .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
             .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    path.write_bytes(path.read_bytes() + alien)
    master.start()
    answer = ann.hoc("key", "renew")
    assert "names 1 roots" in answer.err, answer.err
    assert roots_of(ann.folder) == 2 and alien.decode() not in (ann.folder / "roots.pem").read_text()
    assert ann.hoc("whoami", "--json").json["name"] == "ann"


def test_other_programs_accept_the_chains(cloud):
    master = secured(cloud)
    bob = Person(master, "bob", cloud.folder / "bob")
    token = token_of(master, "person", "bob")
    assert login(master, bob.folder, token, "--key", "ed25519")[0] == 0
    for folder in (master.operator.folder, bob.folder, master.data / "identity"):
        roots = folder / "roots.pem" if (folder / "roots.pem").exists() else master.roots
        chain = folder / "cert.pem"
        purpose = "sslserver" if folder.name == "identity" else "sslclient"
        assert "OK" in client(["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", roots,
                               "-untrusted", chain, chain])
        said = client(["certtool", "--verify", "--load-ca-certificate", roots, "--infile", chain])
        assert "The certificate is trusted" in said, said
    # Another program speaks to the master with them.
    said = client(["curl", "-sS", "--tlsv1.3", "--cacert", bob.folder / "roots.pem", "--cert", bob.folder / "cert.pem",
                   "--key", bob.folder / "key.pem", f"{master.url}/v1/me"])
    assert '"bob"' in said


def test_shares_bring_the_sealing_key_back(cloud):
    master = secured(cloud)
    ann = master.operator
    shares = cloud.folder / "shares"
    listed = ann.hoc("key", "split", "--need", "2", "--of", "3", "--into", shares).out.split()
    assert listed == [str(shares / f"share-{i}") for i in (1, 2, 3)]
    assert all(pathlib.Path(p).stat().st_mode & 0o777 == 0o600 for p in listed)
    before = (ann.folder / "seal.age").read_text()
    refused(hoc("key", "join", *listed[:2], "--identity", ann.folder), CONFLICT)
    (ann.folder / "seal.age").unlink()
    refused(hoc("key", "join", listed[0], listed[0], "--identity", ann.folder), USAGE, "share")
    ann.hoc("key", "join", listed[2], listed[0])
    secret = [line for line in before.split("\n") if line.startswith("AGE-SECRET-KEY-1")]
    assert secret and secret[0] in (ann.folder / "seal.age").read_text()
    ann.hoc("key", "renew")
    assert keys(ann)[0]["seal_key"] == client(["age-keygen", "-y", ann.folder / "seal.age"]).strip()


def test_domains_have_one_owner(cloud):
    master = secured(cloud, "--zone", "apps.test")
    bob = master.join("bob", token_of(master, "person", "bob", "--customer", "shop", "--owner"))
    eve = master.join("eve", token_of(master, "person", "eve", "--customer", "mill", "--owner"))
    assert "example.com" in bob.hoc("domain", "add", "example.com").out
    answer = hoc("domain", "add", "www.example.com", "--identity", eve.folder, HOC_MASTER=master.url)
    refused(answer, CONFLICT, "belongs to another customer")
    names = [d["domain"] for d in bob.hoc("domain", "list", "--json").json["domains"]]
    assert names == ["shop.apps.test", "example.com"]
    refused(hoc("domain", "list", "--customer", "shop", "--identity", eve.folder, HOC_MASTER=master.url), MISSING)
    bob.hoc("domain", "remove", "example.com")
    assert "www.example.com" in eve.hoc("domain", "add", "www.example.com").out


def test_the_way_back_in(cloud):
    """Nobody can log in any more: whoever holds the master's directory makes a token."""
    master = secured(cloud)
    master.hoc("logout")
    master.stop()
    master.init()
    master.start()
    again = master.operator = Person(master, "ann", cloud.folder / "again").login(master.token)
    assert again.hoc("whoami", "--json").json["roles"] == ["operator"]


@pytest.mark.skipif(engine() != "sqlite", reason="the settings do not know the database")
def test_the_master_and_the_identity_are_remembered(cloud):
    master = secured(cloud)
    home = cloud.folder / "home"
    home.mkdir()
    token = token_of(master, "person", "bob")
    code, out, err = hoc("login", master.url, "-", stdin=token, HOME=str(home))
    conf = home / ".config" / "hoc" / "hoc.conf"
    assert code == 0, err
    assert conf.read_text() == f"master = {master.url}\n" and "is now the one to ask" in out
    assert (home / ".config" / "hoc" / "identity" / "key.pem").exists()
    assert '"bob"' in hoc("whoami", "--json", HOME=str(home))[1]
    # Several clouds: another directory.
    named = home / "named.conf"
    named.write_text(f"master = {master.url}\nidentity = {master.operator.folder}\n")
    assert '"ann"' in hoc("whoami", "--json", HOC_CONFIG=str(named))[1]
    bob = home / ".config" / "hoc" / "identity"
    assert '"bob"' in hoc("whoami", "--json", HOC_CONFIG=str(named), HOC_IDENTITY=str(bob))[1]
    assert '"ann"' in hoc("--identity", master.operator.folder, "whoami", "--json", HOC_CONFIG=str(named),
                          HOC_IDENTITY=str(bob))[1]
