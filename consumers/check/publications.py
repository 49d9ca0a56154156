"""Index of all publications in the stream PUBLICATIONS, read once, and anew for one item."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from consumers.seals.publications import PublicationSeals
from contracts import keys, publication, subjects
from contracts.bulletins.issue import BulletinIssue, PublishedIssue
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
        return [PlanKey(channel, self.content_id, self.revision) for channel in self.channels]


class IssuePosition(NamedTuple):
    """A position of an issue of a bulletin: its text, or without one its withdrawal."""

    issue: BulletinIssue | None
    is_out: bool
    shown_at: datetime


@dataclass
class PublicationIndex:
    """Every publication, by item and position; two messages may say the same, after a crash."""

    bus: Bus
    seals: PublicationSeals | None = None
    items: dict[str, dict[int, PublicationFacts]] = field(default_factory=dict)
    conflicting: dict[int, PublicationFacts] = field(default_factory=dict)
    """Publications with another text under a known key."""
    unreadable: set[int] = field(default_factory=set)
    unreleased: dict[int, str] = field(default_factory=dict)
    """Messages that Loa did not release, by their seal: the subject and the reason."""
    issue_positions: dict[str, dict[int, IssuePosition]] = field(default_factory=dict)
    """The positions of each issue of a bulletin, by its item."""
    is_complete: bool = False

    async def read(self, content_id: str = "") -> None:
        """Read everything, once; or one item, anew."""
        subject = subjects.publication("*", content_id) if content_id else ">"
        if content_id or not self.is_complete:
            async for message in self.bus.scan(subjects.PUBLICATIONS.name, subject):
                self.add(message)
            self.is_complete = self.is_complete or not content_id

    def add(self, message: Message) -> None:
        if self.seals and (problem := self.seals.problem(message)):
            self.unreleased[message.seq] = f"{message.subject}: {problem}"
            return
        try:
            published = publication.decode(message.data)
        except ContractError:
            self.unreadable.add(message.seq)
            return
        self.note_issue(published)
        facts = _publication_facts(published, message.seq)
        first = self.items.setdefault(facts.content_id, {}).setdefault(facts.revision, facts)
        if first.fingerprint != facts.fingerprint:
            self.conflicting[facts.seq] = facts

    def note_issue(self, published: Publication) -> None:
        """Note an issue of a bulletin, or that it was withdrawn."""
        name = published.content_id
        if published.bulletin or name in self.issue_positions:
            is_out = published.action != "withdrawn"
            position = IssuePosition(published.bulletin, is_out, published.shown_at)
            self.issue_positions.setdefault(name, {}).setdefault(published.revision, position)

    def issues(self, at: datetime | None = None) -> Iterator[PublishedIssue]:
        """Yield each issue of a bulletin by its newest position; *at*: as readers had it then."""
        for content_id, positions in sorted(self.issue_positions.items()):
            found = [
                one for _, one in sorted(positions.items()) if at is None or one.shown_at <= at
            ]
            texts = [one.issue for one in found if one.issue]
            if texts:
                yield PublishedIssue(content_id, texts[-1], found[-1].is_out)

    def withdrawn(self) -> dict[str, int]:
        """Each item whose newest position withdraws it, with that position."""
        newest = ((name, max(found.items())) for name, found in self.items.items())
        return {name: number for name, (number, one) in newest if one.action == "withdrawn"}

    def find(self, content_id: str, revision: int) -> PublicationFacts | None:
        return self.items.get(content_id, {}).get(revision)

    def all(self) -> Iterator[PublicationFacts]:
        for positions in self.items.values():
            yield from positions.values()


def _publication_facts(published: Publication, seq: int) -> PublicationFacts:
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
    """Return a hash of the text, the same for every version of Loa."""
    return keys.digest(published.model_dump_json()).encode()
