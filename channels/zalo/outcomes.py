"""Outcomes of rows: the meaning of each answer, or of its absence, for the ledger."""

import structlog

from channels.base import Outcome, Verdict
from channels.errors import ChannelError, Misconfigured
from channels.zalo import error_codes, errors
from channels.zalo.clock import Jitter, Until, wait_s
from channels.zalo.error_codes import ErrorKind, ErrorRule

log = structlog.get_logger()
PROCESSING_S = 10.0
"""Zalo processes an article for seconds, sometimes minutes."""
_KEY_FIX = "key"


def outcome_of(error: Exception, now: float, jitter: Jitter) -> Outcome:
    """The outcome for an error; *now* is Zalo's time."""
    match error:
        case errors.RowOutcome():
            return error.outcome
        case errors.DeadlinePassed():
            return Outcome(Verdict.UNSENT, "own deadline passed")
        case errors.AmbiguousResult():
            return Outcome(Verdict.DOUBT, str(error))
        case errors.Refused():
            return _refused_outcome(error, now, jitter)
        case Misconfigured():
            return _misconfigured_outcome(error)
        case ChannelError():
            return Outcome(Verdict.HELD, error.reason, error.retry_after_s, channel_wide=True)
    raise error


def _misconfigured_outcome(error: Misconfigured) -> Outcome:
    """A hold for the channel. The token store itself asks the operator for a refused refresh."""
    after_s = error.retry_after_s
    if not isinstance(error, errors.RefreshRefused):
        log_operator_needed(error.reason, fix_for_error(error))
        after_s = max(after_s, errors.OPERATOR_RETRY_S)
    return Outcome(Verdict.HELD, error.reason, after_s, channel_wide=True)


def _refused_outcome(refusal: errors.Refused, now: float, jitter: Jitter) -> Outcome:
    rule, reason = refusal.rule, refusal.reason
    if fix := error_codes.operator_fix_of(rule):
        log_operator_needed(reason, fix, call=refusal.call)
    if rule.kind is ErrorKind.QUOTA:
        after_s = wait_s(rule.until or Until.DAY, now, jitter)
        return Outcome(Verdict.HELD, reason, after_s)
    return _rule_outcome(rule, reason)


def _rule_outcome(rule: ErrorRule, reason: str) -> Outcome:
    """The outcome for errors of every class but quotas."""
    match rule.kind:
        case ErrorKind.OPERATOR | ErrorKind.TOKEN:
            return Outcome(Verdict.HELD, reason, errors.OPERATOR_RETRY_S)
        case ErrorKind.POLL:
            return Outcome(Verdict.DEFERRED, reason, PROCESSING_S)
        case ErrorKind.RETRY:
            return Outcome(Verdict.DEFERRED, reason, rule.after_s)
        case ErrorKind.RECIPIENT:
            return Outcome(Verdict.SUPPRESSED, reason, mute_s=rule.silence_days * error_codes.DAY_S)
    return Outcome(Verdict.FAILED, reason)


def fix_for_error(trouble: ChannelError) -> str:
    """Where to correct an error of the token grant; empty for a temporary one."""
    match trouble.__cause__ or trouble:
        case errors.AppNotSetUp() as refused:
            return refused.fix
        case errors.WrongKey():
            return error_codes.operator_fix(_KEY_FIX)
        case Misconfigured():
            return error_codes.operator_fix(error_codes.CONSENT_FIX)
    return ""


def log_operator_needed(reason: str, fix: str, **facts: str) -> None:
    """Log that an operator has to act; rows wait meanwhile."""
    log.error("zalo_operator_needed", reason=reason, fix=fix, **facts)
