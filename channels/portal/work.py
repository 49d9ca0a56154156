"""What a writer has to do, and how it tells of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from channels.portal.index import Index, Row
from channels.portal.places import FEED, Place
from channels.portal.press import Press
from contracts.publication import Publication

Tell = Callable[[str, int, int], None]
"""What was done, how many since the last call, and how many there are in all (0 = not known)."""


def nobody(what: str, count: int, total: int) -> None:
    """For whom nobody waits."""


@dataclass(frozen=True, slots=True)
class Work:
    """Items and other places whose files are to be written."""

    rows: Sequence[Row] = ()
    places: Sequence[Place] = ()

    @property
    def any(self) -> bool:
        return bool(self.rows or self.places)


def taken(index: Index, press: Press, publication: Publication) -> Row:
    """Take *publication* into the index, with how it is written in feeds and lists."""
    row = press.row(publication)
    touched = index.put(publication, row, press.site.slugs_of(publication), press.part)
    index.keep(publication.content_id, press.edition, press.fragments(row))
    if press.site.hub:
        index.mark_untold(sorted(one.slug for one in touched if one.kind == FEED))
    return row
