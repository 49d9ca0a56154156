"""The machine is lost in the middle of a bulk; from a backup nobody is left out."""

import shutil
from collections import Counter

import pytest

from contracts.testing import sample
from tests.real_loa import UNIT, RealLoa, Relay, until

pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]
READERS = 6000


def an_event(id: str, **data):
    event = sample("submitted", **data)
    return event | {"id": id, "source": f"/units/{UNIT}", "subject": event["data"]["content_id"]}


@pytest.fixture
def relay(tmp_path):
    with Relay(tmp_path) as relay:
        yield relay


def another_machine(tmp_path, lost: RealLoa, relay: Relay) -> RealLoa:
    """What survives: the backup, the key file, which is kept apart, and the relay."""
    folder = tmp_path / "new"
    (folder / "data").mkdir(parents=True)
    shutil.copy(lost.data / "vault.key", folder / "data" / "vault.key")
    loa = RealLoa(folder, **relay.settings)
    loa.key = lost.key
    return loa


def planned(loa: RealLoa) -> bool:
    """Everybody is in a batch."""
    email = loa.story("tin-gui").get("channels", {}).get("email", {})
    return email.get("expected") == READERS and email["missing"] == 0 < email["pending"]


def test_from_a_backup_taken_before_a_bulk_everybody_has_the_mail_and_copies_are_declared(
    tmp_path, relay
):
    (tmp_path / "old").mkdir()
    with RealLoa(tmp_path / "old", **relay.settings) as lost:
        lost.a_unit()
        lost.readers(READERS)
        first = lost.post(an_event("e-1", content_id="tin-dau", channels=["portal"]))
        lost.delivered(first.body["event_id"])
        assert lost.cli("pause", "email").code == 0
        until(lambda: '"channel_paused"' in lost.log(), "the pause, which takes a second at most")
        accepted = lost.post(an_event("e-2", content_id="tin-gui", channels=["email", "portal"]))
        until(lambda: planned(lost), "the plan")
        saved = lost.cli("backup", tmp_path / "backup", "--json")
        assert saved.code == 0, saved.err
        already = relay.count()
        assert lost.cli("resume", "email").code == 0
        until(lambda: relay.count() > already + READERS // 3, "mails", pause_s=0.002)
        lost.kill()
    loa = another_machine(tmp_path, lost, relay)
    assert (done := loa.cli("restore", tmp_path / "backup", "--json")).code == 0, done.err
    assert (done := loa.cli("rebuild", "--json")).code == 0, done.err
    assert done.json["directory"] == {"people": READERS}
    before = relay.count()
    with loa:
        channels = loa.cli("status", "--json").json["channels"]
        assert all(one["paused"] for one in channels.values())
        assert loa.page("/tin/tin-dau") == 200
        assert relay.count() == before, "nothing leaves before a person has looked"
        for channel in channels:
            assert loa.cli("resume", channel).code == 0
        story = loa.delivered(accepted.body["event_id"], 120)
        found = loa.cli("check", "--deep", "--json")
        assert (found.code, found.json["violations"]) == (0, [])
        assert loa.page("/tin/tin-gui") == 200
        assert loa.cli("restore", "--end-doubt", "--json").json == {"ended": True}
    counts, copies = story["channels"]["email"], Counter(relay.mails())
    assert len({recipient for recipient, _ in copies}) == READERS == counts["delivered"]
    assert len(copies) == READERS, "a copy came under another Message-ID"
    again = sum(copies.values()) - READERS
    assert READERS // 3 < before - already <= again <= counts["maybe_duplicate"]


def test_a_backup_goes_onto_an_empty_machine_only(tmp_path, relay):
    with RealLoa(tmp_path, **relay.settings) as loa:
        loa.a_unit()
        assert loa.cli("backup", tmp_path / "backup").code == 0
        refused = loa.cli("restore", tmp_path / "backup")
        assert refused.code == 2
        assert "already runs on" in refused.err
        assert loa.cli("restore").code == 2
        assert loa.cli("restore", "--end-doubt", "--json").json == {"ended": False}
    refused = loa.cli("restore", tmp_path / "backup")
    assert refused.code == 2
    assert "holds messages" in refused.err and "hệ thống trống" in refused.err
    assert loa.cli("rebuild", "nothing").code == 2
