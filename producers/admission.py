"""What every sender's event must pass before it is put on the bus."""

from dataclasses import dataclass
from datetime import datetime

from contracts import events, keys, subjects
from contracts.case import CaseUpdated, Contact
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted
from contracts.envelope import to_structured
from contracts.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Admitted:
    """A checked event of *unit*: what it says, and what it will be known by.

    `event` is what is stored: that of a case has no contact, which `said` still knows.
    """

    unit: str
    event: CloudEvent
    said: events.Event

    @property
    def contact(self) -> Contact | None:
        """Whom a case notice is for; None for content."""
        return self.said.contact if isinstance(self.said, CaseUpdated) else None

    @property
    def event_id(self) -> str:
        return keys.event_id(self.unit, self.event.source, self.event.id)

    @property
    def content_hash(self) -> str:
        return keys.content_hash(self.event.type, self.event.data)

    @property
    def content_id(self) -> str:
        return self.said.content_id

    @property
    def revision(self) -> int | None:
        """None for a withdrawal, which concerns the item, and for a case: the door numbers it."""
        return self.said.revision if isinstance(self.said, Submitted) else None

    @property
    def subject(self) -> str:
        if self.contact:
            return subjects.case(self.unit)
        return subjects.content(self.unit, events.kind_of(self.event.type))

    @property
    def body(self) -> bytes:
        """The event as it is stored, extension attributes included."""
        return to_structured(self.event)


def admit(
    event: CloudEvent,
    unit: str,
    vocabulary: Vocabulary,
    taken: frozenset[str] = events.BUS_DOOR,
) -> Admitted:
    """Check *event* of *unit*, which the door proved; *taken* are the types that door takes.

    Raises Invalid with every wrong field, Forbidden when the source names another unit.
    """
    said = events.check(event, vocabulary, taken=taken)
    events.check_sender(event, unit, vocabulary)
    if isinstance(said, CaseUpdated):
        kept = {name: value for name, value in event.data.items() if name != "contact"}
        event = event.model_copy(update={"data": kept | said.masked})
    return Admitted(unit, event, said)


def over(said: events.Event, now: datetime) -> datetime | None:
    """When an item ended of which nothing could go out any more; None for any other."""
    ends = said.expires_at if isinstance(said, Submitted) else None
    return ends if ends is not None and ends <= now else None
