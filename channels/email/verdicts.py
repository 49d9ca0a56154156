"""What a relay's answer means for a row: the table of SMTP codes, as data. First match wins."""

from channels.base import Outcome, Verdict
from channels.email.replies import LET_GO, Fate, Hint, Reply, Stage

DELIVERED = Outcome(Verdict.DELIVERED)
LATER_S = 60.0
GREY_S = 300.0
"""What relays usually make strangers wait; whoever knocks earlier is only sent away again."""
HOLD_S = 300.0
DOUBT_S = 60.0

BY_ENHANCED = (
    ("5.1.7", Verdict.HELD),  # our own address is refused
    ("5.1.8", Verdict.HELD),
    ("5.1.", Verdict.FAILED),  # no such mailbox or domain
    ("5.2.", Verdict.FAILED),  # disabled, full, too big
    ("5.3.4", Verdict.FAILED),
    ("5.4.", Verdict.FAILED),  # no route to this recipient
    ("5.5.", Verdict.HELD),  # the relay doesn't understand us
    ("5.6.", Verdict.FAILED),  # this mail can't be converted for this recipient
    ("5.7.", Verdict.HELD),  # policy, reputation, authentication: never the recipient's fault
)
BY_HINT = {
    Hint.POLICY: Verdict.HELD,
    Hint.GREYLISTED: Verdict.HELD,
    Hint.FULL: Verdict.FAILED,
    Hint.NO_SUCH_USER: Verdict.FAILED,
}
PROTOCOL = range(500, 505)
SIGN_IN = (530, 534, 535, 538)


def judge(reply: Reply, trouble_s: float | None = None) -> Outcome:
    """The outcome of one row; `trouble_s` is when to come back for what was not sent."""
    if reply.fate is Fate.ACCEPTED:
        return DELIVERED
    if reply.fate is Fate.UNSENT:
        return Outcome(Verdict.UNSENT, reply.why, trouble_s, trouble=trouble_s is not None)
    if reply.fate is Fate.DOUBT:
        return Outcome(Verdict.DOUBT, reply.why, None if reply.why == LET_GO else DOUBT_S)
    return judge_refusal(reply)


def judge_refusal(reply: Reply) -> Outcome:
    if 400 <= reply.code < 500:
        return Outcome(Verdict.DEFERRED, reply.reason, own_pause(reply))
    verdict = refused_for_good(reply)
    if verdict is not Verdict.HELD:
        return Outcome(verdict, reply.reason)
    return Outcome(verdict, reply.reason, HOLD_S, trouble=reply.stage is Stage.MAIL)


def own_pause(reply: Reply) -> float | None:
    """What a temporary refusal asks for beyond the ladder."""
    if reply.hint is Hint.GREYLISTED:
        return GREY_S
    return LATER_S if reply.enhanced.startswith("4.7.") else None


def refused_for_good(reply: Reply) -> Verdict:
    """FAILED where the recipient or this one mail is the cause; HELD where we or the relay are."""
    if reply.stage in (Stage.MAIL, Stage.DATA) or not 500 <= reply.code < 600:
        return Verdict.HELD
    if reply.hint is Hint.NO_SUCH_USER and reply.enhanced.startswith("5.5."):
        return Verdict.FAILED
    for prefix, verdict in BY_ENHANCED:
        if reply.enhanced.startswith(prefix):
            return verdict
    if reply.code in PROTOCOL or reply.code in SIGN_IN:
        return Verdict.HELD
    return Verdict.FAILED if reply.enhanced else BY_HINT.get(reply.hint, Verdict.FAILED)
