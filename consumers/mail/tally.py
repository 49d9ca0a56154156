"""What one worker has seen of each publication's mails: it raises suspicion, and the ledger judges.

Only what the relay answers to this worker is in it, since it began or since it last asked the
ledger; after a restart mostly what was put off, which is no fair sample. What comes back later is
the matter of `consumers.mail.brake`, some seconds behind.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from channels.base import Outcome, Verdict
from consumers.mail import brake
from consumers.mail.brakes import Brake
from contracts.delivery import PlanKey

PLANS_MAX = 256
SUSPECT_MIN = 100
AGAIN = 1.01
LATELY_S = 10.0
FINAL = frozenset((Verdict.DELIVERED, Verdict.FAILED))


@dataclass
class Count:
    """One publication: how many mails the relay has judged, and which codes it refused with."""

    mails: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    at: float = 0.0
    known: int = 0
    """How many mails the ledger knew when it was asked last."""

    @property
    def enough(self) -> bool:
        """Whether this worker alone has seen so many that somebody should judge at once.

        Not with every window: what the ledger has said holds for a hundredth more mails.
        """
        return self.mails >= max(brake.MAILS_MIN, AGAIN * self.known)

    def suspicion(self, now: float) -> Brake | None:
        """What its share calls for; where it is too small to tell, others may have seen enough."""
        if self.mails >= brake.MAILS_MIN and not self.enough:
            return None
        bad = self.codes.total() >= brake.STOP * self.mails
        least = SUSPECT_MIN if bad else brake.MAILS_MIN
        return brake.verdict(self.mails, self.codes, now, least)


@dataclass
class Tally:
    """The publications that this worker has sent of last."""

    plans: OrderedDict[PlanKey, Count] = field(default_factory=OrderedDict)

    def add(self, plan: PlanKey, outcomes: Iterable[Outcome], now: float) -> Count:
        """Count a window; what is known of its publication by now."""
        count = self.plans.pop(plan, None) or Count()
        self.plans[plan] = count
        if len(self.plans) > PLANS_MAX:
            self.plans.popitem(last=False)
        final = [one for one in outcomes if one.asked and one.verdict in FINAL]
        count.at, count.mails = now, count.mails + len(final)
        failed = [one for one in final if one.verdict is Verdict.FAILED]
        count.codes += brake.unreached(one.code for one in failed if one.code)
        return count

    def learn(self, plan: PlanKey, mails: int, codes: Counter[str]) -> None:
        """Go on from what the ledger knows: of all workers, and of this one before a restart."""
        if count := self.plans.get(plan):
            count.mails, count.codes, count.known = mails, Counter(codes), mails

    def suspects(self, now: float) -> Mapping[PlanKey, Brake]:
        """The publications in work whose share is bad, with what it calls for."""
        lately = now - LATELY_S
        found = {plan: one.suspicion(now) for plan, one in self.plans.items() if one.at > lately}
        return {plan: verdict for plan, verdict in found.items() if verdict}
