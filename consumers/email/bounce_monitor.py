"""Bounce monitor: stop a publication whose mail bounces too often, until an operator decides.

If the relay's policy refuses us, the channel's breaker opens instead. That takes a share of a
publication's mails, because a single recipient can cause such a bounce at will.

Counts are taken anew from the ledger's bucket, so a restart loses none. A worker whose own sample
looks bad has the ledger counted at once (`consumers.email.bounce_sample`): a fast relay accepts
thousands of mails before the first bounce arrives here. Decisions are in
`consumers.email.bounce_stops`."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from channels.email import status_codes
from channels.email.smtp import outcomes
from channels.email.status_codes import CodeClass
from consumers.channel_health import breaker
from consumers.channel_health.breaker_store import BreakerStore
from consumers.email import bounce_stops
from consumers.email.bounce_records import BounceRecords
from consumers.email.bounce_stops import RETENTION_S, BounceStop, StopState
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus, BusError
from producers.bus.periodic import every

MIN_MAILS = 1000
_WARN_SHARE, STOP_SHARE = 0.05, 0.10
_MIN_POLICY_REFUSALS, _POLICY_REFUSAL_SHARE = 5, 0.05
INTERVAL_S = 5.0
MAX_CODES = 5
_POLICY = (CodeClass.POLICY,)
_FAILED_STATUSES = b"xX"
_JUDGED_STATUSES = b"dDxXkK"
"""Statuses of rows for which the relay has, or may have, given a final answer."""


def recipient_codes(codes: Iterable[str]) -> Counter[str]:
    """Count those of *codes* that mean an unreachable recipient."""
    return _codes_of(status_codes.UNREACHABLE_CLASSES, codes)


def _codes_of(classes: Collection[CodeClass], codes: Iterable[str]) -> Counter[str]:
    return Counter(code for code in codes if status_codes.classify_bounce(code) in classes)


def decide_stop(
    mails: int, codes: Mapping[str, int], now: float, min_mails: int = MIN_MAILS
) -> BounceStop | None:
    """Decide a warning or a stop for *mails* and their failure *codes*, from *min_mails* on."""
    failed = sum(codes.values())
    if mails < min_mails or failed < _WARN_SHARE * mails:
        return None
    state: StopState = "stopped" if failed >= STOP_SHARE * mails else "warned"
    often = dict(Counter(codes).most_common(MAX_CODES))
    return BounceStop(state=state, at=now, mails=mails, failed=failed, codes=often)


async def count_in_ledger(ledger: Ledger, plan: PlanKey) -> tuple[int, Counter[str]]:
    """Count the judged mails of *plan* and the codes of its unreachable recipients.

    The count covers all workers. Raises BusError, LedgerError.
    """
    mails, codes = 0, Counter[str]()
    async for _, entry in ledger.entries(plan):
        mails += sum(map(entry.value.rows.count, _JUDGED_STATUSES))
        codes += refusal_codes(entry.value)
    return mails, codes


def refusal_codes(entry: LedgerEntry) -> Counter[str]:
    """Count the codes of unreachable recipients, taken from the reasons of refused rows.

    A row that has expired still has a due time, and is left out.
    """
    failed = [note for row, note in entry.notes.items() if entry.rows[row] in _FAILED_STATUSES]
    codes = [outcomes.code_in_reason(note.reason) for note in failed if not note.due]
    return recipient_codes(filter(None, codes))


@dataclass
class BounceMonitor:
    """Checks every publication with new bounces since the last check."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time
    changed: set[PlanKey] = field(default_factory=set)
    known_refusals: Counter[PlanKey] = field(default_factory=Counter)
    """Policy refusals at the last check."""
    is_loaded: bool = False

    def __post_init__(self) -> None:
        self.records = BounceRecords(self.ledger.bucket)

    async def run(self) -> None:
        """Run as a task; bounces from before a restart are checked once more."""
        await every(INTERVAL_S, self.check)

    async def check(self) -> None:
        if not self.is_loaded:
            await self.load_recent()
        await self.check_changed()

    async def load_recent(self) -> None:
        since, refused = self.clock() - RETENTION_S, Counter[PlanKey]()
        async for batch, bounces in self.records.batches(f"{ChannelName.EMAIL}."):
            if bounces.at > since:
                self.changed.add(batch.plan)
                refused[batch.plan] += _codes_of(_POLICY, bounces.bounced.values()).total()
        self.known_refusals, self.is_loaded = refused, True

    async def check_changed(self) -> None:
        """Check the changed plans; a plan that the bus did not answer for stays changed."""
        for plan in list(self.changed):
            self.changed.discard(plan)
            try:
                await self.check_plan(plan)
            except BusError:
                self.changed.add(plan)
                raise

    async def check_plan(self, plan: PlanKey) -> None:
        totals = await self.records.totals(plan)
        await self.check_policy(plan, _codes_of(_POLICY, totals.codes.elements()))
        failed = recipient_codes((totals.codes + totals.refused).elements())
        if failed.total() < _WARN_SHARE * MIN_MAILS:
            return
        stop = decide_stop(await self.count_mails(plan), failed, self.clock())
        if stop:
            await bounce_stops.apply_verdict(self.bus, plan, stop)

    async def check_policy(self, plan: PlanKey, refused: Counter[str]) -> None:
        """Open the breaker whenever more policy refusals make up a share of the mails.

        The breaker is opened for the publication that closed it last: that the relay accepts mail
        again proves nothing, because it had accepted the returned mails, too.
        """
        count = refused.total()
        if count < _MIN_POLICY_REFUSALS or count <= self.known_refusals[plan]:
            return
        if count >= _POLICY_REFUSAL_SHARE * await self.count_mails(plan):
            [(code, _)] = refused.most_common(1)
            now, reason = self.clock(), f"bounced {code}"
            await BreakerStore(self.bus, ChannelName.EMAIL).update(
                lambda old: breaker.fail(old, old.who, reason, now) if old.is_closed else old
            )
        self.known_refusals[plan] = count

    async def count_mails(self, plan: PlanKey) -> int:
        return (await count_in_ledger(self.ledger, plan))[0]
