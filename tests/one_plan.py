"""A ledger with one whole plan in it, of one batch for three recipients."""

import pytest

from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus
from tests.fakes import people

PLAN = PlanKey(ChannelName.EMAIL, "tin-moi", 1)


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    ledger = Ledger(bus)
    held = await ledger.create_plan(PLAN, Cursor())
    ids = people(3)
    cursor = held.value.advance([ids], complete=True, now=1)
    await ledger.extend(PLAN, held, cursor, [Rows(tuple(ids))])
    return ledger
