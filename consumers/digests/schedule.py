"""Digest schedule: daily at one hour in Vietnam, weekly on one day of the week.

The digest service publishes its schedule in bucket `control`, so commands need not share its
settings."""

from datetime import date, datetime, time, timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import subjects
from contracts.base.times import utc_time
from contracts.records import Record
from contracts.subscriptions.digest import DigestFrequency
from contracts.text.moments import VIETNAM
from producers.bus import Bus
from producers.bus.records import read

SCHEDULE_KEY = "digests.calendar"


class DigestSchedule(BaseSettings):
    """LOA_DIGEST_*: the hour of the cut, and the weekly one's day (1 = Monday)."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_DIGEST_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    hour: int = Field(default=7, ge=0, le=23)
    weekday: int = Field(default=1, ge=1, le=7)

    def due_day(self, frequency: DigestFrequency, now: float) -> date:
        """Return the day of the latest cut that was due by *now* (epoch seconds)."""
        day = (utc_time(now).astimezone(VIETNAM) - timedelta(hours=self.hour)).date()
        if frequency == "daily":
            return day
        return day - timedelta(days=(day.isoweekday() - self.weekday) % 7)

    def next_day(self, frequency: DigestFrequency, day: date) -> date:
        return day + timedelta(days=1 if frequency == "daily" else 7)

    def cut_time(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour), VIETNAM)


class PublishedSchedule(Record):
    """A `DigestSchedule` as it is stored."""

    hour: int
    weekday: int


async def publish_schedule(bus: Bus, schedule: DigestSchedule) -> None:
    """Store the schedule; the service that started last wins. Raises BusError."""
    hours = PublishedSchedule(hour=schedule.hour, weekday=schedule.weekday)
    await bus.bucket(subjects.CONTROL.name).put(SCHEDULE_KEY, hours.model_dump_json().encode())


async def load_published_schedule(bus: Bus) -> DigestSchedule | None:
    """Load the schedule; None before the service has started. Raises BusError."""
    hours = (await read(bus.bucket(subjects.CONTROL.name), SCHEDULE_KEY, PublishedSchedule)).value
    return DigestSchedule(hour=hours.hour, weekday=hours.weekday) if hours else None
