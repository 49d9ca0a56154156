"""The audit log and the acts on items together: search, one entry, proof, export."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from consumers.audit.log import parse_record
from consumers.audit.verification import Proof
from consumers.check.findings import load_rules
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.authorization import PROPOSED_BY
from contracts import subjects, text
from contracts.base.times import Clock, utc_now
from contracts.desk.audit_log import (
    ExportFormat,
    LogEntry,
    LogFilter,
    LogName,
    LogPage,
    LogPlace,
    LogProof,
)
from contracts.desk.person import DeskAct, Person
from contracts.editorial import Action
from contracts.errors import FieldError, Invalid
from producers.bus import Bus, Message
from producers.seals import RefusedSeals

_STREAMS: Mapping[LogName, str] = {
    "audit": subjects.AUDIT.name,
    "editorial": subjects.EDITORIAL.name,
}
_PAGE_ENTRIES = 50
_SEARCHED_ENTRIES = 4_000
"""How many entries one page looks at; the next one goes on behind them."""
_FAULTS_SHOWN = 20
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    *("log", "n", "at", "actor", "name", "role", "action", "object", "revision", "step", "of"),
    *("reason", "code", "before", "after", "session", "hash", "prev", "is_sealed"),
)


class _People(NamedTuple):
    """The accounts by id, and the ids that a search for a person means."""

    accounts: Mapping[str, Account]
    wanted: str

    def name(self, id: str) -> str:
        account = self.accounts.get(id)
        return account.name if account else ""

    def proposers(self, reason: str) -> tuple[str, ...]:
        """The names of those who agreed before, of an act whose reason says who did."""
        if not reason.startswith(PROPOSED_BY):
            return ()
        return tuple(self.name(id) or id for id in reason.removeprefix(PROPOSED_BY).split(", "))

    def is_wanted(self, actor: str) -> bool:
        account = self.accounts.get(actor)
        known = (account.name, account.login, account.id) if account else (actor,)
        return not self.wanted or any(self.wanted in text.name_key(one) for one in known)


@dataclass
class AuditLogDesk:
    """The service behind the page. *verify*: proves the audit log, as `loa audit verify` does."""

    bus: Bus
    accounts: AccountStore
    editorial: EditorialLog
    verify: Callable[[], Awaitable[Proof]]
    clock: Clock
    last_proof: LogProof | None = None
    _proving: asyncio.Task[LogProof] | None = field(default=None, repr=False)

    async def page(self, wanted: LogFilter, before: LogPlace) -> LogPage:
        people = await self._people(wanted.person)
        found, looked, last, place = list[LogEntry](), 0, None, before
        async for entry in self._backwards(wanted, before, people):
            looked += 1
            if wanted.since and entry.at < wanted.since:
                return LogPage(found, None, None)
            place, last = place._replace(**{entry.log: entry.n}), entry.at
            if _matches(entry, wanted, people):
                found.append(entry)
            if len(found) == _PAGE_ENTRIES or looked == _SEARCHED_ENTRIES:
                return LogPage(found, place, last)
        return LogPage(found, None, None)

    async def entry(self, log: LogName, n: int) -> LogEntry | None:
        message = await self.bus.get_message(_STREAMS[log], n) if n > 0 else None
        return await self._read(log, message, await self._people("")) if message else None

    async def prove(self) -> LogProof:
        if self._proving is None or self._proving.done():
            self._proving = asyncio.create_task(self._prove())
        self.last_proof = await asyncio.shield(self._proving)
        return self.last_proof

    async def _prove(self) -> LogProof:
        proof, found = await self.verify(), await self.editorial.audit()
        stream, foreign = subjects.EDITORIAL.name, found.foreign.items()
        faults = [_editorial_fault(f"{stream}.{seq}", why, is_foreign=True) for seq, why in foreign]
        for name, broken in found.broken.items():
            faults.append(_editorial_fault(name, broken, is_foreign=False))
        state = (await self.bus.stream_info(subjects.EDITORIAL.name))["state"]
        is_whole = proof.is_whole and not faults
        shown = [*proof.texts, *faults][:_FAULTS_SHOWN]
        return LogProof(utc_now(self.clock), is_whole, proof.count, state["messages"], shown)

    async def export(
        self, person: Person, wanted: LogFilter, format: ExportFormat, reason: str
    ) -> AsyncIterator[bytes]:
        if not reason.strip():
            raise Invalid(field_error("reason", "export_reason"))
        written = " ".join(f"{name}={value}" for name, value in wanted._asdict().items() if value)
        act = DeskAct("audit.export", format, reason=reason.strip(), after=written)
        await person.record(act)
        return self._exported(wanted, format)

    async def _exported(self, wanted: LogFilter, format: ExportFormat) -> AsyncIterator[bytes]:
        people = await self._people(wanted.person)
        if format == "csv":
            yield b"\xef\xbb\xbf" + _csv_line(_COLUMNS)  # spreadsheets read it as UTF-8
        async for entry in self._forwards(people):
            if wanted.until and entry.at >= wanted.until:
                continue
            if (wanted.since is None or entry.at >= wanted.since) and _matches(
                entry, wanted, people
            ):
                yield _line(entry, format)

    async def _people(self, wanted: str) -> _People:
        accounts = {one.id: one for one in await self.accounts.all()}
        return _People(accounts, text.name_key(wanted))

    async def _backwards(
        self, wanted: LogFilter, before: LogPlace, people: _People
    ) -> AsyncIterator[LogEntry]:
        """The entries of both logs, newest first."""
        audit = self._scan("audit", wanted.until, before.audit, people)
        editorial = self._scan("editorial", wanted.until, before.editorial, people)
        async for entry in _merged(audit, editorial, newest_first=True):
            if wanted.until is None or entry.at < wanted.until:
                yield entry

    async def _scan(
        self, log: LogName, until: datetime | None, before: int, people: _People
    ) -> AsyncIterator[LogEntry]:
        stream = _STREAMS[log]
        last = before - 1 if before else await self._last_before(stream, until)
        async for message in self.bus.scan_backwards(stream, last):
            yield await self._read(log, message, people)

    async def _last_before(self, stream: str, until: datetime | None) -> int:
        """A sequence behind which everything is newer than *until*."""
        state = (await self.bus.stream_info(stream))["state"]
        low, high = state["first_seq"], state["last_seq"]
        while until and low < high:
            middle = (low + high) // 2
            message = await self.bus.get_message(stream, middle)
            if message and message.time >= until:
                high = middle
            else:  # older, or gone: what is behind it may be older, too
                low = middle + 1
        return int(high)

    async def _forwards(self, people: _People) -> AsyncIterator[LogEntry]:
        """The entries of both logs, oldest first."""

        async def all_of(log: LogName) -> AsyncIterator[LogEntry]:
            async for message in self.bus.scan(_STREAMS[log]):
                yield await self._read(log, message, people)

        async for entry in _merged(all_of("audit"), all_of("editorial"), newest_first=False):
            yield entry

    async def _read(self, log: LogName, message: Message, people: _People) -> LogEntry:
        seals = self.bus.seals_of(message.subject)
        can_tell = seals is not None and not isinstance(seals, RefusedSeals)
        is_sealed = not (can_tell and seals and await seals.problem(message))
        read = _audit_entry if log == "audit" else _editorial_entry
        return read(message, people, is_sealed=is_sealed) or _foreign(log, message)


def _editorial_fault(name: str, problem: str, *, is_foreign: bool) -> FieldError:
    """A message that Loa did not write, or an item whose acts contradict each other."""
    if is_foreign:
        return field_error(name, "audit_unsealed")
    return FieldError(field=name, message=problem, message_vi=load_rules()["acts-broken"].means_vi)


async def _merged(
    one: AsyncIterator[LogEntry], other: AsyncIterator[LogEntry], *, newest_first: bool
) -> AsyncIterator[LogEntry]:
    """The entries of two logs in order of time; each log keeps its own order."""
    first, second = await anext(one, None), await anext(other, None)
    while first or second:
        takes_first = second is None or (
            first is not None and (first.at >= second.at if newest_first else first.at <= second.at)
        )
        if takes_first and first:
            yield first
            first = await anext(one, None)
        elif second:
            yield second
            second = await anext(other, None)


def _audit_entry(message: Message, people: _People, *, is_sealed: bool) -> LogEntry | None:
    record = parse_record(message)
    if record is None:
        return None
    names = ("role", "action", "object", "reason", "step", "of", "before", "after", "session")
    facts = record.model_dump(include={*names, "at", "actor", "prev"})
    facts["proposers"] = people.proposers(record.reason)
    facts["object_name"] = people.name(record.object)
    name = people.name(record.actor)
    return LogEntry("audit", message.seq, name=name, is_sealed=is_sealed, **facts)


def _editorial_entry(message: Message, people: _People, *, is_sealed: bool) -> LogEntry | None:
    try:
        act = Action.model_validate_json(message.data)
    except ValueError:
        return None
    return LogEntry(
        log="editorial",
        n=message.seq,
        at=act.at,
        actor=act.by,
        name=people.name(act.by),
        role=act.role,
        action=act.kind,
        object=subjects.item_of_editorial(message.subject),
        reason=act.note,
        revision=act.revision,
        hash=act.hash,
        code=act.code,
        prev=act.prev,
        is_sealed=is_sealed,
    )


def _foreign(log: LogName, message: Message) -> LogEntry:
    """A message that is no entry; the proof names it."""
    return LogEntry(log, message.seq, message.time, "?", "", "", "?", "?", is_sealed=False)


def _matches(entry: LogEntry, wanted: LogFilter, people: _People) -> bool:
    return (
        wanted.action in ("", entry.action)
        and (not wanted.object or wanted.object.casefold() in entry.object.casefold())
        and people.is_wanted(entry.actor)
    )


def _line(entry: LogEntry, format: ExportFormat) -> bytes:
    facts = {name: getattr(entry, name) for name in _COLUMNS} | {"at": entry.at.isoformat()}
    if format == "csv":
        return _csv_line([_safe_cell(str(value)) for value in facts.values()])
    return json.dumps(facts, ensure_ascii=False).encode() + b"\n"


def _safe_cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _csv_line(cells: "list[str] | tuple[str, ...]") -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
