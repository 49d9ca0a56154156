"""Where facts come from: logs and the ledger, read behind a position, each in its own way.

A source tells facts, and up to where it has read. Told again from an earlier position, it tells the
same: so a process that dies between a fact and its position is followed by one that repeats it.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, NamedTuple

from consumers.editorial.log import EditorialLog
from consumers.email.bounce_records import KEY_PREFIX as BOUNCES
from consumers.email.bounce_records import BounceRecords, BounceTotals
from consumers.facts.days import midnight, open_day
from consumers.facts.decisions import decision_facts
from consumers.facts.deliveries import delivery_fact, has_ended
from consumers.ledger import codec
from consumers.ledger.bulk import decode_or_none
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.seals.publications import PublicationSeals
from contracts import keys, publication, subjects
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import ContractError
from contracts.facts import DeliveryFact, EventsFact, Fact, FactKind, OpinionsFact
from contracts.facts.kinds import day_of, release_of
from contracts.subscriptions.reaction import Reaction
from producers.bus import Bus, Message


class Told(NamedTuple):
    """One fact of a source, or none; everything up to *seq* is told with it."""

    seq: int
    fact: Fact | None = None


class FactSource:
    """Where facts of one kind come from. Raises BusError.

    `stream`: what `Told.seq` counts in. `is_lasting`: it tells of the past what it told before.
    """

    kind: ClassVar[FactKind]
    is_lasting: ClassVar[bool] = True
    stream: str

    @property
    def name(self) -> str:
        """The name of its position."""
        return self.kind

    def told(self, after: int) -> AsyncIterator[Told]:
        """What is new behind *after*; the last one says up to where the source was read."""
        raise NotImplementedError

    async def again(self, fact: Fact) -> Fact | None:
        """The fact of the same key as it is now; None if it is not told any more."""
        return fact


@dataclass
class Releases(FactSource):
    """PUBLICATIONS: a fact for each message that Loa released."""

    bus: Bus
    seals: PublicationSeals | None
    kind: ClassVar = FactKind.RELEASE
    stream: str = subjects.PUBLICATIONS.name

    async def told(self, after: int) -> AsyncIterator[Told]:
        async for message in self.bus.scan(self.stream, start=after + 1):
            yield Told(message.seq, self._fact(message))

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

    async def told(self, after: int) -> AsyncIterator[Told]:
        """Each item with new acts once, as it is now."""
        last, changed = after, dict[str, None]()
        async for message in self.log.bus.scan(self.stream, start=after + 1):
            last = message.seq
            changed[subjects.item_of_editorial(message.subject)] = None
        for content_id in changed:
            for fact in await self._facts(content_id):
                yield Told(after, fact)
        yield Told(last)

    async def again(self, fact: Fact) -> Fact | None:
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

    async def told(self, after: int) -> AsyncIterator[Told]:
        """Each plan with changed keys once, as it is now, if it has ended."""
        last = await self.ledger.bucket.last_seq()
        plans = dict[PlanKey, None]()
        for prefix in ("plan.", "state.", BOUNCES):
            async for key, _ in self.ledger.bucket.values(prefix, start=after + 1):
                if plan := _plan_of(key.removeprefix(prefix)):
                    plans[plan] = None
        for plan in plans:
            yield Told(after, await self._fact(plan))
        yield Told(max(last, after))

    async def again(self, fact: Fact) -> Fact | None:
        assert isinstance(fact, DeliveryFact)  # noqa: S101
        return await self._fact(PlanKey(fact.channel, fact.content_id, fact.revision))

    async def _fact(self, plan: PlanKey) -> Fact | None:
        """None for a plan at work, or one whose rows are just being removed."""
        stored = await self.ledger.plan(plan)
        if stored is None or not has_ended(stored.value):
            return None
        entries = await self._entries(plan)
        bounces = await self._bounces(plan)
        again = await self.ledger.plan(plan)
        if entries is None or again is None or again.revision != stored.revision:
            return None
        return delivery_fact(plan, stored.value, entries, bounces)

    async def _entries(self, plan: PlanKey) -> list[LedgerEntry] | None:
        """All batches of a plan; None with an open one, and where `loa check` names damage."""
        entries = list[LedgerEntry]()
        try:
            async for _, entry in self.ledger.entries(plan):
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
    """A stream whose messages are counted by days: a day is told when it is over."""

    bus: Bus
    clock: Clock
    told_on: tuple[int, date] | None = None
    """From where, and on which day, it was told last: until tomorrow that brings nothing new."""

    async def told(self, after: int) -> AsyncIterator[Told]:
        last, today = after, open_day(self.clock)
        if self.told_on == (after, today):
            return
        days = defaultdict[date, Counter[str]](Counter)
        async for message in self.bus.scan(self.stream, start=after + 1):
            if message.time >= midnight(today):
                break
            last = message.seq
            days[day_of(message.time)][message.subject] += 1
        for day, counts in days.items():
            for fact in self.facts(day, counts):
                yield Told(after, fact)
        self.told_on = (after, today)
        yield Told(last)

    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]:
        raise NotImplementedError


@dataclass
class Events(_OfDays):
    """CONTENT: what the doors accepted, by unit and kind."""

    kind: ClassVar = FactKind.EVENTS
    stream: str = subjects.CONTENT.name

    def facts(self, day: date, counts: Mapping[str, int]) -> Iterator[Fact]:
        units = defaultdict[str, dict[str, int]](dict)
        for subject, count in counts.items():
            family, unit, kind = subject.split(".")
            units[unit][f"{family}.{kind}"] = count
        for unit, accepted in units.items():
            yield EventsFact(on=day, unit=unit, accepted=accepted)


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
