"""The conformance kit at a real Loa: it agrees, stores nothing unasked, and names what differs."""

import json

import pytest

from contracts.testing import sample
from tests.support.gateway_client import UNIT
from tests.support.loa_process import LoaProcess

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit()
        yield loa


def conformance(loa, *words, key=None):
    said = loa.cli("conformance", *words, "--key", key or loa.key, "--json")
    return said.exit_code, said.json


def test_a_real_loa_answers_as_the_kit_says_and_stores_nothing_unasked(loa):
    code, report = conformance(loa, loa.ready().url)
    assert (code, report["findings"], report["passed"]) == (0, [], True)
    assert "conformance-" not in loa.cli("items", "--json").out


def test_with_leave_an_item_is_sent_that_no_reader_gets(loa, tmp_path):
    loa.readers(1)
    event = tmp_path / "event.json"
    own = {"source": f"/units/{UNIT}", "subject": "tin-mau"}
    event.write_text(json.dumps(sample(content_id="tin-mau") | own))
    code, report = conformance(loa, loa.ready().url, event, "--publish")
    assert (code, report["findings"]) == (0, [])
    assert loa.dead_letters() == []
    assert loa.mails() == []


def test_another_key_and_another_door_are_named(loa, tmp_path):
    code, report = conformance(loa, loa.ready().url, key=f"loa_{UNIT}_wrong")
    assert code == 1
    assert [one["field"] for one in report["findings"]] == ["--key"]
    said = loa.cli("conformance", "http://127.0.0.1:9", "--key", loa.key, "--json")
    assert said.exit_code == 3, said
