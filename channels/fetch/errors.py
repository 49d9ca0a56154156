"""Why nothing was fetched: reasons and exceptions.

FetchError
  PermanentFetchError     a refused address, too large, another media type: never again
    ResourceGone          the server says 410
  TemporaryFetchError     no answer, a broken one, a server in trouble: try again later
    RetryAfter            the server names the seconds to wait
ForbiddenAddress          the URL policy refuses an address; the fetcher turns it into a FetchError
"""

from enum import StrEnum


class FetchReason(StrEnum):
    """The name is a code, for those who word it; the value is for logs: no address, no text."""

    NOT_AN_ADDRESS = "not a web address"
    USER_NAME = "a user name in the address"
    PORT = "another port than 80 or 443"
    NOT_PUBLIC = "not a public address"
    NUMBER = "a number for a host"
    INNER_NAME = "a name of an inner network"
    TOO_OFTEN = "moved too often"
    UNENCRYPTED = "moved from https to http"
    STATUS = "http"
    MEDIA_TYPE = "another media type"
    PACKED = "packed"
    TOO_LARGE = "too large"
    CUT_SHORT = "cut short"
    TOO_SLOW = "too slow"
    UNKNOWN_HOST = "unknown host"
    NOT_SECURE = "no secure connection"
    NO_ANSWER = "no answer"

    @property
    def code(self) -> str:
        return self.name.lower()


class FetchError(Exception):
    """Nothing was fetched. `reason` is safe to log: no address, no text.

    *detail* is a status, or what a library calls the trouble.
    """

    def __init__(self, fetch_reason: FetchReason, detail: str = "") -> None:
        self.fetch_reason = fetch_reason
        self.detail = detail
        self.reason = f"{fetch_reason} {detail}".rstrip()
        super().__init__(self.reason)


class PermanentFetchError(FetchError):
    """It can't be had from there, however often one asks."""


class TemporaryFetchError(FetchError):
    """It can't be had now."""


class RetryAfter(TemporaryFetchError):
    """Not now, and not before `after_s` seconds have passed."""

    def __init__(self, fetch_reason: FetchReason, detail: str, after_s: float) -> None:
        super().__init__(fetch_reason, detail)
        self.after_s = after_s


class ResourceGone(PermanentFetchError):
    """Its server says that nothing will be there again."""


class ForbiddenAddress(Exception):
    """Nothing is fetched from there."""

    def __init__(self, fetch_reason: FetchReason) -> None:
        super().__init__(fetch_reason)
        self.fetch_reason = fetch_reason
