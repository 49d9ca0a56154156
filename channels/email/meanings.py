"""What a mail's status code means: one table, for a relay's answers and for what comes back.

Codes are RFC 3463's and those that large providers have added. First match wins; a pattern with a
dot at its end stands for all codes that begin so.
"""

from enum import StrEnum

from channels.base import Verdict


class Meaning(StrEnum):
    """What a code says, and of whom."""

    ACCEPTED = "accepted"
    LATER = "later"  # full, system, network: this mail later, nobody is to blame
    GREY = "grey"  # greylisted: one server makes strangers wait, this mail later (RFC 6647)
    SLOWER = "slower"  # we are too fast, or not trusted enough: the whole channel
    GONE = "gone"  # no such mailbox or domain, or switched off: leave the address alone
    FULL = "full"  # a full mailbox: leave it alone when that goes on
    OTHER = "other"  # a no without a known cause: as a full mailbox
    CONTENT = "content"  # this mail does not fit: the row fails, its reader stays
    FAULT = "fault"  # routing or protocol: ours or the relay's to repair
    POLICY = "policy"  # authentication, reputation: we are refused, whoever the reader is


TABLE: tuple[tuple[str, Meaning, Verdict], ...] = (
    ("2.", Meaning.ACCEPTED, Verdict.DELIVERED),
    ("4.7.1", Meaning.GREY, Verdict.DEFERRED),
    ("4.7.", Meaning.SLOWER, Verdict.DEFERRED),
    ("4.", Meaning.LATER, Verdict.DEFERRED),
    ("5.1.1", Meaning.GONE, Verdict.FAILED),
    ("5.1.2", Meaning.GONE, Verdict.FAILED),
    ("5.1.3", Meaning.GONE, Verdict.FAILED),
    ("5.1.6", Meaning.GONE, Verdict.FAILED),
    ("5.1.10", Meaning.GONE, Verdict.FAILED),
    ("5.1.7", Meaning.POLICY, Verdict.HELD),  # our own address is refused
    ("5.1.8", Meaning.POLICY, Verdict.HELD),
    ("5.2.1", Meaning.GONE, Verdict.FAILED),
    ("5.2.2", Meaning.FULL, Verdict.FAILED),
    ("5.2.3", Meaning.CONTENT, Verdict.FAILED),
    ("5.3.4", Meaning.CONTENT, Verdict.FAILED),
    ("5.4.", Meaning.FAULT, Verdict.FAILED),
    ("5.5.", Meaning.FAULT, Verdict.HELD),  # the relay doesn't understand us: nobody's row
    ("5.6.", Meaning.CONTENT, Verdict.FAILED),
    ("5.7.", Meaning.POLICY, Verdict.HELD),  # never the recipient's fault
    ("5.", Meaning.OTHER, Verdict.FAILED),
)
"""Code, what it means, and what it makes of a row when our own relay answers it."""

WORDS = {
    Meaning.LATER: "not now",
    Meaning.GREY: "greylisted",
    Meaning.SLOWER: "we are too fast",
    Meaning.GONE: "no such mailbox",
    Meaning.FULL: "mailbox full",
    Meaning.OTHER: "no cause given",
    Meaning.CONTENT: "this mail does not fit",
    Meaning.FAULT: "routing",
    Meaning.POLICY: "we are refused",
}
"""What an operator reads beside a code."""

RECIPIENT = frozenset({Meaning.GONE, Meaning.FULL, Meaning.OTHER})
"""The recipient can't be reached: what counts against a list of addresses."""
RETURNED = {Meaning.LATER: Meaning.OTHER}
"""What came back for good although its code is a temporary one: somebody tried for days."""


def judge(code: str) -> tuple[Meaning, Verdict]:
    """What *code* means, and what it makes of a row. Raises LookupError for what is no code."""
    for pattern, meaning, verdict in TABLE:
        if code == pattern or (pattern.endswith(".") and code.startswith(pattern)):
            return meaning, verdict
    raise LookupError("not a status code")


def returned(code: str) -> Meaning:
    """What the *code* of a mail means that came back for good; OTHER for what is no code."""
    try:
        meaning = judge(code)[0]
    except LookupError:
        return Meaning.OTHER
    if meaning is Meaning.LATER and code.startswith("4.2.2"):
        return Meaning.FULL
    return RETURNED.get(meaning, meaning)


def slows(code: str) -> bool:
    """Whether *code* says that we are too fast; nothing does that is no code."""
    try:
        return judge(code)[0] is Meaning.SLOWER
    except LookupError:
        return False


def told(code: str) -> str:
    """The *code* of a mail that failed, with what it means: `5.1.1 (no such mailbox)`."""
    return f"{code or 'no code'} ({WORDS[returned(code)]})"
