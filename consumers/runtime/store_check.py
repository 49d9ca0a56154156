"""Whether the bus stores messages now, found out by one test message."""

from contracts import subjects
from producers.bus import Bus, BusError, Denied

_WRITE_KEY = "status.write"
_WRITE_TIMEOUT_S = 2.0
_TEST_MESSAGE = bytes(16 << 10)
"""More than fits into the last page of a file: a few bytes are stored on a full disk, too."""


async def store_problem(bus: Bus) -> str:
    """Why the bus stores nothing; empty if it has just stored a message."""
    subject = f"$KV.{subjects.CONTROL.name}.{_WRITE_KEY}"
    try:
        patience_s = _WRITE_TIMEOUT_S
        await bus.publish(subject, _TEST_MESSAGE, timeout_s=patience_s, patience_s=patience_s)
    except Denied:  # a key that may not write there says nothing of the store
        return ""
    except BusError as error:
        return str(error) or "no answer"
    return ""
