"""Send policy of the e-mail worker: pace, bounce stops, and the record of refused recipients."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar
from zlib import crc32

import structlog
from pydantic import ValidationError

from channels.base import Outcome, Verdict
from channels.email import status_codes
from consumers.deliver.policy import SendPolicy
from consumers.email import bounce_monitor, pace
from consumers.email.bounce_sample import BounceSample
from consumers.email.bounce_stops import STOPS_KEY, BounceStops, apply_verdict
from consumers.email.pace import SendPace
from consumers.email.receipts import RelayRefusal
from consumers.email.refused_items import HOLD_S, REFUSED_KEY, RefusedItem, RefusedItems
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.restored import last_restore
from consumers.runtime.lanes import LaneSemaphore
from contracts import keys, subjects
from contracts.base.times import utc_now
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus, BusError, Value, records
from producers.bus.periodic import log_bus_error
from producers.seals import publish_sealed

log = structlog.get_logger()
_POLL_S, _SUSPICION_POLL_S = 1.0, 0.2
PUBLISH_PATIENCE_S = 5.0
_REFUSAL_KIND = "refusal"
_RECENTLY_ACCEPTED_S = 60.0
Known = TypeVar("Known", SendPace, BounceStops, RefusedItems)
_HOLD_SPREAD_S = 30
_AWAITS_EVIDENCE = Outcome(Verdict.DOUBT, "restored: no evidence yet", 900.0)


async def slow_down(bus: Bus, reason: str, now: float) -> SendPace:
    """Slow all workers down by one level. Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    written = await records.update_or_create(
        bucket, pace.PACE_KEY, SendPace, lambda used: pace.one_level_slower(used, reason, now)
    )
    if written.just_written:
        log.warning("mail_slowed", level=written.value.level, reason=reason)
    return written.value


async def _log_failure(step: Awaitable[None]) -> None:
    """Log the failure of *step*; the next window tries again."""
    try:
        await step
    except (BusError, LedgerError) as trouble:
        log_bus_error(trouble)
    except ValidationError as broken:
        log.error("mail_control_unreadable", record=broken.title)


def _parse_known(value: Value | None, known: Known) -> Known:
    """The record in *value*; *known* where there is none, or one that this version can't read."""
    if value is None:
        return known
    parsed = records.parse(type(known), value.data)
    if parsed is None:
        log.error("mail_control_unreadable", record=type(known).__name__)
    return parsed or known


@dataclass
class EmailSendPolicy(SendPolicy):
    """The policy of the e-mail worker. Keep `run` running beside it."""

    bus: Bus
    semaphore: LaneSemaphore
    clock: Callable[[], float] = time.time
    pace: SendPace = pace.FULL_PACE
    bounce_stops: BounceStops = field(default_factory=BounceStops)
    sample: BounceSample = field(default_factory=BounceSample)
    refused: RefusedItems = field(default_factory=RefusedItems)
    last_accepted: tuple[PlanKey | None, float] = (None, 0.0)
    stop_requested: asyncio.Event = field(default_factory=asyncio.Event)
    count_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ledger_counts: int = 0  # number of ledger counts, of any publication

    def __post_init__(self) -> None:
        self.connections = self.semaphore.capacity
        self.ledger = Ledger(self.bus)

    async def run(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(_SUSPICION_POLL_S if self.suspected_plans() else _POLL_S)

    async def refresh(self) -> None:
        """Load the pace and the stops; silence of the bus changes nothing."""
        try:
            async with self.count_lock:  # never replace newer stops by older ones
                await self.load()
        except BusError:
            return
        self.apply_pace()
        for plan in self.suspected_plans():  # several workers or runs have seen enough together
            await _log_failure(self.check_plan(plan))

    async def load(self) -> None:
        names = [pace.PACE_KEY, STOPS_KEY, REFUSED_KEY]
        values = await self.bus.bucket(subjects.CONTROL.name).get_many(names)
        self.refused = _parse_known(values.get(REFUSED_KEY), self.refused)
        self.pace = _parse_known(values.get(pace.PACE_KEY), self.pace)
        self.bounce_stops = _parse_known(values.get(STOPS_KEY), self.bounce_stops)

    def suspected_plans(self) -> list[PlanKey]:
        """Return plans whose samples suggest more than their current stops."""
        suggested, stops = self.sample.suspected_plans(self.clock()), self.bounce_stops
        return [plan for plan, stop in suggested.items() if stops.is_escalation(plan, stop)]

    async def check_plan(self, plan: PlanKey) -> None:
        """Count a plan in the ledger.

        Concurrent callers use the same answer, or ask again with the next window. Other batches of
        this worker stop at once, other workers at their next refresh.
        """
        before = self.ledger_counts
        async with self.count_lock:
            if self.ledger_counts > before or plan not in self.suspected_plans():
                return
            try:
                await self.count_plan(plan)
            finally:
                self.ledger_counts += 1

    async def count_plan(self, plan: PlanKey) -> None:
        mails, codes = await bounce_monitor.count_in_ledger(self.ledger, plan)
        stop = bounce_monitor.decide_stop(mails, codes, self.clock())
        if stop and self.bounce_stops.is_escalation(plan, stop):
            self.bounce_stops = await apply_verdict(self.bus, plan, stop)
        self.sample.replace_with_ledger_count(plan, mails, codes)

    def apply_pace(self) -> None:
        level = self.pace.level_at(self.clock())
        wanted = pace.allowed_connections(self.connections, level)
        if wanted != self.semaphore.capacity:
            log.info("mail_paced", level=level, connections=wanted)
            self.semaphore.capacity = wanted
            self.semaphore.admit_waiting()

    def use_connections(self, connections: int) -> None:
        """Send on as many connections from now on, or on fewer where the pace is slower."""
        self.connections = connections
        self.apply_pace()

    def is_stopped(self, plan: PlanKey) -> bool:
        is_held = bool(self.refused.plans) and self.refused.held_for_s(plan, self.clock()) > 0
        return is_held or self.bounce_stops.is_stopped(plan)

    def hold_s(self, batch: BatchKey) -> float:
        left_s = self.refused.held_for_s(batch.plan, self.clock())
        return left_s + crc32(str(batch).encode()) % _HOLD_SPREAD_S if left_s else 0.0

    def channel_outcomes(self, plan: PlanKey, outcomes: Mapping[int, Outcome]) -> list[Outcome]:
        """The window without what the relay has against this item alone."""
        window = list(outcomes.values())
        if not any(outcome.message_refused for outcome in window) or not self.is_own_matter(plan):
            return window
        return [replace(one, reached_provider=not one.message_refused) for one in window]

    def is_own_matter(self, plan: PlanKey) -> bool:
        """Whether the relay that refuses *plan* takes other items."""
        accepted, at = self.last_accepted
        is_recent = 0 <= self.clock() - at < _RECENTLY_ACCEPTED_S
        return self.refused.is_own(plan) or (is_recent and accepted not in (None, plan))

    async def resolutions(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """While a restore is only reconciled, mail of which nothing is known is not sent again."""
        if all(one.verdict is not Verdict.RESEND for one in outcomes):
            return outcomes
        restored = await last_restore(self.bus)
        if restored is None or not restored.reconcile_only:
            return outcomes
        return [_AWAITS_EVIDENCE if one.verdict is Verdict.RESEND else one for one in outcomes]

    def is_throttled(self) -> bool:
        return bool(self.pace.level) and self.pause_s() > 0

    def pause_s(self) -> float:
        return pace.PAUSES_S[self.pace.level_at(self.clock())]

    async def wait_for_slot(self) -> None:
        """Keep the connection idle for the pause of the pace; a stop ends the wait."""
        if self.is_throttled():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop_requested.wait(), self.pause_s())

    def stop(self) -> None:
        self.stop_requested.set()

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Slow down after throttling answers, and stop publications with too many failures.

        A silent bus or an unreadable ledger changes nothing.
        """
        window = list(outcomes.values())
        await _log_failure(self.check_messages(batch.plan, window))
        await _log_failure(self.check_bounces(batch.plan, window))
        await _log_failure(self.check_pace(window))

    async def check_pace(self, outcomes: Sequence[Outcome]) -> None:
        said = [outcome.code for outcome in outcomes if outcome.code]  # of a delivered mail: none
        codes = [code for code in said if status_codes.is_throttling(code)]
        if codes:
            self.pace = await slow_down(self.bus, codes[0], self.clock())
            self.apply_pace()

    async def check_messages(self, plan: PlanKey, outcomes: Sequence[Outcome]) -> None:
        """Hold an item whose mails are refused, and learn from one that is taken."""
        if any(one.verdict is Verdict.DELIVERED for one in outcomes):
            self.last_accepted = plan, self.clock()
            if self.refused.with_acceptance(plan) is not self.refused:
                await self.update_refused(lambda refused: refused.with_acceptance(plan))
            return
        waiting = [one for one in outcomes if one.verdict is Verdict.HELD and one.message_refused]
        if not waiting or keys.is_personal(plan.content_id):
            return
        now, own = self.clock(), self.is_own_matter(plan)
        refusal = RefusedItem(
            since=now, until=now + HOLD_S, reason=waiting[0].reason, mails=len(waiting), is_own=own
        )
        facts = {"content_id": plan.content_id, "revision": plan.revision, "mails": len(waiting)}
        log.error("mail_item_refused", reason=refusal.reason, this_item_alone=own, **facts)
        await self.update_refused(lambda refused: refused.with_refusal(plan, refusal))

    async def update_refused(self, change: Callable[[RefusedItems], RefusedItems]) -> None:
        self.refused = change(self.refused)  # what this worker knows holds without an answer, too
        bucket = self.bus.bucket(subjects.CONTROL.name)
        written = await records.update_or_create(bucket, REFUSED_KEY, RefusedItems, change)
        self.refused = written.value

    async def check_bounces(self, plan: PlanKey, outcomes: Sequence[Outcome]) -> None:
        if keys.is_personal(plan.content_id):
            return
        count = self.sample.add_window(plan, outcomes, self.clock())
        if count.is_large_enough and count.suspected_stop(self.clock()):
            await self.check_plan(plan)

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Publish refusals before they are booked: an ended row is not asked again.

        A silent bus must not delay the commit: then the refusal is only found by later mail.
        """
        failed = {row: one for row, one in outcomes.items() if one.verdict is Verdict.FAILED}
        refused = {row: one.code for row, one in failed.items() if one.code}
        if not refused or keys.is_transactional(batch.content_id):
            return
        await _log_failure(self.publish_refusals(batch, refused))

    async def publish_refusals(self, batch: BatchKey, refused: Mapping[int, str]) -> None:
        receipt = RelayRefusal(
            content_id=batch.content_id,
            revision=batch.revision,
            batch=batch.number,
            at=utc_now(self.clock),
            refused=dict(refused),
        )
        rows = ",".join(map(str, sorted(refused)))
        await publish_sealed(
            self.bus,
            subjects.receipt(ChannelName.EMAIL, _REFUSAL_KIND),
            receipt.model_dump_json().encode(),
            f"{batch}.refused.{rows}",
            patience_s=PUBLISH_PATIENCE_S,
        )
