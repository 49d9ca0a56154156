"""When digests are cut: every day at one hour in Vietnam, the weekly one on one day of the week."""

from datetime import date, datetime, time, timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.digest import Gathered
from contracts.vietnam import VIETNAM


class Calendar(BaseSettings):
    """LOA_DIGEST_*: the hour of the cut, and the weekly one's day (1 = Monday)."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_DIGEST_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    hour: int = Field(default=7, ge=0, le=23)
    weekday: int = Field(default=1, ge=1, le=7)

    def day(self, frequency: Gathered, now: float) -> date:
        """The day of the latest cut that was due by *now* (epoch seconds)."""
        day = (datetime.fromtimestamp(now, VIETNAM) - timedelta(hours=self.hour)).date()
        if frequency == "daily":
            return day
        return day - timedelta(days=(day.isoweekday() - self.weekday) % 7)

    def following(self, frequency: Gathered, day: date) -> date:
        """The day of the cut after the one of *day*."""
        return day + timedelta(days=1 if frequency == "daily" else 7)

    def moment(self, day: date) -> datetime:
        """When the cut of *day* is due."""
        return datetime.combine(day, time(self.hour), VIETNAM)
