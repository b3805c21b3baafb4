# SPDX-License-Identifier: AGPL-3.0-or-later
"""People in browsers: a passkey is made by a link, logs in, and goes; in Chromium, with an authenticator
in software. What a forged browser would send is in tests/unit/api/test_passkey.c."""
import contextlib
import re
import sqlite3

import pytest

from browser import browser
from cloud import DEADLINE, client
from secured import ask, secured


@pytest.fixture
def house(cloud):
    return secured(cloud)


def link_of(person):
    text = person.hoc("passkey", "add").out.strip()
    assert re.fullmatch(rf"{re.escape(person.master.url)}/passkey#[A-Za-z0-9_-]{{43}}", text), text
    return text


def make_passkey(web, link, title):
    web.open("about:blank")
    web.open(link)
    web.wait_for("make-title")
    assert web.driver.current_url.endswith("/passkey"), "the link stayed in the address"
    web.element("make-title").clear()
    web.element("make-title").send_keys(title)
    web.click("make-go")


def log_in(web, url):
    web.open(f"{url}/login")
    web.click("login-go")
    web.wait_for("account")


def test_a_person_in_a_browser(house):
    ann = house.operator
    certificate = house.data / "identity" / "cert.pem"
    profile = house.cloud.folder / "browser"
    with browser(profile, certificate) as web:
        # Without a link nobody makes a passkey.
        web.open(f"{house.url}/passkey")
        web.wait_note("hoc passkey add")
        web.open(f"{house.url}/login")
        web.click("login-go")
        web.wait_note("no passkey")
        link = link_of(ann)
        make_passkey(web, link, "ann's <b>phone</b>")
        web.wait_for("made")
        # The link was good once.
        make_passkey(web, link, "again")
        web.wait_note("link is not good")

        log_in(web, house.url)
        assert web.element("account-name").text == "ann"
        assert "ann's <b>phone</b>" in web.element("passkeys").text
        status, me = web.fetch("GET", "/v1/me")
        assert (status, me["name"], me["kind"], me["key"], me["roles"]) == (200, "ann", "person", "", ["operator"])
        cookie = web.cookie()
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
        assert "expiry" not in cookie
        assert web.driver.execute_script("return document.cookie") == ""

        # A session works, and makes nothing that would outlive it.
        assert web.fetch("PUT", "/v1/customers/acme", {"country": "FR"})[0] == 200
        for path, body in (("/v1/tokens", {"kind": "node", "name": "n1"}), ("/v1/passkeys/links", None)):
            status, document = web.fetch("POST", path, body)
            assert status == 403 and "certificate" in document["error"]["text"], (path, document)
        assert web.fetch("PUT", "/v1/customers/acme", {"country": "DE"}, **{"Content-Type": "text/plain"})[0] == 415
        sessions = ann.hoc("session", "list", "--json").json["sessions"]
        assert [s["title"] for s in sessions] == ["ann's <b>phone</b>"]
        stolen_cookie_is_refused(house, cookie["value"], sessions[0]["session"])

        # Another passkey in place of the first, from within the session: here it is one too many.
        web.click("another")
        web.click("make-go")
        web.wait_note("holds a passkey of yours already")

        # Out, and in again.
        web.open(f"{house.url}/login")
        web.click("logout")
        web.wait_for("login")
        assert web.cookie() is None
        assert web.fetch("GET", "/v1/me")[0] == 401
        log_in(web, house.url)
        passkeys = web.passkeys()
        assert not web.errors()

    # A browser that was closed forgets the session, not the passkey.
    with browser(profile, certificate) as web:
        web.adopt(passkeys)
        web.open(f"{house.url}/login")
        web.wait_for("login")
        assert web.fetch("GET", "/v1/me")[0] == 401
        log_in(web, house.url)
        # A use counts, also one that only reads; a quarter of an hour without any does not.
        for _ in range(2):
            age_sessions(house, minutes=14)
            old = used_at(ann)
            assert web.fetch("GET", "/v1/me")[0] == 200
            web.until("the use is not noted", lambda old=old: used_at(ann) > old)
        age_sessions(house, minutes=16)
        assert web.fetch("GET", "/v1/me")[0] == 401
        web.open(f"{house.url}/login")
        web.wait_for("login")
        log_in(web, house.url)
        # Ended from elsewhere: at once.
        ann.hoc("session", "end", "--all")
        assert web.fetch("GET", "/v1/me")[0] == 401
        log_in(web, house.url)
        number = ann.hoc("passkey", "list", "--json").json["passkeys"][0]["passkey"]
        ann.hoc("passkey", "remove", number)
        assert web.fetch("GET", "/v1/me")[0] == 401
        web.open(f"{house.url}/login")
        web.click("login-go")
        web.wait_note("not known here")
        assert not web.errors()
    nothing_is_kept(house, link.partition("#")[2], cookie["value"])


def used_at(person):
    """The last use of the newest session."""
    return person.call("GET", f"/v1/persons/{person.name}/sessions")[1]["sessions"][0]["used_at"]


def age_sessions(house, minutes):
    """As if that much time had passed since their last use."""
    change = f"UPDATE session SET used_at = used_at - {minutes * 60000}"
    if house.database:
        client(["psql", "-X", "-q", house.database, "-c", change])
        return
    with contextlib.closing(sqlite3.connect(house.data / "master.db", timeout=DEADLINE)) as database, database:
        assert database.execute(change).rowcount > 0


def stolen_cookie_is_refused(house, value, name):
    """By another program than the browser; and its name in lists is not what the cookie holds."""
    connection = house.connect()
    for cookie in (value, name):
        assert ask(connection, "GET", "/v1/me", headers={"Cookie": f"__Host-hoc={cookie}"})[0] == 401
    connection.close()


def nothing_is_kept(house, *secrets):
    house.stop()
    files = [p for p in house.data.rglob("*") if p.is_file()] + [house.log_path]
    for secret in secrets:
        for path in files:
            assert secret.encode() not in path.read_bytes(), path


def test_pages_hold_nothing_of_others(house):
    connection = house.connect()
    for path, kind in (("/login", "text/html"), ("/passkey", "text/html"), ("/passkey.js", "text/javascript"),
                       ("/passkey.css", "text/css")):
        status, headers, body = ask(connection, "GET", path)
        assert status == 200 and headers["Content-Type"].startswith(kind), path
        assert b"http://" not in body and b"https://" not in body, path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        if kind == "text/html":
            assert "script-src 'self'" in policy
            assert not re.search(rb"<script>|<style|\son\w+=|style=", body), "something stands inline"
    connection.close()


def test_tries_to_log_in_are_limited_by_address(house):
    house.stop()
    house.settings(limits={"login_per_minute": 1, "login_burst": 3})
    house.start()
    connection = house.connect()
    page = {"Origin": house.url, "User-Agent": "Browser/1"}
    answers = [ask(connection, "POST", "/v1/sessions/options", {}, page) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200] * 3 + [429]
    assert int(answers[-1][1]["Retry-After"]) > 0
    # The login itself, and making passkeys, are counted with it; reading is not.
    for path in ("/v1/sessions", "/v1/passkeys", "/v1/passkeys/options"):
        assert ask(connection, "POST", path, {}, page)[0] == 429, path
    assert ask(connection, "GET", "/login")[0] == 200
    connection.close()
