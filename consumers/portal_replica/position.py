"""Up to where a replica of the portal has followed the ledger, and which ledger that is."""

from typing import NamedTuple

from consumers.restored import last_restore
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus

ROWS = f"state.{ChannelName.PORTAL}.>"
"""Keys of the ledger that tell what the portal has shown."""


class Position(NamedTuple):
    """*ledger*: when it was made, and from which restore it comes."""

    ledger: str = ""
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.ledger} {self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The text form; anything else is the position of no ledger."""
        ledger, _, seq = text.rpartition(" ")
        return cls(ledger, int(seq)) if ledger and seq.isdecimal() else cls()

    def is_within(self, end: "Position") -> bool:
        """Whether a replica can go on from here where the ledger ends at *end*."""
        return self.ledger == end.ledger and self.seq <= end.seq


async def ledger_end(bus: Bus) -> Position:
    """The end of the ledger, as its leader knows it. Raises BusError."""
    info = await bus.stream_info(bus.bucket(subjects.LEDGER.name).stream)
    restored = await last_restore(bus)
    ledger = f"{info['created']}/{restored.at.isoformat() if restored else ''}"
    return Position(ledger, info["state"]["last_seq"])
