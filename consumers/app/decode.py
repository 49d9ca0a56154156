"""The broker's decoder: turns each bus message into the model that its handler takes."""

import json
from typing import Any

from faststream.nats.message import NatsMessage
from pydantic import BaseModel, ConfigDict

from consumers.feedback import handler
from contracts import envelope, publication
from contracts.cloudevent import CloudEvent
from contracts.delivery import Lane
from contracts.events import CASE_UPDATED
from contracts.publication import StoredPublication


class ContentMessage(BaseModel):
    """An event on CONTENT; `unit` is proven by the subject, not by the event."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    event: CloudEvent
    unit: str
    kind: str
    seq: int

    @property
    def lane(self) -> Lane:
        """The lane it asks for; whether it may is judged later."""
        if self.event.type == CASE_UPDATED:
            return Lane.NOTICE
        asked = self.event.data.get("lane")
        return Lane(asked) if asked in list(Lane) else Lane.NORMAL


async def decode_message(msg: NatsMessage) -> Any:
    """The broker's decoder. Raises ContractError for what is no event."""
    raw = msg.raw_message
    kind, *rest = raw.subject.split(".")
    if kind in ("content", "case"):
        event = envelope.decode(None, raw.headers, raw.data)
        return ContentMessage(
            event=event, unit=rest[0], kind=rest[1], seq=raw.metadata.sequence.stream
        )
    if kind == "publication":
        released = publication.decode(raw.data)
        return StoredPublication(publication=released, seq=raw.metadata.sequence.stream)
    if kind == "receipt":
        return handler.parse_receipt(raw.data)
    return json.loads(raw.data)
