"""Data of version 0.1.0 opens, checks clean and delivers on.

`tests/golden/backup-0.1.0` was made by the code of that version: readers of every frequency, items
in every state, a digest, a case notice, dead letters, a draft at the desk and Zalo's grant.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.loa_process import UNIT, LoaProcess, wait_until

GOLDEN = Path(__file__).parents[2] / "golden" / "backup-0.1.0"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
EDITIONS = {
    entry["detail"]
    for trace in EXPECTED["traces"].values()
    for entry in trace["timeline"]
    if entry["event"] == "in_digest"
}
"""Places in the digests that the backup holds; this machine cuts more as its clock says."""
WAITING = "tin-dang-cho"
DRAFT = "tin-cho-duyet"


@pytest.fixture
def loa(tmp_path, relay):
    """The backup on a new machine: restored, rebuilt and started, every channel paused."""
    backup = tmp_path / "backup"
    shutil.copytree(GOLDEN, backup, ignore=shutil.ignore_patterns("vault.key", "expected.json"))
    (tmp_path / "data").mkdir()
    shutil.copy(GOLDEN / "vault.key", tmp_path / "data" / "vault.key")
    loa = LoaProcess(tmp_path, **relay.settings)
    restored = loa.cli("restore", backup, "--plain", "--moved")
    assert restored.exit_code == 0, restored.err
    assert restored.out.startswith(f"{backup}: restored")
    assert loa.cli("rebuild", "--json").json["directory"] == {"people": 30}
    loa.key = EXPECTED["unit_keys"][UNIT]
    with loa:
        yield loa


def stored_facts(trace):
    """A trace's counts, without its events, its reason, and what is of this machine."""
    return trace | {"timeline": [], "address": "", "waits": [], "stand_ins": {}, "reason": ""}


def stored_events(trace):
    """A trace's events, without times and digests of this machine."""
    events = [[entry["event"], entry["channel"], entry["detail"]] for entry in trace["timeline"]]
    return [event for event in events if event[0] != "in_digest" or event[2] in EDITIONS]


def assert_same_story(trace, expected):
    """Nothing that version 0.1.0 told has changed; a trace may tell more between its events."""
    assert stored_facts(trace) == stored_facts(expected)
    events = iter(stored_events(trace))
    assert [event for event in stored_events(expected) if event not in events] == []


def test_data_of_the_first_version_opens_checks_clean_and_delivers_on(loa, relay):
    for content_id, expected in EXPECTED["traces"].items():
        assert_same_story(loa.cli("trace", content_id, "--json").json, expected)
    drafts = loa.cli("desk", "list", "--json").json
    for draft, expected in zip(drafts, EXPECTED["desk"], strict=True):
        assert draft == draft | expected, "a draft may tell more"
    assert loa.cli("dead", "list", "--json").json == EXPECTED["dead"]
    assert loa.cli("units", "list", "--json").json == EXPECTED["units"]
    assert loa.cli("opinions", "--json").json == EXPECTED["opinions"]
    assert loa.violations() == []
    repeated = loa.post(EXPECTED["first_event"])
    assert (repeated.status, repeated.body["event_id"]) == (202, EXPECTED["events"]["e-1"])
    for channel in ("portal", "email"):
        assert loa.cli("resume", channel).exit_code == 0
    wait_until(lambda: email_of(loa, WAITING)["complete"], "the mails that had waited")
    expected = EXPECTED["traces"][WAITING]["channels"]["email"]["expected"]
    assert email_of(loa, WAITING)["delivered"] == expected
    [read] = [draft for draft in EXPECTED["desk"] if draft["content_id"] == DRAFT]
    by = ("--by", "Trưởng phòng Biên tập", "--hash", read["hash"])
    approved = loa.cli("desk", "approve", DRAFT, "--clean", *by)
    assert approved.exit_code == 0, approved.err
    wait_until(lambda: email_of(loa, DRAFT).get("complete"), "the approved draft's mails")
    assert loa.page_status(f"/tin/{DRAFT}") == 200
    assert loa.page_status("/tin/tin-bi-go") == 410
    to = [address for address, _ in relay.accepted_mails()]
    assert {to.count(f"nguoi{number}@example.com") for number in (0, 1, 2)} == {2}


def email_of(loa, content_id):
    """The counts of an item's mails."""
    return loa.cli("trace", content_id, "--json").json.get("channels", {}).get("email", {})
