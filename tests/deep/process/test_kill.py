"""kill -9 of everything, three times, while 20,000 people are being told: the promise itself."""

from collections import Counter

import pytest

from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

pytestmark = pytest.mark.timeout(900)
READERS = 20_000
WINDOW, CONNECTIONS, KILLS = 25, 8, 3
PATIENCE_S = 240


@pytest.mark.promise("5.1")
def test_20_000_readers_get_the_mail_once_although_everything_is_killed_three_times(tmp_path):
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        event_id = loa.publish("tin-1", "email")
        for kill in range(1, KILLS + 1):
            enough = kill * READERS // (KILLS + 2)
            wait_until(lambda n=enough: relay.count() > n, "mails", PATIENCE_S)
            loa.kill()
            loa.start()
        story = loa.trace_of_event(event_id, PATIENCE_S)
        check(relay, story)
        check_causes(loa.trace("tin-1"))
        assert loa.violations() == []


def check(relay: RelayProcess, story) -> None:
    """Each reader has it; copies only where the ledger says so, under one Message-ID."""
    copies = Counter(relay.accepted_mails())
    assert len({recipient for recipient, _ in copies}) == READERS, "somebody was left out"
    assert len(copies) == READERS, "a copy came under another Message-ID"
    counts = story["channels"]["email"]
    assert (counts["expected"], counts["delivered"], counts["missing"]) == (READERS, READERS, 0)
    extra = sum(copies.values()) - READERS
    assert extra <= counts["maybe_duplicate"] <= KILLS * CONNECTIONS * WINDOW


def check_causes(story) -> None:
    """Each kill that left mails in doubt has its line: the worker's process ended."""
    causes = [one["detail"] for one in story["timeline"] if one["event"] == "interrupted"]
    assert 1 <= len(causes) <= KILLS * CONNECTIONS
    assert all("ended while it sent them" in cause for cause in causes)
