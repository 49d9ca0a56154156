"""A ledger with one whole plan in it, of one batch for three recipients."""

import pytest

from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus
from tests.support.scripted_channel import reader_ids

PLAN = PlanKey(ChannelName.EMAIL, "tin-moi", 1)


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    ledger = Ledger(bus)
    held = await ledger.create_plan(PLAN, PlanCursor())
    ids = reader_ids(3)
    cursor = held.value.advance([ids], complete=True, now=1)
    await ledger.append_batches(PLAN, held, cursor, [BatchRows(tuple(ids))])
    return ledger
