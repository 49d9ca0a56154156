"""When an item would leave if it were approved now, by the clocks and quotas of its channels."""

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from channels.zalo.clock import Until, is_broadcast_time, wait_s
from consumers.dispatch.audience import ARTICLE, BROADCAST
from contracts.base.errors import UnknownYear
from contracts.base.times import utc_time
from contracts.base.working_days import WorkingDays
from contracts.delivery import ChannelName, Lane
from contracts.desk.reach import Departure, Quota, Timing
from contracts.publication import Publication
from contracts.text.moments import VIETNAM

_DAY = timedelta(days=1)
_MOST_DAYS = 30
_ENDS = {"articles": Until.MONTH, "broadcasts": Until.MONTH, "daily-broadcasts": Until.DAY}
_QUOTAS_OF = {ARTICLE: ("articles",), BROADCAST: ("broadcasts", "daily-broadcasts")}


class UsualHours(NamedTuple):
    """The hours of working days at which news may come: `closes` is the first that is outside."""

    opens: time
    closes: time


@cache
def usual_hours() -> UsualHours:
    written = tomllib.loads(Path(__file__).with_name("hours.toml").read_text("utf-8"))
    return UsualHours(*(time.fromisoformat(written[name]) for name in UsualHours._fields))


@dataclass(frozen=True)
class DepartureClock:
    """The facts that decide about the hour, as it is *now*.

    `is_stand_in`: Zalo is the local one, which takes broadcasts at night, too.
    """

    now: datetime
    paused: Collection[ChannelName]
    quotas: Sequence[Quota]
    days: WorkingDays
    is_stand_in: bool = False

    def timing(self, publication: Publication, zalo_rows: Sequence[str]) -> Timing:
        """When each step leaves, and whether that is an hour for news."""
        start = max(self.now, publication.not_before or self.now)
        steps = [one.value for one in publication.channels if one is not ChannelName.ZALO]
        departures = [self._departure(step, start) for step in (*steps, *zalo_rows)]
        departures.sort(key=lambda one: one.at)
        if publication.lane is Lane.URGENT:
            return Timing(departures)
        return self._with_usual_hours(Timing(departures), start)

    def _departure(self, step: str, start: datetime) -> Departure:
        channel = ChannelName.ZALO if step in _QUOTAS_OF else ChannelName(step)
        why = ["not_before"] if start > self.now else []
        why += ["paused"] if channel in self.paused else []
        at = start
        for quota in self.quotas:
            if quota.name in _QUOTAS_OF.get(step, ()) and quota.left == 0:
                at = max(at, _after(_ENDS[quota.name], self.now))
                why.append(quota.name)
        is_night = step == BROADCAST and not is_broadcast_time(at.timestamp())
        if is_night and self.is_stand_in:
            return Departure(step, at, why, note="stand_in_hours")
        if is_night:
            at = _after(Until.MORNING, at)
            why.append("broadcast_hours")
        return Departure(step, at, why)

    def _with_usual_hours(self, timing: Timing, start: datetime) -> Timing:
        """Warnings against *start*, by the hours and the days off."""
        local = start.astimezone(VIETNAM)
        try:
            is_working, day_off = (
                self.days.is_working(local.date()),
                self.days.name_of(local.date()),
            )
            better = self._next_usual(local)
        except UnknownYear:
            return replace(timing, is_known_year=False)
        hours = usual_hours()
        if is_working and hours.opens <= local.time() < hours.closes:
            return timing
        outside = "hours" if is_working else "day_off"
        return replace(timing, outside=outside, better=better, day_off=day_off)

    def _next_usual(self, local: datetime) -> datetime | None:
        """The next beginning of usual hours after *local*. Raises UnknownYear."""
        opening = datetime.combine(local.date(), usual_hours().opens, VIETNAM)
        for day in range(_MOST_DAYS):
            begins = opening + day * _DAY
            if begins > local and self.days.is_working(begins.date()):
                return begins
        return None


def _after(until: Until, at: datetime) -> datetime:
    return utc_time(at.timestamp() + wait_s(until, at.timestamp(), lambda: 0.0))
