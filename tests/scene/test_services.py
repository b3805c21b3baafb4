# SPDX-License-Identifier: AGPL-3.0-or-later
"""The three services of the catalogue, proved by their real clients, on one node of the module."""
import os
import signal

import pytest

import cloud as clouds
from cloud import client, start_of


@pytest.fixture(scope="module")
def shop(databases, builder):
    """A cloud with postgresql, nginx and redis running."""
    whole = clouds.Cloud(clouds.new_folder(), databases, builder)
    try:
        master = whole.master()
        node = whole.node(master, partitions=3, releases=("postgresql", "nginx", "redis"), meter_seconds=1)
        orders = [master.request("postgresql", "data"), master.request("nginx", "site", parameters={"title": "Welcome"}),
                  master.request("redis", "cache")]
        for order in orders:
            master.wait(order, "running", 90)
        yield master, node
        whole.check()
    finally:
        whole.close()


def query(instance, sql):
    return client(["psql", "-X", "-Atq", instance["connection"]["url"], "-c", sql]).strip()


def redis(instance, *words):
    return client(["redis-cli", "--no-auth-warning", "-u", instance["connection"]["url"], *words]).strip()


def test_postgresql_answers_psql(shop):
    assert query(shop[0].show("data"), "SELECT 6 * 7") == "42"


def test_nginx_answers_curl(shop):
    page = client(["curl", "-sSf", shop[0].show("site")["connection"]["url"]])
    assert "Welcome" in page


def test_redis_answers_redis_cli(shop):
    assert redis(shop[0].show("cache"), "PING") == "PONG"


def test_nobody_comes_in_without_the_password_that_the_node_made(shop):
    master, _ = shop
    address = master.show("cache")["addresses"][0][1]
    assert "NOAUTH" in client(["redis-cli", "-h", address, "PING"])
    url = master.show("data")["connection"]["url"]
    secret = url.split("//")[1].split("@")[0].split(":")[1]
    with pytest.raises(AssertionError, match="password authentication failed"):
        query({"connection": {"url": url.replace(secret, "wrong")}}, "SELECT 1")


def test_postgres_killed_is_back_with_its_data_and_its_history(shop):
    master, node = shop
    data = master.show("data")
    query(data, "CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1), (2)")
    pid = node.process(data["partition"], "bin/postgres")
    os.kill(pid, signal.SIGKILL)
    name = master.wait_event(lambda: next((p for p in master.promises(data) if any(
        line["state"] == "broken" for line in master.history(data, p))), None), "the broken promise")
    master.wait(data, "running")
    assert node.process(data["partition"], "bin/postgres") != pid
    assert query(data, "SELECT sum(n) FROM kept") == "3"
    states = [line["state"] for line in master.history(data, name)]
    assert states[-2:] == ["broken", "kept"] and states[0] == "kept"


def test_the_agent_stops_and_starts_and_no_service_notices(shop):
    master, node = shop
    before = {pid: start_of(pid) for pid in node.processes()}
    node.stop()
    assert query(master.show("data"), "SELECT 1") == "1"
    assert redis(master.show("cache"), "PING") == "PONG"
    node.start(master, meter_seconds=1)
    node.wait_settled()
    services = [pid for pid in before if "postgres:" not in node.processes().get(pid, "")]
    assert {pid: start_of(pid) for pid in services} == {pid: before[pid] for pid in services}


def test_the_supervisor_killed_and_no_service_notices(shop):
    master, node = shop
    pids = {name: node.process(master.show(name)["partition"], word)
            for name, word in (("data", "bin/postgres"), ("site", "nginx"), ("cache", "redis-server"))}
    born = {name: start_of(pid) for name, pid in pids.items()}
    old = node.supervisor()
    node.kill_supervisor()
    assert query(master.show("data"), "SELECT 1") == "1"
    node.wait(lambda s: s["supervisor"], "another supervisor")
    assert node.supervisor() not in (None, old)
    assert {name: start_of(pid) for name, pid in pids.items()} == born
    # It is responsible for what it adopted: a service that dies now comes back.
    os.kill(pids["cache"], signal.SIGKILL)
    master.wait_event(lambda: any(line["state"] == "broken" for p in master.promises("cache")
                                  for line in master.history("cache", p)), "the death of redis")
    master.wait("cache", "running")
    assert redis(master.show("cache"), "PING") == "PONG"


def test_a_title_change_touches_only_the_page(shop):
    master, node = shop
    site = master.show("site")
    pid = node.process(site["partition"], "nginx")
    born = start_of(pid)
    master.run("nginx", "site", parameters={"title": "Another day"})
    assert "Another day" in client(["curl", "-sSf", site["connection"]["url"]])
    assert node.process(site["partition"], "nginx") == pid and start_of(pid) == born


def test_what_they_used_is_metered(shop):
    master, _ = shop
    data = master.show("data")
    metrics = {"instance_seconds", "cpu_seconds", "memory_byte_seconds", "disk_byte_seconds"}

    def metered():
        return {u["metric"] for u in master.get("/v1/usage", instance=data["guid"])["usage"]} >= metrics
    master.wait_event(metered, "usage of postgresql")
