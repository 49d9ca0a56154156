"""Whom an item would reach, when it would leave, and what it would cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.delivery import ChannelName, Lane
from contracts.desk.previews import Wanted


@dataclass(frozen=True)
class MailReach:
    """Readers of an item's mail; every line is made of those before it.

    readers - other_choices - daily - weekly = matching; matching + earlier = planned;
    planned - paused - left - the suppressed = sent.

    `daily`, `weekly`: who gets the item in the next digest. `earlier`: who had an earlier text of
    the item and would not get it as news. `by_audience`: *matching* by the audiences of the item
    that readers chose; by `several` or none of them under "several" and "".
    """

    readers: int
    other_choices: int
    daily: int
    weekly: int
    matching: int
    earlier: int
    planned: int
    paused: int
    left: int
    suppressed: Mapping[str, int]
    sent: int
    by_audience: Mapping[str, int]
    counted_at: datetime


@dataclass(frozen=True)
class Quota:
    """A quota of the account on Zalo, as Loa counts it; *limit* 0: not known."""

    name: str
    used: int
    limit: int

    @property
    def left(self) -> int | None:
        """Rest of the limit; None if the limit is not known."""
        return max(self.limit - self.used, 0) if self.limit else None


@dataclass(frozen=True)
class ZaloReach:
    """The rows of an item on Zalo, and the followers that Loa knows of.

    `is_targeted`: the broadcast is for some of them; Zalo does not tell for how many.
    """

    rows: Sequence[str]
    followers: int
    is_targeted: bool
    quotas: Sequence[Quota]
    broadcasts_left: int | None = None
    """Rest of the month's broadcasts, as Zalo last said; None if it has not."""


@dataclass(frozen=True)
class Departure:
    """When a step would leave if the item were approved now; *why*: what delays it.

    *note*: `stand_in_hours` where the stand-in of Zalo does not wait as Zalo would; or empty.
    """

    step: str
    at: datetime
    why: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Cost:
    """The cost of a step in đồng; None if the price is not known. *source*: who says so."""

    step: str
    each: int | None
    total: int | None
    source: str


@dataclass(frozen=True)
class Timing:
    """When an item would leave, and what speaks against the hour.

    `outside`: `hours` or `day_off`, or empty; `better`: the next usual hour. `is_known_year`:
    whether the days off of that year are known.
    """

    departures: Sequence[Departure]
    outside: str = ""
    better: datetime | None = None
    day_off: str = ""
    is_known_year: bool = True


@dataclass(frozen=True)
class ReleaseDryRun:
    """The effects of an item's release. `mail` is None while it is being counted.

    `audiences`: the names of the item's audiences, by id. `is_internal`: the text changes the plan
    of a campaign alone, so that its approval releases nothing.
    """

    content_id: str
    revision: int
    state: str
    title: str
    lane: Lane
    channels: Sequence[ChannelName]
    audiences: Mapping[str, str]
    has_mail: bool
    mail: MailReach | None
    portal_rows: int
    zalo: ZaloReach
    timing: Timing
    costs: Sequence[Cost]
    reach: int
    many_readers: int
    needs_second: bool
    is_internal: bool = False


class Trials(Protocol):
    """Sends an item's mail to the address of the person who asks. Raises ContractError, BusError.

    A repeated *click* sends no other.
    """

    async def send(self, wanted: Wanted, click: str) -> None: ...


class DryRuns(Protocol):
    """Says what a release would do, and does nothing. Raises ContractError, BusError."""

    async def dry_run(self, wanted: Wanted) -> ReleaseDryRun: ...
