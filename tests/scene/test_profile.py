# SPDX-License-Identifier: AGPL-3.0-or-later
"""Profiles of strangers: what they may not do, and building under bad conditions."""
import shutil
import subprocess

import pytest

from cloud import BUILD_DEADLINE, Refused, bundle, client, hash_of

FRAME = """
local hoc = import 'hoc.libsonnet';
hoc.profile {
  name: 'NAME', title: 'A stranger', category: 'test',
  software: hoc.debian(PACKAGES),
  types: { default: { parameters: hoc.object({}), connection: hoc.object({ x: { type: 'string' } }),
    instance(i):: { services: { s: { exec: ['/bin/sleep', '1000'] } }, promises: { p: hoc.promise.process('s') },
                    publish: { x: std.toString(BODY) } } } },
}
"""


def profile(name, body="'fine'", packages="['busybox-static']", manifest=None):
    text = FRAME.replace("NAME", name).replace("BODY", body).replace("PACKAGES", packages)
    return text if manifest is None else text.replace("'A stranger'", manifest)


@pytest.mark.parametrize("text,words", [
    ("local f(n) = f(n + 1); f(0)", ""),
    ("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1) tailstrict; f(60)", ""),
    ("std.foldl(function(s, i) s + s, std.range(1, 40), 'xxxxxxxx')", ""),
    ("std.length(std.makeArray(1000000000, function(i) [i, i, i, i]))", ""),
    ("importstr '/etc/passwd'", "/etc/passwd"),
    ("importstr '../../../../etc/passwd'", "etc/passwd"),
    ("import 'nowhere.libsonnet'", "nowhere.libsonnet"),
    ("std.extVar('HOME')", "HOME"),
    ("error 'I will not'", "I will not"),
    ("{ name: 'x', oops", "profile.jsonnet:"),
    ("[1, 2]", ""),
])
def test_a_profile_that_misbehaves_is_refused_and_harms_nobody(master, text, words):
    with pytest.raises(Refused) as refused:
        master.publish("evil", text)
    assert refused.value.status < 500 or refused.value.kind == "timeout", refused.value
    assert words in refused.value.text, refused.value
    assert refused.value.field.startswith("bundle") or refused.value.kind != "invalid"
    assert master.get("/v1/releases")["releases"] == []
    master.publish("tiny")


@pytest.mark.parametrize("body,words", [
    ("local f(n) = f(n + 1) tailstrict; f(0)", ""),
    ("std.length(std.foldl(function(s, i) s + s, std.range(1, 32), 'x'))", ""),
    ("error 'not on a Sunday'", "not on a Sunday"),
    ("i.nothing", "nothing"),
])
def test_an_instance_whose_profile_misbehaves_says_so_and_others_run(cloud, master, body, words):
    node = cloud.node(master)
    same_software = cloud.builder.folder / "releases" / hash_of(master.get("/v1/releases/tiny")["release"])
    uri = master.publish("evil", profile("evil", body))
    shutil.copytree(same_software, node.folder / "releases" / hash_of(uri), copy_function=shutil.copy2, symlinks=True,
                    ignore=shutil.ignore_patterns("root", "bundle.json", "built.json"))
    master.supply(uri, "n1")
    master.wait_installation(uri, "n1", lambda row: row["reported"] == "available")
    evil = master.wait(master.request("evil", "evil"), "broken")
    assert words in evil["message"] and evil["message"]
    web = master.run("tiny", "web")
    assert client(["curl", "-sSf", web["connection"]["url"]])
    master.destroy(evil)


@pytest.mark.parametrize("change,field", [
    ({"entry": "nowhere.jsonnet"}, "bundle"),
    ({"files": {}}, "bundle"),
    ({"files": {"../x": "1", "profile.jsonnet": "{}"}}, "bundle"),
    ({"files": {"profile.jsonnet": 7}}, "bundle"),
    ({"name": "Not A Name"}, "bundle.name"),
    ({"name": "other"}, "bundle.name"),
    ({"colour": "red"}, "bundle.colour"),
    ({"files": {"profile.jsonnet": "x" * (1 << 20)}}, ""),
])
def test_a_bundle_that_is_wrong_names_the_place(master, change, field):
    with pytest.raises(Refused) as refused:
        master.post("/v1/releases", {"bundle": {**bundle("tiny"), **change}})
    assert refused.value.status in (400, 413) and refused.value.field.startswith(field), refused.value


def test_a_package_that_does_not_exist_is_named(cloud, master, mirror):
    node = cloud.node(master, releases=())
    mirror.serve(node)
    uri = master.publish("evil", profile("evil", packages="['busybox-static', 'no-such-package']"))
    master.supply(uri, "n1")
    row = master.wait_installation(uri, "n1", lambda r: r["reported"] == "error")
    assert "no-such-package" in row["message"]
    assert "no-such-package" in master.promises("n1")[uri]["message"] or row["message"]
    # Nothing can be ordered there, and the order says why.
    web = master.request("evil", "web")
    assert web["status"] == "waiting" and "no-such-package" in " ".join(web["refusals"])


def test_a_locked_release_is_built_from_the_cache_when_the_mirror_is_gone(cloud, master, mirror):
    node = cloud.node(master, releases=())
    uri = master.publish("tiny")
    from cloud import copy_tree
    copy_tree(cloud.builder.folder / "cache", node.folder / "cache")
    release = node.folder / "releases" / hash_of(uri)
    release.mkdir(parents=True)
    shutil.copy(cloud.builder.folder / "releases" / hash_of(uri) / "lock.json", release)
    mirror.serve(node)
    mirror.vanish()
    master.supply(uri, "n1")
    row = master.wait_installation(uri, "n1", lambda r: r["reported"] in ("available", "error"))
    assert row["reported"] == "available", row["message"]
    assert client(["curl", "-sSf", master.run("tiny", "web")["connection"]["url"]])


def test_without_lock_and_mirror_the_build_says_what_is_missing_and_succeeds_when_it_is_back(cloud, master, mirror):
    node = cloud.node(master, releases=())
    uri = master.publish("tiny")
    mirror.serve(node)
    mirror.folder.rename(mirror.folder.with_name("away"))
    master.supply(uri, "n1")
    row = master.wait_installation(uri, "n1", lambda r: r["reported"] == "error")
    assert "mirror" in row["message"] or "apt" in row["message"], row["message"]
    mirror.folder.with_name("away").rename(mirror.folder)
    master.wait_installation(uri, "n1", lambda r: r["reported"] == "available", BUILD_DEADLINE)


def test_a_disk_that_is_full_is_named_and_the_build_goes_on_when_there_is_room(cloud, master, mirror):
    node = cloud.node(master, releases=())
    uri = master.publish("tiny")
    mirror.serve(node)
    cache = node.folder / "cache"
    cache.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(cache)], check=True)
    try:
        master.supply(uri, "n1")
        row = master.wait_installation(uri, "n1", lambda r: r["reported"] == "error")
        assert "full" in row["message"] or "No space" in row["message"] or "space" in row["message"], row["message"]
        subprocess.run(["mount", "-o", "remount,size=200m", str(cache)], check=True)
        master.wait_installation(uri, "n1", lambda r: r["reported"] == "available", BUILD_DEADLINE)
        assert client(["curl", "-sSf", master.run("tiny", "web")["connection"]["url"]])
        node.stop()
    finally:
        subprocess.run(["umount", "-l", str(cache)], check=True)
