"""What a writer has to do, and how it tells of it."""

import errno
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from channels.portal.index import Index, Row
from channels.portal.past import joined
from channels.portal.places import FEED, Place
from channels.portal.press import Press
from contracts.publication import Publication

log = structlog.get_logger()
Tell = Callable[[str, int, int], None]
"""What was done, how many since the last call, and how many there are in all (0 = not known)."""


def nobody(what: str, count: int, total: int) -> None:
    """For whom nobody waits."""


@dataclass(frozen=True, slots=True)
class Work:
    """Items and other places whose files are to be written; `learnt`: into a new catalogue."""

    rows: Sequence[Row] = ()
    places: Sequence[Place] = ()
    learnt: int = 0

    @property
    def any(self) -> bool:
        return bool(self.rows or self.places or self.learnt)


def taken(index: Index, press: Press, publication: Publication) -> Row:
    """Take *publication* into the index, with how it is written in feeds and lists.

    One that is older than what is shown adds to the item's past, and to the feeds that tell of it.
    """
    known = index.row(publication.content_id)
    shown = joined(known.publication if known else None, publication)
    row = press.row(shown)
    slugs, once = press.site.slugs_of(shown), press.site.slugs_of(publication)
    touched = index.put(shown, row, slugs, press.part, once)
    index.keep(shown.content_id, press.edition, press.fragments(row))
    if press.site.hub:
        index.mark_untold(sorted(one.slug for one in touched if one.kind == FEED))
    return row


def sign(index: Index, press: Press) -> None:
    """Say by which edition the files are written; another address makes every id in feeds new."""
    before, now = index.mark("address"), press.site.public_url
    items = index.items() if before not in ("", now) else 0
    if items:
        log.warning("portal_address_changed", before=before, now=now, items=items)
    index.set_mark("edition", press.edition)
    index.set_mark("address", now)


def said(error: Exception) -> str:
    """An error as an outcome's reason: short, and without paths or text."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "os_error").lower()
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "sqlite_error").lower()
    return str(error)
