"""One approved position of a content item, as the consumers and channels see it."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, StringConstraints, ValidationError

from contracts import envelope, keys
from contracts.base.fields import AS_TEXT, TEXT_PATTERN, Instant, UnitId
from contracts.cloudevent import Attribute, CloudEvent
from contracts.content import Content
from contracts.errors import Invalid, explain, unknown_word

Action = Literal["published", "corrected", "withdrawn"]
RELEASED = "vn.gov.moha.publication.released.v1"
_SOURCE = "/loa"
_MAX_PUBLICATION_BYTES = 2 * envelope.MAX_EVENT_BYTES
"""A publication may be larger than the event it came from: every field is written out."""


class Publication(Content):
    """One approved revision of a content item, released to its channels.

    A withdrawal is one more position: its `revision` is higher than that of the text it takes back.
    """

    kind: ClassVar[str] = RELEASED

    action: Action
    unit: UnitId
    body: Annotated[str, StringConstraints(max_length=100_000), AS_TEXT, TEXT_PATTERN] = ""
    reason: Annotated[str, StringConstraints(max_length=500), AS_TEXT, TEXT_PATTERN] = ""
    first_released_at: Instant
    released_at: Instant
    event_id: Attribute

    @property
    def shown_at(self) -> datetime:
        """When readers see the text: its release, or `not_before` if that is later."""
        return max(self.released_at, self.not_before or self.released_at)

    @property
    def first_shown_at(self) -> datetime:
        """When the item was first visible; an older Loa stored the first release time instead."""
        first = self.released_at == self.first_released_at
        return self.shown_at if first else self.first_released_at

    @property
    def key(self) -> str:
        """The publication key: one intent, one key, for ever, so repeats are harmless."""
        return keys.publication_key(self.content_id, self.revision)


class StoredPublication(BaseModel):
    """A publication and its sequence in PUBLICATIONS."""

    publication: Publication
    seq: int


def encode(publication: Publication) -> bytes:
    """The stored form: a structured CloudEvent, always the same bytes."""
    event = CloudEvent(
        specversion="1.0",
        id=publication.key,
        source=_SOURCE,
        type=RELEASED,
        subject=publication.content_id,
        time=publication.released_at,
        datacontenttype=envelope.JSON_TYPE,
        data=publication.model_dump(mode="json"),
    )
    return envelope.to_structured(event)


def decode(body: bytes) -> Publication:
    """Decode the output of `encode`, of this or an earlier version. Raises ContractError."""
    event = envelope.from_structured(body, limit=_MAX_PUBLICATION_BYTES)
    if event.type != RELEASED:
        raise Invalid(unknown_word("type", "unknown_type", event.type, (RELEASED,)))
    try:
        return Publication.model_validate(event.data)
    except ValidationError as error:
        raise Invalid(*explain(error, "data")) from error
