"""A large ledger is read in few requests, each batch once, and its corruptions are found.

The same with 200,000 mails, and with the clock beside it: `python -m tests.deep.scale.check_speed`.
"""

import pytest

from consumers.ledger import bulk
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bucket
from tests.deep.scale.check_speed import CORRUPTIONS, corrupt, delivered_items

PLAN = PlanKey(ChannelName.EMAIL, "tin-lon", 1)
MAILS = 20_000


@pytest.mark.promise("3.9")
async def test_five_corruptions_among_20_000_mails_are_found(bus, tmp_path):
    harness = await delivered_items(bus, tmp_path, MAILS, items=1)
    findings = await harness.check()
    assert (findings.ok, findings.checked["rows"]) == (True, MAILS + 1)
    await corrupt(harness, items=1)
    assert len(CORRUPTIONS) == 5
    await harness.close()


@pytest.fixture
async def ledger(bus):
    """600 batches of one reader each; one of them is lost."""
    ledger = Ledger(bus)
    held = await ledger.create_plan(PLAN, PlanCursor())
    for first in range(0, 600, 200):
        batches = [BatchRows((f"r{number:03d}",)) for number in range(first, first + 200)]
        ids = [list(rows.ids) for rows in batches]
        cursor = held.value.advance(ids, complete=False, now=1.0)
        held = await ledger.append_batches(PLAN, held, cursor, batches)
    await ledger.bucket.purge(f"state.{PLAN}.301")
    return ledger


@pytest.fixture
def request_sizes(monkeypatch):
    """How many keys each request asked for."""
    sizes: list[int] = []
    many = Bucket.get_many

    async def counted(self, keys):
        sizes.append(len(keys))
        return await many(self, keys)

    monkeypatch.setattr(Bucket, "get_many", counted)
    return sizes


async def test_batches_come_in_order_and_in_few_requests(ledger, request_sizes):
    keys = [BatchKey(*PLAN, number) for number in range(600)]
    found = [one async for one in bulk.read_batches(ledger.bucket, keys, recipients=True)]
    assert [one.key for one in found] == keys
    assert [one.key.number for one in found if not one.is_stored] == [301]
    assert [one.rows.ids for one in found] == [(f"r{number:03d}",) for number in range(600)]
    assert request_sizes == [500, 500, 200]


async def test_only_one_request_is_ahead_of_whoever_reads(ledger, request_sizes):
    keys = (BatchKey(*PLAN, number) for number in range(600))
    reading = bulk.read_batches(ledger.bucket, keys)
    await anext(reading)
    await reading.aclose()
    assert len(request_sizes) <= 2
    assert next(keys).number == 500, "the last ones were never asked for"


async def test_states_and_plans_are_read_as_they_lie(ledger):
    await ledger.bucket.put("state.email.tin-la.1.0", b"{}")
    await ledger.bucket.put("state.cai-gi-day", b"{}")
    states = {key: one async for key, one in bulk.read_states(ledger.bucket)}
    assert len(states) == 601
    assert states["state.email.tin-la.1.0"].entry is None
    assert states["state.cai-gi-day"] is None
    plans = [plan async for _, plan, _ in bulk.read_plans(ledger.bucket, "email.tin-lon.")]
    assert plans == [PLAN]
