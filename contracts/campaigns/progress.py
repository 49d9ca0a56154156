"""Progress of a campaign's plan: entries done, late or still to come, and items beside it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from contracts.base.errors import UnknownYear
from contracts.campaigns.plan import CampaignPlan, PlannedItem

IsWorking = Callable[[date], bool]
"""Whether a day is a working day. Raises UnknownYear."""
_DAY = timedelta(days=1)


class EntryState(StrEnum):
    """Where a planned item is."""

    DONE = "done"
    """Readers had it on the planned day or before."""
    DONE_LATE = "done_late"
    LATE = "late"
    """The planned day is over, and readers do not have it."""
    PLANNED = "planned"


_IS_DONE = frozenset({EntryState.DONE, EntryState.DONE_LATE})


@dataclass(frozen=True)
class CampaignItem:
    """An item that joined a campaign. `shown_on`: the day readers first saw it; None: not yet."""

    content_id: str
    title: str
    unit: str = ""
    entry: int | None = None
    shown_on: date | None = None


@dataclass(frozen=True)
class EntryProgress:
    """A planned item beside the items that say they are it, the earliest first.

    `working_days_late`: between the planned day and the one it was done on, or today; None where
    the working days of a year are not known.
    """

    planned: PlannedItem
    state: EntryState
    items: tuple[CampaignItem, ...] = ()
    working_days_late: int | None = 0

    @property
    def done_on(self) -> date | None:
        return self.items[0].shown_on if self.items else None


@dataclass(frozen=True)
class Progress:
    """Plan beside done. `additional`: published items that no planned item waited for.

    `at_work`: items that are not out and belong to no planned item.
    """

    entries: tuple[EntryProgress, ...]
    additional: tuple[CampaignItem, ...]
    at_work: tuple[CampaignItem, ...] = ()

    def count(self, state: EntryState) -> int:
        return sum(one.state is state for one in self.entries)

    @property
    def done(self) -> int:
        """Planned items that readers have, late or not."""
        return sum(one.state in _IS_DONE for one in self.entries)

    @property
    def published(self) -> tuple[CampaignItem, ...]:
        """Every item that readers have seen, the earliest first."""
        planned = (item for entry in self.entries for item in entry.items)
        return _in_order(one for one in (*planned, *self.additional) if one.shown_on)

    def outside(self, plan: CampaignPlan) -> tuple[CampaignItem, ...]:
        """The published items that readers first saw on none of the campaign's days."""
        return tuple(
            one
            for one in self.published
            if one.shown_on and not plan.first_day <= one.shown_on <= plan.last_day
        )


def progress_of(
    plan: CampaignPlan, items: Iterable[CampaignItem], today: date, is_working: IsWorking
) -> Progress:
    """The plan, in the order of its days, beside *items*."""
    joined, numbers = defaultdict[int | None, list[CampaignItem]](list), plan.numbers
    for item in _in_order(items):
        joined[item.entry if item.entry in numbers else None].append(item)
    by_day = sorted(plan.entries, key=lambda one: (one.day, one.number))
    others = joined[None]
    return Progress(
        tuple(_entry(one, joined[one.number], today, is_working) for one in by_day),
        tuple(one for one in others if one.shown_on),
        tuple(one for one in others if not one.shown_on),
    )


def _entry(
    planned: PlannedItem, items: Sequence[CampaignItem], today: date, is_working: IsWorking
) -> EntryProgress:
    done_on = items[0].shown_on if items else None
    until = done_on or today
    is_late = until > planned.day
    late = _working_days(planned.day, until, is_working) if is_late else 0
    return EntryProgress(planned, _state(done_on is not None, is_late), tuple(items), late)


def _state(is_done: bool, is_late: bool) -> EntryState:
    if is_done:
        return EntryState.DONE_LATE if is_late else EntryState.DONE
    return EntryState.LATE if is_late else EntryState.PLANNED


def _working_days(after: date, until: date, is_working: IsWorking) -> int | None:
    """The working days after one day up to another; None if a year is not known."""
    try:
        return sum(is_working(day) for day in _days(after, until))
    except UnknownYear:
        return None


def _days(after: date, until: date) -> Iterator[date]:
    for number in range(1, (until - after).days + 1):
        yield after + number * _DAY


def _in_order(items: Iterable[CampaignItem]) -> tuple[CampaignItem, ...]:
    """Shown items by day, then those that wait."""
    return tuple(sorted(items, key=lambda one: (one.shown_on or date.max, one.content_id)))
