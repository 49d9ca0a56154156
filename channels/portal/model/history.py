"""What became of an item before the text that is shown: corrections, withdrawals, returns."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from contracts.publication import Action, Publication


class HistoryEntry(BaseModel):
    """One position of an item after its first text."""

    model_config = ConfigDict(frozen=True)

    revision: int
    action: Action
    at: datetime
    reason: str = ""


class ShownPublication(Publication):
    """The newest position of an item, as the index keeps it, with the turns that led there."""

    past: tuple[HistoryEntry, ...] = ()
    """Oldest first; the present position is the last, unless it is the item's first text."""

    @property
    def as_released(self) -> Publication:
        """The position as it lies on the bus."""
        return Publication.model_construct(**_fields(self))


class Reinstatement(NamedTuple):
    """When an item that was taken back could not be read, and since when it can be again."""

    gone: datetime
    back: datetime


def history_of(publication: Publication) -> tuple[HistoryEntry, ...]:
    """What is known to have become of the item, up to *publication*; in no order."""
    known = publication.past if isinstance(publication, ShownPublication) else ()
    return (*known, *_own_entry(publication))


def merge_history(known: ShownPublication | None, found: Publication) -> ShownPublication:
    """The newer of the two with the past of both, whichever of them was found first."""
    newest = known if known and known.revision > found.revision else found
    every = {
        one.revision: one for one in (*history_of(found), *(history_of(known) if known else ()))
    }
    past = tuple(every[number] for number in sorted(every))
    return ShownPublication.model_construct(**_fields(newest), past=past)


def last_correction(publication: Publication) -> HistoryEntry | None:
    """What a page goes on to say, whatever text came after it."""
    found = (one for one in history_of(publication) if one.action == "corrected")
    return max(found, key=_revision, default=None)


def last_change(publication: Publication) -> HistoryEntry | None:
    """The correction or withdrawal that came last."""
    found = (one for one in history_of(publication) if one.action != "published")
    return max(found, key=_revision, default=None)


def last_reinstatement(publication: Publication) -> Reinstatement | None:
    """How an item that was taken back came back; None while it is gone, or never was."""
    past = sorted(history_of(publication), key=_revision)
    gone = max((one for one in past if one.action == "withdrawn"), key=_revision, default=None)
    back = next((one for one in past if gone and one.revision > gone.revision), None)
    return Reinstatement(gone.at, back.at) if gone and back else None


def _fields(publication: Publication) -> dict[str, Any]:
    return {name: getattr(publication, name) for name in Publication.model_fields}


def _own_entry(publication: Publication) -> Iterator[HistoryEntry]:
    first = publication.shown_at <= publication.first_shown_at
    if publication.action != "published" or not first:
        yield HistoryEntry.model_construct(
            revision=publication.revision,
            action=publication.action,
            at=publication.shown_at,
            reason=publication.reason,
        )


def _revision(turn: HistoryEntry) -> int:
    return turn.revision
