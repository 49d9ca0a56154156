"""Seals of messages in streams, which tell Loa's own from those of other writers.

A seal covers the subject, the body and the message id, so a sealed message can't be moved, changed
or published again under another id. Publications have seals of their own kind in `consumers.seals`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts.base.seals import SEAL_HEADER, Sealer, SealState
from producers.bus import Ack, Bus, Message, RevisionConflict

MESSAGE_ID_HEADER = "Nats-Msg-Id"
_EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
_ID_CODE_LENGTH = 16


@dataclass(frozen=True)
class MessageSeals:
    """The seals of one kind of message.

    Messages stored until *taken_over_until* come from before the seals, or from before the present
    key, and need none.
    """

    sealer: Sealer
    taken_over_until: Callable[[], Awaitable[datetime]]

    def headers(self, subject: str, body: bytes, msg_id: str = "") -> Mapping[str, str]:
        return {SEAL_HEADER: self.sealer.seal(subject.encode(), body, msg_id.encode())}

    def own_id(self, name: str) -> str:
        """The message id for *name*: a writer without the key can't use it first."""
        return f"{name}.{self.sealer.seal(b'message id', name.encode())[-_ID_CODE_LENGTH:]}"

    async def problem(self, message: Message) -> str:
        """The code of the reason why Loa did not publish *message*; empty for none."""
        msg_id = message.headers.get(MESSAGE_ID_HEADER, "").encode(errors="replace")
        seal = message.headers.get(SEAL_HEADER, "")
        state = self.sealer.verify(seal, message.subject.encode(), message.data, msg_id)
        if state is SealState.VALID:
            return ""
        if state is not SealState.WRONG and message.time <= await self.taken_over_until():
            return ""
        return f"seal_{state.value}"


@dataclass(frozen=True)
class RefusedSeals:
    """The seals of messages on a machine without the key: a write raises *refusal*."""

    refusal: Exception

    def headers(self, subject: str, body: bytes, msg_id: str = "") -> Mapping[str, str]:  # noqa: ARG002
        raise self.refusal

    def own_id(self, name: str) -> str:
        return name

    async def problem(self, message: Message) -> str:  # noqa: ARG002
        raise self.refusal


async def publish_sealed(
    bus: Bus,
    subject: str,
    body: bytes,
    name: str,
    *,
    timeout_s: float = 5.0,
    patience_s: float = 30.0,
) -> Ack:
    """Store one message, once for each *name* within the stream's window. Raises as `Bus.publish`.

    It has a seal if *bus* has the seals of its kind.
    """
    seals = bus.seals_of(subject)
    msg_id = seals.own_id(name) if seals else name
    headers = seals.headers(subject, body, msg_id) if seals else {}
    return await bus.publish(
        subject, body, msg_id=msg_id, headers=headers, timeout_s=timeout_s, patience_s=patience_s
    )


async def append_sealed(bus: Bus, subject: str, body: bytes, name: str, *, seen: int) -> bool:
    """Store one message behind message *seen* of its subject; False if this call has not stored it.

    Another one was first, or one of that *name*. Raises as `Bus.publish`.
    """
    seals = bus.seals_of(subject)
    msg_id = seals.own_id(name) if seals else name
    headers = dict(seals.headers(subject, body, msg_id)) if seals else {}
    headers[_EXPECTED_HEADER] = str(seen)
    try:
        ack = await bus.publish(subject, body, msg_id=msg_id, headers=headers)
    except RevisionConflict:
        return False
    return not ack.duplicate


async def message_problem(bus: Bus, message: Message) -> str:
    """As `MessageSeals.problem`; a message of a kind without seals is foreign, too."""
    seals = bus.seals_of(message.subject)
    return await seals.problem(message) if seals else f"seal_{SealState.MISSING.value}"
