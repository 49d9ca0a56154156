"""Deadlines of the desk's steps by `deadlines.toml`: working days, minutes for urgent texts."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.delivery import Lane
from contracts.editorial import ItemState, Status
from contracts.errors import Invalid, Unreadable, explain, field_error
from contracts.text.moments import VIETNAM

DEADLINES_FILE = "deadlines.toml"
"""Its name beside this module; a file of this name in the data folder replaces it."""
_FILE = Path(__file__).with_name(DEADLINES_FILE)
_Count = Annotated[int, Field(strict=True, ge=1, le=1000)]


class Step(StrEnum):
    """Next step that a text waits for."""

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
    """The step for which the newest text waits; None if no person is asked.

    One that a unit's system sent is confirmed by that, so it waits for an editor at once.
    """
    if state.status is Status.SUBMITTED and state.unit_checker:
        return Step.EDIT
    return _STEPS.get(state.status) if state.status else None


class Deadline(NamedTuple):
    """Until when a step is to be done; None if no working days of `missing_year` are known."""

    at: datetime | None = None
    missing_year: int = 0


class _Steps(BaseModel):
    """A number for each step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confirm: _Count
    edit: _Count
    approve: _Count


class _DeadlinesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    office_ends: time
    working_days: _Steps
    urgent_minutes: _Steps


@dataclass(frozen=True)
class Deadlines:
    """The length of each step, and the days that count."""

    days: WorkingDays
    working_days: Mapping[str, int]
    urgent_minutes: Mapping[str, int]
    office_ends: time

    @classmethod
    def parse(cls, toml_text: str, days: WorkingDays) -> "Deadlines":
        """Read a file like `deadlines.toml`. Raises Unreadable or Invalid, naming the entry."""
        try:
            read = _DeadlinesFile.model_validate(tomllib.loads(toml_text))
        except tomllib.TOMLDecodeError as error:
            raise Unreadable(field_error(DEADLINES_FILE, "not_toml", detail=error)) from error
        except ValidationError as error:
            raise Invalid(*explain(error, DEADLINES_FILE)) from error
        working_days, urgent_minutes = dict(read.working_days), dict(read.urgent_minutes)
        return cls(days, working_days, urgent_minutes, read.office_ends)

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
