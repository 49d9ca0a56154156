"""Isolate unexpected exceptions to one entry or one feed."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from producers.imports.errors import FeedUnavailable, UnexpectedError
from producers.texts import get_text

log = structlog.get_logger()


@contextmanager
def isolate_errors(*foreseen: type[Exception]) -> Iterator[None]:
    """Translate every exception except *foreseen* to UnexpectedError."""
    try:
        yield
    except foreseen:
        raise
    except Exception as odd:
        raise UnexpectedError(type(odd).__name__) from odd


def log_unexpected(error: UnexpectedError) -> FeedUnavailable:
    """Log *error* by type and place; return it as a FeedUnavailable for `loa import status`."""
    log.error("import_broken", error=error.kind, exc_info=error)
    return FeedUnavailable(get_text("import", "broken", error=error.kind).as_field_error("feed"))
