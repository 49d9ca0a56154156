"""The chained audit record, and the proof that a chain is whole.

Each record holds the hash of the one before. A chain that was changed, cut, or written anew from
some record on contradicts itself, or the hash of its end that was kept elsewhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

EMPTY_HASH = ""
"""The previous hash of the first record."""


class Step(StrEnum):
    """An act is written before it is tried, and when it has ended; a crash leaves it open."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AuditRecord(BaseModel):
    """Who did what to which object. Ids only: no address, no text of a message.

    `of`: of an outcome, the number of its intent.
    """

    model_config = ConfigDict(frozen=True)

    v: int = 1
    n: int
    at: AwareDatetime
    actor: str
    role: str = ""
    session: str = ""
    action: str
    object: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    step: Step
    of: int = 0
    prev: str

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        values = self.model_dump(mode="json")
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode()


class ChainHead(BaseModel):
    """The end of a chain: the number of its last record, and that record's hash."""

    n: int
    h: str


def chain_hash(prev: str, body: bytes) -> str:
    return hashlib.sha256(prev.encode() + body).hexdigest()


class Fault(StrEnum):
    """Kinds of damage to a chain."""

    CHANGED = "changed"
    DROPPED = "dropped"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    PURGED = "purged"
    REWRITTEN = "rewritten"
    UNSEALED = "unsealed"


@dataclass(frozen=True, order=True)
class ChainFault:
    """A fault at record *n*."""

    n: int
    fault: Fault


@dataclass
class ChainVerifier:
    """Takes the bodies of a chain in order, and tells its faults at the end.

    *heads*: ends of the chain that were kept elsewhere, hash by number. *cut*: the last record that
    may be missing at the start.
    """

    heads: Mapping[int, str] = field(default_factory=dict)
    cut: ChainHead | None = None
    faults: list[ChainFault] = field(default_factory=list)
    count: int = 0
    _first: int = 1
    _next: int = 1
    _hashes: set[str] = field(default_factory=lambda: {EMPTY_HASH})
    """Hashes that the next record may hold as that of the one before; empty: unknown."""
    _missing: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.cut:
            self.heads = {**self.heads, self.cut.n: self.cut.h}

    def add(self, body: bytes, *, is_sealed: bool = True) -> None:
        self.count += 1
        link = _read_link(body)
        if self.count == 1 and link and self.cut:
            self._begin(link[0], self.cut)
        if not is_sealed:
            self._fault(self._next, Fault.UNSEALED)
        if link is None:
            self._fault(self._next, Fault.CHANGED)
            self._next, self._hashes = self._next + 1, set()
            return
        n, prev = link
        digest = chain_hash(prev, body)
        if n in self._missing:
            self._missing.discard(n)
            self._fault(n, Fault.REORDERED)
        elif n < self._next:
            self._fault(n, Fault.INSERTED)
            self._hashes.add(digest)
        else:
            self._follow(n, prev, digest)

    def _begin(self, n: int, cut: ChainHead) -> None:
        """Begin behind what *cut* lets go; the records up to it are proven by its hash."""
        if n > 1:
            self._first = self._next = min(n, cut.n + 1)
            self._hashes = {cut.h} if n > cut.n else set()

    def _follow(self, n: int, prev: str, digest: str) -> None:
        """Take the record that comes next, or one after a gap."""
        if n > self._next:
            self._missing.update(range(self._next, n))
        elif self._hashes and prev not in self._hashes:
            self._fault(max(n - 1, 1), Fault.CHANGED)
        if self.heads.get(n, digest) != digest:
            self._fault(n, Fault.REWRITTEN)
        self._next, self._hashes = n + 1, {digest}

    def finish(self) -> list[ChainFault]:
        """All faults, by record; runs of missing records are told by their first one."""
        for n in sorted(self._missing):
            if n - 1 not in self._missing:
                self._fault(n, Fault.PURGED if n == self._first else Fault.DROPPED)
        if self.heads and max(self.heads) >= self._next:
            self._fault(self._next, Fault.CUT)
        return self._explained()

    def _explained(self) -> list[ChainFault]:
        """Without heads that differ for a reason that is told already."""
        found = sorted(set(self.faults))
        told = [one for one in found if one.fault is not Fault.REWRITTEN]
        if all(one.fault is Fault.UNSEALED for one in told):
            told += [one for one in found if one.fault is Fault.REWRITTEN][:1]
        return told

    def _fault(self, n: int, fault: Fault) -> None:
        self.faults.append(ChainFault(n, fault))


def _read_link(body: bytes) -> tuple[int, str] | None:
    """Number and previous hash of a record; None for anything else."""
    try:
        record: Any = json.loads(body)
        n, prev = record["n"], record["prev"]
    except (ValueError, KeyError, TypeError):
        return None
    return (n, prev) if isinstance(n, int) and isinstance(prev, str) else None
