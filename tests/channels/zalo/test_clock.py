"""Zalo's clock, hours and rate limit."""

from datetime import datetime

import pytest

from channels.zalo.clock import ProviderClock, Until, is_broadcast_time, wait_s
from contracts.text.moments import VIETNAM


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp()


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2027-01-15T05:59:59", False),
        ("2027-01-15T06:00:00", True),
        ("2027-01-15T12:00:00", True),
        ("2027-01-15T21:58:59", True),
        ("2027-01-15T21:59:00", False),
        ("2027-01-15T23:30:00", False),
        ("2027-01-15T00:00:00", False),
    ],
)
def test_broadcasts_leave_by_day_only(moment, allowed):
    assert is_broadcast_time(at(moment)) is allowed


@pytest.mark.parametrize(
    ("until", "now", "then"),
    [
        (Until.MINUTE, "2027-01-15T12:00:10", "2027-01-15T12:01:00"),
        (Until.MINUTE, "2027-01-15T12:00:00", "2027-01-15T12:01:00"),
        (Until.MORNING, "2027-01-15T22:30:00", "2027-01-16T06:05:00"),
        (Until.MORNING, "2027-01-15T00:30:00", "2027-01-15T06:05:00"),
        (Until.DAY, "2027-01-15T12:00:00", "2027-01-16T00:05:00"),
        (Until.MONTH, "2027-01-15T12:00:00", "2027-02-01T00:05:00"),
        (Until.MONTH, "2026-12-31T23:59:00", "2027-01-01T00:05:00"),
        (Until.MONTH, "2027-01-31T23:59:00", "2027-02-01T00:05:00"),
    ],
)
def test_a_quota_ends_at_its_moment_and_a_little_later_by_chance(until, now, then):
    assert at(now) + wait_s(until, at(now), lambda: 0.0) == at(then)
    spread = wait_s(until, at(now), lambda: 1.0) - wait_s(until, at(now), lambda: 0.0)
    assert 0 < spread <= 600


def test_zalos_clock_is_learned_from_its_answers(clock):
    theirs = ProviderClock(clock)
    assert not theirs.is_fresh(60)
    theirs.sync("Fri, 15 Jan 2027 22:30:00 GMT")
    assert theirs.is_fresh(60)
    assert theirs.now() == datetime.fromisoformat("2027-01-15T22:30:00+00:00").timestamp()
    clock.advance(61)
    assert not theirs.is_fresh(60)
    assert theirs.now() == datetime.fromisoformat("2027-01-15T22:31:01+00:00").timestamp()


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2027 22:30:00 GMT", "0"])
def test_a_broken_date_teaches_nothing(clock, date):
    theirs = ProviderClock(clock)
    theirs.sync(date)
    assert theirs.now() == clock.now
    assert not theirs.is_fresh(60)
