"""What was accepted and is not taken in yet is `received`, for `loa trace` and for the sender."""

from dataclasses import replace

import pytest

from consumers.cli.items import print_trace
from consumers.intake.items import Item
from consumers.ledger.cursor import PlanCursor
from consumers.reporting.trace import TraceReader
from contracts.delivery import ChannelName, PlanKey
from contracts.trace import Trace
from tests.support.events import ITEM, UNIT, submitted, withdrawn
from tests.support.gateway_client import open_gateway, sample_event


@pytest.fixture
def trace(bus, clock):
    return TraceReader(bus, clock)


@pytest.fixture
def read_trace(trace):
    async def tell(event):
        story = await trace.trace(event.content_id)
        return story.model_dump(mode="json") if story else None

    return tell


async def test_an_item_that_only_the_door_knows_is_received(bus, clock, trace, capsys):
    async with open_gateway(bus, clock) as door:
        await door.post(sample_event(content_id=ITEM))
    story = await trace.trace(ITEM)
    assert (story.state, story.revision, story.channels, story.timeline) == ("received", 0, {}, [])
    print_trace(story)
    assert "received" in capsys.readouterr().out


async def test_the_sender_is_told_the_revision_and_when_it_was_accepted(bus, clock, read_trace):
    async with open_gateway(bus, clock, trace=read_trace) as door:
        accepted = (await door.post(sample_event(content_id=ITEM))).json()
        told = (await door.get(accepted["status_url"])).json()
    assert (told["state"], told["revision"], told["channels"]) == ("received", 1, {})
    assert [one["event"] for one in told["timeline"]] == ["accepted"]
    assert set(told) == set(Trace.model_fields) - Trace.omitted_when_empty


async def test_an_item_that_was_claimed_in_a_crash_is_received(bus, trace):
    """Intake died between the item's record and the position's."""
    claimed = {"unit": UNIT, "positions": {3: "e" * 26}}
    await trace.repository.update_item(ITEM, lambda _: Item.model_validate(claimed))
    story = await trace.trace(ITEM)
    assert (story.state, story.revision) == ("received", 3)


async def test_a_withdrawal_that_was_cut_short_is_told(trace, clock, intake):
    await intake.handle(submitted(), UNIT)
    clock.advance(1)
    await intake.handle(withdrawn(), UNIT)
    await trace.repository.bucket.purge(f"{ITEM}.2")
    story = await trace.trace(ITEM)
    assert (story.state, story.revision) == ("withdrawn", 2)


async def test_a_plan_that_was_stopped_before_it_began_is_no_channel(clock, trace, intake):
    await intake.handle(submitted(channels=["portal", "email"]), UNIT)
    halted = PlanCursor(halt="v2", created=clock())
    for channel in (ChannelName.ZALO, ChannelName.EMAIL):
        await trace.ledger.create_plan(PlanKey(channel, ITEM, 1), halted)
    begun = replace(halted, complete=True, finished=clock())
    await trace.ledger.create_plan(PlanKey(ChannelName.PORTAL, ITEM, 1), begun)
    story = await trace.trace(ITEM)
    assert set(story.channels) == {"portal"}
    assert {one.channel for one in story.timeline} == {None, "portal"}
