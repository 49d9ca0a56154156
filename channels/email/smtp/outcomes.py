"""Outcome of a row from its mail's result: stage, code (`status_codes`) and words."""

import re
from collections.abc import Sequence
from dataclasses import replace

from channels.base import Outcome, Verdict
from channels.email import status_codes
from channels.email.smtp.mail_result import (
    EXCEEDED_STORAGE,
    STOPPED,
    MailResult,
    MailStatus,
    RefusalHint,
    Stage,
)
from channels.email.status_codes import CodeClass

DELIVERED = Outcome(Verdict.DELIVERED)
THROTTLED_RETRY_S = 60.0
_GREYLISTED_RETRY_S = 300.0
"""The usual wait of greylisting; an earlier try is refused again."""
_HELD_RETRY_S = 300.0
DOUBT_RETRY_S = 60.0

_UNCERTAIN_ADDRESS_CODE = "5.1.0"
"""Some problem of the address. Words are ambiguous: RFC 5321 has servers say "mailbox unavailable"
for policy, too. They end a row and count as a soft failure of its address."""
_VAGUE_MESSAGE_CODE = "5.6.0"
"""Some problem of the message."""
_CODE_OF_HINT = {
    RefusalHint.TOO_LARGE: "5.3.4",
    RefusalHint.POLICY: "5.7.0",
    RefusalHint.GREYLISTED: "5.7.0",
    RefusalHint.FULL: "5.2.2",
    RefusalHint.NO_SUCH_USER: _UNCERTAIN_ADDRESS_CODE,
    RefusalHint.TOO_FAST: "5.0.0",
    RefusalHint.MESSAGE: _VAGUE_MESSAGE_CODE,
    RefusalHint.NONE: "5.0.0",
}
"""Code that a refusal's words imply where it has none."""
_GREYLISTED_CODE, _THROTTLED_CODE = "4.7.1", "4.7.0"
_SERVICE_CLOSING = 421
"""RFC 5321: the whole service closes for a while, for every recipient."""
_PROTOCOL_ERRORS = frozenset({500, 501, 502, 503, 504, 555})
"""RFC 5321: syntax, order, parameters. A relay that says so means us and no recipient."""
_TOO_LARGE_CODE = "5.3.4"
_TOO_LARGE_CODES = (_TOO_LARGE_CODE, "5.2.3")
_AUTH_ERRORS = (530, 534, 535, 538)
_AUTH_STATUS_CODES = frozenset({"5.7.8", "5.7.9", "5.7.11", "5.7.12", "5.7.13", "5.7.14"})
"""RFC 4954 and 5248: credentials, their mechanism, an account; no recipient has any."""
_MAILBOX_CLASSES = frozenset({CodeClass.NO_MAILBOX, CodeClass.MAILBOX_FULL})
_MOOD_LIMIT = 5
"""From so many refused messages in one window on, the message or the relay is at fault."""
_REASON = re.compile(
    rf"(5\d\d)(?: ([245]\.\d+\.\d+))?(?: ({'|'.join(filter(None, RefusalHint))}))?"
)


def outcome_of(result: MailResult, broken_retry_s: float | None = None) -> Outcome:
    """Outcome of one row; `broken_retry_s`: delay before unsent rows are tried again."""
    if result.status is MailStatus.ACCEPTED:
        return DELIVERED
    if result.status is MailStatus.UNSENT:
        broken = broken_retry_s is not None
        return Outcome(Verdict.UNSENT, result.cause, broken_retry_s, channel_wide=broken)
    if result.status is MailStatus.DOUBT:
        retry_s = None if result.cause == STOPPED else DOUBT_RETRY_S
        return Outcome(Verdict.DOUBT, result.cause, retry_s)
    return _outcome_of_refusal(result)


def _outcome_of_refusal(result: MailResult) -> Outcome:
    if 400 <= result.code < 500:
        code = _temporary_code(result)
        delay_s, reached = _requested_delay_s(result, code), not result.is_ours
        return Outcome(
            Verdict.DEFERRED, result.reason, delay_s, code=code, reached_provider=reached
        )
    code = _permanent_code(result)
    verdict = _permanent_verdict(result, code)
    basic = Outcome(
        verdict,
        result.reason,
        code=code,
        reached_provider=not result.is_ours,
        message_refused=_is_about_message(result, code),
    )
    if basic.verdict is not Verdict.HELD:
        return basic
    rejected = _is_policy_rejection(result, code)
    is_policy = status_codes.classify(code)[0] is CodeClass.POLICY
    ours = result.stage is Stage.MAIL or (is_policy and not rejected)
    return replace(basic, retry_after_s=_HELD_RETRY_S, channel_wide=ours, policy_rejected=rejected)


def _is_policy_rejection(result: MailResult, code: str) -> bool:
    """Whether a refusal may concern this recipient alone: 5.7.x at RCPT.

    Refusals of our own address or of our sign-in concern us, not the recipient.
    """
    own = result.code in _AUTH_ERRORS or code in _AUTH_STATUS_CODES or not code.startswith("5.7.")
    return result.stage is Stage.RCPT and not own


def _is_about_message(result: MailResult, code: str) -> bool:
    """Whether a mail was refused as such: no word on its mailbox, or on our sign-in."""
    if code in _TOO_LARGE_CODES:
        return result.stage is not Stage.RCPT
    if result.stage is not Stage.END or result.code in _AUTH_ERRORS:
        return False
    names_mailbox = status_codes.classify(code)[0] in _MAILBOX_CLASSES or code.startswith("5.1.")
    return not names_mailbox and code not in _AUTH_STATUS_CODES


def judge_messages(window: Sequence[Outcome], usually_accepted: bool) -> list[Outcome]:
    """A window with the refusals of messages judged: one mail's own matter, or the relay's.

    Where the relay takes the same text for others, or has *usually_accepted* it and refuses few, a
    refused mail fails alone. Else all of them wait: a limit or a filter is wrong, or the text is.
    """
    refused = sum(outcome.message_refused for outcome in window)
    accepted = sum(outcome.verdict is Verdict.DELIVERED for outcome in window)
    is_own = accepted > refused or (usually_accepted and refused < _MOOD_LIMIT)
    return list(window) if is_own else [_held_message(outcome) for outcome in window]


def _held_message(outcome: Outcome) -> Outcome:
    if not outcome.message_refused:
        return outcome
    return replace(outcome, verdict=Verdict.HELD, retry_after_s=_HELD_RETRY_S, channel_wide=True)


def reject_message(outcome: Outcome) -> Outcome:
    """A mail to one person, refused without a cause: as by policy; a stranger may be behind it."""
    if outcome.code != _VAGUE_MESSAGE_CODE:
        return outcome
    held = replace(_held_message(outcome), channel_wide=False)
    return replace(held, message_refused=False, policy_rejected=True)


def failed_if_rejected(outcome: Outcome) -> Outcome:
    """End a transactional mail if its recipient is rejected: they may ask for another one."""
    if not outcome.policy_rejected:
        return outcome
    return replace(outcome, verdict=Verdict.FAILED, retry_after_s=None)


def is_relays_delay(result: MailResult) -> bool:
    """Whether a refusal for now speaks of the relay: no mailbox, no greylisting, no pace."""
    if not result.is_temporary or result.enhanced.startswith("4.2."):
        return False
    code = _temporary_code(result)
    greylisted = result.hint is RefusalHint.GREYLISTED or code == _GREYLISTED_CODE
    return not greylisted and not status_codes.is_throttling(code)


def _requested_delay_s(result: MailResult, code: str) -> float | None:
    """Delay that a temporary refusal asks for, beyond the backoff."""
    if result.hint is RefusalHint.GREYLISTED or code == _GREYLISTED_CODE:
        return _GREYLISTED_RETRY_S
    return THROTTLED_RETRY_S if status_codes.is_throttling(code) else None


def _temporary_code(result: MailResult) -> str:
    """Code of a temporary refusal; 4.7.1 alone means greylisting of one recipient.

    A refusal of all our mail has the code of throttling: RFC 6647 defines no other.
    """
    if not result.enhanced and result.hint is RefusalHint.TOO_FAST:
        return _THROTTLED_CODE
    if not result.enhanced.startswith("4.7."):
        return result.enhanced
    if result.hint is RefusalHint.GREYLISTED:
        return _GREYLISTED_CODE
    ours = result.code == _SERVICE_CLOSING or result.stage is Stage.MAIL
    if result.enhanced == _GREYLISTED_CODE and (
        ours or result.hint in (RefusalHint.TOO_FAST, RefusalHint.POLICY)
    ):
        return _THROTTLED_CODE
    return result.enhanced


def _permanent_code(result: MailResult) -> str:
    """Code of a permanent refusal: its own, or the one that its words imply."""
    if result.enhanced.startswith("5.5.") and result.hint is RefusalHint.NO_SUCH_USER:
        return _UNCERTAIN_ADDRESS_CODE
    if result.hint is RefusalHint.MESSAGE:
        return _CODE_OF_HINT[result.hint]
    if result.enhanced.startswith("5."):
        return result.enhanced
    if result.code in _PROTOCOL_ERRORS:
        return "5.5.0"
    if result.code == EXCEEDED_STORAGE and result.effective_hint is RefusalHint.NONE:
        return _TOO_LARGE_CODE
    return "5.7.0" if result.code in _AUTH_ERRORS else _CODE_OF_HINT[result.effective_hint]


def code_in_reason(reason: str) -> str:
    """Code of a permanent refusal, as in the outcome, read from *reason*; empty for none."""
    match = _REASON.fullmatch(reason)
    if match is None:
        return ""
    number, enhanced, hint = match.groups("")
    result = MailResult(MailStatus.REFUSED, Stage.END, int(number), enhanced, RefusalHint(hint))
    return _permanent_code(result)


def _permanent_verdict(result: MailResult, code: str) -> Verdict:
    """FAILED if the recipient or this mail is the cause; HELD if we or the relay are."""
    if code in _TOO_LARGE_CODES:
        return Verdict.FAILED  # at whatever stage: another mail may be smaller
    if result.stage in (Stage.MAIL, Stage.DATA) or not 500 <= result.code < 600:
        return Verdict.HELD
    return status_codes.classify(code)[1]
