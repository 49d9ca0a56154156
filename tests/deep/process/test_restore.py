"""The machine is lost in the middle of a bulk; from a backup no reader is left out."""

import shutil
from collections import Counter

import pytest

from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

READERS = 6000


def another_machine(tmp_path, lost: LoaProcess, relay: RelayProcess) -> LoaProcess:
    """Machine with the surviving parts: backup, key file, which is kept apart, and relay."""
    folder = tmp_path / "new"
    (folder / "data").mkdir(parents=True)
    shutil.copy(lost.data / "vault.key", folder / "data" / "vault.key")
    loa = LoaProcess(folder, **relay.settings)
    loa.key = lost.key
    return loa


def planned(loa: LoaProcess) -> bool:
    """Every reader is in a batch."""
    email = loa.trace("tin-gui").get("channels", {}).get("email", {})
    return email.get("expected") == READERS and email["missing"] == 0 < email["pending"]


@pytest.mark.promise("11.2")
def test_from_a_backup_before_a_bulk_everybody_has_the_mail_copies_are_declared(tmp_path, relay):
    (tmp_path / "old").mkdir()
    with LoaProcess(tmp_path / "old", **relay.settings) as lost:
        lost.add_unit()
        lost.readers(READERS)
        lost.trace_of_event(lost.publish("tin-dau", "portal"))
        assert lost.cli("pause", "email").exit_code == 0
        wait_until(lambda: lost.logged("channel_paused"), "the pause")
        event_id = lost.publish("tin-gui", "email", "portal")
        wait_until(lambda: planned(lost), "the plan")
        saved = lost.cli("backup", tmp_path / "backup", "--json")
        assert saved.exit_code == 0, saved.err
        already = relay.count()
        assert lost.cli("resume", "email").exit_code == 0
        wait_until(lambda: relay.count() > already + READERS // 3, "mails", pause_s=0.002)
        lost.kill()
    loa = another_machine(tmp_path, lost, relay)
    assert (done := loa.cli("restore", tmp_path / "backup", "--json")).exit_code == 0, done.err
    assert (done := loa.cli("rebuild", "--json")).exit_code == 0, done.err
    assert done.json["directory"] == {"people": READERS}
    before = relay.count()
    with loa:
        channels = loa.cli("status", "--json").json["channels"]
        assert all(one["paused"] for one in channels.values())
        assert loa.page_status("/tin/tin-dau") == 200
        assert relay.count() == before, "nothing leaves before a person has looked"
        for channel in channels:
            assert loa.cli("resume", channel).exit_code == 0
        story = loa.trace_of_event(event_id, 300)
        assert loa.violations() == []
        assert loa.page_status("/tin/tin-gui") == 200
        assert loa.cli("restore", "--end-doubt", "--json").json == {"ended": True}
    counts, copies = story["channels"]["email"], Counter(relay.accepted_mails())
    assert len({recipient for recipient, _ in copies}) == READERS == counts["delivered"]
    assert len(copies) == READERS, "a copy came under another Message-ID"
    again = sum(copies.values()) - READERS
    assert READERS // 3 < before - already <= again <= counts["maybe_duplicate"]


def test_a_backup_goes_onto_an_empty_machine_only(tmp_path, relay):
    with LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        assert loa.cli("backup", tmp_path / "backup").exit_code == 0
        refused = loa.cli("restore", tmp_path / "backup")
        assert refused.exit_code == 2
        assert "already runs on" in refused.err
        assert loa.cli("restore").exit_code == 2
        assert loa.cli("restore", "--end-doubt", "--json").json == {"ended": False}
    refused = loa.cli("restore", tmp_path / "backup")
    assert refused.exit_code == 2
    assert "holds messages" in refused.err and "hệ thống trống" in refused.err
    assert loa.cli("rebuild", "nothing").exit_code == 2
