"""What an answer, or its absence, means for a row of the ledger."""

import structlog

from channels.base import Outcome, Verdict
from channels.errors import ChannelError, Misconfigured
from channels.zalo import codes
from channels.zalo.api import Late
from channels.zalo.codes import Kind, Refused, Ruling
from channels.zalo.hours import Chance, Until, wait_s
from channels.zalo.oauth import OPERATOR_S, NotSetUp
from channels.zalo.transport import Doubt
from channels.zalo.vault import OtherKey

log = structlog.get_logger()
PROCESSING_S = 10.0
"""Zalo prepares an article for seconds, sometimes minutes."""
CONSENT, KEY = "consent", "key"


class Stop(Exception):
    """A row's outcome, found on the way."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


NOT_DONE = (Refused, Late, ChannelError)
"""What says that a call surely had no effect."""
EXPECTED = (Stop, Doubt, *NOT_DONE)
"""What the road of a row may raise: each of them is an outcome."""


def outcome_of(why: Exception, now: float, chance: Chance) -> Outcome:
    """The outcome that *why* stands for; *now* is Zalo's time."""
    match why:
        case Stop():
            return why.outcome
        case Late():
            return Outcome(Verdict.UNSENT, "own deadline passed")
        case Doubt():
            return Outcome(Verdict.DOUBT, str(why))
        case Refused():
            return refused(why, now, chance)
        case Misconfigured():
            ask_operator(why.reason, fix_for(why))
            after_s = max(why.retry_after_s, OPERATOR_S)
            return Outcome(Verdict.HELD, why.reason, after_s, trouble=True)
        case ChannelError():
            return Outcome(Verdict.HELD, why.reason, why.retry_after_s, trouble=True)
    raise why


def refused(refusal: Refused, now: float, chance: Chance) -> Outcome:
    ruling, reason = refusal.ruling, refusal.reason
    if fix := fix_of(ruling):
        ask_operator(reason, fix, call=refusal.call)
    if ruling.kind is Kind.QUOTA:
        after_s = wait_s(ruling.until or Until.DAY, now, chance)
        return Outcome(Verdict.HELD, reason, after_s)
    return judged(ruling, reason)


def judged(ruling: Ruling, reason: str) -> Outcome:
    """What any other class means for the row."""
    match ruling.kind:
        case Kind.OPERATOR | Kind.TOKEN:
            return Outcome(Verdict.HELD, reason, OPERATOR_S)
        case Kind.POLL:
            return Outcome(Verdict.DEFERRED, reason, PROCESSING_S)
        case Kind.RETRY:
            return Outcome(Verdict.DEFERRED, reason, ruling.after_s)
        case Kind.RECIPIENT:
            return Outcome(Verdict.SUPPRESSED, reason, silence_s=ruling.silence_days * codes.DAY_S)
    return Outcome(Verdict.FAILED, reason)


def fix_of(ruling: Ruling) -> str:
    """Where somebody has to act; empty when nobody has to."""
    needed = ruling.kind in (Kind.OPERATOR, Kind.TOKEN)
    return ruling.fix or (codes.fix(CONSENT) if needed else "")


def fix_for(trouble: ChannelError) -> str:
    """Where the trouble of a grant is put right; empty for what passes by itself."""
    match trouble:
        case NotSetUp():
            return trouble.fix
        case OtherKey():
            return codes.fix(KEY)
        case Misconfigured():
            return codes.fix(CONSENT)
    return ""


def ask_operator(reason: str, fix: str, **facts: str) -> None:
    """Somebody has to act; nothing is lost meanwhile."""
    log.error("zalo_operator_needed", reason=reason, fix=fix, **facts)
