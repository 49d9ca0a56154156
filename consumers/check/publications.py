"""Index of all publications in the stream PUBLICATIONS, read once, and anew for one item."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from contracts import keys, publication, subjects
from contracts.delivery import ChannelName, Lane, PlanKey
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus, Message


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """One publication as the rules need it; times in epoch seconds, 0 for none."""

    content_id: str
    revision: int
    action: str
    channels: tuple[ChannelName, ...]
    lane: Lane
    start: float
    expires: float
    seq: int
    fingerprint: bytes

    @property
    def key(self) -> str:
        return keys.publication_key(self.content_id, self.revision)

    def plans(self) -> list[PlanKey]:
        return [PlanKey(one, self.content_id, self.revision) for one in self.channels]


@dataclass
class PublicationIndex:
    """Every publication, by item and position; two messages may say the same, after a crash."""

    bus: Bus
    items: dict[str, dict[int, PublicationFacts]] = field(default_factory=dict)
    conflicting: dict[int, PublicationFacts] = field(
        default_factory=dict
    )  # another text under a known key
    unreadable: set[int] = field(default_factory=set)
    is_complete: bool = False

    async def read(self, content_id: str = "") -> None:
        """Everything, once; or one item's, anew."""
        subject = subjects.publication("*", content_id) if content_id else ">"
        if content_id or not self.is_complete:
            async for message in self.bus.scan(subjects.PUBLICATIONS.name, subject):
                self.add(message)
            self.is_complete = self.is_complete or not content_id

    def add(self, message: Message) -> None:
        try:
            found = publication_facts(publication.decode(message.data), message.seq)
        except ContractError:
            self.unreadable.add(message.seq)
            return
        first = self.items.setdefault(found.content_id, {}).setdefault(found.revision, found)
        if first.fingerprint != found.fingerprint:
            self.conflicting[found.seq] = found

    def find(self, content_id: str, revision: int) -> PublicationFacts | None:
        return self.items.get(content_id, {}).get(revision)

    def all(self) -> Iterator[PublicationFacts]:
        for positions in self.items.values():
            yield from positions.values()


def publication_facts(published: Publication, seq: int) -> PublicationFacts:
    start = published.not_before or published.released_at
    return PublicationFacts(
        content_id=published.content_id,
        revision=published.revision,
        action=published.action,
        channels=tuple(published.channels),
        lane=published.lane,
        start=start.timestamp(),
        expires=published.expires_at.timestamp() if published.expires_at else 0.0,
        seq=seq,
        fingerprint=text_fingerprint(published),
    )


def text_fingerprint(published: Publication) -> bytes:
    """The same for the same text, whichever version has written it down."""
    return keys.digest(published.model_dump_json()).encode()


async def message_chunks(bus: Bus, stream: str, size: int) -> AsyncIterator[list[Message]]:
    """A stream in chunks."""
    chunk: list[Message] = []
    async for message in bus.scan(stream):
        chunk.append(message)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
