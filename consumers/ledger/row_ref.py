"""Row reference: names a ledger row in a return path, without any personal data.

`p<seq>.<batch>.<row>`: the publication's sequence in its stream, the number of the batch, the
row's number in it. A case notice has `n` and the sequence of its event; a digest `d` and the
sequence of its issue in bucket `digests`."""

import re
from typing import NamedTuple

from contracts import envelope, keys, publication, subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.records import EventRecord
from contracts.subscriptions.digest import Issue
from producers.bus import Bus, Message, records

PUBLICATION_KIND, NOTICE_KIND, DIGEST_KIND = "p", "n", "d"
_ROW_REF = re.compile(
    rf"([{PUBLICATION_KIND}{NOTICE_KIND}{DIGEST_KIND}])(\d{{1,19}})\.(\d{{1,7}})\.(\d{{1,4}})",
    re.ASCII,
)

_STREAM_OF_KIND = {
    PUBLICATION_KIND: subjects.PUBLICATIONS.name,
    NOTICE_KIND: subjects.CONTENT.name,
    DIGEST_KIND: f"KV_{subjects.DIGESTS.name}",
}


class RowRef(NamedTuple):
    """One row, by its numbers."""

    kind: str
    seq: int
    batch: int
    row: int

    @classmethod
    def parse(cls, text: str) -> "RowRef":
        """Parse the text form. Raises ValueError."""
        match = _ROW_REF.fullmatch(text)
        if not match:
            raise ValueError("not a place")
        return cls(match[1], *map(int, match.groups()[1:]))


def row_ref_prefix(kind: str, seq: int, number: int) -> str:
    """Return the prefix of a batch's row references; the row's number follows.

    Empty for content in no stream: no reference leads back to it.
    """
    return f"{kind}{seq}.{number}." if seq else ""


async def find_batch(bus: Bus, row_ref: RowRef) -> BatchKey | None:
    """Find the batch of a row reference; None if there is none. Raises BusError, ContractError."""
    message = await bus.get_message(_STREAM_OF_KIND[row_ref.kind], row_ref.seq)
    if message is None:
        return None
    if row_ref.kind == NOTICE_KIND:
        return await _find_notice_batch(bus, message, row_ref.batch)
    if row_ref.kind == DIGEST_KIND:
        return BatchKey(*Issue.model_validate_json(message.data).plan, row_ref.batch)
    released = publication.decode(message.data)
    return BatchKey(ChannelName.EMAIL, released.content_id, released.revision, row_ref.batch)


async def _find_notice_batch(bus: Bus, message: Message, number: int) -> BatchKey | None:
    """Find a case notice's batch by the number that the gateway gave its event."""
    event = envelope.decode(None, message.headers, message.data)
    unit = message.subject.split(".")[1]
    event_id = keys.event_id(unit, event.source, event.id)
    record = (await records.read(bus.bucket(subjects.EVENTS.name), event_id, EventRecord)).value
    if record is None or not record.revision:
        return None
    return BatchKey(ChannelName.EMAIL, record.content_id, record.revision, number)
