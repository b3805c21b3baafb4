# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ordinary ACME clients, unmodified, against a running master: each gets a certificate, and where it can,
renews and revokes it. Each scene has a network of its own, so that ports 53, 80 and 443 are free. Clients
mostly wait, so they are run side by side."""
import concurrent.futures
import ctypes
import functools
import http.server
import os
import pathlib
import shutil
import stat
import subprocess
import threading

import pytest
from cryptography import x509
from dnslib import A, AAAA, QTYPE, RCODE, RR, TXT
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from cloud import DEADLINE, command, plain_environment
from secured import secured

CLONE_NEWNET = 0x40000000
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network of its own")


# ---- the network: names, pages --------------------------------------------------------------------

class Names(BaseResolver):
    """All names below cloud.test are this machine, but those that `odd` says are elsewhere."""

    def __init__(self):
        self.txt, self.odd = {}, {}

    def resolve(self, request, handler):
        reply = request.reply()
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        if kind == "TXT":
            for text in self.txt.get(name, []):
                reply.add_answer(RR(request.q.qname, QTYPE.TXT, rdata=TXT(text), ttl=1))
        elif kind in ("A", "AAAA"):
            address = self.odd.get(name, "127.0.0.1")
            is_v6 = ":" in address
            if is_v6 == (kind == "AAAA"):
                data = AAAA(address) if is_v6 else A(address)
                reply.add_answer(RR(request.q.qname, request.q.qtype, rdata=data, ttl=1))
        if not name.endswith(".test"):
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


class Pages(http.server.SimpleHTTPRequestHandler):
    """A folder; and redirects, by path."""

    def __init__(self, *args, place, **more):
        self.place = place
        super().__init__(*args, directory=str(place.web), **more)

    def do_GET(self):
        self.place.asked.append((self.headers["Host"], self.path))
        answer = self.place.answers.get(self.headers["Host"])
        if answer:
            status, location, body = answer(self.path)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


class Place:
    """A master with TLS, the customer lila, DNS and a web server, in a network of their own."""

    def __init__(self, cloud, **acme):
        self.folder = pathlib.Path(cloud.folder)
        self.web = self.folder / "web"
        self.tokens = self.web / ".well-known" / "acme-challenge"
        self.tokens.mkdir(parents=True)
        self.asked, self.answers = [], {}
        self.names = Names()
        quiet = DNSLogger(log="-request,-reply,-truncated,-error,-recv,-send,-data")
        self.dns = [DNSServer(self.names, address="127.0.0.1", port=53, tcp=tcp, logger=quiet) for tcp in (False, True)]
        for server in self.dns:
            server.start_thread()
        self.master = secured(cloud, "--zone", "cloud.test", start=False)
        self.master.settings(resolver="127.0.0.1:53", acme={"allow_networks": ["127.0.0.0/8"], **acme})
        self.master.start()
        self.master.operator = self.master.join("ann", self.master.token)
        self.master.put("/v1/customers/lila", {})
        self.page_server = None
        # What installing the authority on a client's host would be.
        self.bundle = self.folder / "bundle.pem"
        self.bundle.write_text(self.master.roots.read_text())
        self.directory = f"{self.master.url}/acme/directory"

    def serve_pages(self):
        handler = functools.partial(Pages, place=self)
        self.page_server = http.server.ThreadingHTTPServer(("127.0.0.1", 80), handler)
        threading.Thread(target=self.page_server.serve_forever, daemon=True).start()
        return self

    def close(self):
        for server in self.dns:
            server.stop()
            server.server.server_close()
        if self.page_server:
            self.page_server.shutdown()
            self.page_server.server_close()

    def key(self):
        """(kid, HMAC key) of a binding, as the customer is told them."""
        told = self.master.hoc("acme", "key", "make", "--customer", "lila", "--json").json
        return told["kid"], told["hmac_key"]

    def allow(self, thumbprint, verb="allow"):
        # A thumbprint may begin with a hyphen.
        command(["acme", "key", verb, "--customer", "lila", "--", thumbprint], HOC_MASTER=self.master.url,
                HOC_IDENTITY=str(self.master.operator.folder))

    def run(self, *arguments, seconds=DEADLINE, check=True, **environment):
        """A client, which trusts the authority as its manual says."""
        bundle = str(self.bundle)
        trust = {name: bundle for name in
                 ("REQUESTS_CA_BUNDLE", "LEGO_CA_CERTIFICATES", "CURL_CA_BUNDLE", "SSL_CERT_FILE")}
        done = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, cwd=self.folder,
                              env=plain_environment(HOME=str(self.folder), **trust, **environment))
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def host(self):
        """Before a command: with the authority and the resolver of this place for the whole host."""
        resolver = self.folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n")
        return ["unshare", "--mount", "sh", "-c", f"mount --bind {self.bundle} /etc/ssl/certs/ca-certificates.crt && "
                f"mount --bind {resolver} /etc/resolv.conf && exec \"$@\"", "sh"]

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def check(self, pem, *names):
        """A chain that openssl takes for a server of these names; its leaf."""
        services = self.master.data / "ca" / "services" / "root.pem"
        text = pathlib.Path(pem).read_text()
        certificate = x509.load_pem_x509_certificate(text.encode())
        leaf = self.folder / f"leaf-{names[0]}.pem"
        leaf.write_text(text[:text.index("-----END") + 25] + "\n")
        self.run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", names[0].replace("*", "x"),
                 "-CAfile", services, "-untrusted", pem, leaf)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert set(found.get_values_for_type(x509.DNSName)) == set(names)
        return certificate

    def status(self, certificate):
        return self.master.get(f"/v1/certificates/{certificate.serial_number:x}")["status"]


@pytest.fixture
def own_network():
    """This thread, and what it starts, in a network with nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0
        os.close(before)


@pytest.fixture
def place(own_network, cloud):
    one = Place(cloud)
    try:
        yield one
    finally:
        one.close()


# ---- the clients ---------------------------------------------------------------------------------

def certbot_options(place, folder):
    folders = [x for option in ("config", "work", "logs") for x in (f"--{option}-dir", place.folder / folder)]
    return ["--non-interactive", "--server", place.directory, *folders]


def certbot(place, name):
    kid, key = place.key()
    always = certbot_options(place, "certbot")
    pem = place.folder / "certbot" / "live" / name / "fullchain.pem"
    place.run("certbot", "certonly", *always, "--agree-tos", "--email", "a@lila.example", "--no-eff-email",
              "--eab-kid", kid, "--eab-hmac-key", key, "--webroot", "-w", place.web, "-d", name)
    first = place.check(pem, name)
    place.run("certbot", "renew", *always, "--force-renewal", "--no-random-sleep-on-renew")
    second = place.check(pem, name)
    place.run("certbot", "revoke", *always, "--cert-name", name, "--reason", "superseded", "--no-delete-after-revoke")
    assert place.status(first) == "good"
    return first, second, True


def certbot_with_a_wildcard_by_dns(place, name):
    kid, key = place.key()
    told = place.folder / "told"
    os.mkfifo(told)

    def listen():
        with open(told, encoding="ascii") as lines:
            for line in lines:
                domain, text = line.split()
                place.names.txt.setdefault(f"_acme-challenge.{domain}", []).append(text)
    # A hook ends when its line was taken; a validation that comes before it was kept is tried again.
    hook = place.script("hook", f'echo "$CERTBOT_DOMAIN $CERTBOT_VALIDATION" >{told}\n')
    threading.Thread(target=lambda: [listen() for _ in range(2)], daemon=True).start()
    place.run("certbot", "certonly", *certbot_options(place, "wild"), "--agree-tos", "--register-unsafely-without-email",
              "--eab-kid", kid, "--eab-hmac-key", key, "--manual", "--preferred-challenges", "dns",
              "--manual-auth-hook", hook, "-d", name, "-d", f"*.{name}")
    return place.check(place.folder / "wild" / "live" / name / "fullchain.pem", name, f"*.{name}"), None, False


def lego_by_tls(place, name):
    kid, key = place.key()
    always = ["lego", "--server", place.directory, "--email", "a@lila.example", "--accept-tos", "--path",
              place.folder / "lego", "--domains", name, "--tls", "--eab", "--kid", kid, "--hmac", key]
    pem = place.folder / "lego" / "certificates" / f"{name}.crt"
    place.run(*always, "run")
    first = place.check(pem, name)
    place.run(*always, "renew", "--days", "60", "--no-random-sleep")
    second = place.check(pem, name)
    place.run(*always, "revoke")
    return first, second, True


def dehydrated(place, name):
    kid, key = place.key()
    folder = place.folder / "dehydrated"
    folder.mkdir()
    config = place.folder / "dehydrated.conf"
    config.write_text(f"CA={place.directory}\nBASEDIR={folder}\nWELLKNOWN={place.tokens}\nCHALLENGETYPE=http-01\n"
                      f"EAB_KID={kid}\nEAB_HMAC_KEY={key}\nKEY_ALGO=secp384r1\nCONTACT_EMAIL=a@lila.example\n")
    pem = folder / "certs" / name / "fullchain.pem"
    place.run("dehydrated", "--config", config, "--register", "--accept-terms")
    place.run("dehydrated", "--config", config, "--cron", "--domain", name)
    first = place.check(pem, name)
    place.run("dehydrated", "--config", config, "--cron", "--force", "--domain", name)
    second = place.check(pem, name)
    place.run("dehydrated", "--config", config, "--revoke", pem.parent / "cert.pem")
    return first, second, True


def uacme(place, name):
    kid, key = place.key()
    hook = place.script("uacme-hook", '[ "$2" = http-01 ] || exit 1\n'
                        f'[ "$1" = begin ] && printf %s "$5" >{place.tokens}/"$4"\nexit 0\n')
    # It reads the host's certificates only.
    always = [*place.host(), "uacme", "-v", "-a", place.directory, "-c", place.folder / "uacme", "-h", hook, "-y", "-e",
              f"{kid}:{key}"]
    pem = place.folder / "uacme" / name / "cert.pem"
    place.run(*always, "new", "a@lila.example")
    place.run(*always, "issue", name)
    first = place.check(pem, name)
    place.run(*always, "-f", "issue", name)
    second = place.check(pem, name)
    place.run(*always, "revoke", pem)
    place.run(*always, "newkey")
    place.run(*always, "deactivate")
    return first, second, True


def tiny(place, name, check=True):
    """acme-tiny with the account tiny.key: what it said."""
    key, csr = place.folder / f"{name}.key", place.folder / f"{name}.csr"
    place.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", "/", "-addext",
              f"subjectAltName=DNS:{name}", "-out", csr)
    return place.run("acme-tiny", "--account-key", place.folder / "tiny.key", "--csr", csr, "--acme-dir", place.tokens,
                     "--disable-check", "--directory-url", place.directory, check=check)


def acme_tiny(place, name):
    """It knows no binding: the refusal names what is to be allowed."""
    place.run("openssl", "genrsa", "-out", place.folder / "tiny.key", "2048")
    refused = tiny(place, name, check=False)
    assert refused.returncode != 0 and "externalAccountRequired" in refused.stderr
    place.allow(refused.stderr.split("hoc acme key allow --customer CUSTOMER -- ")[1][:43])
    found = []
    pem = place.folder / "tiny.pem"
    for _ in range(2):
        pem.write_text(tiny(place, name).stdout)
        found.append(place.check(pem, name))
    return *found, False


def acmetool(place, name):
    """It knows no binding either, and its `revoke` asks nothing of the server."""
    state = place.folder / "acmetool"
    (state / "conf").mkdir(parents=True)
    (state / "conf" / "target").write_text(
        f"request:\n  provider: {place.directory}\n  challenge:\n    webroot-paths:\n    - {place.tokens}\n")
    responses = place.folder / "responses"
    responses.write_text('"acme-enter-email": "a@lila.example"\n')
    # It asks for the page itself before it answers.
    always = [*place.host(), "acmetool", "--state", state, "--batch", "--response-file", responses]
    place.run("openssl", "genrsa", "-traditional", "-out", place.folder / "tool.key", "2048")
    place.run(*always, "import-pem-account", place.directory, place.folder / "tool.key")
    place.allow(place.run(*always, "account-thumbprint").stdout.split()[0])
    place.run(*always, "want", name)
    pem = state / "live" / name / "fullchain"
    first = place.check(pem, name)
    # It renews by itself only within the last third; what is gone it gets anew.
    shutil.rmtree(pem.resolve().parent)
    place.run(*always, "reconcile")
    return first, place.check(pem, name), False


CLIENTS = (certbot, certbot_with_a_wildcard_by_dns, lego_by_tls, dehydrated, uacme, acme_tiny, acmetool)


def side_by_side(calls):
    """{name: what it gave, or how it failed}, each in a thread of its own."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
    return {name: future.exception() or future.result() for name, future in futures.items()}


def test_every_client_of_debian_gets_certificates(place):
    place.serve_pages()
    calls = {}
    for i, client in enumerate(CLIENTS):
        calls[client.__name__] = functools.partial(client, place, f"c{i}.lila.cloud.test")
    found = side_by_side(calls)
    failed = "\n".join(f"{name}: {error}" for name, error in found.items() if isinstance(error, BaseException))
    assert not failed, failed
    for name, (first, second, is_revoked) in found.items():
        assert not second or first.serial_number != second.serial_number, f"{name} did not renew"
        assert not is_revoked or place.status(second) == "revoked", f"{name} did not revoke"
    # Each of them stands in the log that everybody can read.
    leaves = place.master.get("/v1/log/entries")["entries"]
    assert {f"{c.serial_number:x}" for f in found.values() for c in f[:2] if c} <= {leaf["subject"] for leaf in leaves}


# ---- what a validation does not do ---------------------------------------------------------------

def test_a_validation_goes_nowhere_it_should_not(place):
    place.serve_pages()
    place.run("openssl", "genrsa", "-out", place.folder / "tiny.key", "2048")
    key = tiny(place, "first.lila.cloud.test", check=False)
    place.allow(key.stderr.split("hoc acme key allow --customer CUSTOMER -- ")[1][:43])
    token = "/.well-known/acme-challenge/"
    place.names.odd.update({"private.lila.cloud.test": "10.1.2.3", "linked.lila.cloud.test": "169.254.169.254",
                            "mapped.lila.cloud.test": "::ffff:0a01:0203", "local6.lila.cloud.test": "::1"})
    place.answers.update({
        "moved.lila.cloud.test": lambda path: (302, f"http://files.lila.cloud.test{path}", b""),
        "secure.lila.cloud.test": lambda path: (302, f"https://files.lila.cloud.test{path}", b""),
        "inside.lila.cloud.test": lambda path: (302, f"http://private.lila.cloud.test{path}", b""),
        "port.lila.cloud.test": lambda path: (302, f"http://files.lila.cloud.test:{place.master.port}{path}", b""),
        "number.lila.cloud.test": lambda path: (302, f"http://127.0.0.1{path}", b""),
        "round.lila.cloud.test": lambda path: (302, f"http://round.lila.cloud.test{path}x", b""),
        "wrong.lila.cloud.test": lambda path: (200, None, path.removeprefix(token).encode()),
        "huge.lila.cloud.test": lambda path: (200, None, b"x" * 100000),
        "secret.lila.cloud.test": lambda path: (200, None, b"what only the inside knows"),
    })
    why = {
        "private": ("connection", "not public"), "linked": ("connection", "not public"),
        "mapped": ("connection", "not public"), "local6": ("connection", "not public"),
        "secure": ("incorrectResponse", "redirect"), "inside": ("connection", "not public"),
        "port": ("incorrectResponse", "redirect"), "number": ("incorrectResponse", "redirect"),
        "round": ("incorrectResponse", "redirect"), "wrong": ("incorrectResponse", "key authorization"),
        "huge": ("incorrectResponse", "too long"), "secret": ("incorrectResponse", "key authorization"),
    }
    names = [*why, "moved"]
    found = side_by_side({n: functools.partial(tiny, place, f"{n}.lila.cloud.test", check=False) for n in names})
    for name, (kind, text) in why.items():
        said = found[name]
        assert said.returncode != 0, name
        assert f"acme:error:{kind}" in said.stderr and text in said.stderr, f"{name}: {said.stderr[-600:]}"
        assert "only the inside knows" not in said.stderr
    moved = place.folder / "moved.pem"
    moved.write_text(found["moved"].stdout)
    place.check(moved, "moved.lila.cloud.test")
    assert not [host for host, _ in place.asked if host == "private.lila.cloud.test"]


def test_names_of_others_are_not_ordered(place):
    place.serve_pages()
    place.master.put("/v1/customers/otto", {})
    place.run("openssl", "genrsa", "-out", place.folder / "tiny.key", "2048")
    refused = tiny(place, "shop.otto.cloud.test", check=False)
    place.allow(refused.stderr.split("hoc acme key allow --customer CUSTOMER -- ")[1][:43])
    for name in ("shop.otto.cloud.test", "www.example.test"):
        refused = tiny(place, name, check=False)
        assert refused.returncode != 0 and "rejectedIdentifier" in refused.stderr
        assert "domains/DOMAIN" in refused.stderr and "otto" not in refused.stderr.split("detail")[1].replace(name, "")
    place.master.hoc("domain", "add", "example.test", "--customer", "lila")
    pem = place.folder / "www.pem"
    pem.write_text(tiny(place, "www.example.test").stdout)
    place.check(pem, "www.example.test")
