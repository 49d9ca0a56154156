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
    """Reason of a failed fetch. The name is a code for texts, the value is for logs."""

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
    """A failed fetch. `reason` is safe to log: no address, no text.

    *detail*: the HTTP status, or the library's name of the error.
    """

    def __init__(self, fetch_reason: FetchReason, detail: str = "") -> None:
        self.fetch_reason = fetch_reason
        self.detail = detail
        self.reason = f"{fetch_reason} {detail}".rstrip()
        super().__init__(self.reason)


class PermanentFetchError(FetchError):
    """The address can't be fetched, at any time."""


class TemporaryFetchError(FetchError):
    """The address can't be fetched now."""


class RetryAfter(TemporaryFetchError):
    """The server asks for a pause of `after_s` seconds."""

    def __init__(self, fetch_reason: FetchReason, detail: str, after_s: float) -> None:
        super().__init__(fetch_reason, detail)
        self.after_s = after_s


class ResourceGone(PermanentFetchError):
    """The server says that the resource will not return."""


class ForbiddenAddress(Exception):
    """The URL policy refuses the address."""

    def __init__(self, fetch_reason: FetchReason) -> None:
        super().__init__(fetch_reason)
        self.fetch_reason = fetch_reason
