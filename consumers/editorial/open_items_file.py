"""File of the items that had not ended at an act of the editorial log.

A start reads these items, and the acts after that one.

One machine keeps it beside the bus. It says nothing about items but where they are, so what is read
is judged as ever; a file that does not belong to this log, key and version is not used.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

import contracts.editorial
from consumers.private_files import replace_file
from contracts import subjects
from producers.bus import Bus, Message
from producers.seals import MessageSeals

log = structlog.get_logger()
_STREAM = subjects.EDITORIAL.name
SAVE_AFTER = 2000
"""So many acts are read at a start as ever: about a quarter of a second."""


class _Kept(BaseModel):
    """`fingerprint`: of the key and the code that read the log up to message *seq*.

    `act`: the digest of that message; `items`: the last message of each open item.
    """

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    seq: int
    act: str
    items: Mapping[str, int]


@dataclass
class OpenItemsFile:
    """The file at *path*; `may_write`: whether it is brought up to date."""

    path: Path
    may_write: bool = False
    saved: int = 0
    """The last act that the file covers."""

    async def load(self, bus: Bus) -> tuple[int, Mapping[str, int]]:
        """The last act that was read, and the open items; 0 without a file of this log."""
        try:
            kept = _Kept.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return 0, {}
        found = (
            await bus.get_message(_STREAM, kept.seq)
            if kept.fingerprint == _fingerprint(bus)
            else None
        )
        if found is None or _digest(found) != kept.act:
            return 0, {}
        self.saved = kept.seq
        return kept.seq, kept.items

    async def save_if_due(self, bus: Bus, seq: int, items: Mapping[str, int]) -> None:
        """Keep that *items* are open after message *seq*, if many acts were read since."""
        if not (
            self.may_write and seq - self.saved >= SAVE_AFTER and (fingerprint := _fingerprint(bus))
        ):
            return
        if last := await bus.get_message(_STREAM, seq):
            kept = _Kept(fingerprint=fingerprint, seq=seq, act=_digest(last), items=items)
            self.saved = seq
            try:
                replace_file(self.path, kept.model_dump_json().encode())
            except OSError as error:
                log.warning("open_items_not_kept", error=type(error).__name__)


def _digest(message: Message) -> str:
    return hashlib.sha256(message.subject.encode() + b"\0" + message.data).hexdigest()


def _fingerprint(bus: Bus) -> str:
    """The log's key and the rules by which an item is open; empty without the key."""
    seals = bus.seals_of(subjects.editorial("any"))
    return f"{seals.sealer.key_id}.{_rules_digest()}" if isinstance(seals, MessageSeals) else ""


@cache
def _rules_digest() -> str:
    """The digest of the code of the rules: another version reads the whole log once."""
    folder = Path(contracts.editorial.__file__).parent
    files = [*sorted(folder.glob("*.py")), Path(__file__).with_name("log.py")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
