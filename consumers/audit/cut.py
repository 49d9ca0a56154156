"""The cut: how far retention has removed the start of the audit log.

The server refuses to delete records, so the start goes by a limit on their number, set for a
moment. The signed hash of the last record that may be missing proves the others: a log that begins
behind it, or before, and leads to that hash, is whole.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime

from consumers.audit.chain import ChainHead, ChainVerifier, chain_hash
from consumers.audit.log import AuditLog, parse_record
from consumers.audit.signed import SignedRecord, load_signed
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_now
from producers.bus import Bus, Message, topology

log = structlog.get_logger()
_CUT_KEY = "audit-cut"


class AuditCut(SignedRecord):
    """Bucket `control`, key `audit-cut`: record *n*, whose hash is *h*, and those before may go."""

    purpose: Literal["audit cut"] = "audit cut"
    v: int = 1
    n: int
    h: str
    at: AwareDatetime


class OldRecords(NamedTuple):
    """The start of the log that is too old: its number of records, its end, its oldest time."""

    number: int
    end: ChainHead
    oldest: datetime


async def load_cut(bus: Bus, key: Ed25519PrivateKey) -> ChainHead | None:
    """The end of what may be missing; None without a cut that *key* has signed. Raises BusError."""
    cut = await load_signed(bus, _CUT_KEY, AuditCut, key)
    return ChainHead(n=cut.n, h=cut.h) if cut else None


@dataclass(frozen=True)
class AuditCutter:
    """Removes the start of the log. Raises BusError."""

    audit: AuditLog
    key: Ed25519PrivateKey

    async def find_old(self, before: datetime) -> OldRecords | None:
        """The records before *before*, but for the log's last one; None without any.

        None as well where they contradict each other, or the record behind them, which the ends
        that are kept outside the bus prove: such a log is evidence.
        """
        messages = [message async for message in self._start_of_log(before)]
        old = messages[:-1]
        if not old:
            return None
        verifier = ChainVerifier({}, await load_cut(self.audit.bus, self.key))
        for message in messages:
            verifier.add(message.data)
        first, last = parse_record(old[0]), parse_record(old[-1])
        if (faults := verifier.finish()) or first is None or last is None:
            log.error("audit_cut_refused", record=faults[0].n if faults else old[0].seq)
            return None
        return OldRecords(
            len(old), ChainHead(n=last.n, h=chain_hash(last.prev, old[-1].data)), first.at
        )

    async def _start_of_log(self, before: datetime) -> AsyncIterator[Message]:
        """The records that were stored before *before*, and the one behind them, if any."""
        async for message in self.audit.messages():
            yield message
            if message.time >= before:
                return

    async def cut(self, end: ChainHead) -> None:
        """Remove the records up to *end*; a repeat removes what a crash has left."""
        cut = AuditCut(n=end.n, h=end.h, at=utc_now(self.audit.clock)).signed(self.key)
        await self.audit.bus.bucket(subjects.CONTROL.name).put(_CUT_KEY, cut.encode())
        crash_point("audit.cut_signed")
        await topology.remove_oldest(self.audit.bus, subjects.AUDIT.name, end.n)
        log.info("audit_cut", record=end.n)
