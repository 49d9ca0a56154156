"""Rules of positions: a waiting one has a text, a released one a publication, as the log says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from consumers.check.context import CheckContext, CheckTime, read_records
from consumers.check.events import SequenceRange
from consumers.check.findings import STUCK_S, Violation, unreadable
from consumers.editorial.log import Audit, EditorialLog
from consumers.intake import desk_acts, item_log
from consumers.intake.items import Item, Position
from consumers.progress import report_progress
from contracts import publication, subjects
from contracts.editorial import UNSENT, ItemState, Status
from contracts.editorial.action import NOT_RELEASED
from contracts.errors import Conflict, ContractError
from contracts.records import Ownership
from contracts.text.moments import format_for_people
from producers.bus.messages import chunked
from producers.bus.records import parse

_CHUNK_POSITIONS = 250
_FINAL_STATES = ("released", "withdrawn")


class _Stand(StrEnum):
    """The state of one text."""

    WAITS = "waits"
    APPROVED = "approved"
    REJECTED = "rejected"
    OUT = "published"
    CLOSED = "closed by another revision"
    UNKNOWN = "unknown"


_S = _Stand
_AGREE: Mapping[_Stand, frozenset[_Stand]] = {
    _S.WAITS: frozenset({_S.WAITS, _S.CLOSED, _S.UNKNOWN}),
    _S.APPROVED: frozenset(_S) - {_S.WAITS},
    _S.REJECTED: frozenset({_S.REJECTED, _S.CLOSED}),
    _S.OUT: frozenset({_S.OUT}),
    _S.CLOSED: frozenset({_S.CLOSED, _S.REJECTED, _S.UNKNOWN}),
}
"""By what the position says: what the log may say. `draft-lost` tells of a text it does not know,
`release-unpublished` of an approved one that is not out."""


@dataclass
class PositionRules:
    """Reads the bucket `publications` once, and suspicious positions a second time."""

    context: CheckContext
    acts: Audit
    count: int = 0

    def __post_init__(self) -> None:
        self.bus = self.context.bus
        self.bucket = self.bus.bucket(subjects.PUBLISHED.name)
        self.log = EditorialLog(self.bus)

    async def violations(self) -> list[Violation]:
        found: list[Violation] = []
        suspects: list[str] = []
        async for chunk in chunked(self.positions(found), _CHUNK_POSITIONS):
            self.count += len(chunk)
            report_progress("positions", self.count)
            suspects += [key async for key, _ in self.check_chunk(dict(chunk))]
        if suspects:
            await asyncio.sleep(self.context.recheck_after_s)
        for start in range(0, len(suspects), _CHUNK_POSITIONS):
            names = suspects[start : start + _CHUNK_POSITIONS]
            again = await read_records(self.bucket, names, Position)
            await self.read_acts({name.rpartition(".")[0] for name in names})
            found += [violation async for _, violation in self.check_chunk(again)]
        return found

    async def positions(self, found: list[Violation]) -> AsyncIterator[tuple[str, Position]]:
        """Yield every position by its key; add the unreadable ones to *found*."""
        async for key, value in self.bucket.values():
            record = parse(Position if "." in key else Ownership, value.data)
            if record is None:
                found.append(unreadable(f"publication.{key}"))
            elif isinstance(record, Position):
                yield key, record

    async def check_chunk(self, chunk: dict[str, Position]) -> AsyncIterator[tuple[str, Violation]]:
        at = self.context.time()
        for rules in (self.check_published, self.check_unpublished, self.check_undrafted):
            async for key, rule, detail in rules(chunk, at):
                yield key, Violation(rule=rule, key=f"publication.{key}", detail=detail)
        for key, position in chunk.items():
            if detail := self.find_difference(key, position, at):
                yield key, Violation(rule="acts-differ", key=f"publication.{key}", detail=detail)

    def find_difference(self, key: str, position: Position, at: CheckTime) -> str:
        """Differences in the log; of a broken item `acts-broken` tells."""
        content_id, _, number = key.rpartition(".")
        if content_id in self.acts.broken:
            return ""
        state = self.acts.states.get(content_id, ItemState())
        return find_difference(int(number), position, state, at)

    async def read_acts(self, content_ids: set[str]) -> None:
        """Read items of the log again."""
        for content_id in content_ids - self.acts.broken.keys():
            with suppress(ContractError):
                self.acts.states[content_id] = (await self.log.read(content_id)).state

    async def check_published(
        self, chunk: dict[str, Position], _: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield positions whose publication is not at the sequence that they name."""
        for key, position in chunk.items():
            content_id, revision = key.split(".")
            seq, known = position.seq, self.context.publications.find(content_id, int(revision))
            if seq is not None and known is None and not await self.is_stored(key, seq):
                yield key, "publication-lost", f"#{seq}, lost {self.locate(seq)}"

    async def is_stored(self, key: str, seq: int) -> bool:
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq)
        try:
            return message is not None and publication.decode(message.data).key == key
        except ContractError:
            return True  # it is named as unreadable

    def locate(self, seq: int) -> str:
        stored = SequenceRange()
        for known in sorted(facts.seq for facts in self.context.publications.all()):
            stored.add(known)
        return stored.locate(seq)

    async def check_unpublished(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield positions that were released long ago and never published."""
        late = [
            key
            for key, position in chunk.items()
            if position.state in _FINAL_STATES and position.seq is None and position.released_at
            if at.is_overdue(position.released_at.timestamp(), STUCK_S)
        ]
        names = list({key.rpartition(".")[0] for key in late})
        items = await read_records(self.bucket, names, Item)
        for key in late:
            content_id, _, revision = key.rpartition(".")
            released = chunk[key].released_at
            if released and content_id in items and int(revision) in items[content_id].released:
                yield key, "release-unpublished", f"released at {format_for_people(released)}"

    async def check_undrafted(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield waiting positions of which neither the desk nor their author has the text."""
        waiting = [key for key, position in chunk.items() if position.state == "waiting"]
        late = [key for key in waiting if at.is_overdue(chunk[key].at.timestamp(), STUCK_S)]
        for key in late:
            content_id, _, revision = key.rpartition(".")
            if not await self.has_text(content_id, int(revision)):
                yield key, "draft-lost", f"of {chunk[key].unit}"

    async def has_text(self, content_id: str, revision: int) -> bool:
        """Whether the log has the text of a waiting revision; of a broken item `acts-broken` tells.

        A returned one waits for its author, and the desk has no draft of it.
        """
        try:
            state = await item_log.read(self.log, content_id)
        except Conflict:
            return True
        is_with_author = state.revision == revision and state.status in UNSENT
        return is_with_author or revision in desk_acts.drafts_of(content_id, state)


def find_difference(number: int, position: Position, state: ItemState, at: CheckTime) -> str:
    """Differences between a position and the log of its item; empty if they agree.

    What was done a moment ago on one side may not have followed on the other. Texts that no person
    decides on are not in the log, nor what an earlier version decided.
    """
    last = state.last_change.at if state.last_change else position.at
    newest = max(last, position.at, position.decision.at if position.decision else position.at)
    stand = _stand(position)
    if stand is _S.UNKNOWN or not at.is_overdue(newest.timestamp(), STUCK_S):
        return ""
    logged = _logged(number, state, position)
    return "" if logged in _AGREE[stand] else f"{stand} by its record, {logged} by the log"


def _stand(position: Position) -> _Stand:
    decision = position.decision
    if position.state == "waiting":
        return _S.WAITS
    if decision and decision.hash:
        if decision.verdict == "rejected":
            return _S.REJECTED
        is_out = position.seq is not None or position.code == NOT_RELEASED
        return _S.OUT if is_out else _S.APPROVED
    is_undecided = decision is None and position.policy == "desk" and position.kind != "withdrawn"
    return _S.CLOSED if is_undecided and position.seq is None else _S.UNKNOWN


def _logged(number: int, state: ItemState, position: Position) -> _Stand:
    if number in state.published:
        is_same = position.decision is None or position.decision.hash == state.published[number]
        return _S.OUT if is_same else _S.UNKNOWN
    if number in state.approved:
        return _S.APPROVED
    if number != state.revision:
        return _S.CLOSED if 0 < number < state.revision else _S.UNKNOWN
    if state.status is Status.REJECTED:
        return _S.REJECTED
    is_back = state.status in UNSENT
    return _S.WAITS if state.is_undecided or is_back else _S.CLOSED
