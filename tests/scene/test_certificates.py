# SPDX-License-Identifier: AGPL-3.0-or-later
"""Certificates of instances: made where they are used, with and without the master (docs/profiles.md)."""
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from cloud import DEADLINE, Node, client, plain_environment, program
from secured import days, new_key, now, secured

NAME = "site.shop.cloud.test"


def joined(cloud, master, name="n1"):
    """A node of the cloud that can serve sites."""
    node = Node(cloud, name)
    cloud.nodes.append(node)
    node.format(2)
    token = master.hoc("token", "make", "node", name).out.strip()
    done = subprocess.run([program(), "node", "join", "--dir", str(node.folder), master.url, "-"], input=token,
                          capture_output=True, text=True, timeout=DEADLINE, env=plain_environment())
    assert done.returncode == 0, done.stderr
    uri = master.publish("nginx")
    node.take_software(cloud.builder.with_releases("nginx"), uri)
    node.start(master)
    master.wait_node(name, lambda n: n["partitions"]["total"] == 2)
    master.supply(uri, name)
    master.wait_installation(uri, name, lambda row: row and row["reported"] == "available")
    return node


@pytest.fixture
def house(cloud):
    """A master with a zone, a node, the owner of a customer, and his site with HTTPS."""
    master = secured(cloud, "--zone", "cloud.test")
    node = joined(cloud, master)
    bob = master.join("bob", master.hoc("token", "make", "person", "bob", "--customer", "shop", "--owner").out.strip())
    site = bob.hoc("request", "nginx", "site", "--param", "tls=true", "--param", "title=Guarded", "--json", "--wait=60",
                   seconds=90).json
    return master, node, bob, site


def roots(cloud, master):
    """What a customer's browser would be given: the roots of authority services."""
    path = cloud.folder / "services.pem"
    path.write_text(master.anonymous("GET", "/v1/ca")[1]["services"]["roots"])
    return path


def address(node, site):
    return node.partition(site["partition"])["ipv4"]


def fetch(node, site, trusted):
    """The page, by a client that believes these roots and nothing else."""
    return client(["curl", "-sS", "--max-time", "10", "--cacert", trusted, "--resolve", f"{NAME}:443:{address(node, site)}",
                   f"https://{NAME}/"])


def leaf(node, site):
    return x509.load_pem_x509_certificate((node.home(site) / "etc/tls/site.pem").read_bytes())


def serial(certificate):
    return f"{certificate.serial_number:032x}"


def test_a_key_stays_where_it_is_used(cloud, house):
    master, node, bob, site = house
    assert site["connection"]["url_tls"] == f"https://{NAME}/"
    trusted = roots(cloud, master)
    assert "<h1>Guarded</h1>" in fetch(node, site, trusted)
    home = node.home(site) / "etc/tls"
    assert (home / "roots.pem").read_text() == trusted.read_text()
    # It is the tenant's, nobody else's, and the master never had it.
    kept = (home / "site.key").stat()
    assert stat.S_IMODE(kept.st_mode) == 0o600 and kept.st_uid == (home / "site.pem").stat().st_uid > 1000
    private = b"".join((home / "site.key").read_bytes().split(b"\n")[1:3])[52:84]
    assert not any(private in p.read_bytes() for p in master.data.rglob("*") if p.is_file())
    # The master says whose it is; another parameter changes nothing of it.
    number = serial(leaf(node, site))
    rows = master.get("/v1/certificates", kind="service", owner=site["guid"])["certificates"]
    assert [row["serial"] for row in rows] == [number]
    bob.hoc("request", "nginx", "site", "--param", "tls=true", "--param", "title=Other", "--wait=60", seconds=90)
    assert "<h1>Other</h1>" in fetch(node, site, trusted) and serial(leaf(node, site)) == number
    # A name that is not the customer's: the step says so, and what runs goes on.
    bob.hoc("request", "nginx", "site", "--param", "tls=true", "--param", 'names=["www.other.test"]')
    master.wait(site, lambda i: "www.other.test is not a name of this customer" in str(i))
    assert serial(leaf(node, site)) == number and "<h1>" in fetch(node, site, trusted)
    # What is destroyed is revoked.
    assert master.anonymous("GET", f"/v1/certificates/{number}")[1]["status"] == "good"
    master.destroy(site, seconds=60)
    assert master.anonymous("GET", f"/v1/certificates/{number}")[1]["status"] == "revoked"


def verify(trusted, chain, *more):
    return subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", trusted, "-untrusted", chain, *more, chain],
                          capture_output=True, text=True, timeout=DEADLINE)


def test_a_site_that_is_cut_off_issues_itself(cloud, house):
    master, node, _, site = house
    trusted = roots(cloud, master)
    first = serial(leaf(node, site))
    chain = node.home(site) / "etc/tls/site.pem"
    master.put("/v1/nodes/n1/delegation", {"names": []})
    node.stop()
    node.start(master)
    node.program.wait_log("agent.authority.fresh")
    # The master goes away, and the certificate has to be made anew.
    master.stop()
    node.stop()
    (node.folder / "partitions" / site["partition"] / "certs" / "site.pem").unlink()
    node.start(master)
    node.program.wait_log("agent.certificate.fresh", seconds=60)
    node.program.wait_log("agent.authority.issued")
    second = leaf(node, site)
    assert serial(second) != first and "issuer n1" in second.issuer.rfc4514_string()
    assert "<h1>Guarded</h1>" in fetch(node, site, trusted)
    said = verify(trusted, chain, "-verify_hostname", NAME)
    assert said.returncode == 0, said.stderr
    # The issuer's own certificate holds it to the tenants that it has.
    above = cloud.folder / "issuer.pem"
    above.write_bytes(b"-----BEGIN" + chain.read_bytes().split(b"-----BEGIN")[2])
    limits = x509.load_pem_x509_certificate(above.read_bytes()).extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical and [n.value for n in limits.value.permitted_subtrees] == ["shop.cloud.test"]
    forged = forge(cloud, node, x509.load_pem_x509_certificate(above.read_bytes()), "www.other.test")
    forged.write_bytes(forged.read_bytes() + b"-----BEGIN".join([b"", *chain.read_bytes().split(b"-----BEGIN")[2:]]))
    said = verify(trusted, forged)
    assert said.returncode != 0 and "permitted subtree violation" in said.stderr
    # The master comes back and is told: it stands in its books and in its log.
    master.start()
    node.wait_settled(seconds=60)
    assert master.anonymous("GET", f"/v1/certificates/{serial(second)}")[1]["status"] == "good"
    issued = [e for e in master.events() if e["kind"] == "certificate.issued" and e["subject"] == serial(second)]
    assert [e["body"]["owner"] for e in issued] == [site["guid"]]


def forge(cloud, node, above, name):
    """What somebody who took the node could sign with its issuer."""
    key = new_key()
    signer = serialization.load_pem_private_key((node.folder / "identity" / "issuer.key").read_bytes(), None)
    identifier = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    cert = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(above.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() - days(1)).not_valid_after(now() + days(20))
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
            .sign(signer, hashes.SHA256()))
    path = cloud.folder / "forged.pem"
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return path
