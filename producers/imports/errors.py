"""Errors of the import.

FeedUnavailable  a site did not answer, refused, or says that its feed has ended
NotAFeed         a document that cannot be read as a feed
UnexpectedError  a bug met at one entry or one feed; `kind` is the Python class"""

from collections.abc import Sequence

from contracts.errors import FieldError


class NotAFeed(Exception):
    """Nothing can be read there. `error` is for the operator; `feeds` are what a page names."""

    def __init__(self, error: FieldError, feeds: Sequence[str] = ()) -> None:
        super().__init__(error.message)
        self.error = error
        self.feeds = tuple(feeds)


class FeedUnavailable(Exception):
    """Nothing was found. The site may have said for how long to stay away, or that it is over.

    *detail* is for the log: what a library calls the trouble. *feeds* are those that a page names.
    """

    def __init__(
        self,
        error: FieldError,
        *,
        retry_after_s: float = 0.0,
        is_gone: bool = False,
        detail: str = "",
        feeds: tuple[str, ...] = (),
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.detail = detail
        self.feeds = feeds
        self.retry_after_s = retry_after_s
        self.is_gone = is_gone


class UnexpectedError(Exception):
    """Something went wrong that nobody thought of. `kind` is what Python calls it.

    What it says is not told: it may hold words of a feed.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
