"""kill -9 of everything, three times, while 20,000 people are being told: the promise itself."""

from collections import Counter

import pytest

from contracts.testing import sample
from tests.support.loa_process import UNIT, LoaProcess, RelayProcess, wait_until

pytestmark = pytest.mark.timeout(300)
READERS = 20_000
WINDOW, CONNECTIONS, KILLS = 25, 8, 3


def an_event(id: str = "e-1", **data):
    event = sample("submitted", **data)
    return event | {"id": id, "source": f"/units/{UNIT}", "subject": event["data"]["content_id"]}


@pytest.mark.promise("5.1")
def test_20_000_readers_get_the_mail_once_although_everything_is_killed_three_times(tmp_path):
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        accepted = loa.post(an_event(channels=["email"]))
        assert accepted.status == 202, accepted
        for kill in range(1, KILLS + 1):
            wait_until(lambda n=kill: relay.count() > n * READERS // (KILLS + 2), "mails", 60)
            loa.kill()
            loa.start()
        story = loa.trace_of_event(accepted.body["event_id"], 120)
        check(relay, story)
        found = loa.cli("check", "--deep", "--json")
        assert (found.exit_code, found.json["violations"]) == (0, [])


def check(relay: RelayProcess, story) -> None:
    """Everybody has it; copies only where the ledger says so, under one Message-ID."""
    copies = Counter(relay.accepted_mails())
    assert len({recipient for recipient, _ in copies}) == READERS, "somebody was left out"
    assert len(copies) == READERS, "a copy came under another Message-ID"
    counts = story["channels"]["email"]
    assert (counts["expected"], counts["delivered"], counts["missing"]) == (READERS, READERS, 0)
    extra = sum(copies.values()) - READERS
    assert extra <= counts["maybe_duplicate"] <= KILLS * CONNECTIONS * WINDOW
