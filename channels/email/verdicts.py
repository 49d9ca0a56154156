"""What a relay's answer means for a row: by its stage, its code (`meanings`) and its words."""

import re
from dataclasses import replace

from channels.base import Outcome, Verdict
from channels.email import meanings
from channels.email.meanings import Meaning
from channels.email.replies import LET_GO, Fate, Hint, Reply, Stage

DELIVERED = Outcome(Verdict.DELIVERED)
LATER_S = 60.0
GREY_S = 300.0
"""What relays usually make strangers wait; whoever knocks earlier is only sent away again."""
HOLD_S = 300.0
DOUBT_S = 60.0

UNSURE = "5.1.0"
"""Something about the address: words may mean anything ("mailbox unavailable" is what RFC 5321 has
servers say for policy, too), so they end a row and are a soft failure of its address, no more."""
CODE_OF_HINT = {
    Hint.POLICY: "5.7.0",
    Hint.GREYLISTED: "5.7.0",
    Hint.FULL: "5.2.2",
    Hint.NO_SUCH_USER: UNSURE,
    Hint.TOO_FAST: "5.0.0",
    Hint.NONE: "5.0.0",
}
"""The code that a refusal's words stand for where it has none."""
GREY, TOO_FAST = "4.7.1", "4.7.0"
CLOSING = 421
"""RFC 5321: the whole service goes away for a while, whoever the mail is for."""
PROTOCOL = frozenset({500, 501, 502, 503, 504, 555})
"""RFC 5321: syntax, order, parameters. A relay that says so means us and no recipient."""
SIGN_IN = (530, 534, 535, 538)
OUR_SIGN_IN = frozenset({"5.7.8", "5.7.9", "5.7.11", "5.7.12", "5.7.13", "5.7.14"})
"""RFC 4954 and 5248: credentials, their mechanism, an account; no recipient has any."""
_REASON = re.compile(rf"(5\d\d)(?: ([245]\.\d+\.\d+))?(?: ({'|'.join(filter(None, Hint))}))?")


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
        code = code_of_delay(reply)
        return Outcome(Verdict.DEFERRED, reply.reason, own_pause(reply, code), code=code)
    code = code_of(reply)
    verdict = refused_for_good(reply, code)
    if verdict is not Verdict.HELD:
        return Outcome(verdict, reply.reason, code=code)
    away = turned_away(reply, code)
    trouble = reply.stage is Stage.MAIL or (policy(code) and not away)
    return Outcome(verdict, reply.reason, HOLD_S, trouble=trouble, turned_away=away, code=code)


def policy(code: str) -> bool:
    return meanings.judge(code)[0] is Meaning.POLICY


def turned_away(reply: Reply, code: str) -> bool:
    """Whether a refusal may be of this recipient alone: 5.7.x at RCPT that does not say "sign in".

    One that names our own address or our sign-in is of us, whomever the mail is for.
    """
    own = reply.code in SIGN_IN or code in OUR_SIGN_IN or not code.startswith("5.7.")
    return reply.stage is Stage.RCPT and not own


def ended(outcome: Outcome) -> Outcome:
    """What becomes of a letter whose addressee is turned away: they may ask for another one."""
    if not outcome.turned_away:
        return outcome
    return replace(outcome, verdict=Verdict.FAILED, after_s=None)


def own_pause(reply: Reply, code: str) -> float | None:
    """What a temporary refusal asks for beyond the ladder."""
    if reply.hint is Hint.GREYLISTED or code == GREY:
        return GREY_S
    return LATER_S if meanings.slows(code) else None


def code_of_delay(reply: Reply) -> str:
    """The code that a temporary refusal goes by: 4.7.1 is greylisting, which one recipient waits
    for, unless the answer is about all that we send; RFC 6647 has no code of its own for it."""
    if not reply.enhanced and reply.hint is Hint.TOO_FAST:
        return TOO_FAST
    if not reply.enhanced.startswith("4.7."):
        return reply.enhanced
    if reply.hint is Hint.GREYLISTED:
        return GREY
    ours = reply.code == CLOSING or reply.stage is Stage.MAIL
    if reply.enhanced == GREY and (ours or reply.hint in (Hint.TOO_FAST, Hint.POLICY)):
        return TOO_FAST
    return reply.enhanced


def code_of(reply: Reply) -> str:
    """The code that a permanent refusal goes by: its own, or the one that its words stand for."""
    if reply.enhanced.startswith("5.5.") and reply.hint is Hint.NO_SUCH_USER:
        return UNSURE
    if reply.enhanced.startswith("5."):
        return reply.enhanced
    if reply.code in PROTOCOL:
        return "5.5.0"
    return "5.7.0" if reply.code in SIGN_IN else CODE_OF_HINT[reply.hint]


def code_in(reason: str) -> str:
    """The code that a refusal for good went by, from the *reason* that its row keeps; or nothing.

    The same as its outcome's `code`.
    """
    found = _REASON.fullmatch(reason)
    if found is None:
        return ""
    number, enhanced, words = found.groups("")
    return code_of(Reply(Fate.REFUSED, Stage.END, int(number), enhanced, Hint(words)))


def refused_for_good(reply: Reply, code: str) -> Verdict:
    """FAILED where the recipient or this one mail is the cause; HELD where we or the relay are."""
    if reply.stage in (Stage.MAIL, Stage.DATA) or not 500 <= reply.code < 600:
        return Verdict.HELD
    return meanings.judge(code)[1]
