"""The last net: what nobody foresaw is the trouble of one entry or one feed, and of nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from producers.imports.site import Unreached
from producers.wording import say

log = structlog.get_logger()


class Unforeseen(Exception):
    """Something went wrong that nobody thought of. `kind` is what Python calls it.

    What it says is not told: it may hold words of a feed.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@contextmanager
def net(*foreseen: type[Exception]) -> Iterator[None]:
    """Whatever goes wrong within leaves as Unforeseen, but for what is *foreseen*."""
    try:
        yield
    except foreseen:
        raise
    except Exception as odd:
        raise Unforeseen(type(odd).__name__) from odd


def told(odd: Unforeseen) -> Unreached:
    """*odd*, logged by type and place, as trouble that `loa import status` shows."""
    log.error("import_broken", error=odd.kind, exc_info=odd)
    return Unreached(say("import", "broken", error=odd.kind).about("feed"))
