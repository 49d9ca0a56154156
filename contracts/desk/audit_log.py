"""The log as the desk shows it: who did what, of acts that the audit log and items keep."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from contracts.desk.person import Person
from contracts.errors import FieldError

LogName = Literal["audit", "editorial"]
"""The audit log, and the acts on items."""
ExportFormat = Literal["csv", "jsonl"]


class LogPlace(NamedTuple):
    """The sequence in each log before which a page begins; 0: at the end."""

    audit: int = 0
    editorial: int = 0


class LogFilter(NamedTuple):
    """Which entries. *person*: part of a name or sign-in name; *object*: part of an id."""

    person: str = ""
    action: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class LogEntry:
    """One entry. *n*: its place in its log; *name*: of the account *actor*, if it is one.

    *object_name*: of the account that *object* is. *proposers*: who had agreed to it before, whom
    *reason* names by their accounts. *step*: of an act in the audit log; *of*: the intent of an
    outcome. *is_sealed*: Loa wrote it.
    """

    log: LogName
    n: int
    at: datetime
    actor: str
    name: str
    role: str
    action: str
    object: str
    reason: str = ""
    step: str = ""
    of: int = 0
    before: str = ""
    after: str = ""
    session: str = ""
    revision: int = 0
    hash: str = ""
    code: str = ""
    prev: str = ""
    is_sealed: bool = True
    object_name: str = ""
    proposers: Sequence[str] = ()


class LogPage(NamedTuple):
    """One page, newest first. *older*: where the next begins, None at the start of both logs.

    *searched_to*: up to when a search without enough matches has looked.
    """

    entries: Sequence[LogEntry]
    older: LogPlace | None
    searched_to: datetime | None


@dataclass(frozen=True)
class LogProof:
    """The findings of a proof, in Vietnamese; the first broken entry comes first."""

    at: datetime
    is_whole: bool
    records: int
    acts: int
    faults: Sequence[FieldError]


class AuditLogService(Protocol):
    """The log at the desk. Every method raises BusError."""

    async def page(self, wanted: LogFilter, before: LogPlace) -> LogPage: ...
    async def entry(self, log: LogName, n: int) -> LogEntry | None: ...
    @property
    def last_proof(self) -> LogProof | None: ...
    async def prove(self) -> LogProof:
        """Read both logs and verify them; people who ask meanwhile get the same answer."""
        ...

    async def export(
        self, person: Person, wanted: LogFilter, format: ExportFormat, reason: str
    ) -> AsyncIterator[bytes]:
        """Record the export, then yield it, oldest first. Raises Invalid without a reason."""
        ...
