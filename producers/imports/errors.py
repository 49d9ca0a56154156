"""Errors of the import.

FeedUnavailable    a site did not answer, refused, or ended its feed
  NotAFeed         the document cannot be read as a feed
UnexpectedError    a bug at one entry or one feed; `kind` is the Python class
"""

from collections.abc import Sequence

from contracts.errors import FieldError


class FeedUnavailable(Exception):
    """The site gave no feed; `retry_after_s` and `is_gone` are what it asked for.

    *detail* is for the log: the library's error. *feeds*: feeds that a web page names.
    """

    def __init__(
        self,
        error: FieldError,
        *,
        retry_after_s: float = 0.0,
        is_gone: bool = False,
        detail: str = "",
        feeds: Sequence[str] = (),
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.detail = detail
        self.feeds = tuple(feeds)
        self.retry_after_s = retry_after_s
        self.is_gone = is_gone


class NotAFeed(FeedUnavailable):
    """The document cannot be read as a feed."""


class UnexpectedError(Exception):
    """An unexpected exception; `kind`: its class. Its message is dropped: it may quote a feed."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
