# SPDX-License-Identifier: AGPL-3.0-or-later
"""Usage becomes an invoice: exact decimals, VAT, numbers without gaps, never a second one."""
import json
import threading
from decimal import Decimal

import pytest

from cloud import Refused, moment
from test_master import PaperNode

PRICES = {
    "currency": "EUR",
    "components": [
        {"release": "tiny", "kind": "usage", "text": "Running", "metric": "instance_seconds", "unit": "instance-hour",
         "tiers": [{"unit_price": "0.10"}]},
        {"release": "tiny", "kind": "usage", "text": "Traffic", "metric": "network_bytes_out", "unit": "GB",
         "included": "1", "tiering": "graduated", "tiers": [{"up_to": "2", "unit_price": "0.30"}, {"unit_price": "0.20"}]},
    ],
    "vats": [{"country": "FR", "rate": "20"}],
}


@pytest.fixture
def shop(master):
    """A node, a customer of France, prices, and an instance that used 3 hours and 5.5 GB."""
    paper = PaperNode(master).has(master.publish("tiny"))
    master.put("/v1/customers/acme", {"address": "1 rue de la Paix\n75002 Paris", "country": "FR"})
    master.put("/v1/prices/default", PRICES)
    web = master.request("tiny", "web", customer="acme")
    at = {"from": moment(-7200), "to": moment(-1)}
    master.post("/v1/nodes/n1/usage", {"events": [
        {"id": "a", "instance": web["guid"], "metric": "instance_seconds", "quantity": "10800", **at},
        {"id": "b", "instance": web["guid"], "metric": "network_bytes_out", "quantity": "5500000000", **at}]})
    return master, paper


def bill(master, start=-86400, customer="acme"):
    """A period up to now."""
    return {"customer": customer, "from": moment(start), "to": master.get("/v1/status")["now"]}


def numbers_in(tree):
    """Every number of a document: money and quantities are texts, never floats."""
    if isinstance(tree, dict):
        for v in tree.values():
            yield from numbers_in(v)
    elif isinstance(tree, list):
        for v in tree:
            yield from numbers_in(v)
    elif isinstance(tree, float):
        yield tree


def test_the_invoice_is_exact_and_has_its_vat(shop):
    master, _ = shop
    made = master.post("/v1/invoices", bill(master))
    # 3 h at 0.10; 4.5 GB beyond the one included: 2 at 0.30, 2.5 at 0.20.
    assert made["gross"] == "1.68", made
    assert made["currency"] == "EUR" and not list(numbers_in(made))
    document = json.dumps(made["invoice"])
    assert "FR" in document and "20" in document and "acme" in document
    page = master.call("GET", f"/v1/invoices/{made['number']}?format=text")[1]
    for words in (made["number"], "acme", "VAT", "20", made["gross"], "Running", "Traffic"):
        assert words in page, words
    assert master.hoc("invoice", "show", made["number"]).out == page
    assert master.hoc("invoice", "show", made["number"], "--json").json["gross"] == made["gross"]


def test_the_same_period_twice_is_the_same_invoice(shop):
    master, _ = shop
    body = bill(master)
    first = master.post("/v1/invoices", body)
    assert master.post("/v1/invoices", body) == first
    master.put("/v1/prices/default", {**PRICES, "vats": [{"country": "FR", "rate": "5"}]})
    assert master.post("/v1/invoices", body) == first
    assert len(master.get("/v1/invoices", customer="acme")["invoices"]) == 1


def test_the_same_period_at_once_is_one_invoice(shop):
    master, _ = shop
    body, answers = bill(master), []
    threads = [threading.Thread(target=lambda: answers.append(master.post("/v1/invoices", body))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == 6 and len({a["number"] for a in answers}) == 1


def test_a_period_that_overlaps_is_refused(shop):
    master, _ = shop
    first = master.post("/v1/invoices", bill(master))
    with pytest.raises(Refused) as refused:
        master.post("/v1/invoices", bill(master, -4000))
    assert refused.value.status == 409 and first["number"] in refused.value.text


def test_numbers_have_no_gaps_and_a_refused_one_takes_none(shop):
    master, paper = shop
    numbers = []
    for n in range(4):
        master.put(f"/v1/customers/c{n}", {"country": "FR"})
        master.request("tiny", f"web{n}", customer=f"c{n}")
        numbers.append(master.post("/v1/invoices", bill(master, -1000, f"c{n}"))["number"])
        with pytest.raises(Refused):
            master.post("/v1/invoices", {**bill(master), "prices": "none"})
        with pytest.raises(Refused):
            master.post("/v1/invoices", {**bill(master), "to": moment(3600)})
    counts = [int(number.rpartition("-")[2]) for number in numbers]
    assert counts == list(range(counts[0], counts[0] + 4)) and counts[0] == 1


@pytest.mark.parametrize("change,field", [
    ({"currency": "euros"}, "currency"),
    ({"vats": [{"country": "FR", "rate": "a lot"}]}, "vats[0].rate"),
    ({"components": [{**PRICES["components"][0], "tiers": [{"unit_price": "0,1"}]}]}, "components[0].tiers[0].unit_price"),
    ({"components": [{**PRICES["components"][0], "metric": "luck"}]}, "components[0].metric"),
    ({"components": [{**PRICES["components"][0], "colour": "red"}]}, "components[0].colour"),
])
def test_a_price_list_that_is_wrong_names_the_place(master, change, field):
    with pytest.raises(Refused) as refused:
        master.put("/v1/prices/default", {**PRICES, **change})
    assert refused.value.status == 400 and refused.value.field == field, refused.value
    assert master.get("/v1/prices")["prices"] == []


def test_what_a_real_node_metered_is_billed(cloud):
    master = cloud.master()
    node = cloud.node(master, meter_seconds=1)
    master.put("/v1/customers/acme", {"country": "FR"})
    master.put("/v1/prices/default", {"currency": "EUR", "vats": [{"country": "FR", "rate": "20"}], "components": [
        {"release": "tiny", "kind": "usage", "text": "Running", "metric": "instance_seconds", "unit": "instance-hour",
         "tiers": [{"unit_price": "1000"}]}]})
    start = moment(-60)
    web = master.run("tiny", "web", customer="acme")

    def seconds():
        rows = master.get("/v1/usage", customer="acme")["usage"]
        return sum(Decimal(r["quantity"]) for r in rows if r["metric"] == "instance_seconds")
    master.wait_event(lambda: seconds() >= 2, "two seconds of usage")
    master.destroy(web)
    node.wait_settled()
    used = seconds()
    made = master.wait_event(lambda: invoice_of(master, start), "an invoice")
    net = used / 3600 * 1000
    assert abs(Decimal(made["gross"]) - net * Decimal("1.2")) <= Decimal("0.02"), (made["gross"], used)


def invoice_of(master, start):
    return master.post("/v1/invoices", {"customer": "acme", "from": start, "to": master.get("/v1/status")["now"]})
