"""Progress of a campaign's plan: entries done, late or still to come, and items beside it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from contracts.base.errors import UnknownYear
from contracts.campaigns.plan import CampaignPlan, PlannedItem
from contracts.delivery import ChannelName

IsWorking = Callable[[date], bool]
"""Whether a day is a working day. Raises UnknownYear."""
_DAY = timedelta(days=1)


class EntryState(StrEnum):
    """Where a planned item is."""

    DONE = "done"
    """Readers had it on the planned day or before, on the planned channel."""
    DONE_LATE = "done_late"
    LATE = "late"
    """The planned day is over, and readers do not have it."""
    PLANNED = "planned"


_IS_DONE = frozenset({EntryState.DONE, EntryState.DONE_LATE})


@dataclass(frozen=True)
class CampaignItem:
    """An item that joined a campaign.

    `first_on`: the day readers first saw it, by channel; empty: not yet. It stays when a correction
    leaves a channel. `channels`: where readers saw it, or will.
    """

    content_id: str
    title: str
    unit: str = ""
    entry: int | None = None
    first_on: Mapping[ChannelName, date] = field(default_factory=dict)
    channels: frozenset[ChannelName] = frozenset(ChannelName)

    @property
    def shown_on(self) -> date | None:
        """The day readers first saw it at all; None: not yet."""
        return min(self.first_on.values(), default=None)

    def shown_for(self, planned: PlannedItem) -> date | None:
        """The day readers first saw it on the planned channel, else at all."""
        on_channel = self.first_on.get(planned.channel) if planned.channel else None
        return on_channel or self.shown_on


@dataclass(frozen=True)
class EntryProgress:
    """A planned item beside the items that say they are it, the earliest first.

    Those on other channels than the planned one do not fulfil it.
    `working_days_late`: between the planned day and the one it was done on, or today; None where
    the working days of a year are not known.
    """

    planned: PlannedItem
    state: EntryState
    items: tuple[CampaignItem, ...] = ()
    working_days_late: int | None = 0


class ShownItems(NamedTuple):
    """Some items that readers have, of one planned item, which came to the same channels at once.

    `first_on`: the day readers first saw one of them there. `number`: how many of the items
    readers saw nowhere before.
    """

    entry: int | None
    channels: frozenset[ChannelName]
    first_on: date
    number: int = 1


@dataclass(frozen=True)
class PlanCounts:
    """How many planned items are done and late, and how many items readers have at all."""

    planned: int
    done: int
    late: int
    published: int


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


def counts_of(plan: CampaignPlan, shown: Iterable[ShownItems], today: date) -> PlanCounts:
    """The counts of `progress_of`, from how many items readers have."""
    groups = defaultdict[int | None, list[ShownItems]](list)
    for one in shown:
        groups[one.entry].append(one)
    states = Counter(
        _state(planned, _first_day(planned, groups[planned.number]), today)
        for planned in plan.entries
    )
    return PlanCounts(
        planned=len(plan.entries),
        done=sum(states[one] for one in _IS_DONE),
        late=states[EntryState.LATE],
        published=sum(one.number for group in groups.values() for one in group),
    )


def _first_day(planned: PlannedItem, shown: Iterable[ShownItems]) -> date | None:
    """The day readers first had a planned item on its channel; None: not yet."""
    return min((one.first_on for one in shown if planned.is_on(one.channels)), default=None)


def _entry(
    planned: PlannedItem, items: Sequence[CampaignItem], today: date, is_working: IsWorking
) -> EntryProgress:
    shown = (group for one in items for group in _shown(one))
    done_on = _first_day(planned, shown)
    until = done_on or today
    late = _working_days(planned.day, until, is_working) if until > planned.day else 0
    return EntryProgress(planned, _state(planned, done_on, today), tuple(items), late)


def _shown(item: CampaignItem) -> Iterator[ShownItems]:
    for channel, day in item.first_on.items():
        yield ShownItems(item.entry, frozenset({channel}), day)


def _state(planned: PlannedItem, done_on: date | None, today: date) -> EntryState:
    if done_on:
        return EntryState.DONE_LATE if done_on > planned.day else EntryState.DONE
    return EntryState.LATE if today > planned.day else EntryState.PLANNED


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
