"""What was released, as the stream PUBLICATIONS has it: read once, and anew for one item."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from contracts import keys, publication, subjects
from contracts.delivery import ChannelName, Lane, PlanKey
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus, Message


@dataclass(frozen=True, slots=True)
class Edition:
    """One publication as the rules need it; times in epoch seconds, 0 for none."""

    content_id: str
    revision: int
    action: str
    channels: tuple[ChannelName, ...]
    lane: Lane
    start: float
    expires: float
    seq: int
    says: bytes

    @property
    def key(self) -> str:
        return keys.publication_key(self.content_id, self.revision)

    def plans(self) -> list[PlanKey]:
        return [PlanKey(one, self.content_id, self.revision) for one in self.channels]


@dataclass
class Released:
    """Every publication, by item and position; two messages may say the same, after a crash."""

    bus: Bus
    items: dict[str, dict[int, Edition]] = field(default_factory=dict)
    others: dict[int, Edition] = field(default_factory=dict)  # another text under a known key
    broken: set[int] = field(default_factory=set)
    whole: bool = False

    async def read(self, content_id: str = "") -> None:
        """Everything, once; or one item's, anew."""
        subject = subjects.publication("*", content_id) if content_id else ">"
        if content_id or not self.whole:
            async for message in self.bus.scan(subjects.PUBLICATIONS.name, subject):
                self.add(message)
            self.whole = self.whole or not content_id

    def add(self, message: Message) -> None:
        try:
            found = edition(publication.decode(message.data), message.seq)
        except ContractError:
            self.broken.add(message.seq)
            return
        first = self.items.setdefault(found.content_id, {}).setdefault(found.revision, found)
        if first.says != found.says:
            self.others[found.seq] = found

    def find(self, content_id: str, revision: int) -> Edition | None:
        return self.items.get(content_id, {}).get(revision)

    def all(self) -> Iterator[Edition]:
        for positions in self.items.values():
            yield from positions.values()


def edition(said: Publication, seq: int) -> Edition:
    start = said.not_before or said.released_at
    return Edition(
        content_id=said.content_id,
        revision=said.revision,
        action=said.action,
        channels=tuple(said.channels),
        lane=said.lane,
        start=start.timestamp(),
        expires=said.expires_at.timestamp() if said.expires_at else 0.0,
        seq=seq,
        says=fingerprint(said),
    )


def fingerprint(said: Publication) -> bytes:
    """The same for the same text, whichever version has written it down."""
    return keys.digest(said.model_dump_json()).encode()


async def messages(bus: Bus, stream: str, size: int) -> AsyncIterator[list[Message]]:
    """A stream in chunks."""
    chunk: list[Message] = []
    async for message in bus.scan(stream):
        chunk.append(message)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
