"""What was accepted and is not taken in yet is `received`, for `loa trace` and for the sender."""

import pytest

from consumers.cli.items import print_story
from consumers.intake import Intake
from consumers.items import Item
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.trace import Trace
from contracts.delivery import ChannelName, PlanKey
from contracts.vocabulary import DEFAULT
from tests.arrivals import ITEM, UNIT, submitted, unit_is, withdrawn
from tests.doors import an_event, open_door


@pytest.fixture
def trace(bus, clock):
    return Trace(Register(bus), Ledger(bus), clock)


@pytest.fixture
def tell(trace):
    async def tell(event):
        story = await trace.story(event.content_id)
        return story.model_dump(mode="json") if story else None

    return tell


async def test_an_item_that_only_the_door_knows_is_received(bus, clock, trace, capsys):
    async with open_door(bus, clock) as door:
        await door.post(an_event(content_id=ITEM))
    story = await trace.story(ITEM)
    assert (story.state, story.revision, story.channels, story.timeline) == ("received", 0, {}, [])
    print_story(story)
    assert "received" in capsys.readouterr().out


async def test_the_sender_is_told_the_revision_and_when_it_was_accepted(bus, clock, tell):
    async with open_door(bus, clock, trace=tell) as door:
        accepted = (await door.post(an_event(content_id=ITEM))).json()
        told = (await door.get(accepted["status_url"])).json()
    assert (told["state"], told["revision"], told["channels"]) == ("received", 1, {})
    assert [one["event"] for one in told["timeline"]] == ["accepted"]


async def test_an_item_that_was_claimed_in_a_crash_is_received(bus, trace):
    """Intake died between the item's record and the position's."""
    claimed = {"unit": UNIT, "positions": {3: "e" * 26}}
    await trace.register.change_item(ITEM, lambda _: Item.model_validate(claimed))
    story = await trace.story(ITEM)
    assert (story.state, story.revision) == ("received", 3)


async def test_a_withdrawal_that_was_cut_short_is_told(bus, trace, clock):
    await unit_is(bus, release="automatic")
    intake = Intake(bus, DEFAULT, clock)
    await intake.handle(submitted(), UNIT)
    clock.advance(1)
    await intake.handle(withdrawn(), UNIT)
    await trace.register.bucket.purge(f"{ITEM}.2")
    story = await trace.story(ITEM)
    assert (story.state, story.revision) == ("withdrawn", 2)


async def test_a_plan_that_was_stopped_before_it_began_is_no_channel(bus, clock, trace):
    await unit_is(bus, release="automatic")
    await Intake(bus, DEFAULT, clock).handle(submitted(channels=["portal", "email"]), UNIT)
    for channel, cursor in (
        (ChannelName.ZALO, Cursor(halt="v2", created=clock())),
        (ChannelName.EMAIL, Cursor(halt="v2", created=clock())),
        (ChannelName.PORTAL, Cursor(halt="v2", complete=True, finished=clock(), created=clock())),
    ):
        await trace.ledger.create_plan(PlanKey(channel, ITEM, 1), cursor)
    story = await trace.story(ITEM)
    assert set(story.channels) == {"portal"}
    assert {one.channel for one in story.timeline} == {None, "portal"}
