"""The last net: what nobody foresaw is the trouble of one entry or one feed, and of nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from producers.imports.errors import FeedUnavailable, UnexpectedError
from producers.texts import get_text

log = structlog.get_logger()


@contextmanager
def isolate_errors(*foreseen: type[Exception]) -> Iterator[None]:
    """Whatever goes wrong within leaves as Unforeseen, but for what is *foreseen*."""
    try:
        yield
    except foreseen:
        raise
    except Exception as odd:
        raise UnexpectedError(type(odd).__name__) from odd


def log_unexpected(error: UnexpectedError) -> FeedUnavailable:
    """*odd*, logged by type and place, as trouble that `loa import status` shows."""
    log.error("import_broken", error=error.kind, exc_info=error)
    return FeedUnavailable(get_text("import", "broken", error=error.kind).as_field_error("feed"))
