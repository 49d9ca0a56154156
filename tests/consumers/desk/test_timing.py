"""When an item would leave: times set, pauses, Zalo's hours and quotas, days off."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumers.desk.release.timing import DepartureClock
from contracts.base.working_days import default_working_days
from contracts.delivery import ChannelName, Lane
from contracts.desk.reach import Quota
from contracts.text.moments import VIETNAM
from tests.support.publications import a_publication

ROWS = ("article", "broadcast")


def at(written: str) -> datetime:
    """A moment in Vietnam."""
    return datetime.fromisoformat(written).replace(tzinfo=VIETNAM)


def timing(now: str, *quotas: Quota, paused=(), is_stand_in=False, **changes):
    days = default_working_days()
    clock = DepartureClock(at(now), frozenset(paused), quotas, days, is_stand_in)
    return clock.timing(a_publication(channels=tuple(ChannelName), **changes), ROWS)


def departures(found) -> dict:
    return {one.step: (one.at, tuple(one.why)) for one in found.departures}


def test_at_noon_of_a_working_day_all_leave_at_once():
    found = timing("2026-11-25T12:00")
    now = at("2026-11-25T12:00")
    assert departures(found) == dict.fromkeys(("portal", "email", *ROWS), (now, ()))
    assert (found.outside, found.better) == ("", None)


def test_at_night_the_broadcast_waits_and_news_had_better_wait():
    found = timing("2026-11-25T23:30")
    assert departures(found)["broadcast"] == (at("2026-11-26T06:05"), ("broadcast_hours",))
    assert departures(found)["email"] == (at("2026-11-25T23:30"), ())
    assert (found.outside, found.better) == ("hours", at("2026-11-26T08:00"))


def test_the_stand_in_of_zalo_waits_for_no_hour_and_is_named():
    found = timing("2026-11-25T23:30", is_stand_in=True)
    [broadcast] = [one for one in found.departures if one.step == "broadcast"]
    assert (broadcast.at, broadcast.why) == (at("2026-11-25T23:30"), [])
    assert broadcast.note == "stand_in_hours"
    by_day = timing("2026-11-25T12:00", is_stand_in=True).departures
    assert not any(one.note for one in by_day)


@pytest.mark.parametrize(
    ("now", "outside", "better"),
    [
        ("2026-11-24T10:00", "day_off", "2026-11-25T08:00"),  # a holiday, on a Tuesday
        ("2026-11-27T21:00", "hours", "2026-11-30T08:00"),  # a Friday evening
        ("2026-11-28T10:00", "day_off", "2026-11-30T08:00"),  # a Saturday
        ("2026-08-22T10:00", "", None),  # a Saturday that is worked
        ("2026-11-25T08:00", "", None),
        ("2026-11-25T07:59", "hours", "2026-11-25T08:00"),
    ],
)
def test_hours_for_news(now, outside, better):
    found = timing(now)
    assert (found.outside, found.better) == (outside, better and at(better))


def test_what_is_urgent_waits_for_no_hour():
    assert timing("2026-11-24T23:30", lane=Lane.URGENT).outside == ""


def test_a_year_without_a_list_of_days_off_is_not_guessed():
    found = timing("2031-03-03T10:00")
    assert (found.is_known_year, found.outside) == (False, "")


def test_a_time_that_is_set_and_a_pause_are_named():
    start = datetime(2026, 11, 26, 3, tzinfo=UTC)
    found = timing("2026-11-25T12:00", paused=[ChannelName.EMAIL], not_before=start)
    assert departures(found)["email"] == (start, ("not_before", "paused"))
    assert departures(found)["portal"] == (start, ("not_before",))


def test_used_up_quotas_put_the_broadcast_off():
    month, day = Quota("broadcasts", 3, 4), Quota("daily-broadcasts", 1, 1)
    found = departures(timing("2026-11-25T12:00", month, day))
    assert found["broadcast"] == (at("2026-11-26T06:05"), ("daily-broadcasts", "broadcast_hours"))
    spent = replace(month, used=4)
    found = departures(timing("2026-11-25T12:00", spent, Quota("articles", 9, 0)))
    assert found["broadcast"] == (at("2026-12-01T06:05"), ("broadcasts", "broadcast_hours"))
    assert found["article"] == (at("2026-11-25T12:00"), ())
