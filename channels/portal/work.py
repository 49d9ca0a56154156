"""What a writer has to do, and how it tells of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from channels.portal.index import Row
from channels.portal.places import Place

Tell = Callable[[str, int, int], None]
"""What was done, how many since the last call, and how many there are in all (0 = not known)."""


def nobody(what: str, count: int, total: int) -> None:
    """For whom nobody waits."""


@dataclass(frozen=True, slots=True)
class Work:
    """Items and other places whose files are to be written."""

    rows: Sequence[Row] = ()
    places: Sequence[Place] = ()
