"""Sources of facts: logs and the ledger, read behind a position, each in its own way.

A source derives facts, and says up to where it has read. From an earlier position it derives the
same again, so a process that dies between a fact and its position is followed by one that repeats.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import ClassVar, NamedTuple, TypeVar

from consumers.dead_letters.store import parse_letter
from consumers.editorial.log import EditorialLog
from consumers.email.bounce_records import KEY_PREFIX as BOUNCES
from consumers.email.bounce_records import BounceRecords, BounceTotals
from consumers.facts.days import midnight, open_day
from consumers.facts.decisions import decision_facts
from consumers.facts.deliveries import delivery_fact, is_planned
from consumers.ledger import codec
from consumers.ledger.bulk import decode_or_none
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.seals.publications import PublicationSeals
from contracts import keys, publication, subjects
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.facts import EventsFact, Fact, FactKind, OpinionsFact, RefusalsFact
from contracts.facts.kinds import day_of, release_of
from contracts.subscriptions.reaction import Reaction
from producers.bus import Bus, Message

_EVENT = re.compile(r"[a-z]+\.[a-z0-9-]+\.[a-z_-]+")
"""A subject of CONTENT: family, unit and kind."""

K = TypeVar("K")
R = TypeVar("R")
AT_ONCE = 8
"""Facts that are read, or written, at a time."""


class Derived(NamedTuple):
    """One fact of a source, or none; with it the source was read up to *seq*."""

    seq: int
    fact: Fact | None = None


class FactSource(ABC):
    """The source of the facts of one kind. Raises BusError.

    `stream`: the stream of `Derived.seq`. `is_lasting`: it still has what its past facts came from.
    """

    kind: ClassVar[FactKind]
    is_lasting: ClassVar[bool] = True
    stream: str

    @property
    def name(self) -> str:
        """The name of its position."""
        return self.kind

    @abstractmethod
    def derive(self, after: int) -> AsyncIterator[Derived]:
        """Yield the facts of messages after sequence *after*; the last one has the new position."""

    async def derive_again(self, fact: Fact) -> Fact | None:
        """The fact of the same key as it is now; None if the source has no longer one."""
        return fact

    async def is_due(self) -> bool:
        """Whether a round may find anything; one that derives all facts anew does not ask."""
        return True


async def each(read: Callable[[K], Awaitable[R]], keys: Iterable[K]) -> AsyncIterator[R]:
    """The answers of *read* for each key, in their order."""
    left = iter(keys)
    while chunk := [*islice(left, AT_ONCE)]:
        for found in await asyncio.gather(*map(read, chunk)):
            yield found


@dataclass
class Releases(FactSource):
    """PUBLICATIONS: a fact for each message that Loa released."""

    bus: Bus
    seals: PublicationSeals | None
    kind: ClassVar = FactKind.RELEASE
    stream: str = subjects.PUBLICATIONS.name

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        async for message in self.bus.scan(self.stream, start=after + 1):
            yield Derived(message.seq, self._fact(message))

    def _fact(self, message: Message) -> Fact | None:
        """None for what Loa did not release, or can't read: `loa check` names it."""
        if self.seals and self.seals.problem(message):
            return None
        try:
            return release_of(publication.decode(message.data))
        except ContractError:
            return None


@dataclass
class Decisions(FactSource):
    """EDITORIAL: a fact for each revision that was sent, which later acts change."""

    log: EditorialLog
    kind: ClassVar = FactKind.DECISION
    stream: str = subjects.EDITORIAL.name

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        """Each item with new acts once, as it is now."""
        last, changed = after, dict[str, None]()
        async for message in self.log.bus.scan(self.stream, start=after + 1):
            last = message.seq
            changed[subjects.item_of_editorial(message.subject)] = None
        async for facts in each(self._facts, changed):
            for fact in facts:
                yield Derived(after, fact)
        yield Derived(last)

    async def derive_again(self, fact: Fact) -> Fact | None:
        content_id = str(fact.parts[0])
        return next((one for one in await self._facts(content_id) if one.key == fact.key), None)

    async def _facts(self, content_id: str) -> list[Fact]:
        try:
            acts = [act async for _, act in self.log.acts(content_id)]
        except ContractError:  # `loa check` names the item
            return []
        return [*decision_facts(content_id, acts)]


@dataclass
class Deliveries(FactSource):
    """The ledger: a fact for each plan, once its last row has ended; late evidence changes it."""

    bus: Bus
    kind: ClassVar = FactKind.DELIVERY
    stream: str = f"KV_{subjects.LEDGER.name}"

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.bus)
        self.bounces = BounceRecords(self.ledger.bucket)

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        """Each plan with changed keys once, as it is now, if it has ended."""
        last = await self.ledger.bucket.last_seq()
        plans = dict[PlanKey, None]()
        for prefix in ("plan.", "state.", BOUNCES):
            async for key, _ in self.ledger.bucket.values(prefix, start=after + 1):
                if plan := _plan_of(key.removeprefix(prefix)):
                    plans[plan] = None
        async for fact in each(self._fact, plans):
            yield Derived(after, fact)
        yield Derived(max(last, after))

    async def derive_again(self, fact: Fact) -> Fact | None:
        return await self._fact(PlanKey.parse(fact.key.removeprefix(f"{self.kind}.")))

    async def _fact(self, plan: PlanKey) -> Fact | None:
        """None for a plan under way, and for one that changed while it was read."""
        stored = await self.ledger.plan(plan)
        if stored is None or not is_planned(stored.value):
            return None
        entries = await self._entries(plan, stored.value)
        bounces = await self._bounces(plan)
        again = await self.ledger.plan(plan)
        if entries is None or again is None or again.revision != stored.revision:
            return None
        return delivery_fact(plan, stored.value, entries, bounces)

    async def _entries(self, plan: PlanKey, cursor: PlanCursor) -> list[LedgerEntry] | None:
        """All batches of a plan; None if one is open, or damaged, which `loa check` names."""
        entries = list[LedgerEntry]()
        try:
            async for _, entry in self.ledger.entries(plan, cursor):
                if not entry.value.closed_at:
                    return None
                entries.append(entry.value)
        except (LedgerError, *codec.DECODE_ERRORS):
            return None
        return entries

    async def _bounces(self, plan: PlanKey) -> BounceTotals:
        is_mail = plan.channel is ChannelName.EMAIL
        return await self.bounces.totals(plan) if is_mail else BounceTotals()


def _plan_of(name: str) -> PlanKey | None:
    """The plan of a plan's or a batch's name; None for a message to one person, which has none."""
    plan = decode_or_none(PlanKey.parse, name)
    if plan is None:
        batch = decode_or_none(BatchKey.parse, name)
        plan = batch.plan if batch else None
    return None if plan is None or keys.is_personal(plan.content_id) else plan


@dataclass
class _OfDays(FactSource):
    """A stream whose messages are counted by days, each when it is over."""

    bus: Bus
    clock: Clock
    read_on: tuple[int, date] | None = None
    """From where it was read last, and on which day: on the same day that brings nothing new."""

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        last, today = after, open_day(self.clock)
        if self.read_on == (after, today):
            return
        days = defaultdict[date, Counter[str]](Counter)
        async for message in self.bus.scan(self.stream, start=after + 1):
            if message.time >= midnight(today):
                break
            last = message.seq
            days[day_of(message.time)][self.label(message)] += 1
        for day, counts in days.items():
            for fact in self.facts(day, counts):
                yield Derived(after, fact)
        self.read_on = (after, today)
        yield Derived(last)

    def label(self, message: Message) -> str:
        """Return the label under which a message is counted within its day."""
        return message.subject

    @abstractmethod
    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]: ...


@dataclass
class Events(_OfDays):
    """CONTENT: what the doors accepted, by unit and kind."""

    kind: ClassVar = FactKind.EVENTS
    stream: str = subjects.CONTENT.name

    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]:
        for unit, accepted in _by_unit(counts).items():
            yield EventsFact(on=day, unit=unit, accepted=accepted)


@dataclass
class Refusals(_OfDays):
    """DEAD: the events that intake refused, by unit and kind."""

    kind: ClassVar = FactKind.REFUSALS
    stream: str = subjects.DEAD.name

    def label(self, message: Message) -> str:
        """The event's sequence and subject, as a dead letter may be stored twice.

        Empty for a letter of another stream.
        """
        origin = parse_letter(message).origin
        is_event = origin.stream == subjects.CONTENT.name and _EVENT.fullmatch(origin.subject)
        return f"{origin.seq} {origin.subject}" if is_event else ""

    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]:
        refused = Counter(label.partition(" ")[2] for label in counts if label)
        for unit, kinds in _by_unit(refused).items():
            yield RefusalsFact(on=day, unit=unit, refused=kinds)


def _by_unit(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counts by subjects of CONTENT, by unit and then by kind, as `content.submitted`."""
    units = defaultdict[str, dict[str, int]](dict)
    for subject, count in counts.items():
        family, unit, kind = subject.split(".")
        units[unit][f"{family}.{kind}"] = count
    return units


_Presses = dict[ChannelName, dict[Reaction, int]]


@dataclass
class Opinions(_OfDays):
    """OPINIONS: how often which button was pressed, by item and channel."""

    kind: ClassVar = FactKind.OPINIONS
    stream: str = subjects.OPINIONS.name

    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]:
        items = defaultdict[str, _Presses](dict)
        for subject, count in counts.items():
            _, channel, content_id, reaction = subject.split(".")
            presses = items[content_id].setdefault(ChannelName(channel), {})
            presses[Reaction(reaction)] = count
        for content_id, pressed in items.items():
            yield OpinionsFact(on=day, content_id=content_id, counts=pressed)
