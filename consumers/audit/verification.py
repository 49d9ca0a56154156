"""The proof that the audit log is whole, against the ends of it that were kept elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.audit.anchor import Anchor
from consumers.audit.chain import ChainFault, ChainVerifier, Fault
from consumers.audit.cut import load_cut
from consumers.audit.heads import trusted_heads
from consumers.audit.log import AuditLog
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts.errors import FieldError
from producers.seals import message_problem

_FAULT_TEXTS = {
    Fault.CHANGED: "audit_changed",
    Fault.DROPPED: "audit_dropped",
    Fault.INSERTED: "audit_inserted",
    Fault.REORDERED: "audit_reordered",
    Fault.CUT: "audit_cut",
    Fault.PURGED: "audit_purged",
    Fault.REWRITTEN: "audit_rewritten",
    Fault.UNSEALED: "audit_unsealed",
}


@dataclass(frozen=True)
class Proof:
    """Results. *errors*: kept ends that can't be trusted; *cut*: entries that retention removed."""

    count: int
    faults: Sequence[ChainFault]
    errors: Sequence[FieldError]
    cut: int = 0

    @property
    def is_whole(self) -> bool:
        return not (self.faults or self.errors)

    @property
    def texts(self) -> list[FieldError]:
        """Each fault by the number of its record, or that there is none."""
        found = [_fault_text(one) for one in self.faults] + list(self.errors)
        found = found or [field_error("audit", "audit_whole", count=self.count)]
        cut = [field_error("audit", "audit_cut_by_retention", value=self.cut)] if self.cut else []
        return found + cut


def _fault_text(one: ChainFault) -> FieldError:
    return field_error(f"record {one.n}", _FAULT_TEXTS[one.fault])


@dataclass(frozen=True)
class LogVerifier:
    """Verifies a log. *kept*: files with daily heads; *key*: the one that has signed them."""

    audit: AuditLog
    key: Ed25519PrivateKey
    anchor: Anchor
    kept: Iterable[Path] = ()

    async def verify(self) -> Proof:
        """Read the whole log. Raises BusError, OSError."""
        heads, errors = await self._trusted_heads()
        bus, last = self.audit.bus, (await self.audit.head()).n
        verifier = ChainVerifier(heads, await load_cut(bus, self.key))
        async for message in self.audit.messages():
            verifier.add(message.data, is_sealed=not await message_problem(bus, message))
            report_progress("records", verifier.count, last)
        cut = verifier.cut.n if verifier.cut else 0
        return Proof(verifier.count, verifier.finish(), errors, cut)

    async def _trusted_heads(self) -> tuple[dict[int, str], list[FieldError]]:
        """The ends of the log that were kept, and errors of those that can't be trusted."""
        heads, errors = dict[int, str](), list[FieldError]()
        for path in self.kept:
            trusted, is_whole = trusted_heads(path, self.key)
            heads |= trusted
            errors += [] if is_whole else [field_error(str(path), "audit_head_forged")]
        if anchored := await self.anchor.audit_head():
            heads[anchored.n] = anchored.h
        return {n: h for n, h in heads.items() if n}, errors
