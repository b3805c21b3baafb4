# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command line: every verb, its help, its JSON, its exit codes."""
import json
import re
import threading

import pytest

from cloud import PROFILES, command
from test_master import PaperNode

VERBS = [
    "demo", "publish", "catalog", "supply", "unsupply", "nodes", "request", "list", "show", "start", "stop", "destroy",
    "log", "promise", "usage", "customer set", "price set", "price list", "invoice run", "invoice list", "invoice show",
    "profile check", "profile show", "profile lock", "profile build", "master run", "node format", "node run", "node pass",
    "node boot", "node status", "node unformat", "supervise",
]


def hoc(*arguments, **environment):
    return command(arguments, check=False, **environment)


def test_help_lists_every_verb():
    answer = hoc("help")
    assert answer.code == 0
    for verb in VERBS:
        assert re.search(rf"^\s*{verb}\b", answer.out, re.M), verb
    assert hoc().code == 2 and hoc("--help").out == answer.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    answer = hoc(*verb.split(), "--help")
    assert answer.code == 0 and answer.err == ""
    assert f"hoc {verb}" in answer.out and "--json" in answer.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_an_unknown_option(verb):
    answer = hoc(*verb.split(), "--colour", "red")
    assert answer.code == 2 and "--colour" in answer.err and answer.out == ""


@pytest.mark.parametrize("arguments,code,words", [
    (["dance"], 2, "no verb 'dance'"),
    (["node"], 2, "node"),
    (["node", "dance"], 2, "node"),
    (["request", "tiny"], 2, "RELEASE TITLE"),
    (["list", "one", "too-many"], 2, "too many"),
    (["node", "format"], 2, "--name"),
    (["request", "tiny", "web", "--wait=soon"], 2, "wait"),
    (["request", "tiny", "web", "--param", "title"], 2, "KEY=VALUE"),
    (["request", "tiny", "web", "--params-file", "/nowhere"], 2, "/nowhere"),
    (["list", "--json=yes"], 2, "--json"),
    (["list", "--customer"], 2, "--customer"),
    (["list", "--customer", "a", "--customer", "b"], 2, "twice"),
    (["list", "--master", "gopher://x"], 2, "gopher"),
    (["list", "--master", "http://127.0.0.1:1"], 10, "127.0.0.1:1"),
    (["profile", "check", "/nowhere.jsonnet"], 3, "/nowhere.jsonnet"),
    (["node", "status", "--dir", "/nowhere"], 3, "/nowhere"),
])
def test_a_mistake_has_its_exit_code_and_its_words(master, arguments, code, words):
    answer = master.hoc(*arguments, check=False)
    assert answer.code == code, answer.err
    assert words in answer.err and answer.out == ""


def test_errors_of_the_master_keep_their_kind_and_field(master):
    PaperNode(master).has(master.publish("tiny"))
    for arguments, code, kind, field in (
            (["show", "nobody"], 3, "not-found", ""),
            (["request", "tiny", "web", "--param", "colour=red"], 2, "invalid", "parameters.colour"),
            (["request", "none", "web"], 2, "invalid", "release"),
            (["supply", "tiny", "n9"], 2, "invalid", "node"),
            (["invoice", "show", "HOC-1"], 3, "not-found", "")):
        plain = master.hoc(*arguments, check=False)
        assert plain.code == code and field in plain.err and plain.out == ""
        answer = master.hoc(*arguments, "--json", check=False)
        error = json.loads(answer.out or answer.err)["error"]
        assert (answer.code, error["kind"], error["field"]) == (code, kind, field) and error["text"]


def test_the_verbs_of_an_order_in_a_row(master, tmp_path):
    answer = master.hoc("publish", PROFILES / "redis" / "profile.jsonnet")
    assert answer.out.startswith("hoc:redis@sha256:")
    assert "published already" in master.hoc("publish", PROFILES / "redis" / "profile.jsonnet").out
    assert "redis" in master.hoc("catalog").out
    paper = PaperNode(master)
    assert "n1" in master.hoc("nodes").out and "2 of 2" in master.hoc("nodes").out
    assert "wanted available" in master.hoc("supply", "redis", "n1").out
    paper.has(master.get("/v1/releases/redis")["release"])
    (tmp_path / "p.json").write_text('{"memory_mib": 8, "fsync": "no"}')
    said = master.hoc("request", "redis", "cache", "--params-file", tmp_path / "p.json", "--param", "fsync=always",
                      "--customer", "acme", "--where", "node=n1")
    again = master.hoc("request", "redis", "cache", "--params-file", tmp_path / "p.json", "--param", "fsync=always",
                       "--customer", "acme", "--where", "node=n1")
    assert said.out == again.out and "allocated" in said.out
    cache = master.hoc("show", "cache", "--json").json
    assert cache["parameters"] == {"memory_mib": 8, "fsync": "always"} and cache["customer"] == "acme"
    assert "cache" in master.hoc("list").out and master.hoc("list", "--customer", "other").out.strip() == "no instances"
    for verb, state in (("stop", "stopped"), ("start", "started"), ("destroy", "destroyed")):
        waiting = []
        waiter = threading.Thread(target=lambda v=verb: waiting.append(master.hoc(v, "cache", "--wait=20", "--json")))
        waiter.start()
        master.wait(cache["guid"], lambda i, s=state: i["state"] == s)
        if state == "started":
            paper.kept(cache, "answers")
        paper.says(cache, state)
        waiter.join(25)
        assert waiting and waiting[0].json["state"] == state
        assert waiting[0].json["status"] == {"started": "running"}.get(state, state)
    late = master.hoc("request", "redis", "late", "--wait=1", check=False)
    assert late.code == 9 and "late is allocated, not running" in late.err
    assert "answers" in master.hoc("promise", "late").out or "no promises" in master.hoc("promise", "late").out
    assert "kept" in master.hoc("promise", "n1").out
    master.hoc("unsupply", "redis", "n1", check=False)


def test_every_listing_speaks_json(master):
    PaperNode(master).has(master.publish("tiny"))
    master.request("tiny", "web")
    for arguments, member in ((["catalog"], "releases"), (["nodes"], "nodes"), (["list"], "instances"),
                              (["usage"], "totals"), (["price", "list"], "prices"), (["invoice", "list"], "invoices"),
                              (["promise", "web"], "promises")):
        assert isinstance(master.hoc(*arguments, "--json").json[member], list)
        assert master.hoc("--json", *arguments).json == master.hoc(*arguments, "--json").json
        assert master.hoc(*arguments).out.strip()


def test_profiles_are_checked_and_shown(tmp_path):
    for name in ("postgresql", "nginx", "redis"):
        path = PROFILES / name / "profile.jsonnet"
        assert hoc("profile", "check", path).code == 0
        assert hoc("profile", "show", path, "--json").json["manifest"]["name"] == name
        assert name in hoc("profile", "show", path).out.lower()
    bad = tmp_path / "bad" / "profile.jsonnet"
    bad.parent.mkdir()
    bad.write_text("{ name: 'bad', title: 'Bad', types: { default: { instance(i):: {} } } }")
    answer = hoc("profile", "check", bad)
    assert answer.code in (1, 2) and "category" in answer.out + answer.err or "software" in answer.out + answer.err
    bad.write_text("{ name: 'bad', oops")
    answer = hoc("profile", "check", bad)
    assert answer.code in (1, 2) and "profile.jsonnet:1" in answer.out + answer.err


def test_the_log_of_a_service_is_shown_and_followed(master, node):
    master.run("tiny", "web")
    path = node.folder / "partitions" / "p0" / "page.log"
    with open(path, "a", encoding="utf-8") as log:
        log.write("a first line\n")
    assert "a first line" in master.hoc("log", "web", "--node", node.folder).out
    assert "a first line" in master.hoc("log", "web", "--service", "page", HOC_NODE=str(node.folder)).out
    answer = master.hoc("log", "web", "--node", node.folder, "--service", "none", check=False)
    assert answer.code == 2 and "none" in answer.err


def test_the_settings_file_names_the_master(master, tmp_path):
    settings = tmp_path / "hoc.conf"
    settings.write_text(f"# where it is\nmaster = {master.url}\n")
    assert hoc("list", HOC_CONFIG=str(settings)).code == 0
    settings.write_text("mister = x\n")
    answer = hoc("list", HOC_CONFIG=str(settings))
    assert answer.code == 2 and str(settings) in answer.err and "line 1" in answer.err
