"""Errors of calls to Zalo's hosts.

AmbiguousResult   the request may have had its effect
Refused           Zalo answered with an error code: no effect, unless `rule.ambiguous`
DeadlinePassed    our own deadline passed before the request was written
RefreshTokenUsed, AppNotSetUp   the OAuth host gives this app no tokens
StaleValue, WrongKey            of the stores that hold tokens and counters
"""

from channels.errors import Misconfigured
from channels.zalo.client.error_codes import ErrorRule


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


OPERATOR_RETRY_S = 900.0


class RefreshTokenUsed(Exception):
    """The refresh token is invalid: used before, or never ours."""


class AppNotSetUp(Misconfigured):
    """Zalo gives this app no tokens in its present state; `fix` says where to correct that."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, retry_after_s=OPERATOR_RETRY_S)
        self.fix = fix


class StaleValue(Exception):
    """The revision had changed: the value was not written."""


class WrongKey(Misconfigured):
    """The stored value was encrypted with another key; a new consent helps, or the old key."""
