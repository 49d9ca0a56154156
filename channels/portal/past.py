"""What became of an item before the text that is shown: corrections, withdrawals, returns."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from contracts.publication import Action, Publication


class Turn(BaseModel):
    """One position of an item after its first text."""

    model_config = ConfigDict(frozen=True)

    revision: int
    action: Action
    at: datetime
    reason: str = ""


class Shown(Publication):
    """The newest position of an item, as the index keeps it, with the turns that led there."""

    past: tuple[Turn, ...] = ()
    """Oldest first; the present position is the last, unless it is the item's first text."""

    @property
    def released(self) -> Publication:
        """The position as it lies on the bus."""
        return Publication.model_construct(**_fields(self))


class Return(NamedTuple):
    """When an item that was taken back could not be read, and since when it can be again."""

    gone: datetime
    back: datetime


def turns(publication: Publication) -> tuple[Turn, ...]:
    """What is known to have become of the item, up to *publication*; in no order."""
    known = publication.past if isinstance(publication, Shown) else ()
    return (*known, *_itself(publication))


def joined(known: Shown | None, found: Publication) -> Shown:
    """The newer of the two with the past of both, whichever of them was found first."""
    newest = known if known and known.revision > found.revision else found
    every = {one.revision: one for one in (*turns(found), *(turns(known) if known else ()))}
    past = tuple(every[number] for number in sorted(every))
    return Shown.model_construct(**_fields(newest), past=past)


def last_correction(publication: Publication) -> Turn | None:
    """What a page goes on to say, whatever text came after it."""
    found = (one for one in turns(publication) if one.action == "corrected")
    return max(found, key=_order, default=None)


def last_change(publication: Publication) -> Turn | None:
    """The correction or withdrawal that came last."""
    found = (one for one in turns(publication) if one.action != "published")
    return max(found, key=_order, default=None)


def last_return(publication: Publication) -> Return | None:
    """How an item that was taken back came back; None while it is gone, or never was."""
    past = sorted(turns(publication), key=_order)
    gone = max((one for one in past if one.action == "withdrawn"), key=_order, default=None)
    back = next((one for one in past if gone and one.revision > gone.revision), None)
    return Return(gone.at, back.at) if gone and back else None


def _fields(publication: Publication) -> dict[str, Any]:
    return {name: getattr(publication, name) for name in Publication.model_fields}


def _itself(publication: Publication) -> Iterator[Turn]:
    first = publication.shown_at <= publication.first_shown_at
    if publication.action != "published" or not first:
        yield Turn.model_construct(
            revision=publication.revision,
            action=publication.action,
            at=publication.shown_at,
            reason=publication.reason,
        )


def _order(turn: Turn) -> int:
    return turn.revision
