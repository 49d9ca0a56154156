"""What operators see of case notices: where each stands, and what `loa check --deep` finds."""

from contextlib import suppress
from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers.check.whole import Check
from consumers.ledger.entry import noticed
from consumers.register import Register
from consumers.retry import GIVE_UP_S
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
    return replace(noticed(0, "", office.clock()), rows=b"d", closed=office.clock())


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


async def test_what_nobody_knows_is_listed(office):
    office.says(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    office.providers[ZALO].known = lambda _: Outcome(Verdict.UNKNOWN, "zalo can't say")
    with suppress(Later):
        await office.work(ZALO, CASE)
    await office.work(ZALO, CASE)
    [one] = [found async for found in Settlement(office.ledger, ZALO).unknown()]
    assert (one.batch, one.recipient) == (BatchKey(ZALO, CASE, 1, 0), keys.PERSON)


async def test_the_status_of_an_event_is_that_of_its_own_step(office):
    await rerouted(office)
    await office.accepted(an_event("updated", id="e-2", contact=BOTH))
    await office.take_in()
    told = await Trace(Register(office.bus), office.ledger, office.clock).story(CASE, 2)
    assert (told.revision, set(told.channels)) == (2, {ZALO})
    whole = await story(office)
    assert {name: one.expected for name, one in whole.channels.items()} == {ZALO: 2, EMAIL: 1}


async def stands(office, channel, letter, **facts):
    """A channel's batch, changed behind everybody's back."""
    batch = BatchKey(channel, CASE, 1, 0)
    held = await office.ledger.state(batch)
    changed = replace(held.value, rows=letter, **facts)
    await office.ledger.swap(batch, held, changed, until=float("inf"))


@pytest.mark.parametrize(
    ("zalo", "email", "kept", "wrong"),
    [
        (b"u", b"d", True, False),
        (b"d", b"u", True, True),  # Zalo was the first, whatever the clocks say
        (b"d", b"u", False, False),  # nobody can say which was
        (b"d", b"d", False, True),
        (b"K", b"d", False, True),
        (b"u", b"e", False, False),
    ],
)
async def test_which_channel_was_first_is_no_matter_of_clocks(office, zalo, email, kept, wrong):
    await rerouted(office)
    await stands(office, ZALO, zalo, created=office.clock() + 60)
    await stands(office, EMAIL, email)
    if not kept:
        await office.forget()
    assert ("notice-twice" in [rule for rule, _ in await found(office)]) is wrong


async def test_a_notice_that_waits_on_its_last_channel_is_not_overdue(office):
    office.says(ZALO, Outcome(Verdict.SUPPRESSED, "zalo -118"))
    await office.work(ZALO, CASE)
    office.says(EMAIL, Outcome(Verdict.DEFERRED, "451 busy", 5 * GIVE_UP_S))
    await office.work(EMAIL, CASE)
    office.clock.advance(2 * GIVE_UP_S)
    assert await found(office) == []


async def test_no_moment_of_a_story_lies_ahead(office):
    office.says(ZALO, Outcome(Verdict.HELD, "our monthly money quota", 86400.0))
    with suppress(Later):
        await office.work(ZALO, CASE)
    told = await story(office)
    assert max(one.at.timestamp() for one in told.timeline) <= office.clock()
    last = told.timeline[-1]
    assert last.event == "deferred" and "our monthly money quota, due 20" in last.detail
