"""Meaning of enhanced status codes: one table for relay replies and for bounces.

Codes are RFC 3463's and those that large providers have added. The first match wins; a pattern
with a dot at its end covers all codes that begin with the pattern.
"""

from enum import StrEnum

from channels.base import Verdict


class CodeClass(StrEnum):
    """Meaning of a code."""

    ACCEPTED = "accepted"
    TEMPORARY = "later"  # full, system, network: try this mail later, no one's fault
    GREYLISTED = "grey"  # greylisted: one server makes strangers wait, this mail later (RFC 6647)
    THROTTLED = "slower"  # we are too fast, or not trusted enough: the whole channel
    NO_MAILBOX = "gone"  # no such mailbox or domain, or switched off: leave the address alone
    MAILBOX_FULL = "full"  # a full mailbox: leave it alone when that goes on
    UNKNOWN_CAUSE = "other"  # a no without a known cause: as a full mailbox
    CONTENT = "content"  # this mail does not fit: the row fails, its reader stays
    PROTOCOL_FAULT = "fault"  # routing or protocol: ours or the relay's to repair
    POLICY = "policy"  # authentication, reputation: we are refused, for every recipient


_STATUS_CODES: tuple[tuple[str, CodeClass, Verdict], ...] = (
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
    ("5.5.", CodeClass.PROTOCOL_FAULT, Verdict.HELD),  # the relay doesn't understand us
    ("5.6.", CodeClass.CONTENT, Verdict.FAILED),
    ("5.7.", CodeClass.POLICY, Verdict.HELD),  # never the recipient's fault
    ("5.", CodeClass.UNKNOWN_CAUSE, Verdict.FAILED),
)
"""Code, its class, and the verdict for a row when our own relay answers it."""

_DESCRIPTIONS = {
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
"""Descriptions for operators, shown beside a code."""

UNREACHABLE_CLASSES = frozenset(
    {CodeClass.NO_MAILBOX, CodeClass.MAILBOX_FULL, CodeClass.UNKNOWN_CAUSE}
)
"""The recipient can't be reached; these count against a list of addresses."""


def classify(code: str) -> tuple[CodeClass, Verdict]:
    """Class of *code*, and the verdict for a row. Raises LookupError for an invalid code."""
    for pattern, meaning, verdict in _STATUS_CODES:
        if code == pattern or (pattern.endswith(".") and code.startswith(pattern)):
            return meaning, verdict
    raise LookupError("not a status code")


def classify_bounce(code: str) -> CodeClass:
    """Class of a permanent bounce's *code*; UNKNOWN_CAUSE for an invalid code.

    With a temporary code a server gave up after days.
    """
    try:
        meaning = classify(code)[0]
    except LookupError:
        return CodeClass.UNKNOWN_CAUSE
    if meaning is not CodeClass.TEMPORARY:
        return meaning
    return CodeClass.MAILBOX_FULL if code.startswith("4.2.2") else CodeClass.UNKNOWN_CAUSE


def is_throttling(code: str) -> bool:
    """Whether *code* says that we send too fast; False for an invalid code."""
    try:
        return classify(code)[0] is CodeClass.THROTTLED
    except LookupError:
        return False


def describe(code: str) -> str:
    """The *code* of a failed mail with its meaning: `5.1.1 (no such mailbox)`."""
    return f"{code or 'no code'} ({_DESCRIPTIONS[classify_bounce(code)]})"
