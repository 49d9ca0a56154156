"""An interruption that a unit's system announces too late waits for a person, by any release."""

from datetime import date, datetime, timedelta

import pytest

from consumers.intake.handler import Intake
from contracts.base.times import utc_now
from contracts.base.working_days import default_working_days
from contracts.interruptions.interruption import TOPIC
from contracts.interruptions.notice_period import earliest_begin
from contracts.text.moments import VIETNAM
from contracts.vocabulary import DEFAULT
from tests.support.events import (
    ITEM,
    UNIT,
    carry_out_acts,
    corrected,
    open_drafts,
    register_unit,
    released_publications,
    submitted,
)
from tests.support.interruptions import an_interruption

FORCE = "Đứt cáp quang do sạt lở"


@pytest.fixture
async def intake(bus, clock) -> Intake:
    await register_unit(bus)
    return Intake(bus, DEFAULT, clock)


def soon(clock) -> datetime:
    return utc_now(clock) + timedelta(days=1)


def lawful(clock) -> datetime:
    day: date = earliest_begin(utc_now(clock), default_working_days())
    return datetime(day.year, day.month, day.day, tzinfo=VIETNAM)


async def take_in(intake: Intake, event) -> None:
    await intake.handle(event, UNIT)
    await carry_out_acts(intake)


async def revisions(bus) -> list[int]:
    return [one["revision"] for one in await released_publications(bus, ITEM)]


async def test_one_in_time_goes_out_by_rule_and_a_repeat_weeks_later_changes_nothing(
    bus, intake, clock
):
    event = submitted(interruption=an_interruption(lawful(clock)))
    await take_in(intake, event)
    clock.advance(30 * 86400)
    await take_in(intake, event)
    assert await revisions(bus) == [1]
    assert await open_drafts(bus) == []


async def test_a_late_one_waits_at_the_desk_and_one_of_force_majeure_goes_out(bus, intake, clock):
    await take_in(intake, submitted(interruption=an_interruption(soon(clock))))
    assert await revisions(bus) == []
    assert await open_drafts(bus) == [f"{ITEM}.1"]
    excused = an_interruption(soon(clock), force_majeure=FORCE)
    await take_in(intake, submitted(revision=2, interruption=excused))
    assert await revisions(bus) == [2]


async def test_one_that_is_not_public_waits_at_the_desk(bus, intake, clock):
    begins = lawful(clock)
    hidden = submitted(channels=["email"], interruption=an_interruption(begins))
    await take_in(intake, hidden)
    assert await revisions(bus) == []
    assert await open_drafts(bus) == [f"{ITEM}.1"]
    await take_in(intake, submitted(revision=2, interruption=an_interruption(begins)))
    assert await revisions(bus) == [2]


async def test_one_without_its_facts_waits_at_the_desk(bus, intake, clock):
    """Without a stated time the 7 working days cannot be counted."""
    await take_in(intake, submitted(topic=TOPIC))
    assert await revisions(bus) == []
    assert await open_drafts(bus) == [f"{ITEM}.1"]
    stated = an_interruption(lawful(clock))
    await take_in(intake, submitted(revision=2, topic=TOPIC, interruption=stated))
    assert await revisions(bus) == [2]


async def test_the_end_goes_out_and_another_time_waits_for_a_person(bus, intake, clock):
    begins = lawful(clock)
    await take_in(intake, submitted(interruption=an_interruption(begins)))
    clock.now = (begins + timedelta(hours=5)).timestamp()
    ended = an_interruption(begins, resumed_at=utc_now(clock).isoformat())
    await take_in(intake, corrected(interruption=ended, reason="Đã hoạt động trở lại"))
    assert await revisions(bus) == [1, 2]
    again = an_interruption(begins + timedelta(days=1))
    await take_in(intake, corrected(revision=3, interruption=again, reason="Thêm một đêm"))
    assert await revisions(bus) == [1, 2]
    assert await open_drafts(bus) == [f"{ITEM}.3"]


async def test_two_corrections_do_not_make_a_second_interruption(bus, intake, clock):
    begins = lawful(clock) + timedelta(hours=22)
    await take_in(intake, submitted(interruption=an_interruption(begins)))
    clock.now = (begins - timedelta(hours=2)).timestamp()
    longer = an_interruption(begins, hours=20 * 24)
    await take_in(intake, corrected(interruption=longer, reason="Kéo dài"))
    again = an_interruption(begins + timedelta(hours=26))
    await take_in(intake, corrected(revision=3, interruption=again, reason="Thêm một đêm"))
    assert await revisions(bus) == [1, 2]
    assert await open_drafts(bus) == [f"{ITEM}.3"]


async def test_a_stop_after_services_resumed_waits_for_a_person(bus, intake, clock):
    begins = lawful(clock) + timedelta(hours=22)
    await take_in(intake, submitted(interruption=an_interruption(begins)))
    clock.now = (begins + timedelta(hours=2)).timestamp()
    ended = an_interruption(begins, resumed_at=utc_now(clock).isoformat())
    await take_in(intake, corrected(interruption=ended, reason="Đã hoạt động trở lại"))
    clock.advance(60)
    again = an_interruption(begins + timedelta(hours=4), hours=9 * 24)
    await take_in(intake, corrected(revision=3, interruption=again, reason="Ngừng lần nữa"))
    assert await revisions(bus) == [1, 2]
    assert await open_drafts(bus) == [f"{ITEM}.3"]


async def test_a_text_that_was_overtaken_before_its_time_told_nothing(bus, intake, clock):
    """Its time was long, the next one's is short; a correction can't use the long one."""
    begins = lawful(clock) + timedelta(days=40)
    wide = an_interruption(begins, hours=20 * 24)
    ahead = (utc_now(clock) + timedelta(days=10)).isoformat()
    await take_in(intake, submitted(interruption=wide, not_before=ahead))
    await take_in(intake, corrected(interruption=an_interruption(begins), reason="Một đêm"))
    clock.now = (begins - timedelta(hours=2)).timestamp()
    await take_in(intake, corrected(revision=3, interruption=wide, reason="Kéo dài"))
    again = an_interruption(begins + timedelta(hours=26))
    await take_in(intake, corrected(revision=4, interruption=again, reason="Thêm một đêm"))
    assert await revisions(bus) == [1, 2, 3]
