"""What every sender's event must pass before it is put on the bus."""

from dataclasses import dataclass

from contracts import events, keys, subjects
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted, Withdrawn
from contracts.envelope import to_structured
from contracts.errors import Invalid, fault
from contracts.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Admitted:
    """A checked event of *unit*: what it says, and what it will be known by."""

    unit: str
    event: CloudEvent
    said: Submitted | Corrected | Withdrawn

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
        """None for a withdrawal, which concerns the item and not one text of it."""
        return None if isinstance(self.said, Withdrawn) else self.said.revision

    @property
    def subject(self) -> str:
        return subjects.content(self.unit, events.kind_of(self.event.type))

    @property
    def body(self) -> bytes:
        """The event as it is stored, extension attributes included."""
        return to_structured(self.event)


def admit(event: CloudEvent, unit: str, vocabulary: Vocabulary) -> Admitted:
    """Check *event* of *unit*, which the door proved.

    Raises Invalid with every wrong field, Forbidden when the source names another unit.
    """
    said = events.check(event, vocabulary)
    if isinstance(said, CaseUpdated):
        raise Invalid(fault("type", "type_closed", value=event.type))
    events.check_sender(event, unit, vocabulary)
    return Admitted(unit, event, said)
