"""Deadlines of the desk's steps by `deadlines.toml`: working days, minutes for urgent texts."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.delivery import Lane
from contracts.editorial import ItemState, Status
from contracts.text.moments import VIETNAM

_FILE = Path(__file__).with_name("deadlines.toml")


class Step(StrEnum):
    """What a text waits for."""

    CONFIRM = "confirm"
    """The unit's leader."""
    EDIT = "edit"
    """An editor, until it is proposed."""
    APPROVE = "approve"


_STEPS = {
    Status.SUBMITTED: Step.CONFIRM,
    Status.UNIT_CONFIRMED: Step.EDIT,
    Status.IN_EDIT: Step.EDIT,
    Status.PENDING_APPROVAL: Step.APPROVE,
}


def step_of(state: ItemState) -> Step | None:
    """What the newest text waits for; None if no person is asked.

    One that a unit's system sent is confirmed by that, so it waits for an editor at once.
    """
    if state.status is Status.SUBMITTED and state.unit_checker:
        return Step.EDIT
    return _STEPS.get(state.status) if state.status else None


class Deadline(NamedTuple):
    """Until when a step is to be done; None if no working days of `missing_year` are known."""

    at: datetime | None = None
    missing_year: int = 0


@dataclass(frozen=True)
class Deadlines:
    """The length of each step, and the days that count."""

    days: WorkingDays
    working_days: Mapping[str, int]
    urgent_minutes: Mapping[str, int]
    office_ends: time

    @classmethod
    def parse(cls, toml_text: str, days: WorkingDays) -> "Deadlines":
        read = tomllib.loads(toml_text)
        return cls(days, read["working_days"], read["urgent_minutes"], read["office_ends"])

    @property
    def version(self) -> str:
        """The content of both files, so that a change of a deadline shows."""
        parts = self.days, self.working_days, self.urgent_minutes, self.office_ends
        return repr(parts)

    def deadline(self, step: Step, began: datetime, lane: str) -> Deadline:
        """Until when *step* is to be done that began then."""
        if lane == Lane.URGENT:
            return Deadline(began + timedelta(minutes=self.urgent_minutes[step]))
        try:
            last = self.days.after(began.astimezone(VIETNAM).date(), self.working_days[step])
        except UnknownYear as unknown:
            return Deadline(missing_year=unknown.year)
        return Deadline(datetime.combine(last, self.office_ends, VIETNAM))

    def until(self, step: Step, began: datetime, lane: str, leaves: datetime | None) -> Deadline:
        """Until when a person has to act: the end of the step, or when the text leaves if earlier.

        *leaves*: its `not_before`.
        """
        found = self.deadline(step, began, lane)
        if leaves and leaves > began and (found.at is None or leaves < found.at):
            return Deadline(leaves)
        return found


@cache
def default_deadlines() -> Deadlines:
    """The deadlines and days that ship with Loa."""
    return Deadlines.parse(_FILE.read_text("utf-8"), default_working_days())
