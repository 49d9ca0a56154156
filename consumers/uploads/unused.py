"""Uploaded files that no text names any more, and how long that has been so.

A revision names its files as long as its text may still go out, or as long as its item, once out,
is not withdrawn: the editorial log and the publications say so. A text that a person was at work on
when an event of the unit took its place is for that person to take up again: it names its files
until the item is withdrawn. Times are those of the server.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from consumers.intake.repository import ItemRepository
from contracts import subjects
from contracts.desk.uploads import FOLDER
from contracts.editorial import Action, ActionKind
from producers.bus import Bus, Message
from producers.object_store import ObjectStore, StoredObject
from producers.seals import RefusedSeals

_ENDS = {ActionKind.REJECT, ActionKind.SUPERSEDE, ActionKind.PUBLISH}
"""Acts after which the log needs no text of their revision: it is a publication, or nothing."""
_TYPED = {ActionKind.SAVE, ActionKind.EDIT}
_BEGINS = {ActionKind.RECEIVE, ActionKind.SAVE}
STRAYS_AFTER = timedelta(days=1)
"""How old pieces without a file are before they are erased: no upload takes so long."""
_NAMED = re.compile(rf"/{FOLDER}/([0-9a-f]{{64}})".encode())


@dataclass
class _Uses:
    """The files that are named now, by the text that does, and when others last were.

    A text is a revision in the editorial log, or all that is out of an item (revision 0).
    """

    now: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)

    def set(self, text: tuple[str, int], named: frozenset[str], at: datetime) -> None:
        """From *at* on, *text* names these files and no others."""
        for hash in self.now.pop(text, frozenset()) - named:
            self.until[hash] = max(at, self.until.get(hash, at))
        if named:
            self.now[text] = named

    def in_use(self) -> frozenset[str]:
        return frozenset().union(*self.now.values())


@dataclass
class _Revisions:
    """The revisions of an item whose files are in use, and those among them that were approved.

    `typed`: their texts are of people at the desk. `overtaken`: an event has taken their place.
    """

    item: str
    waiting: set[int] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    typed: set[int] = field(default_factory=set)
    overtaken: set[int] = field(default_factory=set)

    def take(self, action: Action, named: frozenset[str], at: datetime, uses: _Uses) -> None:
        """Follow one act, whose text names the files *named*."""
        if action.kind is ActionKind.RECEIVE:
            before = {one for one in self.waiting if one < action.revision}
            self.overtaken |= before & self.typed - self.approved
        for ended in self._ended_by(action):
            uses.set((self.item, ended), frozenset(), at)
            self.waiting.discard(ended)
        if action.text:
            uses.set((self.item, action.revision), named, at)
            self.waiting.add(action.revision)
            self.approved.discard(action.revision)
        if action.kind in _TYPED:
            self.typed.add(action.revision)
        if action.rule or action.kind is ActionKind.APPROVE:
            self.approved.add(action.revision)

    def _ended_by(self, action: Action) -> set[int]:
        """The revisions that will not go out, or have gone; an approved one is still to go out."""
        number = action.revision
        if action.kind in _BEGINS:
            return {one for one in self.waiting if one < number} - self.approved - self.overtaken
        if action.kind is ActionKind.WITHDRAW:
            return {one for one in self.waiting if one <= number}
        return {number} if action.kind in _ENDS else set()


@dataclass(frozen=True)
class UnusedFiles:
    """Finds unused files, and erases them. Raises BusError."""

    bus: Bus

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.bus)

    async def find(self, before: datetime) -> AsyncIterator[tuple[datetime, StoredObject]]:
        """Files that no text has named since *before*, and since when."""
        old = [one async for one in self.store.objects() if one.at < before]
        if not old:
            return
        uses = _Uses()
        await self._read_acts(uses)
        await self._read_publications(uses)
        used = uses.in_use()
        for one in old:
            since = max(one.at, uses.until.get(one.info.name, one.at))
            if one.info.name not in used and since < before:
                yield since, one

    async def _read_acts(self, uses: _Uses) -> None:
        items: dict[str, _Revisions] = {}
        async for message in self.bus.scan(subjects.EDITORIAL.name):
            item, named = message.subject, _hashes(message.data)
            if not (named or item in items) or not await self._is_genuine(message):
                continue
            if action := _parse(message):
                revisions = items.setdefault(item, _Revisions(item))
                revisions.take(action, named, message.time, uses)

    async def _read_publications(self, uses: _Uses) -> None:
        """Every file of an item that is out, also of its earlier texts, until it is withdrawn."""
        last: dict[str, datetime] = {}
        async for message in self.bus.scan(subjects.PUBLICATIONS.name):
            content_id, named = message.subject.rpartition(".")[2], _hashes(message.data)
            text = content_id, 0
            if named or text in uses.now:
                uses.set(text, uses.now.get(text, frozenset()) | named, message.time)
                last[content_id] = message.time
        items = ItemRepository(self.bus)
        for content_id, at in last.items():
            item = await items.item(content_id)
            if item and item.state == "withdrawn":
                uses.set((content_id, 0), frozenset(), at)

    async def _is_genuine(self, message: Message) -> bool:
        seals = self.bus.seals_of(message.subject)
        is_checked = seals is not None and not isinstance(seals, RefusedSeals)
        return not (seals and is_checked and await seals.problem(message))


def _hashes(data: bytes) -> frozenset[str]:
    return frozenset(found.decode() for found in _NAMED.findall(data))


def _parse(message: Message) -> Action | None:
    try:
        return Action.model_validate_json(message.data)
    except ValueError:
        return None
