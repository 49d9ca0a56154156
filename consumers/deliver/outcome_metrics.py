"""Counts what became of rows, for `/metrics`, by a short list of reasons."""

from collections.abc import Iterable

from channels.base import Outcome, Verdict
from channels.email import status_codes
from channels.email.status_codes import CodeClass
from channels.zalo import error_codes
from channels.zalo.error_codes import ErrorKind
from contracts.delivery import ChannelName
from producers import metrics

_NO_REASON = frozenset({Verdict.DELIVERED, Verdict.ABSENT, Verdict.RESEND})
_REASON_OF_CODE = {
    CodeClass.TEMPORARY: "temporary",
    CodeClass.GREYLISTED: "greylisted",
    CodeClass.THROTTLED: "throttled",
    CodeClass.NO_MAILBOX: "no_mailbox",
    CodeClass.MAILBOX_FULL: "mailbox_full",
    CodeClass.UNKNOWN_CAUSE: "no_cause",
    CodeClass.CONTENT: "content",
    CodeClass.PROTOCOL_FAULT: "protocol",
    CodeClass.POLICY: "policy",
}
_REASON_OF_RULE = {
    ErrorKind.RETRY: "temporary",
    ErrorKind.POLL: "temporary",
    ErrorKind.QUOTA: "quota",
    ErrorKind.TOKEN: "token",
    ErrorKind.RECIPIENT: "recipient",
    ErrorKind.CONTENT: "content",
    ErrorKind.OPERATOR: "operator",
}
_REASON_OF_START = {
    "not_seen": "not_seen",
    "our ": "quota",
    "no address": "recipient",
    "the consent": "token",
}
"""Reason by the beginning of a channel's own words, which no provider writes."""
_REASON_OF_VERDICT = {
    Verdict.UNSENT: "connection",
    Verdict.DOUBT: "connection",
    Verdict.DEFERRED: "temporary",
}
"""Reason of an answer without a known one."""


def count_outcomes(channel: ChannelName, outcomes: Iterable[Outcome]) -> None:
    """Count the answers of a channel to one window."""
    delivered = 0
    for outcome in outcomes:
        if outcome.verdict is Verdict.DELIVERED:
            delivered += 1
        else:
            metrics.ATTEMPTS.add(channel, outcome.verdict, reason_of(outcome))
    _add(channel, Verdict.DELIVERED, "none", delivered)


def count_unsent(channel: ChannelName, outcome: str, reason: str, rows: int = 1) -> None:
    """Count *rows* that end without the channel."""
    _add(channel, outcome, reason, rows)


def _add(channel: ChannelName, outcome: str, reason: str, rows: int) -> None:
    if rows:
        metrics.ATTEMPTS.add(channel, outcome, reason, by=rows)


def count_copies(channel: ChannelName, copies: int) -> None:
    """Count rows that were sent again after a doubt."""
    if copies > 0:
        metrics.COPIES.add(channel, by=copies)


def reason_of(outcome: Outcome) -> str:
    """The reason of an answer as a label of `loa_delivery_attempts_total`."""
    if outcome.verdict in _NO_REASON:
        return "none"
    if outcome.code:
        return _REASON_OF_CODE.get(_code_class(outcome.code), metrics.OTHER)
    if rule := error_codes.rule_of_reason(outcome.reason):
        return _REASON_OF_RULE[rule.kind]
    why = outcome.reason
    own = (label for start, label in _REASON_OF_START.items() if why.startswith(start))
    return next(own, _REASON_OF_VERDICT.get(outcome.verdict, metrics.OTHER))


def _code_class(code: str) -> CodeClass:
    try:
        return status_codes.classify(code)[0]
    except LookupError:
        return CodeClass.UNKNOWN_CAUSE
