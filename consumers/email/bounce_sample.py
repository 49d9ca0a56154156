"""Per-worker bounce sample: a high rate triggers an exact count from the ledger.

The sample holds only the relay's answers to this worker, since its start or the last ledger
count. After a restart these are mostly deferred mails, which is not a fair sample. Later bounces
are counted by `consumers.email.bounce_monitor`, some seconds behind."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from channels.base import Outcome, Verdict
from consumers.email import bounce_monitor
from consumers.email.bounce_stops import BounceStop
from contracts.delivery import PlanKey

MAX_PLANS = 256
MIN_SUSPECT_MAILS = 100
RECOUNT_GROWTH = 1.01
_RECENT_S = 10.0
_FINAL_VERDICTS = frozenset((Verdict.DELIVERED, Verdict.FAILED))


@dataclass
class PlanSample:
    """One publication's sample: the number of judged mails, and the codes of refusals."""

    mails: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    updated_at: float = 0.0
    ledger_mails: int = 0
    """Number of judged mails at the last ledger count."""

    @property
    def is_large_enough(self) -> bool:
        """Whether this sample alone justifies a ledger count.

        The last ledger count is good for one more mail in a hundred.
        """
        return self.mails >= max(bounce_monitor.MIN_MAILS, RECOUNT_GROWTH * self.ledger_mails)

    def suspected_stop(self, now: float) -> BounceStop | None:
        """Decide the stop that the sample suggests; other workers may have seen more."""
        if self.mails >= bounce_monitor.MIN_MAILS and not self.is_large_enough:
            return None
        bad = self.codes.total() >= bounce_monitor.STOP_SHARE * self.mails
        least = MIN_SUSPECT_MAILS if bad else bounce_monitor.MIN_MAILS
        return bounce_monitor.decide_stop(self.mails, self.codes, now, least)


@dataclass
class BounceSample:
    """Samples of the publications that this worker has sent last."""

    plans: OrderedDict[PlanKey, PlanSample] = field(default_factory=OrderedDict)

    def add_window(self, plan: PlanKey, outcomes: Iterable[Outcome], now: float) -> PlanSample:
        """Add a window's outcomes, and return the publication's sample."""
        sample = self.plans.pop(plan, None) or PlanSample()
        self.plans[plan] = sample
        if len(self.plans) > MAX_PLANS:
            self.plans.popitem(last=False)
        final = [out for out in outcomes if out.reached_provider and out.verdict in _FINAL_VERDICTS]
        sample.updated_at, sample.mails = now, sample.mails + len(final)
        codes = [outcome.code for outcome in final if outcome.verdict is Verdict.FAILED]
        sample.codes += bounce_monitor.recipient_codes(filter(None, codes))
        return sample

    def replace_with_ledger_count(self, plan: PlanKey, mails: int, codes: Counter[str]) -> None:
        """Continue from a ledger count, which covers all workers and earlier runs."""
        if sample := self.plans.get(plan):
            sample.mails, sample.codes, sample.ledger_mails = mails, Counter(codes), mails

    def suspected_plans(self, now: float) -> Mapping[PlanKey, BounceStop]:
        """Return the plans in work with a bad rate, and the stops that they suggest."""
        recent = {plan: one for plan, one in self.plans.items() if one.updated_at > now - _RECENT_S}
        stops = {plan: one.suspected_stop(now) for plan, one in recent.items()}
        return {plan: stop for plan, stop in stops.items() if stop}
