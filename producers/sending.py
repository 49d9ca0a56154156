"""Putting an admitted event on CONTENT once; an id that already says something else is noticed."""

from contracts import subjects
from contracts.envelope import CONTENT_TYPE, decode
from contracts.errors import Conflict, ContractError, fault
from contracts.keys import content_hash
from producers.admission import Admitted
from producers.bus import Ack, Bus, Message

HEADERS = {"Content-Type": CONTENT_TYPE}


async def send(
    bus: Bus, admitted: Admitted, *, patience_s: float, msg_id: str | None = None
) -> Ack:
    """Store *admitted*; `duplicate` says that it had been stored before.

    Raises Conflict when the id was sent lately with another content, BusError as `Bus.publish`.
    """
    ack = await bus.publish(
        admitted.subject,
        admitted.body,
        msg_id=msg_id or admitted.event_id,
        headers=HEADERS,
        patience_s=patience_s,
    )
    if ack.duplicate and not _says(await bus.get_message(subjects.CONTENT.name, ack.seq), admitted):
        raise Conflict(fault("id", "same_id_other_content"))
    return ack


def _says(stored: Message | None, admitted: Admitted) -> bool:
    """A message that is gone meanwhile can't be compared; what reads the stream judges it."""
    if stored is None:
        return True
    try:
        event = decode(None, stored.headers, stored.data)
    except ContractError:
        return False
    same = content_hash(event.type, event.data) == admitted.content_hash
    return same and stored.subject == admitted.subject
