"""One pass over the ledger, or over one item of it: every rule, each batch read once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from consumers.check import batches, case_notices, digests, plans
from consumers.check.batches import EXCUSABLE_RULES
from consumers.check.case_notices import NO_DEADLINE, NoticePairs
from consumers.check.context import CheckContext, ConsumerProgress
from consumers.check.digests import EMAIL, IssueIndex
from consumers.check.findings import Violation
from consumers.check.plans import NAMED_RECIPIENTS, PlanTally, check_corrections
from consumers.check.publications import PublicationFacts
from consumers.ledger import bulk
from consumers.ledger.bulk import StoredBatch
from consumers.ledger.entry import LedgerEntry, TimeRules
from consumers.progress import report_progress
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.subscriptions.digest import Issue

OutcomesByPlan = dict[PlanKey, dict[str, int]]
"""Booked outcomes where rows are places instead of recipients: row → letter."""


@dataclass
class LedgerPass:
    """Reads plans and states whose keys begin with `scope`, and collects violations."""

    context: CheckContext
    issues: IssueIndex
    scope: str = ""
    found: list[Violation] = field(default_factory=list)
    tallies: dict[PlanKey, PlanTally] = field(default_factory=dict)
    unreadable: set[PlanKey] = field(default_factory=set)
    outcomes: OutcomesByPlan = field(default_factory=dict)
    batches: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        bus = self.context.bus
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.publications = self.context.publications
        self.progress = ConsumerProgress(bus)
        self.is_excused = self.context.excuses()
        self.check_time = self.context.time()
        self.case_notices = NoticePairs(self.bucket, bus.bucket(subjects.NOTICES.name))

    @property
    def counts(self) -> dict[str, int]:
        return {"plans": len(self.tallies), "batches": self.batches, "rows": self.rows}

    def report(self, rule: str, key: str, detail: str) -> None:
        self.found.append(Violation(rule=rule, key=key, detail=detail))

    async def violations(self) -> list[Violation]:
        async for key, plan, cursor in bulk.read_plans(self.bucket, self.scope):
            if plan and cursor:
                self.tallies[plan] = PlanTally(plan, cursor)
                continue
            self.unreadable |= {plan} if plan else set()
            self.report("unreadable", key, "by this version")
        await self.check_batches()
        await self.check_totals()
        await self.check_positions()
        await self.check_unplanned()
        await self.check_digests()
        await self.check_orphans()
        return self.found

    async def check_batches(self) -> None:
        """Check every batch that a cursor counts, in order."""
        planned = self.planned_batches()
        async for batch in bulk.read_batches(self.bucket, planned, recipients=self.context.deep):
            tally = self.tallies[batch.key.plan]
            last = tally.last_recipient
            tally.add(batch)
            if batch.entry is None:
                rule = "unreadable" if batch.is_stored else "batch-missing"
                self.report(rule, batch.state_key, "counted by its plan")
                continue
            await self.check_state(batch, batch.entry, self.deadline_rules(batch.key.plan))
            if self.context.deep:
                for rule, detail in batches.check_recipients(batch.entry, batch.rows, last):
                    self.report(rule, batch.state_key, detail)
            self.count_batch(batch, batch.entry)

    def planned_batches(self) -> Iterator[BatchKey]:
        for plan in sorted(self.tallies):
            for number in range(self.tallies[plan].cursor.stored_count):
                yield BatchKey(*plan, number)

    async def check_state(self, batch: StoredBatch, entry: LedgerEntry, rules: TimeRules) -> None:
        """Check a state alone; a pause or a queue excuses some rules."""
        channel = batch.key.channel
        for rule, detail in batches.check_batch(channel, entry, rules, self.check_time):
            if rule not in EXCUSABLE_RULES or not await self.is_excused(channel, entry.lane):
                self.report(rule, batch.state_key, detail)

    def deadline_rules(self, plan: PlanKey) -> TimeRules:
        """When the rows of a plan have to end, as its worker sees it."""
        if issue := self.issues.find(plan):
            ends = issue.expires_at
            return TimeRules(give_up_at=ends.timestamp()) if ends else NO_DEADLINE
        publication = self.publications.find(plan.content_id, plan.revision)
        expires = publication.expires if publication else 0.0
        return TimeRules(give_up_at=expires) if expires else NO_DEADLINE

    def count_batch(self, batch: StoredBatch, entry: LedgerEntry) -> None:
        self.batches += 1
        self.rows += len(entry.rows)
        report_progress("batches", self.batches)
        if batch.rows and batch.key.channel is not ChannelName.EMAIL:
            booked = zip(batch.rows.ids, entry.rows, strict=False)
            self.outcomes.setdefault(batch.key.plan, {}).update(booked)

    async def check_totals(self) -> None:
        """Check each plan against its batches, and against its publication."""
        for plan, tally in self.tallies.items():
            key, cursor = f"plan.{plan}", tally.cursor
            for rule, detail in plans.check_total(tally):
                self.report(rule, key, detail)
            if plans.is_stuck(cursor, self.check_time) and not await self.is_excused(
                plan.channel, cursor.lane
            ):
                self.report("plan-stuck", key, "neither complete nor halted")
            if cursor.source and not self.has_source(plan):
                detail = f"planned from publication #{cursor.source}, which is not there"
                self.report("publication-lost", key, detail)

    def has_source(self, plan: PlanKey) -> bool:
        if keys.is_digest(plan.content_id):
            return self.issues.find(plan) is not None
        return self.publications.find(plan.content_id, plan.revision) is not None

    async def check_positions(self) -> None:
        """Compare the positions of each item on each channel."""
        ordered = [self.tallies[plan] for plan in sorted(self.tallies)]
        for (_, content_id), group in groupby(ordered, lambda tally: tally.plan[:2]):
            positions = list(group)
            released = self.publications.items.get(content_id)
            self.found += plans.check_order(positions, released)
            if self.context.deep and len(positions) > 1 and not keys.is_digest(content_id):
                held = list(self.issues.holding(content_id))
                if self.has_removed_rows(positions, [issue.plan for issue, _ in held]):
                    continue
                wrong = check_corrections(self.bucket, positions, held)
                self.found += [violation async for violation in wrong]

    def has_removed_rows(self, positions: Sequence[PlanTally], issues: Iterable[PlanKey]) -> bool:
        """Whether retention has removed who got one of the texts."""
        found = (self.tallies.get(plan) for plan in issues)
        return any(tally.cursor.removed for tally in (*positions, *filter(None, found)))

    async def check_unplanned(self) -> None:
        """Check that every publication is planned on each of its channels."""
        for released in self.scoped_publications():
            for plan in released.plans():
                if plan in self.tallies or plan in self.unreadable or not self.covers(plan):
                    continue
                if await self.progress.should_be_planned(released, plan.channel, self.check_time):
                    self.report("plan-missing", f"plan.{plan}", "released")

    async def check_digests(self) -> None:
        """Check that each issue is planned, a halted one reissued, and each reader served once."""
        for issue in self.issues.all():
            if not self.covers(issue.plan):
                continue
            key, tally = f"plan.{issue.plan}", self.tallies.get(issue.plan)
            if tally is None:
                is_late = digests.is_plan_late(issue, self.check_time)
                if is_late and not await self.is_excused(EMAIL, Lane.BULK):
                    self.report("plan-missing", key, "cut")
                continue
            if digests.is_not_reissued(issue, tally, self.issues, self.check_time):
                self.report("digest-stopped", key, "not issued again")
            if self.context.deep:
                await self.check_served_twice(issue)

    async def check_served_twice(self, issue: Issue) -> None:
        twice = [id async for id in digests.served_twice(self.bucket, issue, self.issues)]
        if twice:
            detail = f"{len(twice)}: {', '.join(twice[:NAMED_RECIPIENTS])}"
            self.report("digest-twice", f"plan.{issue.plan}", detail)

    def scoped_publications(self) -> Iterable[PublicationFacts]:
        if not self.scope:
            return self.publications.all()
        return self.publications.items.get(self.scope.split(".")[1], {}).values()

    def covers(self, plan: PlanKey) -> bool:
        return f"{plan}.".startswith(self.scope)

    async def check_orphans(self) -> None:
        """Check batches that no plan counts: those of notices, and orphans."""
        async for key, batch in bulk.read_states(self.bucket, self.scope):
            if batch is None:
                self.report("unreadable", key, "a key that names no batch")
            elif keys.is_personal(batch.key.content_id):
                await self.check_notice(batch)
            elif self.is_orphan(batch.key):
                self.report("orphan", key, "beyond what its plan counts")
        await self.case_notices.compare()
        self.found += self.case_notices.found

    async def check_notice(self, batch: StoredBatch) -> None:
        if batch.entry is None:
            self.report("unreadable", batch.state_key, "by this version")
            return
        self.batches += 1
        self.rows += len(batch.entry.rows)
        await self.case_notices.add(batch)
        for detail in case_notices.shape_faults(batch, batch.entry):
            self.report("notice-shape", batch.state_key, detail)
        rules = await self.case_notices.rules(batch, batch.entry, self.check_time.now)
        await self.check_state(batch, batch.entry, rules)

    def is_orphan(self, batch: BatchKey) -> bool:
        tally = self.tallies.get(batch.plan)
        counted = tally.cursor.count if tally else 0
        return batch.number >= counted and batch.plan not in self.unreadable
