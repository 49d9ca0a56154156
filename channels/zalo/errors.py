"""Errors of the channel's parts."""

from channels.base import Outcome, Verdict
from channels.errors import ChannelError, Misconfigured
from channels.zalo.error_codes import ErrorRule

OPERATOR_RETRY_S = 900.0


class AmbiguousResult(Exception):
    """No usable answer came: the request may have had its effect. The text is safe to log."""


class Refused(Exception):
    """Zalo answered with an error code. The call had no effect, unless `rule.ambiguous`."""

    def __init__(self, call: str, code: int, message: str, rule: ErrorRule) -> None:
        super().__init__(f"{call}: {code}")
        self.call = call
        self.code = code
        self.message = message
        self.rule = rule

    @property
    def reason(self) -> str:
        """Short text that is safe to log."""
        return f"zalo {self.code} {self.rule.reason}".rstrip()


class DeadlinePassed(Exception):
    """Our own deadline passed before the request was written: no effect."""


class RowOutcome(Exception):
    """The outcome of a row, raised where it is decided."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def row_held(reason: str, after_s: float) -> RowOutcome:
    """The outcome of a row that waits; Zalo was not asked."""
    return RowOutcome(Outcome(Verdict.HELD, reason, after_s, reached_provider=False))


NO_EFFECT = (Refused, DeadlinePassed, ChannelError)
"""Errors of calls that had no effect."""
ROW_ERRORS = (RowOutcome, AmbiguousResult, *NO_EFFECT)
"""Errors that processing a row may raise: each of them is an outcome."""


class RefreshTokenUsed(Exception):
    """The refresh token is invalid: used before, or never ours."""


class RefreshTokenDoubted(RefreshTokenUsed):
    """An empty answer, which Zalo gives to a used token, and in its own trouble."""


class AppNotSetUp(Misconfigured):
    """Zalo gives this app no tokens in its present state; `fix` says where to correct that."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, retry_after_s=OPERATOR_RETRY_S)
        self.fix = fix


class RefreshRefused(AppNotSetUp):
    """Zalo has refused to refresh for minutes, for a reason that may pass: asked again soon."""

    def __init__(self, reason: str, fix: str, retry_after_s: float) -> None:
        super().__init__(reason, fix)
        self.retry_after_s = retry_after_s


class StaleValue(Exception):
    """The revision had changed: the value was not written."""


class WrongKey(Misconfigured):
    """The stored value was encrypted with another key; a new consent helps, or the old key."""


class UnfitTemplate(Exception):
    """A template requires parameters that some notices of the kind lack: `names`."""

    def __init__(self, kind: str, template_id: str, names: list[str]) -> None:
        super().__init__(f"{template_id} for {kind}: {', '.join(names)}")
        self.kind = kind
        self.template_id = template_id
        self.names = names


class UnusableEvent(Exception):
    """A webhook event of a known kind without its subject."""


class BodyTooLarge(Exception):
    """The body of a webhook call is larger than any event."""
