# SPDX-License-Identifier: AGPL-3.0-or-later
"""A master with TLS from outside: who gets in with which certificate, what the handshake is worth,
what happens when certificates and authorities change, and what a greedy caller is told."""
import json
import re
import socket
import ssl
import subprocess

import pytest

from cloud import DEADLINE, client, command, wait_readable
from secured import CLIENT, SERVER, Authority, SecuredMaster, ask, days, new_key, now, seconds, secured, write_pair


@pytest.fixture
def house(cloud):
    return secured(cloud)


def error_of(document):
    return document["error"]["text"]


# ---- who gets in ---------------------------------------------------------------------------------

def test_an_enrolled_person_works_and_a_stranger_reads_what_is_public(house):
    ann = house.operator
    assert "ann" in ann.hoc("whoami").out
    status, me = ann.call("GET", "/v1/me")
    assert (status, me["name"]) == (200, "ann")
    # curl of the system, which is another TLS library than ours.
    text = client(["curl", "-sS", "--tlsv1.3", "--cacert", house.roots, "--cert", ann.folder / "cert.pem",
                   "--key", ann.folder / "key.pem", f"{house.url}/v1/me"])
    assert json.loads(text)["name"] == "ann"
    for path in ("/v1/status", "/v1/ca", "/v1/releases", "/openapi.json"):
        assert house.anonymous("GET", path)[0] == 200, path
    for method, path, body in (("GET", "/v1/customers", None), ("GET", "/v1/me", None), ("GET", "/v1/events", None),
                               ("PUT", "/v1/prices/x", {}), ("POST", "/v1/tokens", {})):
        status, document = house.anonymous(method, path, body)
        assert status == 401, (path, document)
        assert "certificate" in error_of(document)
    for file in ("key.pem", "seal.age"):
        assert (ann.folder / file).stat().st_mode & 0o777 == 0o600


def test_certificates_that_are_not_good_are_refused_by_name(house):
    users, services = (Authority(house.data / "ca" / kind) for kind in ("users", "services"))
    twin = Authority(like=users)
    ann = house.operator
    key, public = ann.key, ann.key.public_key()
    uri, stranger = ["hoc:person:ann"], new_key()
    cases = {
        "foreign": (users_of_another_cloud(house).leaf(public, "ann", uri), "untrusted"),
        "look-alike": (twin.leaf(public, "ann", uri), "untrusted"),
        "expired": (users.leaf(public, "ann", uri, start=now() - days(9), end=now() - seconds(20)), "expired"),
        "not-yet": (users.leaf(public, "ann", uri, start=now() + days(1)), "not"),
        "purpose": (users.leaf(public, "ann", uri, purposes=(SERVER,)), "purpose"),
        "instance": (users.leaf(public, "i", ["hoc:instance:12345678"]), "only persons and nodes"),
        "master": (users.leaf(public, "m", ["hoc:master:acme"], purposes=(SERVER, CLIENT)), "only persons and nodes"),
        "nobody": (users.leaf(public, "x", hosts=["x.example"]), "only persons and nodes"),
        "service": (services.leaf(public, "x.example", hosts=["x.example"], purposes=(SERVER, CLIENT)), "untrusted"),
        "somebody-else": (users.leaf(public, "bob", ["hoc:person:bob"]), "not active"),
        "unknown-key": (users.leaf(stranger.public_key(), "ann", uri), "not known"),
    }
    for name, (pem, words) in cases.items():
        pair = write_pair(house.cloud.folder / "forged", name, pem, stranger if name == "unknown-key" else key)
        status, document = house.call("GET", "/v1/me", identity=pair)
        assert status == 403 and words in error_of(document), (name, status, document)
        # What is public is not told to a caller with a bad certificate either: he wants to be somebody.
        if words not in ("not known", "not active"):
            assert house.call("GET", "/v1/status", identity=pair)[0] == 403, name
    good = write_pair(house.cloud.folder / "forged", "good", users.leaf(public, "ann", uri), key)
    assert house.call("GET", "/v1/me", identity=good)[0] == 200


def users_of_another_cloud(house):
    other = SecuredMaster(house.cloud, "other")
    other.init()
    return Authority(other.data / "ca" / "users")


def test_an_expired_certificate_renews_and_does_nothing_else(house):
    ann = house.operator
    users = Authority(house.data / "ca" / "users")
    old = users.leaf(ann.key.public_key(), "ann", ["hoc:person:ann"], start=now() - days(30), end=now() - seconds(20))
    pair = write_pair(house.cloud.folder / "forged", "old", old, ann.key)
    assert house.call("GET", "/v1/me", identity=pair)[0] == 403
    csr = client(["openssl", "req", "-new", "-key", ann.folder / "key.pem", "-subj", "/CN=ann"])
    status, document = house.call("POST", "/v1/renew", {"csr": csr}, identity=pair)
    assert status == 200, document
    fresh = write_pair(house.cloud.folder / "forged", "fresh", document["certificate"].encode(), ann.key)
    assert house.call("GET", "/v1/me", identity=fresh)[0] == 200


def test_a_revoked_key_is_out_at_once_also_on_an_open_connection(house):
    ann = house.operator
    token = ann.hoc("token", "make", "person", "bob", "--json").json["token"]
    bob = house.join("bob", token)
    connection = house.connect(bob.folder)
    assert ask(connection, "GET", "/v1/me")[0] == 200
    keys = ann.call("GET", "/v1/persons/bob/keys")[1]["keys"]
    status, document = ann.call("POST", f"/v1/keys/{keys[0]['key']}/revoke", {"reason": "key-compromise"})
    assert status == 200, document
    status, _, document = ask(connection, "GET", "/v1/me")
    connection.close()
    assert status == 403 and "revoked" in error_of(document)
    assert bob.call("GET", "/v1/me")[0] == 403
    csr = client(["openssl", "req", "-new", "-key", bob.folder / "key.pem", "-subj", "/CN=bob"])
    assert bob.call("POST", "/v1/renew", {"csr": csr})[0] == 403


# ---- the handshake -------------------------------------------------------------------------------

# What the scanner minds that is so on purpose; anything else of weight fails the scene.
ON_PURPOSE = {
    "cert_chain_of_trust",    # our root is in no browser's store: that is what it is for
    "cert_revocation",        # revocation is judged by the master itself; its list is at /v1/ca/users/crl
    "cert_expirationStatus",  # 30 days are short on purpose, and renewed at two thirds
    "cert_notAfter",          # the same
}
SEVERE = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}


def test_scanners_find_nothing(house):
    found = client(["sslscan", "--no-colour", "--no-failed", f"localhost:{house.port}"], seconds=60)
    assert re.search(r"TLSv1\.3\s+enabled", found), found
    for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"):
        assert re.search(rf"{re.escape(old)}\s+disabled", found), found
    assert not re.search(r"Accepted\s+(SSL|TLSv1\.[012])", found), found
    report = house.cloud.folder / "testssl.json"
    # Protocols, kinds of ciphers, certificate, headers, known attacks.
    subprocess.run(["testssl", "--quiet", "--fast", "--ids-friendly", "--warnings", "off", "--color", "0", "-p", "-s",
                    "-S", "-h", "-U", "--add-ca", str(house.roots), "--jsonfile", str(report),
                    f"localhost:{house.port}"],
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
    findings = json.loads(report.read_text())
    missing = {"TLS1_3", "CRIME_TLS", "cert_signatureAlgorithm", "HSTS_time"} - {f["id"] for f in findings}
    assert not missing, sorted(f["id"] for f in findings)
    bad = [f for f in findings if f["severity"] in SEVERE and f["id"].split(" ")[0] not in ON_PURPOSE]
    assert not bad, bad


def test_half_handshakes_are_cut(cloud):
    house = secured(cloud)
    house.stop()
    house.settings(limits={"request_seconds": 2})
    house.start()
    slow = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(3)]
    slow[1].sendall(b"\x16")
    slow[2].sendall(bytes.fromhex("16030102000100 01fc0303".replace(" ", "")))
    assert house.operator.call("GET", "/v1/me")[0] == 200
    for one in slow:
        wait_readable(one, DEADLINE, "a half handshake is not cut")
        one.close()
    assert house.operator.call("GET", "/v1/me")[0] == 200


def test_nothing_but_tls_1_3_is_spoken(house):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", house.port)) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain)
    with socket.create_connection(("127.0.0.1", house.port)) as plain:
        plain.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.settimeout(DEADLINE)
        assert b"HTTP" not in plain.recv(4096)


# ---- what changes while it runs ------------------------------------------------------------------

def serial_of(connection):
    from cryptography import x509
    return x509.load_der_x509_certificate(connection.sock.getpeercert(True)).serial_number


def test_the_master_renews_its_certificate_and_drops_nobody(cloud):
    house = secured(cloud)
    house.stop()
    users = Authority(house.data / "ca" / "users")
    path = house.data / "identity" / "cert.pem"
    from cryptography.hazmat.primitives import serialization
    key = serialization.load_pem_private_key((house.data / "identity" / "key.pem").read_bytes(), None)
    short = users.leaf(key.public_key(), "acme", ["hoc:master:acme"], house.names, (CLIENT, SERVER),
                       start=now() - seconds(24), end=now() + seconds(24))
    path.write_bytes(short)
    house.start()
    old = house.connect(house.operator.folder)
    assert ask(old, "GET", "/v1/me")[0] == 200
    before = serial_of(old)
    house.program.wait_log("master.certificate.made", seconds=60)
    young = house.connect(house.operator.folder)
    assert ask(young, "GET", "/v1/me")[0] == 200
    assert serial_of(young) != before
    assert ask(old, "GET", "/v1/me")[0] == 200 and serial_of(old) == before
    old.close()
    young.close()


def test_authorities_roll_over_and_everybody_stays(house):
    ann = house.operator
    token = ann.hoc("token", "make", "person", "bob", "--json").json["token"]
    refused = command(["ca", "roll-issuer", "--data", house.data, "--authority", "users"], check=False)
    assert refused.code == 4 and "stop it" in refused.err
    for verb in ("roll-issuer", "roll-root"):
        house.stop()
        command(["ca", verb, "--data", house.data, "--authority", "users"])
        house.start()
        assert "ann" in ann.hoc("whoami").out, verb
        # That is no false history: the master's newest certificate is what its signatures are held to.
        checked = ann.hoc("audit", "verify", check=False)
        assert checked.code == 0, checked.out
    # A token from before names the old root, which still leads to the new one.
    bob = house.join("bob", token)
    assert bob.call("GET", "/v1/me")[0] == 200
    shown = command(["ca", "show", "--json", "--data", house.data]).json
    assert shown["users"]["root_key_here"] and shown["users"]["fingerprint"] != shown["services"]["fingerprint"]


# ---- how a cloud is made -------------------------------------------------------------------------

def test_an_init_with_a_passphrase_leaves_no_key_in_clear(cloud):
    phrase = cloud.folder / "phrase"
    phrase.write_text("correct horse battery\n")
    house = secured(cloud, "--root-dir", cloud.folder / "roots", start=False, secrets=["--passphrase-file", phrase])
    for path in [*house.data.rglob("*"), *(cloud.folder / "roots").rglob("*")]:
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes() and b"AGE-SECRET-KEY" not in path.read_bytes(), path
    assert not (house.data / "ca" / "users" / "root.key").exists()
    listen = ["--data", house.data, "--listen", "127.0.0.1:0"] + (["--db", house.database] if house.database else [])
    assert command(["master", "run", *listen], check=False).code == 5
    wrong = cloud.folder / "wrong"
    wrong.write_text("incorrect horse battery\n")
    assert command(["master", "run", *listen, "--passphrase-file", wrong], check=False).code == 5
    local = command(["master", "run", *listen, "--local"], check=False)
    assert local.code == 2 and "operator" in local.err
    other = command(["master", "init", "--data", house.data, "--cloud", "other", "--name", "x", "--operator", "ann",
                     *house.secrets], check=False)
    assert other.code == 4
    # systemd hands the passphrase over as a credential.
    credentials = cloud.folder / "credentials"
    credentials.mkdir()
    (credentials / "hoc-passphrase").write_text(phrase.read_text())
    options, house.secrets = house.secrets, []
    house.start(CREDENTIALS_DIRECTORY=str(credentials))
    house.operator = house.join("ann", house.token)
    # An issuer under the offline root: asked for here, signed there.
    house.stop()
    house.secrets = options
    at = ["--authority", "users"]
    csr = command(["ca", "request", "--data", house.data, *at, *options]).out
    (cloud.folder / "users.csr").write_text(csr)
    pem = command(["ca", "sign", "--root-dir", cloud.folder / "roots", *at, *options, cloud.folder / "users.csr"]).out
    (cloud.folder / "users.pem").write_text(pem)
    command(["ca", "install", "--data", house.data, *at, *options, cloud.folder / "users.pem"])
    house.start()
    assert "ann" in house.operator.hoc("whoami").out


def test_issuing_keys_may_stay_in_a_token(cloud, monkeypatch):
    tokens = cloud.folder / "tokens"
    tokens.mkdir()
    (cloud.folder / "softhsm.conf").write_text(f"directories.tokendir = {tokens}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(cloud.folder / "softhsm.conf"))
    client(["softhsm2-util", "--init-token", "--free", "--label", "hoc", "--pin", "271828", "--so-pin", "314159"])
    pin = cloud.folder / "pin"
    pin.write_text("271828")
    house = secured(cloud, "--token", "pkcs11:token=hoc", secrets=["--pin-file", pin])
    shown = command(["ca", "show", "--json", "--data", house.data]).json
    assert [shown[kind]["issuer_key"] for kind in ("users", "services")] == ["in a token"] * 2
    assert not list((house.data / "ca").rglob("issuer.key"))
    assert house.operator.call("GET", "/v1/me")[0] == 200
    house.stop()
    pin.write_text("000000")
    assert command(house.run_arguments(), check=False).code == 5
    pin.write_text("271828")
    house.start()


def test_a_lost_operator_comes_back_by_the_masters_machine(house):
    busy = house.init(check=False)
    assert busy.code == 4
    house.stop()
    house.init()
    house.start()
    again = house.join("ann", house.token, machine="-new")
    assert again.call("GET", "/v1/me")[0] == 200
    house.operator = again


# ---- greed ---------------------------------------------------------------------------------------

def test_who_asks_too_often_waits_and_nobody_else_does(cloud):
    house = secured(cloud)
    house.stop()
    house.settings(limits={"identity_per_minute": 60, "identity_burst": 20, "address_per_minute": 60,
                           "address_burst": 5, "login_per_minute": 1, "login_burst": 3})
    house.start()
    stranger = house.connect()
    answers = [ask(stranger, "GET", "/v1/status") for _ in range(8)]
    assert [a[0] for a in answers] == [200] * 5 + [429] * 3
    status, headers, document = answers[-1]
    assert int(headers["Retry-After"]) >= 1 and document["error"]["kind"] == "busy"
    # A person at the same address has a measure of her own.
    person = house.connect(house.operator.folder)
    codes = [ask(person, "GET", "/v1/me")[0] for _ in range(25)]
    assert codes[:20] == [200] * 20 and 429 in codes[20:]
    person.close()
    # Guessing tokens is slower still.
    guesses = [ask(person, "POST", "/v1/enrol", {"token": f"hoc1.p.x.{i}", "csr": "x"})[0] for i in range(5)]
    assert guesses[-1] == 429
    stranger.close()
    person.close()
    house.stop()
    house.settings(limits={})
    house.start()
