"""Daily heads: the end of the audit log and the state of all streams, signed, outside the bus.

An auditor who keeps these lines, or only the newest one, can prove that nothing before it was
changed or cut off. The signature needs no secret to be checked: each line names its public key.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.audit.bus_state import observe
from consumers.audit.log import AuditLog
from consumers.audit.signed import SignedRecord
from consumers.private_files import append_line
from contracts.base.times import utc_now

log = structlog.get_logger()


class DailyHead(SignedRecord):
    """The end of the audit log on one day. `streams`: the hash of the state of all streams."""

    v: int = 1
    day: date
    n: int
    h: str
    streams: str
    restarted: bool = False
    """Lines before this one count no more: a backup was restored, or a loss was accepted."""


def _read_heads(path: Path) -> Iterator[DailyHead | None]:
    """Each line of the file; None for one that can't be read. Raises OSError."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            yield DailyHead.model_validate_json(line)
        except ValueError:
            yield None


def trusted_heads(path: Path, key: Ed25519PrivateKey) -> tuple[dict[int, str], bool]:
    """The hash by number of each line that counts, and whether all lines are signed with *key*.

    Raises OSError.
    """
    heads, is_whole = dict[int, str](), True
    for line in _read_heads(path):
        if line is None or not line.is_signed_by(key):
            is_whole = False
            continue
        if line.restarted:
            heads.clear()
        heads[line.n] = line.h
    return heads, is_whole


@dataclass(frozen=True)
class HeadWriter:
    """Adds a line to the file on each day."""

    audit: AuditLog
    path: Path
    key: Ed25519PrivateKey

    async def write_if_due(self) -> DailyHead | None:
        """Today's head, written unless the file has it; None if it can't be. Raises BusError."""
        today = utc_now(self.audit.clock).date()
        try:
            lines = await asyncio.to_thread(lambda: list(_read_heads(self.path)))
            known = [line for line in lines if line and line.day == today]
            return known[-1] if known else await self.write(today)
        except OSError as error:
            log.warning("audit_head_unwritten", error=type(error).__name__)
            return None

    async def write(self, today: date, *, restarted: bool = False) -> DailyHead:
        """Write a head. Raises BusError, OSError."""
        head = (await self._head(today)).model_copy(update={"restarted": restarted})
        signed = head.signed(self.key)
        await asyncio.to_thread(append_line, self.path, signed.encode())
        log.info("audit_head_written", record=head.n)
        return signed

    async def _head(self, today: date) -> DailyHead:
        end, now = await self.audit.head(), await observe(self.audit.bus)
        states = {name: state.model_dump() for name, state in now.streams.items()}
        digest = hashlib.sha256(json.dumps(states, sort_keys=True).encode()).hexdigest()
        return DailyHead(day=today, n=end.n, h=end.h, streams=digest)
