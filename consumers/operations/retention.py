"""Carry out how long what is kept: once a day, and on an operator's order.

Streams forget by their age. The rest is removed record by record, each step a compare-and-set that
may be repeated: a pass that is killed is completed by the next."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple, Protocol, get_args

import structlog
from pydantic import AwareDatetime, BaseModel

from consumers.audit.cut import AuditCutter, OldRecords
from consumers.audit.log import Act, AuditLog
from consumers.intake.approval import Draft
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.errors import BrokenItem
from consumers.messages import field_error
from consumers.operations.errors import RetentionHeld
from consumers.progress import report_progress
from consumers.staff.accounts import AccountStore
from consumers.staff.proposals import Proposals
from consumers.subscribers.store import former_readers
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.suppression.store import BOUNCE_PREFIX, SoftFailures, Suppression
from consumers.uploads.unused import STRAYS_AFTER, UnusedFiles
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.retention import AGED_STREAMS, Retention, RetentionKind
from contracts.base.times import Clock, utc_now
from contracts.errors import FieldError
from contracts.vocabulary import UNDECIDED_TOO_LONG
from producers.bus import Bucket, Bus, RevisionConflict, Value, topology
from producers.bus.messages import chunked
from producers.bus.periodic import every
from producers.bus.records import parse

log = structlog.get_logger()
_INTERVAL_S = 86400.0
_CHUNK_SIZE = 500
_LONGEST_GAP = 31
"""A clock that is more days ahead of the last pass may be wrong: it must be confirmed."""
_LAST_RUN = "retention"
_BY_STREAM_SETTINGS = frozenset({"audit"})
_ALWAYS_IN_USE = ("CONTENT", "PUBLICATIONS", "KV_ledger", "KV_subscribers")
_REVIEWER = "Loa"
"""Who has rejected a draft that no person decided on."""
_SOFT_PREFIX = "soft."


class DueRecord(NamedTuple):
    """A record that is kept too long, and how it is removed; False: it has changed meanwhile.

    `number`: of several that go together, how many.
    """

    since: datetime
    remove: Callable[[], Awaitable[bool]]
    number: int = 1


class Rule(Protocol):
    """Finds the records of one kind that are older than a moment."""

    kind: RetentionKind

    def due(self, before: datetime) -> AsyncIterator[DueRecord]: ...


@dataclass
class FailedAddresses:
    """Hashes of addresses from which mail came back; a complaint or a wish stays."""

    bus: Bus
    kind: RetentionKind = "failed_addresses"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        bucket = self.bus.bucket(subjects.SUPPRESSED.name)
        async for key, value in bucket.values():
            since = _failed_at(key, value)
            if since and since < before:
                yield DueRecord(since, partial(_purge_unchanged, bucket, key, value.revision))


def _failed_at(key: str, value: Value) -> datetime | None:
    """When mail to an address last failed; None for another or an unreadable record."""
    if key.startswith(_SOFT_PREFIX):
        failures = parse(SoftFailures, value.data)
        return max(failures.marks.values(), default=value.created) if failures else None
    suppression = parse(Suppression, value.data)
    return suppression.at if suppression and _is_failure(suppression) else None


def _is_failure(suppression: Suppression) -> bool:
    """Whether failed mail is its reason, or a person has lifted it."""
    is_lifted = suppression.until is not None and suppression.until <= suppression.at
    return is_lifted or suppression.reason.startswith(BOUNCE_PREFIX)


async def _purge_unchanged(bucket: Bucket, key: str, revision: int) -> bool:
    try:
        await bucket.purge_if(key, revision)
    except RevisionConflict:
        return False
    return True


@dataclass
class Drafts:
    """Drafts on which no decision came: they are rejected; the editorial log keeps their text."""

    decisions: DraftDecisions
    kind: RetentionKind = "drafts"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        for draft in await self.decisions.waiting_drafts():
            if draft.at < before:
                yield DueRecord(draft.at, partial(self.reject, draft))

    async def reject(self, draft: Draft) -> bool:
        try:
            return await self.decisions.reject_by_rule(draft, _REVIEWER, UNDECIDED_TOO_LONG)
        except BrokenItem:  # `loa check` names it
            return False


@dataclass
class FormerReaders:
    """Readers who left: their consent, and the hashes of their addresses."""

    unsubscribe: UnsubscribeService
    kind: RetentionKind = "former_readers"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        async for reader in former_readers(self.unsubscribe.store.bucket):
            if reader.left_at and reader.left_at < before:
                yield DueRecord(reader.left_at, partial(self.erase, reader.id))

    async def erase(self, id: str) -> bool:
        return await self.unsubscribe.erase_inactive(id, reason="retention")


@dataclass
class UnusedAccounts:
    """Accounts of staff without a sign-in are disabled; account managers enable them again."""

    accounts: AccountStore
    kind: RetentionKind = "unused_accounts"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        for account in await self.accounts.all():
            if account.is_active and account.last_used < before:
                yield DueRecord(account.last_used, partial(self.disable, account.id, before))

    async def disable(self, id: str, before: datetime) -> bool:
        audit = AuditLog(self.accounts.bus, self.accounts.clock)
        act = Act("staff.disable", id, _REVIEWER, reason=self.kind)
        is_disabled = await audit.perform(act, partial(self.accounts.disable_unused, id, before))
        log.warning("account_disabled_unused", account=id)
        return is_disabled


@dataclass
class UnusedUploads:
    """Uploaded files that no text names any more, and pieces of uploads that broke off."""

    files: UnusedFiles
    clock: Clock
    kind: RetentionKind = "uploads"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        async for since, found in self.files.find(before):
            yield DueRecord(since, partial(self.files.store.delete, found))
        strays = utc_now(self.clock) - STRAYS_AFTER
        async for since, erase in self.files.store.strays(strays):
            yield DueRecord(since, erase)


@dataclass
class OldAuditRecords:
    """The start of the audit log; what remains is proven by a signed mark."""

    cutter: AuditCutter
    kind: RetentionKind = "audit"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        if old := await self.cutter.find_old(before):
            yield DueRecord(old.oldest, partial(self.cut, old), old.number)

    async def cut(self, old: OldRecords) -> bool:
        await self.cutter.cut(old.end)
        return True


@dataclass
class OldProposals:
    """Acts for which no second person came."""

    proposals: Proposals
    kind: RetentionKind = "proposals"

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        bucket = self.proposals.bucket
        async for key, revision, since in self.proposals.older_than(before):
            yield DueRecord(since, partial(_purge_unchanged, bucket, key, revision))


class LastPass(BaseModel):
    """Bucket `control`, key `retention`: when records were removed last."""

    at: AwareDatetime


class KindPlan(BaseModel):
    """The state of retention of one kind. `due`: records that the next pass removes.

    `carried_out`: `removed` by a pass (an account: disabled), `expires` by the age of a stream, or
    `kept` at least so long. `age_days`: the stream's own age, if it differs.
    """

    kind: RetentionKind
    days: int
    carried_out: Literal["removed", "expires", "kept"]
    due: int = 0
    oldest: datetime | None = None
    age_days: float | None = None


@dataclass
class RetentionService:
    """Raises BusError."""

    bus: Bus
    retention: Retention
    rules: Sequence[Rule]
    clock: Clock
    may_change_streams: bool = True
    """Where services have limited rights, `loa bus apply` lets streams forget, and
    `loa retention run` shortens the audit log."""

    async def run(self) -> None:
        await every(_INTERVAL_S, self.run_unless_held)

    async def run_unless_held(self) -> None:
        """Like `run_once`; what holds a pass is logged: an operator has to look at the clock."""
        try:
            await self.run_once()
        except RetentionHeld:
            log.error("retention_held", days=(await _clock_gap(self.bus, self.clock)).days)

    async def run_once(self, *, is_clock_right: bool = False) -> dict[str, int]:
        """Remove records past their retention period; return the numbers by kind.

        Raises RetentionHeld for a clock that went far ahead, unless a person says it is right.
        """
        if self.may_change_streams:
            await topology.apply_ages(self.bus, self.retention.stream_ages())
        if not is_clock_right and (held := await clock_problem(self.bus, self.clock)):
            raise RetentionHeld(held)
        done = LastPass(at=utc_now(self.clock)).model_dump_json().encode()
        await self.bus.bucket(subjects.CONTROL.name).put(_LAST_RUN, done)
        crash_point("retention.noted")
        removed: dict[str, int] = {}
        for rule in self.rules:
            if rule.kind in _BY_STREAM_SETTINGS and not self.may_change_streams:
                continue
            removed[rule.kind] = await self.remove_due(rule)
        if any(removed.values()):
            log.info("retention_carried_out", **removed)
        return removed

    async def remove_due(self, rule: Rule) -> int:
        """Remove the records of a rule, a few at a time; return their number."""
        removed = 0
        async for chunk in chunked(rule.due(self.limit(rule.kind)), _CHUNK_SIZE):
            for record in chunk:
                removed += record.number * await record.remove()
                crash_point("retention.removed")
            report_progress(rule.kind, removed)
        return removed

    async def plan(self) -> list[KindPlan]:
        """The effects of a pass now, and the oldest of each kind that is due or expires."""
        plans = {rule.kind: await self.plan_of(rule) for rule in self.rules}
        for stream, kind in AGED_STREAMS.items():
            plans[kind] = await self.plan_of_stream(kind, stream)
        kinds = get_args(RetentionKind)
        return [plans.get(kind) or self.plan_kept(kind) for kind in kinds]

    async def plan_of(self, rule: Rule) -> KindPlan:
        report_progress(rule.kind, 0)
        count, oldest, days = 0, None, self.retention.span(rule.kind).days
        async for record in rule.due(self.limit(rule.kind)):
            count += record.number
            oldest = min(oldest or record.since, record.since)
        return KindPlan(kind=rule.kind, days=days, carried_out="removed", due=count, oldest=oldest)

    async def plan_of_stream(self, kind: RetentionKind, stream: str) -> KindPlan:
        span = self.retention.span(kind)
        if not await topology.stream_exists(self.bus, stream):  # an earlier version started the bus
            return KindPlan(kind=kind, days=span.days, carried_out="expires")
        info = await self.bus.stream_info(stream)
        state, age = info["state"], topology.age_of(info["config"])
        oldest = datetime.fromisoformat(state["first_ts"]) if state["messages"] else None
        differs = None if age == span else age.total_seconds() / _INTERVAL_S
        return KindPlan(
            kind=kind, days=span.days, carried_out="expires", oldest=oldest, age_days=differs
        )

    def plan_kept(self, kind: RetentionKind) -> KindPlan:
        return KindPlan(kind=kind, days=self.retention.span(kind).days, carried_out="kept")

    def limit(self, kind: RetentionKind) -> datetime:
        return utc_now(self.clock) - self.retention.span(kind)


async def clock_problem(bus: Bus, clock: Clock) -> FieldError | None:
    """Why the next pass would remove nothing, if so. Raises BusError."""
    days = (await _clock_gap(bus, clock)).days
    return field_error("clock", "retention_held", days=days) if days > _LONGEST_GAP else None


async def _clock_gap(bus: Bus, clock: Clock) -> timedelta:
    """How far the clock is ahead of the last pass, or, before the first, of what is stored."""
    value = await bus.bucket(subjects.CONTROL.name).get(_LAST_RUN)
    last = parse(LastPass, value.data) if value else None
    at = last.at if last else await _last_stored(bus)
    return utc_now(clock) - at if at else timedelta()


async def _last_stored(bus: Bus) -> datetime | None:
    """When the bus stored something last that a start of Loa does not store; None if never."""
    states = [(await bus.stream_info(name))["state"] for name in _ALWAYS_IN_USE]
    stored = [state["last_ts"] for state in states if state["messages"]]
    return max(map(datetime.fromisoformat, stored), default=None)
