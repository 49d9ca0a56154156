"""A ledger with one whole plan in it, of one batch for three recipients."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus
from tests.support.scripted_channel import reader_ids

PLAN = PlanKey(ChannelName.EMAIL, "tin-moi", 1)


async def store_plan(
    ledger: Ledger, plan: PlanKey, *batches: Sequence[str], at: float = 0.0, **cursor: Any
) -> None:
    """Store a complete plan of these recipients; *cursor* changes its cursor."""
    held = await ledger.create_plan(plan, PlanCursor(created=at))
    done = replace(held.value.advance(list(batches), complete=True, now=at + 1), **cursor)
    await ledger.append_batches(plan, held, done, [BatchRows(tuple(ids)) for ids in batches])


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    ledger = Ledger(bus)
    await store_plan(ledger, PLAN, reader_ids(3))
    return ledger
