"""A delivery that is on its way, and its end."""

from dataclasses import replace

from consumers.ledger import codec
from contracts.delivery import BatchKey, ChannelName
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.events import ITEM, register_unit, submitted
from tests.support.intake_harness import IntakeHarness


async def send_some(bus: Bus, clock: FakeClock) -> IntakeHarness:
    """An item of which 3 mails have arrived, one is refused, 496 wait, and 500 are in no batch."""
    await register_unit(bus)
    harness = IntakeHarness(bus, clock)
    await harness.take_in(submitted())
    await harness.add_plan(b"dddx" + b"p" * 496, complete=False, total=1000)
    return harness


async def finish_delivery(sent: IntakeHarness) -> None:
    """Deliver the first batch, and plan no more."""
    batch = BatchKey(ChannelName.EMAIL, ITEM, 1, 0)
    held = await sent.ledger.state(batch)
    entry = replace(held.value, rows=b"d" * 500, closed_at=sent.clock())
    await sent.ledger.bucket.put(f"state.{batch}", codec.encode_state(entry))
    plan = await sent.ledger.plan(batch.plan)
    await sent.ledger.swap_plan(batch.plan, plan, replace(plan.value, complete=True, total=500))
