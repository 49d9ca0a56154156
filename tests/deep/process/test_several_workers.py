"""Three processes on three machines share the mails of one bus, also beside a slow or dead one."""

import asyncio
from collections import Counter

import pytest

from tests.support.frozen_process import frozen
from tests.support.loa_process import RelayProcess, wait_until
from tests.support.smtp_receiver import SmtpReceiver, accepted_mails
from tests.support.split_loa import SplitLoa, on_a_server

pytestmark = pytest.mark.timeout(1200)
WORKERS = ("machine-1", "machine-2", "machine-3")
SERVICES = ("gateway", "portal", "intake", "dispatch", "sweep")
READERS, ITEMS, BATCH_ROWS = 3000, 4, 500
MAILS = READERS * ITEMS
CONNECTIONS = "2"
SLOW_ANSWER_S = 0.2
"""Of a relay: a batch takes minutes over one connection."""


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(SplitLoa, tmp_path / "loa", other_server, relay) as loa:
        loa.environ["LOA_EMAIL_CONNECTIONS"] = CONNECTIONS
        loa.run(*SERVICES)
        loa.add_unit()
        loa.readers(READERS)
        yield loa


def publish_items(loa: SplitLoa, name: str) -> list[str]:
    return [loa.publish(f"{name}-{number}", "email") for number in range(ITEMS)]


def sent_by(loa: SplitLoa) -> dict[str, float]:
    """The rows that each worker says it has delivered."""
    name, outcome = "loa_delivery_attempts_total", {"channel": "email", "outcome": "delivered"}
    return {one: loa[one].scrape().total(name, **outcome) for one in WORKERS}


def possible_copies(loa: SplitLoa, events: list[str]) -> int:
    """The copies that are declared, once all readers have all items."""
    counts = [loa.trace_of_event(one, 300)["channels"]["email"] for one in events]
    assert {(one["expected"], one["delivered"]) for one in counts} == {(READERS, READERS)}
    return sum(one["maybe_duplicate"] for one in counts)


@pytest.mark.promise("3.10")
def test_each_of_three_workers_has_its_share_and_none_has_a_row_of_another(loa, relay):
    for machine in WORKERS:
        loa.run_elsewhere(machine, "deliver-email")
    assert possible_copies(loa, publish_items(loa, "tin")) == 0
    sent = sent_by(loa)
    assert sum(sent.values()) == relay.count() == len(set(relay.accepted_mails())) == MAILS
    assert min(sent.values()) >= MAILS / 10, sent
    assert loa.violations() == []
    found = loa.cli("doctor", "bus", "--json").json
    [running] = [one["message"] for one in found if one["code"] == "bus_processes"]
    for machine in WORKERS:
        name = f"{machine}.deliver-email"
        assert name in running
        assert loa[machine].logged("batch_worked")["process"] == name


@pytest.mark.promise("3.10")
async def test_a_relay_that_answers_one_worker_slowly_holds_up_its_own_batches_alone(loa, relay):
    record = loa.folder / "slow-mails"
    async with SmtpReceiver(record, delay_s=SLOW_ANSWER_S) as slow:
        await asyncio.to_thread(outrun_the_slow_one, loa, relay, slow)
        events = await asyncio.to_thread(loa.services["machine-1"].stop)
    assert events == 0


def outrun_the_slow_one(loa: SplitLoa, relay: RelayProcess, slow: SmtpReceiver) -> None:
    """The two others send all but what the slow one has leased, while it has hardly begun."""
    loa.run_elsewhere("machine-1", "deliver-email", LOA_EMAIL_PORT=str(slow.port))
    for machine in WORKERS[1:]:
        loa.run_elsewhere(machine, "deliver-email")
    events = publish_items(loa, "tin")
    held = int(CONNECTIONS) * BATCH_ROWS
    wait_until(lambda: relay.count() >= MAILS - held, "the others to send the rest")
    behind = accepted_mails(slow.record)
    assert 0 < len(behind) < held, "it works, and was outrun"
    slow.delay_s = 0.0  # the rest of its batches would take a minute and a half
    copies = possible_copies(loa, events)
    mails = Counter(relay.accepted_mails() + accepted_mails(slow.record))
    assert len(mails) == MAILS
    assert mails.total() - MAILS <= copies


@pytest.mark.promise("3.10")
def test_a_worker_that_stands_still_for_longer_than_its_lease_holds_up_its_own_batches_alone(
    loa, relay
):
    for machine in WORKERS:
        loa.run_elsewhere(machine, "deliver-email")
    events = publish_items(loa, "tin")
    wait_until(lambda: relay.count() > MAILS // 20, "the first mails")
    with frozen(loa["machine-1"].process.pid):
        copies = possible_copies(loa, events)
    later = publish_items(loa, "tin-sau")
    copies += possible_copies(loa, later)
    mails = Counter(relay.accepted_mails())
    assert len(mails) == 2 * MAILS
    assert mails.total() - len(mails) <= copies
    assert sent_by(loa)["machine-1"] > 0
    assert loa.violations() == []
