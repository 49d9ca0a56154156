"""The broker's decoder: turns each bus message into the model that its handler takes."""

from typing import Any

from faststream.nats.message import NatsMessage
from nats.aio.msg import Msg
from pydantic import BaseModel, ConfigDict

from consumers.dead_letters.letter import EDITED_HEADER
from consumers.intake.inbound import REVOKED_HEADER
from consumers.messages import field_error
from contracts import envelope
from contracts.base import strict_json
from contracts.cloudevent import CloudEvent
from contracts.delivery import Lane
from contracts.errors import Forbidden
from contracts.events import CASE_UPDATED
from producers.bus import Message


class ContentMessage(BaseModel):
    """An event on CONTENT; `unit` is proven by the subject, not by the event.

    `is_edited`: a person has corrected it as a dead letter.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    event: CloudEvent
    unit: str
    kind: str
    seq: int
    is_edited: bool = False

    @property
    def lane(self) -> Lane:
        """The requested lane; intake decides whether the unit may use it."""
        if self.event.type == CASE_UPDATED:
            return Lane.NOTICE
        requested = self.event.data.get("lane")
        return Lane(requested) if requested in list(Lane) else Lane.NORMAL


class StoredMessage(BaseModel):
    """A message on PUBLICATIONS, RECEIPTS or EDITORIAL; whether Loa wrote it is not known yet."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    stored: Message


async def decode_message(msg: NatsMessage) -> Any:
    """Decode a message by the first word of its subject. Raises ContractError if it is no event."""
    raw = msg.raw_message
    stage, *rest = raw.subject.split(".")
    if stage in ("content", "case"):
        unit, kind = rest[:2]
        if REVOKED_HEADER in (raw.headers or {}):
            raise Forbidden(field_error("key", "bus_key_revoked"))
        return ContentMessage(
            event=envelope.decode(None, raw.headers, raw.data),
            unit=unit,
            kind=kind,
            seq=raw.metadata.sequence.stream,
            is_edited=EDITED_HEADER in (raw.headers or {}),
        )
    if stage in ("publication", "receipt", "editorial"):
        return StoredMessage(stored=_stored_message(raw))
    return strict_json.loads(raw.data, "wake_up")


def _stored_message(raw: Msg) -> Message:
    where = raw.metadata
    return Message(raw.subject, where.sequence.stream, raw.data, raw.headers or {}, where.timestamp)
