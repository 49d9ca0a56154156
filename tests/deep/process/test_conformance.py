"""The conformance kit at a real Loa: it agrees, stores nothing unasked, and names what differs."""

import json
from collections import Counter

import pytest

from contracts.testing import sample
from tests.support.gateway_client import UNIT
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

GUEST, READER = "an@moha.example", "nguoi0@example.com"


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture(scope="module")
def loa(tmp_path_factory, relay):
    with LoaProcess(tmp_path_factory.mktemp("loa"), **relay.settings) as loa:
        loa.add_unit()
        loa.readers(1)
        yield loa


def conformance(loa, *words, key=None):
    said = loa.cli("conformance", *words, "--key", key or loa.key, "--json")
    return said.exit_code, said.json


def mailed(relay):
    """How many mails each address got so far."""
    return Counter(address for address, _ in relay.accepted_mails())


def mailed_before(name, loa, relay):
    """As `mailed`, once the reader has an item of this name, which is sent after all others."""
    loa.trace_of_event(loa.publish(name, "email"))
    return mailed(relay)


def test_a_real_loa_answers_as_the_kit_says_and_stores_nothing_unasked(loa, relay):
    before = mailed(relay)
    code, report = conformance(loa, loa.ready().url)
    assert (code, report["findings"], report["passed"]) == (0, [], True)
    assert "conformance-" not in loa.cli("items", "--json").out
    assert mailed_before("sau-khi-hoi", loa, relay) - before == {READER: 1}


def test_with_leave_an_item_is_sent_that_no_reader_gets(loa, relay, tmp_path):
    event, before = tmp_path / "event.json", mailed(relay)
    own = {"source": f"/units/{UNIT}", "subject": "tin-mau"}
    event.write_text(json.dumps(sample(content_id="tin-mau") | own))
    code, report = conformance(loa, loa.ready().url, event, "--publish")
    assert (code, report["findings"]) == (0, [])
    assert loa.dead_letters() == []
    assert mailed_before("sau-khi-gui", loa, relay) - before == {READER: 1}


def test_a_key_for_trials_tries_everything_and_reaches_the_guests_alone(loa, relay):
    trial = loa.cli("units", "trial-key", UNIT, "--json").json["api_key"]
    assert loa.cli("units", "guest", UNIT, GUEST).exit_code == 0
    before, items = mailed(relay), loa.cli("items", "--json").out
    code, report = conformance(loa, loa.ready().url, key=trial)
    assert (code, report["findings"]) == (0, [])
    wait_until(lambda: mailed(relay)[GUEST] >= 3, "the guest's mails", 120)
    assert loa.cli("items", "--json").out == items
    after = mailed_before("sau-khi-thu", loa, relay) - before
    assert (after.keys(), after[READER]) == ({GUEST, READER}, 1)


def test_another_key_and_another_door_are_named(loa, tmp_path):
    code, report = conformance(loa, loa.ready().url, key=f"loa_{UNIT}_wrong")
    assert code == 1
    assert [one["field"] for one in report["findings"]] == ["--key"]
    said = loa.cli("conformance", "http://127.0.0.1:9", "--key", loa.key, "--json")
    assert said.exit_code == 3, said
