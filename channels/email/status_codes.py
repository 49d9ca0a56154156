"""What a mail's status code means: one table, for a relay's answers and for what comes back.

Codes are RFC 3463's and those that large providers have added. First match wins; a pattern with a
dot at its end stands for all codes that begin so.
"""

from enum import StrEnum

from channels.base import Verdict


class CodeClass(StrEnum):
    """What a code says, and of whom."""

    ACCEPTED = "accepted"
    TEMPORARY = "later"  # full, system, network: this mail later, nobody is to blame
    GREYLISTED = "grey"  # greylisted: one server makes strangers wait, this mail later (RFC 6647)
    THROTTLED = "slower"  # we are too fast, or not trusted enough: the whole channel
    NO_MAILBOX = "gone"  # no such mailbox or domain, or switched off: leave the address alone
    MAILBOX_FULL = "full"  # a full mailbox: leave it alone when that goes on
    UNKNOWN_CAUSE = "other"  # a no without a known cause: as a full mailbox
    CONTENT = "content"  # this mail does not fit: the row fails, its reader stays
    PROTOCOL_FAULT = "fault"  # routing or protocol: ours or the relay's to repair
    POLICY = "policy"  # authentication, reputation: we are refused, whoever the reader is


STATUS_CODES: tuple[tuple[str, CodeClass, Verdict], ...] = (
    ("2.", CodeClass.ACCEPTED, Verdict.DELIVERED),
    ("4.7.1", CodeClass.GREYLISTED, Verdict.DEFERRED),
    ("4.7.", CodeClass.THROTTLED, Verdict.DEFERRED),
    ("4.", CodeClass.TEMPORARY, Verdict.DEFERRED),
    ("5.1.1", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.1.2", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.1.3", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.1.6", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.1.10", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.1.7", CodeClass.POLICY, Verdict.HELD),  # our own address is refused
    ("5.1.8", CodeClass.POLICY, Verdict.HELD),
    ("5.2.1", CodeClass.NO_MAILBOX, Verdict.FAILED),
    ("5.2.2", CodeClass.MAILBOX_FULL, Verdict.FAILED),
    ("5.2.3", CodeClass.CONTENT, Verdict.FAILED),
    ("5.3.4", CodeClass.CONTENT, Verdict.FAILED),
    ("5.4.", CodeClass.PROTOCOL_FAULT, Verdict.FAILED),
    (
        "5.5.",
        CodeClass.PROTOCOL_FAULT,
        Verdict.HELD,
    ),  # the relay doesn't understand us: nobody's row
    ("5.6.", CodeClass.CONTENT, Verdict.FAILED),
    ("5.7.", CodeClass.POLICY, Verdict.HELD),  # never the recipient's fault
    ("5.", CodeClass.UNKNOWN_CAUSE, Verdict.FAILED),
)
"""Code, what it means, and what it makes of a row when our own relay answers it."""

DESCRIPTIONS = {
    CodeClass.TEMPORARY: "not now",
    CodeClass.GREYLISTED: "greylisted",
    CodeClass.THROTTLED: "we are too fast",
    CodeClass.NO_MAILBOX: "no such mailbox",
    CodeClass.MAILBOX_FULL: "mailbox full",
    CodeClass.UNKNOWN_CAUSE: "no cause given",
    CodeClass.CONTENT: "this mail does not fit",
    CodeClass.PROTOCOL_FAULT: "routing",
    CodeClass.POLICY: "we are refused",
}
"""What an operator reads beside a code."""

UNREACHABLE_CLASSES = frozenset(
    {CodeClass.NO_MAILBOX, CodeClass.MAILBOX_FULL, CodeClass.UNKNOWN_CAUSE}
)
"""The recipient can't be reached: what counts against a list of addresses."""
CLASS_WHEN_BOUNCED = {CodeClass.TEMPORARY: CodeClass.UNKNOWN_CAUSE}
"""What came back for good although its code is a temporary one: somebody tried for days."""


def classify(code: str) -> tuple[CodeClass, Verdict]:
    """What *code* means, and what it makes of a row. Raises LookupError for what is no code."""
    for pattern, meaning, verdict in STATUS_CODES:
        if code == pattern or (pattern.endswith(".") and code.startswith(pattern)):
            return meaning, verdict
    raise LookupError("not a status code")


def classify_bounce(code: str) -> CodeClass:
    """What the *code* of a mail means that came back for good; OTHER for what is no code."""
    try:
        meaning = classify(code)[0]
    except LookupError:
        return CodeClass.UNKNOWN_CAUSE
    if meaning is CodeClass.TEMPORARY and code.startswith("4.2.2"):
        return CodeClass.MAILBOX_FULL
    return CLASS_WHEN_BOUNCED.get(meaning, meaning)


def is_throttling(code: str) -> bool:
    """Whether *code* says that we are too fast; nothing does that is no code."""
    try:
        return classify(code)[0] is CodeClass.THROTTLED
    except LookupError:
        return False


def describe(code: str) -> str:
    """The *code* of a mail that failed, with what it means: `5.1.1 (no such mailbox)`."""
    return f"{code or 'no code'} ({DESCRIPTIONS[classify_bounce(code)]})"
