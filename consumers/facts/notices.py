"""Case notices and letters by day and channel: of what one person got, only numbers are facts."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, NamedTuple

from consumers.facts.days import midnight, open_day
from consumers.facts.sources import Derived, FactSource
from consumers.ledger import bulk
from consumers.ledger.entry import LedgerEntry
from contracts import keys, subjects
from contracts.base.times import Clock, utc_time
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.facts import FactKind, NoticesFact
from contracts.facts.kinds import NoticeSort, day_of
from contracts.trials.records import TRIAL_RECIPIENT
from producers.bus import Bucket

_SKEW = timedelta(minutes=1)
"""How far a worker's clock, which says when a notice ended, may be from the server's."""


class _Group(NamedTuple):
    on: date
    channel: ChannelName
    sort: NoticeSort


@dataclass
class _NoticeDays:
    """Notices by the day on which they ended, of the days from *first* to before *end*."""

    first: date
    end: date
    counts: defaultdict[_Group, Counter[Status]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    copies: Counter[_Group] = field(default_factory=Counter)

    def add(self, batch: BatchKey, entry: LedgerEntry) -> None:
        day = day_of(utc_time(entry.closed_at))
        if not (entry.closed_at and self.first <= day < self.end):
            return
        sort: NoticeSort = "case" if keys.is_case(batch.content_id) else "letter"
        group = _Group(day, batch.channel, sort)
        self.counts[group].update(entry.count_by_status())
        self.copies[group] += entry.possible_copies

    def facts(self) -> Iterator[NoticesFact]:
        for group, counts in self.counts.items():
            copies = self.copies[group]
            yield NoticesFact(**group._asdict(), counts=dict(counts), copies=copies)


def _is_counted(batch: BatchKey, entry: LedgerEntry) -> bool:
    """Whether a batch is of one person, and no unit's trial."""
    is_trial = entry.notice_recipient == TRIAL_RECIPIENT
    return keys.is_personal(batch.content_id) and not is_trial


@dataclass
class Notices(FactSource):
    """The ledger's entries of one person, in the order of their last change.

    The position is the last change before the first open day: a notice that ended on a later day
    has changed behind it. Later evidence changes no fact of a day.
    """

    ledger: Bucket
    clock: Clock
    kind: ClassVar = FactKind.NOTICES
    is_lasting: ClassVar = False
    stream: str = f"KV_{subjects.LEDGER.name}"
    read_on: tuple[int, date] | None = None
    """From where it was read last, and on which day: on the same day that brings nothing new."""

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        today, last = open_day(self.clock), after
        if self.read_on == (after, today):
            return
        days: _NoticeDays | None = None  # from the day of the first change behind the position
        async for key, value in self.ledger.values("state.", start=after + 1):
            first = day_of(value.created + _SKEW) if after else date.min
            days = days or _NoticeDays(first, today)
            if value.created + _SKEW < midnight(today):
                last = value.revision
            found = bulk.decode_batch(key, value.data)
            if found and _is_counted(*found):
                days.add(*found)
        for fact in days.facts() if days else ():
            yield Derived(after, fact)
        self.read_on = (after, today)
        yield Derived(last)
