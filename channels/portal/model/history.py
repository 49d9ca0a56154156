"""History of an item: corrections, withdrawals and returns before the current position."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from contracts.publication import Action, Publication


class HistoryEntry(BaseModel):
    """One position of an item after its first."""

    model_config = ConfigDict(frozen=True)

    revision: int
    action: Action
    at: datetime
    reason: str = ""


class ShownPublication(Publication):
    """The newest position of an item with its history, as the index stores it."""

    past: tuple[HistoryEntry, ...] = ()
    """Oldest first, with the current position last unless it is the item's first."""

    @property
    def as_released(self) -> Publication:
        """The publication without its history, as on the bus."""
        return Publication.model_construct(**_fields(self))


class Reinstatement(NamedTuple):
    """Times of an item's last withdrawal and of its return."""

    gone: datetime
    back: datetime


def _history_of(publication: Publication) -> tuple[HistoryEntry, ...]:
    """Known history of the item including *publication*, unordered."""
    entries = publication.past if isinstance(publication, ShownPublication) else ()
    return (*entries, *_own_entry(publication))


def merge_history(stored: ShownPublication | None, arrived: Publication) -> ShownPublication:
    """The newer of two positions with the history of both, in any order of arrival."""
    newest = stored if stored and stored.revision > arrived.revision else arrived
    entries = (*_history_of(arrived), *(_history_of(stored) if stored else ()))
    by_revision = {entry.revision: entry for entry in entries}
    past = tuple(by_revision[number] for number in sorted(by_revision))
    return ShownPublication.model_construct(**_fields(newest), past=past)


def last_correction(publication: Publication) -> HistoryEntry | None:
    """The last correction, which later positions go on to show."""
    return _last(publication, "corrected")


def last_change(publication: Publication) -> HistoryEntry | None:
    """The last correction or withdrawal."""
    return _last(publication, "corrected", "withdrawn")


def _last(publication: Publication, *actions: Action) -> HistoryEntry | None:
    entries = (entry for entry in _history_of(publication) if entry.action in actions)
    return max(entries, key=_revision, default=None)


def last_reinstatement(publication: Publication) -> Reinstatement | None:
    """Last withdrawal and return; None if still withdrawn, or never withdrawn."""
    gone, entries = _last(publication, "withdrawn"), sorted(_history_of(publication), key=_revision)
    back = next((entry for entry in entries if gone and entry.revision > gone.revision), None)
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


def _revision(entry: HistoryEntry) -> int:
    return entry.revision
