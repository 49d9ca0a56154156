"""Real processes and two relays: one dies for good, and Loa is killed twice in the middle."""

from collections import Counter

import pytest

from tests.support.loa_process import LoaProcess, RelayProcess, wait_until
from tests.support.relays_file import write_relays

pytestmark = pytest.mark.timeout(900)
READERS = 3_000
WINDOW, CONNECTIONS = 25, 8
PATIENCE_S = 300
SLOW_ANSWER_S = 0.02
"""Makes the campaign last for some seconds: each kill has to come in its middle."""


@pytest.fixture
def relays(tmp_path):
    """The relay that dies and the one that stays, and the file of both."""
    folders = [tmp_path / name for name in ("dies", "stays")]
    for folder in folders:
        folder.mkdir()
    dies, stays = (RelayProcess(folder, SLOW_ANSWER_S) for folder in folders)
    with dies, stays:
        settings = {"weight": 3, "connections": 4}
        entries = {"dies": {"port": dies.port, **settings}, "stays": {"port": stays.port}}
        yield dies, stays, write_relays(tmp_path, **entries)


def test_a_relay_that_dies_and_two_kills_lose_nobody_and_hide_no_copy(relays, tmp_path):
    dies, stays, file = relays
    sender = {"EMAIL_FROM": "Bộ Nội vụ <thong-bao@loa.example>"}
    with LoaProcess(tmp_path, EMAIL_RELAYS_FILE=file, **sender) as loa:
        loa.add_unit()
        loa.readers(READERS)
        event_id = loa.publish("tin-1", "email")
        wait_until(lambda: dies.count() > READERS // 8, "mails at both", PATIENCE_S)
        assert stays.count() > 0
        loa.kill()
        loa.start()
        sent = dies.count()
        wait_until(lambda: dies.count() > sent + 200, "more mails", PATIENCE_S)
        dies.process.kill()
        dies.process.wait()
        wait_until(lambda: loa.logged("relay_out"), "the relay is left out", PATIENCE_S)
        loa.kill()
        assert dies.count() + stays.count() < READERS, "Loa dies in the middle, too"
        loa.start()
        counts = loa.trace_of_event(event_id, PATIENCE_S)["channels"]["email"]
        status = loa.cli("status", "--json").json["channels"]["email"]
        assert status["breaker"] == "closed"
        assert [one["name"] for one in status["relays_out"]] == ["dies"]
        assert loa.violations() == []
    copies = Counter(dies.accepted_mails() + stays.accepted_mails())
    assert len({recipient for recipient, _ in copies}) == len(copies) == READERS
    assert (counts["delivered"], counts["missing"]) == (READERS, 0)
    extra = sum(copies.values()) - READERS
    assert extra <= counts["maybe_duplicate"] <= 3 * CONNECTIONS * 2 * WINDOW
