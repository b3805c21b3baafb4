# SPDX-License-Identifier: AGPL-3.0-or-later
"""Handshakes of TLS 1.3 for a second of the server's processor: our master beside nginx, both with the
same P-256 certificate and chain, both asking for the client's. Clients are openssl's s_time."""
import json
import os
import re
import subprocess

import kit
import rivals

SECONDS = 3
CLIENTS = 2
START_SECONDS = 20

NGINX = """
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_session_tickets off;
    ssl_verify_client optional_no_ca;
    location / {{ return 204; }}
  }}
}}
"""


def clients(port, pair):
    """Handshakes that succeeded, by CLIENTS programs in SECONDS."""
    argv = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-tls1_3", "-time", str(SECONDS), *pair]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
    total = 0
    for p in running:
        out, err = p.communicate(timeout=SECONDS + START_SECONDS)
        found = re.search(r"^(\d+) connections in \d+ real seconds", out, re.M)
        if p.returncode or not found:
            raise kit.Trouble(f"openssl s_time: {err.strip()[-200:]}")
        total += int(found.group(1))
    return total


def rate(port, pid, pair):
    """Handshakes for a second of the processor that `pid` used."""
    before = kit.cpu_seconds(pid)
    count = clients(port, pair)
    return count / (kit.cpu_seconds(pid) - before)


def our_master(place, programs):
    data = os.path.join(place.path, "tls")
    done = subprocess.run([programs.hoc, "master", "init", "--json", "--data", data, "--cloud", "bench", "--name",
                           "127.0.0.1", "--operator", "ann"], capture_output=True, text=True)
    if done.returncode:
        raise kit.Trouble(done.stderr.strip())
    process = place.start("tls", [programs.hoc, "master", "run", "--data", data, "--listen", "127.0.0.1:0"])
    path = os.path.join(data, "address")
    kit.await_(lambda: os.path.exists(path), START_SECONDS, "the master's start")
    with open(path, encoding="ascii") as f:
        port = int(f.read().rpartition(":")[2])
    identity = os.path.join(place.path, "identity")
    subprocess.run([programs.hoc, "login", f"https://127.0.0.1:{port}", "-", "--identity", identity],
                   input=json.loads(done.stdout)["token"], capture_output=True, text=True, check=True)
    return data, port, process.pid, ["-cert", f"{identity}/cert.pem", "-key", f"{identity}/key.pem"]


def nginx(place, data):
    port = rivals.free_ports(1)[0]
    chain = os.path.join(place.path, "chain.pem")
    with open(chain, "w", encoding="ascii") as out:
        for name in ("identity/cert.pem", "ca/users/root.pem"):
            with open(os.path.join(data, name), encoding="ascii") as f:
                out.write(f.read())
    config = os.path.join(place.path, "nginx.conf")
    with open(config, "w", encoding="ascii") as f:
        f.write(NGINX.format(place=place.path, port=port, chain=chain, key=os.path.join(data, "identity/key.pem")))
    process = place.start("nginx", ["nginx", "-c", config, "-p", place.path, "-e", os.path.join(place.path, "nginx.log")])
    worker = kit.await_(lambda: worker_of(process.pid), START_SECONDS, "nginx's start")
    return port, worker


def worker_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return next((int(child) for child in f.read().split()), None)


def group(table, place, programs):
    data, port, pid, pair = our_master(place, programs)
    rival_port, worker = nginx(place, data)
    for what, certificate in (("TLS 1.3 handshakes, P-256, a CPU second", []), ("  and the client shows a certificate", pair)):
        theirs, ours = rate(rival_port, worker, certificate), rate(port, pid, certificate)
        table.row(what, ours, "1/CPU s", theirs, "nginx")
