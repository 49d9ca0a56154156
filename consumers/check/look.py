"""One pass over the ledger, or over one item of it: every rule, each batch read once."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from consumers.check import batches, digests, notices, plans
from consumers.check.batches import WAITING, Moment
from consumers.check.corrections import FIRST, corrections
from consumers.check.digests import EMAIL, Issues
from consumers.check.findings import Excused, Tell, Violation, untold
from consumers.check.notices import PATIENT, Tried
from consumers.check.plans import Tally
from consumers.check.progress import Progress
from consumers.check.released import Edition, Released
from consumers.ledger import bulk
from consumers.ledger.bulk import Batch
from consumers.ledger.entry import Entry, Rules
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.digest import Issue
from producers.bus import Bucket

Places = dict[PlanKey, dict[str, int]]
"""What was booked where there is one row per place: row → letter."""


@dataclass
class Look:
    """Reads plans and states whose keys begin with `scope`; `deep` the frozen recipients, too."""

    bucket: Bucket
    contacts: Bucket
    released: Released
    progress: Progress
    busy: Excused
    at: Moment
    scope: str = ""
    deep: bool = False
    tell: Tell = untold
    issues: Issues = field(default_factory=Issues)
    tallies: dict[PlanKey, Tally] = field(default_factory=dict)
    unreadable: set[PlanKey] = field(default_factory=set)
    places: Places = field(default_factory=dict)
    batches: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.notices = Tried(self.bucket, self.contacts)

    async def violations(self) -> AsyncIterator[Violation]:
        async for key, plan, cursor in bulk.plans(self.bucket, self.scope):
            if plan and cursor:
                self.tallies[plan] = Tally(plan, cursor)
                continue
            self.unreadable |= {plan} if plan else set()
            yield Violation(rule="unreadable", key=key, detail="by this version")
        for rules in (self.read, self.add_up, self.compare, self.unplanned, self.digests,
                      self.orphans):  # fmt: skip
            async for found in rules():
                yield found

    async def read(self) -> AsyncIterator[Violation]:
        """Every batch that a cursor counts, in order."""
        async for batch in bulk.batches(self.bucket, self.counted(), recipients=self.deep):
            tally = self.tallies[batch.key.plan]
            last = tally.last
            tally.add(batch)
            if batch.entry is None:
                rule = "unreadable" if batch.stored else "batch-missing"
                yield Violation(rule=rule, key=batch.name, detail="counted by its plan")
                continue
            async for rule, detail in self.judge(batch, batch.entry, last):
                yield Violation(rule=rule, key=batch.name, detail=detail)
            self.note(batch, batch.entry)

    def counted(self) -> Iterator[BatchKey]:
        for plan in sorted(self.tallies):
            for number in range(self.tallies[plan].cursor.count):
                yield BatchKey(*plan, number)

    async def judge(self, batch: Batch, entry: Entry, last: str) -> AsyncIterator[tuple[str, str]]:
        async for one in self.judged(batch, entry, self.rules(batch.key.plan)):
            yield one
        if self.deep:
            for found in batches.recipients(entry, batch.rows, last):
                yield found

    async def judged(
        self, batch: Batch, entry: Entry, rules: Rules
    ) -> AsyncIterator[tuple[str, str]]:
        """What is wrong with a state alone, and no pause or queue excuses."""
        channel = batch.key.channel
        for rule, detail in batches.judge(channel, entry, rules, self.at):
            if rule not in WAITING or not await self.busy(channel, entry.lane):
                yield rule, detail

    def rules(self, plan: PlanKey) -> Rules:
        """When the rows of a plan have to end, as its worker sees it."""
        if issue := self.issues.find(plan):
            ends = issue.expires_at
            return Rules(give_up_at=ends.timestamp()) if ends else PATIENT
        one = self.released.find(plan.content_id, plan.revision)
        return Rules(give_up_at=one.expires) if one and one.expires else PATIENT

    def note(self, batch: Batch, entry: Entry) -> None:
        self.batches += 1
        self.rows += len(entry.rows)
        self.tell("batches", self.batches)
        if batch.rows and batch.key.channel is not ChannelName.EMAIL:
            booked = zip(batch.rows.ids, entry.rows, strict=False)
            self.places.setdefault(batch.key.plan, {}).update(booked)

    async def add_up(self) -> AsyncIterator[Violation]:
        """Each plan against what its batches hold, and against its publication."""
        for plan, tally in self.tallies.items():
            key = f"plan.{plan}"
            for rule, detail in plans.total(tally):
                yield Violation(rule=rule, key=key, detail=detail)
            if plans.stuck(tally.cursor, self.at) and not await self.busy_with(plan):
                yield Violation(rule="plan-stuck", key=key, detail="neither complete nor halted")
            if tally.cursor.source and not self.said(plan):
                detail = f"planned from publication #{tally.cursor.source}, which is not there"
                yield Violation(rule="publication-lost", key=key, detail=detail)

    def said(self, plan: PlanKey) -> bool:
        """Whether there is what the plan is a plan of."""
        if keys.is_digest(plan.content_id):
            return self.issues.find(plan) is not None
        return self.released.find(plan.content_id, plan.revision) is not None

    async def busy_with(self, plan: PlanKey) -> bool:
        return await self.busy(plan.channel, self.tallies[plan].cursor.lane)

    async def compare(self) -> AsyncIterator[Violation]:
        """The positions of each item on each channel with each other."""
        ordered = [self.tallies[plan] for plan in sorted(self.tallies)]
        for item, group in groupby(ordered, lambda one: one.plan[:2]):
            positions = list(group)
            for rule, key, detail in plans.order(positions, self.released.items.get(item[1])):
                yield Violation(rule=rule, key=key, detail=detail)
            if self.deep and len(positions) > 1 and not keys.is_digest(item[1]):
                held = list(self.issues.holding(item[1]))
                async for rule, key, detail in corrections(self.bucket, positions, held):
                    yield Violation(rule=rule, key=key, detail=detail)

    async def unplanned(self) -> AsyncIterator[Violation]:
        """Every publication is planned on each of its channels."""
        for one in self.editions():
            for plan in one.plans():
                if plan in self.tallies or plan in self.unreadable or not self.covers(plan):
                    continue
                if await self.progress.should_be_planned(one, plan.channel, self.at):
                    yield Violation(rule="plan-missing", key=f"plan.{plan}", detail="released")

    async def digests(self) -> AsyncIterator[Violation]:
        """Every issue is planned and, once it was stopped, issued again; nobody is served twice."""
        for issue in self.issues.all():
            if not self.covers(issue.plan):
                continue
            key, tally = f"plan.{issue.plan}", self.tallies.get(issue.plan)
            if tally is None:
                if digests.late(issue, self.at) and not await self.busy(EMAIL, Lane.BULK):
                    yield Violation(rule="plan-missing", key=key, detail="cut")
                continue
            if digests.stopped(issue, tally, self.issues, self.at):
                yield Violation(rule="digest-stopped", key=key, detail="not issued again")
            async for found in self.served(issue):
                yield found

    async def served(self, issue: Issue) -> AsyncIterator[Violation]:
        if not self.deep:
            return
        people = [one async for one in digests.twice(self.bucket, issue, self.issues)]
        if people:
            detail = f"{len(people)}: {', '.join(people[:FIRST])}"
            yield Violation(rule="digest-twice", key=f"plan.{issue.plan}", detail=detail)

    def editions(self) -> Iterable[Edition]:
        """The publications that this pass is about."""
        if not self.scope:
            return self.released.all()
        return self.released.items.get(self.scope.split(".")[1], {}).values()

    def covers(self, plan: PlanKey) -> bool:
        return f"{plan}.".startswith(self.scope)

    async def orphans(self) -> AsyncIterator[Violation]:
        """Batches that no plan counts."""
        async for key, batch in bulk.states(self.bucket, self.scope):
            if batch is None:
                yield Violation(rule="unreadable", key=key, detail="a key that names no batch")
            elif notices.is_notice(batch):
                async for found in self.notice(batch):
                    yield found
            elif self.beyond(batch.key):
                yield Violation(rule="orphan", key=key, detail="beyond what its plan counts")
        for rule, key, detail in await self.notices.twice():
            yield Violation(rule=rule, key=key, detail=detail)

    async def notice(self, batch: Batch) -> AsyncIterator[Violation]:
        """A case notice's batch, which no plan counts."""
        if batch.entry is None:
            yield Violation(rule="unreadable", key=batch.name, detail="by this version")
            return
        self.batches += 1
        self.rows += len(batch.entry.rows)
        await self.notices.add(batch)
        for rule, detail in notices.judge(batch):
            yield Violation(rule=rule, key=batch.name, detail=detail)
        rules = await self.notices.rules(batch, self.at.now)
        async for rule, detail in self.judged(batch, batch.entry, rules):
            yield Violation(rule=rule, key=batch.name, detail=detail)

    def beyond(self, batch: BatchKey) -> bool:
        tally = self.tallies.get(batch.plan)
        counted = tally.cursor.count if tally else 0
        return batch.number >= counted and batch.plan not in self.unreadable
