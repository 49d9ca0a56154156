"""Read the stream PUBLICATIONS: whole publications, or the few fields that say which are wanted."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.bulletins.issue import BulletinIssue
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus, Message

OpenSeals = Callable[[], Awaitable[PublicationSeals | None]]
ANY = "*"
"""Any topic, or any item."""
STREAM = subjects.PUBLICATIONS.name


async def no_seals() -> None:
    """For a bus that Loa has not taken over."""


@dataclass(frozen=True)
class PublicationReader:
    """Reads publications in their order. Each method raises BusError.

    Without seals, foreign publications are not told from Loa's own.
    """

    bus: Bus
    open_seals: OpenSeals

    async def read(self, topic: str, content_id: str) -> AsyncIterator[Publication]:
        async for message in self.messages(topic, content_id):
            if one := decode(message):
                yield one

    async def issue_at(self, content_id: str, at: datetime) -> BulletinIssue | None:
        """The newest text of an issue that readers had at a moment; None for none."""
        found = {
            one.revision: one.bulletin
            async for one in self.read(ANY, content_id)
            if one.bulletin and one.shown_at <= at
        }
        return found[max(found)] if found else None

    async def messages(self, topic: str, content_id: str, start: int = 1) -> AsyncIterator[Message]:
        """Messages that Loa released; `loa check` names the rest."""
        subject = subjects.publication(topic, content_id)
        seals = await self.open_seals()
        async for message in self.bus.scan(STREAM, subject, start):
            if not (seals and seals.problem(message)):
                yield message


class PeekedPublication(NamedTuple):
    """A publication by the fields that say whether it is wanted; *latest*: of all its times."""

    content_id: str
    revision: int
    shown_at: datetime
    latest: datetime
    message: Message


def peek(message: Message) -> PeekedPublication | None:
    """Read some fields of a publication, in a twentieth of the time that decoding takes."""
    try:
        data = json.loads(message.data)["data"]
        names = ("released_at", "first_released_at", "not_before")
        released, first, wanted = (_time(data.get(name)) for name in names)
        shown_at = max(filter(None, (released, wanted)))
        latest = max(shown_at, first or shown_at)
        return PeekedPublication(
            str(data["content_id"]), int(data["revision"]), shown_at, latest, message
        )
    except (KeyError, TypeError, ValueError):
        return None


def _time(value: Any) -> datetime | None:
    """Raises ValueError for a time without an offset."""
    moment = datetime.fromisoformat(value) if value else None
    if moment and moment.tzinfo is None:
        raise ValueError(value)
    return moment


def decode(message: Message) -> Publication | None:
    """None for what this version can't read: `loa check` names it."""
    try:
        return publication.decode(message.data)
    except ContractError:
        return None
