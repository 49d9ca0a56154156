"""What operators see of case notices: where each stands, and what `loa check --deep` finds."""

from contextlib import suppress
from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers.check.whole import Check
from consumers.ledger.entry import noticed
from consumers.register import Register
from consumers.settle import Later
from consumers.settlement import Settlement
from consumers.trace import Trace
from contracts import keys
from contracts.delivery import BatchKey
from tests.checked import settled
from tests.doors import an_event, open_door
from tests.office import EMAIL, ZALO, Office

BOTH = {"phone": "84912345678", "email": "nguoi-nop@example.com", "consent": True}
CASE = keys.case_content_id(an_event("updated")["data"]["case_code"])
LONG_S = 3 * 3600


@pytest.fixture
async def office(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        office = Office(bus, door, tmp_path, clock)
        await office.accepted(an_event("updated", contact=BOTH))
        await office.take_in()
        yield office


async def rerouted(office):
    """Zalo can't reach the person; the mail arrives."""
    office.says(ZALO, Outcome(Verdict.SUPPRESSED, "zalo -118"))
    office.clock.advance(1)
    await office.work(ZALO, CASE)
    office.clock.advance(1)
    await office.work(EMAIL, CASE)


async def found(office):
    office.clock.advance(LONG_S)
    findings = await Check(office.bus, deep=True, clock=office.clock, again_s=0.0).run()
    return [(one.rule, one.key) for one in findings.violations]


def state(channel, number=0):
    return f"state.{BatchKey(channel, CASE, 1, number)}"


async def story(office):
    return await Trace(Register(office.bus), office.ledger, office.clock).story(CASE)


async def test_the_story_says_that_zalo_could_not_and_that_the_mail_arrived(office):
    await rerouted(office)
    told = await story(office)
    assert (told.revision, told.state) == (1, "released")
    assert {name: one.complete for name, one in told.channels.items()} == {ZALO: True, EMAIL: True}
    assert (told.channels[ZALO].suppressed, told.channels[EMAIL].delivered) == (1, 1)
    events = [(one.event, one.channel) for one in told.timeline]
    assert events == [
        ("received", None), ("planned", ZALO), ("suppressed", ZALO),
        ("planned", EMAIL), ("delivered", EMAIL),
    ]  # fmt: skip
    assert "zalo -118" in told.timeline[2].detail


async def test_an_event_that_is_not_taken_in_yet_is_received(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        office = Office(bus, door, tmp_path, clock)
        await office.accepted(an_event("updated", contact=BOTH))
        told = await story(office)
    assert (told.state, told.channels) == ("received", {})


async def test_a_doubt_is_seen_in_the_story(office):
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    office.providers[ZALO].known = lambda _: Outcome(Verdict.DOUBT, "not known yet", 60.0)
    with suppress(Later):
        await office.work(ZALO, CASE)
    told = await story(office)
    assert told.channels[ZALO].in_doubt == 1 and not told.channels[ZALO].complete
    assert told.timeline[-1].event == "in_doubt"


async def test_a_healthy_ledger_raises_no_alarm(office):
    await rerouted(office)
    assert await found(office) == []


async def test_an_accepted_event_without_a_notice_is_found(office):
    await rerouted(office)
    await settled(office.bus, "CONTENT", "intake")
    for channel in (ZALO, EMAIL):
        await office.ledger.bucket.purge(state(channel))
    assert [rule for rule, _ in await found(office)] == ["event-lost"]


async def test_two_channels_for_one_doubt_are_found(office):
    await rerouted(office)
    held = await office.ledger.state(BatchKey(ZALO, CASE, 1, 0))
    doubt = held.value.put({0: ord("K")}, {})
    await office.ledger.swap(BatchKey(ZALO, CASE, 1, 0), held, doubt, until=float("inf"))
    assert ("notice-twice", f"notice.{CASE}.1") in await found(office)


async def test_a_notice_that_names_no_event_is_found(office):
    await rerouted(office)
    await office.ledger.notice(BatchKey(EMAIL, CASE, 1, 7), closed_entry(office))
    assert ("notice-shape", state(EMAIL, 7)) in await found(office)


async def test_a_notice_that_nobody_works_on_is_found(office):
    assert ("stuck", state(ZALO)) in await found(office)


def closed_entry(office):
    return replace(noticed(0, office.clock()), rows=b"d", closed=office.clock())


async def test_a_person_who_has_looked_ends_an_unknown_notice(office):
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    office.providers[ZALO].known = lambda _: Outcome(Verdict.UNKNOWN, "zalo can't say")
    with suppress(Later):
        await office.work(ZALO, CASE)
    await office.work(ZALO, CASE)
    settlement = Settlement(office.ledger, ZALO)
    [done] = await settlement.settle(CASE, None, arrived=True, by="Phòng Một cửa")
    assert (done.recipient, done.arrived) == (keys.PERSON, True)
    assert (await story(office)).channels[ZALO].delivered == 1
    assert await office.status(EMAIL, CASE) is None
