"""One pass over the ledger, or over one item of it: every rule, each batch read once."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from consumers.check import batches, case_notices, digests, plans
from consumers.check.batches import EXCUSABLE_RULES, CheckTime
from consumers.check.case_notices import NO_DEADLINE, NoticePairs
from consumers.check.consumer_progress import ConsumerProgress
from consumers.check.digests import EMAIL, IssueIndex
from consumers.check.findings import IsExcused, ReportProgress, Violation, no_progress
from consumers.check.plans import NAMED_RECIPIENTS, PlanTally, check_corrections
from consumers.check.publications import PublicationFacts, PublicationIndex
from consumers.ledger import bulk
from consumers.ledger.bulk import StoredBatch
from consumers.ledger.entry import LedgerEntry, TimeRules
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bucket

OutcomesByPlan = dict[PlanKey, dict[str, int]]
"""What was booked where there is one row per place: row → letter."""


@dataclass
class LedgerPass:
    """Reads plans and states whose keys begin with `scope`; `deep` the frozen recipients, too."""

    bucket: Bucket
    contacts: Bucket
    publications: PublicationIndex
    progress: ConsumerProgress
    is_excused: IsExcused
    check_time: CheckTime
    scope: str = ""
    deep: bool = False
    report_progress: ReportProgress = no_progress
    issues: IssueIndex = field(default_factory=IssueIndex)
    tallies: dict[PlanKey, PlanTally] = field(default_factory=dict)
    unreadable: set[PlanKey] = field(default_factory=set)
    outcomes: OutcomesByPlan = field(default_factory=dict)
    batches: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.case_notices = NoticePairs(self.bucket, self.contacts)

    async def violations(self) -> AsyncIterator[Violation]:
        async for key, plan, cursor in bulk.read_plans(self.bucket, self.scope):
            if plan and cursor:
                self.tallies[plan] = PlanTally(plan, cursor)
                continue
            self.unreadable |= {plan} if plan else set()
            yield Violation(rule="unreadable", key=key, detail="by this version")
        for rules in (
            self.check_batches,
            self.check_totals,
            self.check_positions,
            self.check_unplanned,
            self.check_digests,
            self.check_orphans,
        ):
            async for found in rules():
                yield found

    async def check_batches(self) -> AsyncIterator[Violation]:
        """Every batch that a cursor counts, in order."""
        async for batch in bulk.read_batches(
            self.bucket, self.planned_batches(), recipients=self.deep
        ):
            tally = self.tallies[batch.key.plan]
            last = tally.last_recipient
            tally.add(batch)
            if batch.entry is None:
                rule = "unreadable" if batch.is_stored else "batch-missing"
                yield Violation(rule=rule, key=batch.state_key, detail="counted by its plan")
                continue
            async for rule, detail in self.check_batch(batch, batch.entry, last):
                yield Violation(rule=rule, key=batch.state_key, detail=detail)
            self.count_batch(batch, batch.entry)

    def planned_batches(self) -> Iterator[BatchKey]:
        for plan in sorted(self.tallies):
            for number in range(self.tallies[plan].cursor.count):
                yield BatchKey(*plan, number)

    async def check_batch(
        self, batch: StoredBatch, entry: LedgerEntry, last: str
    ) -> AsyncIterator[tuple[str, str]]:
        async for one in self.check_state(batch, entry, self.deadline_rules(batch.key.plan)):
            yield one
        if self.deep:
            for found in batches.check_recipients(entry, batch.rows, last):
                yield found

    async def check_state(
        self, batch: StoredBatch, entry: LedgerEntry, rules: TimeRules
    ) -> AsyncIterator[tuple[str, str]]:
        """What is wrong with a state alone, and no pause or queue excuses."""
        channel = batch.key.channel
        for rule, detail in batches.check_batch(channel, entry, rules, self.check_time):
            if rule not in EXCUSABLE_RULES or not await self.is_excused(channel, entry.lane):
                yield rule, detail

    def deadline_rules(self, plan: PlanKey) -> TimeRules:
        """When the rows of a plan have to end, as its worker sees it."""
        if issue := self.issues.find(plan):
            ends = issue.expires_at
            return TimeRules(give_up_at=ends.timestamp()) if ends else NO_DEADLINE
        one = self.publications.find(plan.content_id, plan.revision)
        return TimeRules(give_up_at=one.expires) if one and one.expires else NO_DEADLINE

    def count_batch(self, batch: StoredBatch, entry: LedgerEntry) -> None:
        self.batches += 1
        self.rows += len(entry.rows)
        self.report_progress("batches", self.batches)
        if batch.rows and batch.key.channel is not ChannelName.EMAIL:
            booked = zip(batch.rows.ids, entry.rows, strict=False)
            self.outcomes.setdefault(batch.key.plan, {}).update(booked)

    async def check_totals(self) -> AsyncIterator[Violation]:
        """Each plan against what its batches hold, and against its publication."""
        for plan, tally in self.tallies.items():
            key = f"plan.{plan}"
            for rule, detail in plans.check_total(tally):
                yield Violation(rule=rule, key=key, detail=detail)
            if plans.is_stuck(tally.cursor, self.check_time) and not await self.is_plan_excused(
                plan
            ):
                yield Violation(rule="plan-stuck", key=key, detail="neither complete nor halted")
            if tally.cursor.source and not self.has_source(plan):
                detail = f"planned from publication #{tally.cursor.source}, which is not there"
                yield Violation(rule="publication-lost", key=key, detail=detail)

    def has_source(self, plan: PlanKey) -> bool:
        """Whether there is what the plan is a plan of."""
        if keys.is_digest(plan.content_id):
            return self.issues.find(plan) is not None
        return self.publications.find(plan.content_id, plan.revision) is not None

    async def is_plan_excused(self, plan: PlanKey) -> bool:
        return await self.is_excused(plan.channel, self.tallies[plan].cursor.lane)

    async def check_positions(self) -> AsyncIterator[Violation]:
        """The positions of each item on each channel with each other."""
        ordered = [self.tallies[plan] for plan in sorted(self.tallies)]
        for item, group in groupby(ordered, lambda one: one.plan[:2]):
            positions = list(group)
            for rule, key, detail in plans.check_order(
                positions, self.publications.items.get(item[1])
            ):
                yield Violation(rule=rule, key=key, detail=detail)
            if self.deep and len(positions) > 1 and not keys.is_digest(item[1]):
                held = list(self.issues.holding(item[1]))
                async for rule, key, detail in check_corrections(self.bucket, positions, held):
                    yield Violation(rule=rule, key=key, detail=detail)

    async def check_unplanned(self) -> AsyncIterator[Violation]:
        """Every publication is planned on each of its channels."""
        for one in self.scoped_publications():
            for plan in one.plans():
                if plan in self.tallies or plan in self.unreadable or not self.covers(plan):
                    continue
                if await self.progress.should_be_planned(one, plan.channel, self.check_time):
                    yield Violation(rule="plan-missing", key=f"plan.{plan}", detail="released")

    async def check_digests(self) -> AsyncIterator[Violation]:
        """Each issue is planned, a halted one reissued, and each reader served once."""
        for issue in self.issues.all():
            if not self.covers(issue.plan):
                continue
            key, tally = f"plan.{issue.plan}", self.tallies.get(issue.plan)
            if tally is None:
                if digests.is_plan_late(issue, self.check_time) and not await self.is_excused(
                    EMAIL, Lane.BULK
                ):
                    yield Violation(rule="plan-missing", key=key, detail="cut")
                continue
            if digests.is_not_reissued(issue, tally, self.issues, self.check_time):
                yield Violation(rule="digest-stopped", key=key, detail="not issued again")
            async for found in self.check_served_twice(issue):
                yield found

    async def check_served_twice(self, issue: Issue) -> AsyncIterator[Violation]:
        if not self.deep:
            return
        people = [one async for one in digests.served_twice(self.bucket, issue, self.issues)]
        if people:
            detail = f"{len(people)}: {', '.join(people[:NAMED_RECIPIENTS])}"
            yield Violation(rule="digest-twice", key=f"plan.{issue.plan}", detail=detail)

    def scoped_publications(self) -> Iterable[PublicationFacts]:
        """The publications that this pass is about."""
        if not self.scope:
            return self.publications.all()
        return self.publications.items.get(self.scope.split(".")[1], {}).values()

    def covers(self, plan: PlanKey) -> bool:
        return f"{plan}.".startswith(self.scope)

    async def check_orphans(self) -> AsyncIterator[Violation]:
        """Batches that no plan counts."""
        async for key, batch in bulk.read_states(self.bucket, self.scope):
            if batch is None:
                yield Violation(rule="unreadable", key=key, detail="a key that names no batch")
            elif case_notices.is_personal(batch):
                async for found in self.check_notice(batch):
                    yield found
            elif self.is_orphan(batch.key):
                yield Violation(rule="orphan", key=key, detail="beyond what its plan counts")
        for rule, key, detail in await self.case_notices.notified_twice():
            yield Violation(rule=rule, key=key, detail=detail)

    async def check_notice(self, batch: StoredBatch) -> AsyncIterator[Violation]:
        """A case notice's batch, which no plan counts."""
        if batch.entry is None:
            yield Violation(rule="unreadable", key=batch.state_key, detail="by this version")
            return
        self.batches += 1
        self.rows += len(batch.entry.rows)
        await self.case_notices.add(batch)
        for rule, detail in case_notices.check_notice(batch):
            yield Violation(rule=rule, key=batch.state_key, detail=detail)
        rules = await self.case_notices.rules(batch, self.check_time.now)
        async for rule, detail in self.check_state(batch, batch.entry, rules):
            yield Violation(rule=rule, key=batch.state_key, detail=detail)

    def is_orphan(self, batch: BatchKey) -> bool:
        tally = self.tallies.get(batch.plan)
        counted = tally.cursor.count if tally else 0
        return batch.number >= counted and batch.plan not in self.unreadable
