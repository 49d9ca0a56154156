"""Facts about a unit's item, as the unit hears them on the bus and by its callbacks.

A fact names items, revisions, channels and counts, never a person. It has one id for ever, which
follows from what it says: a unit that knows the id knows the fact.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Self

from pydantic import ValidationError

from contracts import envelope, keys
from contracts.base.fields import ContentId, Contract, Count, Instant, Revision, UnitId
from contracts.cloudevent import CloudEvent
from contracts.delivery import OPEN, ChannelName, Status
from contracts.errors import FieldError, Invalid, explain, unknown_word

STATUS_CHANGED = "vn.gov.moha.content.status.v1"
STATUS_POSITIONS_KEY = "content-status"
"""Key in bucket `control` of the positions up to which the sources of facts were read."""
_SOURCE = "/loa"
_ID_LENGTH = 26
_VERSION = "content status 1"


class StatusKind(StrEnum):
    """The outcomes of a revision that its unit is told."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RELEASED = "released"
    REJECTED = "rejected"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"


class DeliveryCounts(Contract):
    """Recipients of one channel by how their delivery ended; they add up to `expected`.

    `maybe_duplicate`: copies that some of them may have got, outside the sum.
    """

    expected: Count
    delivered: Count = 0
    failed: Count = 0
    suppressed: Count = 0
    expired: Count = 0
    withdrawn: Count = 0
    superseded: Count = 0
    maybe_sent: Count = 0
    unknown: Count = 0
    maybe_duplicate: Count = 0

    @classmethod
    def of(cls, counts: Mapping[Status, Count], copies: Count) -> Self:
        """The counts of a delivery that has ended."""
        ended = {status.value: count for status, count in counts.items() if status not in OPEN}
        return cls(expected=sum(ended.values()), maybe_duplicate=copies, **ended)


class ContentStatus(Contract):
    """One fact about a revision of a unit's item."""

    unit: UnitId
    """The unit that sent the item."""
    kind: StatusKind
    """The outcome of the revision."""
    content_id: ContentId | None = None
    """The item; null if a refused event names none."""
    revision: Revision | None = None
    """The revision; null if a refused event names none. A withdrawal takes one of its own."""
    event_id: str | None = None
    """The event with which it came, as the answer of HTTP names it."""
    at: Instant
    """When it became so."""
    channels: tuple[ChannelName, ...] = ()
    """Of a release: where readers get it. Empty if it changes nothing for readers."""
    channel: ChannelName | None = None
    """Of a delivery: its channel."""
    counts: DeliveryCounts | None = None
    """Of a delivery: its recipients, once the last of them has ended."""
    code: str = ""
    """Of a rejection: the desk's code, or `superseded` by a newer revision."""
    reason: str = ""
    """Of a rejection: the reason."""
    errors: tuple[FieldError, ...] = ()
    """Of a refusal: the faults, field by field."""


class StatusFact(NamedTuple):
    """A fact with its id."""

    id: str
    status: ContentStatus


def status_fact(status: ContentStatus, mark: str = "") -> StatusFact:
    """The fact of *status*; *mark* tells it from others of its kind about the same revision."""
    about = (status.unit, status.content_id or "", str(status.revision or 0), status.kind)
    id = keys.digest(_VERSION, *about, status.channel or "", mark)
    return StatusFact(id[:_ID_LENGTH], status)


def encode(fact: StatusFact) -> bytes:
    """The stored form: a structured CloudEvent, always the same bytes."""
    status = fact.status
    event = CloudEvent(
        specversion="1.0",
        id=fact.id,
        source=_SOURCE,
        type=STATUS_CHANGED,
        subject=status.content_id,
        time=status.at,
        datacontenttype=envelope.JSON_TYPE,
        data=_data(status),
    )
    return envelope.to_structured(event)


def _data(status: ContentStatus) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in status.model_dump(mode="json").items() if value}


def decode(body: bytes) -> StatusFact:
    """Decode the output of `encode`, of this or an earlier version. Raises ContractError."""
    event = envelope.from_structured(body)
    if event.type != STATUS_CHANGED:
        raise Invalid(unknown_word("type", "unknown_type", event.type, (STATUS_CHANGED,)))
    try:
        return StatusFact(event.id, ContentStatus.model_validate(event.data))
    except ValidationError as error:
        raise Invalid(*explain(error, "data")) from error
