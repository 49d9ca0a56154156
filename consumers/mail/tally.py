"""What one worker has seen of each publication's mails since it began: the brake's quick count.

Only what the relay answers to this worker is in it. Where a share is bad and this worker has not
seen enough to judge by, others may have: then the ledger is counted (`suspects`). What comes back
later is the matter of `consumers.mail.brake`, some seconds behind.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from channels.base import Outcome, Verdict
from channels.email import meanings
from consumers.mail import brake
from consumers.mail.brake import Brake
from contracts.delivery import PlanKey

PLANS_MAX = 256
SUSPECT_MIN = 100
LATELY_S = 10.0
FINAL = frozenset((Verdict.DELIVERED, Verdict.FAILED))


@dataclass
class Count:
    """One publication: how many mails the relay has judged, and which codes it refused with."""

    mails: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    at: float = 0.0

    @property
    def suspect(self) -> bool:
        """Whether its share is bad, and the number too small to judge by."""
        bad = self.codes.total() >= brake.STOP * self.mails
        return SUSPECT_MIN <= self.mails < brake.MAILS_MIN and bad


@dataclass
class Tally:
    """The publications that this worker has sent of last."""

    plans: OrderedDict[PlanKey, Count] = field(default_factory=OrderedDict)

    def add(self, plan: PlanKey, outcomes: Iterable[Outcome], now: float) -> Brake | None:
        """Count a window; what the brake makes of its publication by now."""
        count = self.plans.pop(plan, None) or Count()
        self.plans[plan] = count
        if len(self.plans) > PLANS_MAX:
            self.plans.popitem(last=False)
        final = [one for one in outcomes if one.asked and one.verdict in FINAL]
        count.at, count.mails = now, count.mails + len(final)
        count.codes.update(unreached(final))
        return brake.verdict(count.mails, count.codes, now)

    def suspects(self, now: float) -> list[PlanKey]:
        """The publications in work whose mails together with other workers' may be enough."""
        lately = now - LATELY_S
        return [plan for plan, one in self.plans.items() if one.suspect and one.at > lately]


def unreached(outcomes: Iterable[Outcome]) -> Mapping[str, int]:
    """The codes of those who can't be reached, and never will be."""
    codes = [one.code for one in outcomes if one.verdict is Verdict.FAILED and one.code]
    return Counter(code for code in codes if meanings.returned(code) in meanings.RECIPIENT)
