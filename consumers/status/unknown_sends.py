"""Zalo's broadcasts and notices of which it is not known whether they went out."""

import structlog

from consumers.ledger import bulk, codec, moves, watermark
from consumers.ledger.entry import LedgerEntry
from consumers.status.findings import UnknownSends
from contracts import subjects
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from producers.bus import Bus, Denied

log = structlog.get_logger()
_SCOPE = f"{ChannelName.ZALO}."


class UnknownSendsReader:
    """Reads the states of Zalo that changed since its last reading, and those that are unknown.

    The first reading begins where the kept mark says that nothing before is unknown: every change
    moves a state to the end.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.ledger = bus.bucket(subjects.LEDGER.name)
        self.unknown: dict[str, int] = {}  # the sequence of each unknown state
        self.start = 0  # of the next reading; 0: at the kept mark
        self.end = 0  # of the ledger, at the last reading
        self.kept = 0

    async def read(self) -> UnknownSends:
        """Count the rows that are unknown now. Raises BusError."""
        start = self.start or await watermark.read_watermark(self.bus, watermark.UNKNOWN_KEY)
        end = await self.ledger.last_seq()
        states = bulk.read_states(self.ledger, _SCOPE, start=start)
        found = [key async for key, batch in states if batch and _unknown_rows(batch.entry)]
        values = await self.ledger.get_many(sorted({*self.unknown, *found}))
        self.unknown, times, count = {}, [], 0
        for key, value in values.items():
            entry = bulk.decode_or_none(codec.decode_state, value.data)
            if entry and (rows := _unknown_rows(entry)):
                self.unknown[key], count = value.revision, count + rows
                times.append(entry.closed_at or entry.created)
        # a replica that was behind shows all that the reading before should have seen
        self.start, self.end = max(self.end + 1, start), end
        return UnknownSends(count, utc_time(round(min(times))) if times else None)

    async def keep_mark(self) -> None:
        """Keep where the next process begins. Raises BusError."""
        mark = min([self.start, *self.unknown.values()])
        if mark == self.kept:
            return
        try:
            await watermark.write_watermark(self.bus, mark, watermark.UNKNOWN_KEY)
            self.kept = mark
        except Denied:
            log.warning("status_fact_missing", fact="unknown_sends", reason="denied")


def _unknown_rows(entry: LedgerEntry | None) -> int:
    return len(moves.unknown_rows(entry)) if entry else 0
