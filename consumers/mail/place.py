"""Where a row stands, in a form that fits into a return path and names nobody.

`p<seq>.<batch>.<row>`: the publication's sequence in its stream, the number of the batch, the row's
in it. A case notice's has an `n`, and the sequence of its event; a digest's a `d`, and the place of
its issue in bucket `digests`.
"""

import re
from typing import NamedTuple

from consumers import register
from contracts import envelope, keys, publication, subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.digest import Issue
from contracts.records import EventRecord
from producers.bus import Bus, Message

PUBLICATION, NOTICE, DIGEST = "p", "n", "d"
_PLACE = re.compile(
    rf"([{PUBLICATION}{NOTICE}{DIGEST}])(\d{{1,19}})\.(\d{{1,7}})\.(\d{{1,4}})", re.ASCII
)

STREAMS = {
    PUBLICATION: subjects.PUBLICATIONS.name,
    NOTICE: subjects.CONTENT.name,
    DIGEST: f"KV_{subjects.DIGESTS.name}",
}


class Place(NamedTuple):
    """One row, by its numbers."""

    kind: str
    seq: int
    batch: int
    row: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read the text form. Raises ValueError for anything else."""
        found = _PLACE.fullmatch(text)
        if not found:
            raise ValueError("not a place")
        return cls(found[1], *map(int, found.groups()[1:]))


def prefix(seq: int, number: int, *, personal: bool, digest: bool = False) -> str:
    """What the places of a batch's rows begin with; the row's number follows.

    Empty for what lies in no stream: nothing leads back to it.
    """
    if not seq:
        return ""
    kind = NOTICE if personal else DIGEST if digest else PUBLICATION
    return f"{kind}{seq}.{number}."


async def batch(bus: Bus, place: Place) -> BatchKey | None:
    """The batch of *place*; None when nothing lies there. Raises BusError, ContractError."""
    found = await bus.get_message(STREAMS[place.kind], place.seq)
    if found is None:
        return None
    if place.kind == NOTICE:
        return await notice(bus, found, place.batch)
    if place.kind == DIGEST:
        return BatchKey(*Issue.model_validate_json(found.data).plan, place.batch)
    one = publication.decode(found.data)
    return BatchKey(ChannelName.EMAIL, one.content_id, one.revision, place.batch)


async def notice(bus: Bus, found: Message, number: int) -> BatchKey | None:
    """A case notice's batch, by the number that the door gave its event."""
    event = envelope.decode(None, found.headers, found.data)
    unit = found.subject.split(".")[1]
    event_id = keys.event_id(unit, event.source, event.id)
    record = (await register.read(bus.bucket(subjects.EVENTS.name), event_id, EventRecord)).value
    if record is None or not record.revision:
        return None
    return BatchKey(ChannelName.EMAIL, record.content_id, record.revision, number)
