"""The editorial log: the stream EDITORIAL, one subject for each item, to which acts are added.

An act is stored only right behind the one that its author has seen. What Loa did not seal is no
act. An item whose acts contradict each other is named, and blocks no other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from consumers.editorial.open_items_file import OpenItemsFile
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.editorial import UNSENT, Action, ItemState, state_after
from contracts.errors import Conflict, ContractError, field_error
from producers.bus import Bus, Message, RevisionConflict
from producers.seals import RefusedSeals, append_sealed

log = structlog.get_logger()
_STREAM = subjects.EDITORIAL.name
_MAX_TRIES = 50
_PAUSE_S = 0.02
_MAX_REMEMBERED = 32
Decide = Callable[[ItemState], Action | None]
Allow = Callable[[ItemState], Awaitable[None]]
"""Raises Forbidden for an act on the item as it is now."""


@dataclass(frozen=True)
class Recorded:
    """An item's state, and the sequence of its last message."""

    state: ItemState = field(default_factory=ItemState)
    seq: int = 0


@dataclass
class Audit:
    """The whole log: the items' states, and what is wrong.

    `broken`: of items whose acts contradict each other, the first message that does, and why.
    `foreign`: messages that Loa did not write, by their sequences.
    """

    states: dict[str, ItemState] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    foreign: dict[int, str] = field(default_factory=dict)


@dataclass
class EditorialLog:
    """Reads items and adds acts, each once, by compare-and-set.

    One that lives on reads only what is new, and so does the first one of a process that has the
    *file* of an earlier one. It holds the items that are not ended.
    """

    bus: Bus
    file: OpenItemsFile | None = None
    _held: dict[str, Recorded] = field(default_factory=dict)
    _remembered: dict[str, Recorded] = field(default_factory=dict)
    _next: int = 1
    _scanning: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, content_id: str, known: Recorded | None = None) -> Recorded:
        """The item as its acts say, those of *known* included.

        Raises Conflict for acts that contradict each other.
        """
        found = known or Recorded()
        subject = subjects.editorial(content_id)
        async for message in self.bus.scan(_STREAM, subject, found.seq + 1):
            action = await self.sealed_act(message)
            state = state_after(found.state, action) if action else found.state
            found = Recorded(state, message.seq)
        return found

    async def acts(self, content_id: str) -> AsyncIterator[tuple[int, Action]]:
        """Each act on an item with its sequence, oldest first, without what Loa did not seal.

        Raises Conflict for one that this version can't read.
        """
        async for message in self.bus.scan(_STREAM, subjects.editorial(content_id)):
            if action := await self.sealed_act(message):
                yield message.seq, action

    async def history(self, content_id: str) -> tuple[ItemState, list[Action]]:
        """The item and its acts, oldest first. Raises as `read`."""
        state, acts = ItemState(), list[Action]()
        async for _, action in self.acts(content_id):
            state = state_after(state, action)
            acts.append(action)
        return state, acts

    async def act(
        self, content_id: str, decide: Decide, allow: Allow | None = None, *, is_new: bool = False
    ) -> ItemState:
        """Add what *decide* finds right for the present state; None adds nothing.

        *is_new*: the item is probably not in the log, which is read only if that is wrong.

        It is asked again after another's act, and after a lost answer, when the act may be there;
        then *allow*, last of all before the act is stored. Raises what both raise, and what the
        act's rules raise.
        """
        for attempt in range(_MAX_TRIES):
            found = self._newest_known(content_id)
            if attempt or found.seq or not is_new:
                found = await self.read(content_id, found)
            self._remember(content_id, found)
            action = decide(found.state)
            if action is None or action.id in found.state.ids:
                return found.state
            state = state_after(found.state, action)
            crash_point("editorial.decided")
            if allow:
                await allow(found.state)
            if await self._append(content_id, action, found.seq):
                crash_point("editorial.stored")
                return state
            await asyncio.sleep(_PAUSE_S)  # a replica of the stream may be behind
        raise RevisionConflict(f"{content_id} changed {_MAX_TRIES} times")

    async def waiting_items(self) -> dict[str, ItemState]:
        """The items whose newest revision waits for a person."""
        await self._follow()
        return {name: one.state for name, one in self._held.items() if one.state.is_undecided}

    async def open_items(self) -> dict[str, ItemState]:
        """The items that wait for a person, or whose decision is to be carried out."""
        await self._follow()
        return {name: one.state for name, one in self._held.items() if one.state.is_unfinished}

    async def audit(self, *, with_texts: bool = False) -> "Audit":
        """Fold every item anew, and name what is wrong; *with_texts* also those of ended items."""
        found = Audit()
        async for message in self.bus.scan(_STREAM):
            content_id = subjects.item_of_editorial(message.subject)
            if problem := await self._problem(message):
                found.foreign[message.seq] = problem
            elif content_id not in found.broken:
                known = found.states.pop(content_id, ItemState())
                try:
                    state = state_after(known, parse_act(message))
                    found.states[content_id] = state if with_texts else _lean(state)
                except ContractError as broken:
                    found.broken[content_id] = f"#{message.seq}: {broken}"
        return found

    async def _follow(self) -> None:
        """Read the acts that were stored since the last scan."""
        async with self._scanning:
            read_to = dict[str, int]()  # of items whose later acts were read before their turn
            if self.file and self._next == 1:
                read_to = await self._resume(self.file)
            async for message in self.bus.scan(_STREAM, start=self._next):
                content_id = subjects.item_of_editorial(message.subject)
                if message.seq > read_to.get(content_id, 0):
                    seq = await self._take_in(content_id, message)
                    read_to |= {content_id: seq} if seq > message.seq else {}
                self._next = message.seq + 1
            if self.file:
                held = {name: one.seq for name, one in self._held.items()}
                await self.file.save_if_due(self.bus, self._next - 1, held)

    async def _resume(self, file: OpenItemsFile) -> dict[str, int]:
        """Hold the items of *file*, and go on behind it; returns up to where each was read.

        Where one can't be read so far, by a replica that is behind, say, all is read as without it.
        """
        last, items = await file.load(self.bus)
        read_to = dict[str, int]()
        for content_id, seq in items.items():
            try:
                found = await self.read(content_id)
            except ContractError:
                found = Recorded()
            if found.seq < seq:
                file.saved = 0
                return {}
            read_to[content_id] = found.seq
            self._hold(content_id, found)
        self._next = last + 1
        return read_to

    async def _take_in(self, content_id: str, message: Message) -> int:
        """Hold the item as it is after *message*; returns up to where it was read."""
        try:
            found = await self._after(content_id, message)
        except ContractError as broken:
            _log_broken(content_id, broken)
            found = Recorded(seq=message.seq)
        self._hold(content_id, found)
        return found.seq

    async def _after(self, content_id: str, message: Message) -> Recorded:
        """The item after *message*; the earlier acts of an ended one are read again."""
        known, action = self._held.get(content_id), await self.sealed_act(message)
        if known is None and action and action.prev:
            return await self.read(content_id)
        state = known.state if known else ItemState()
        return Recorded(state_after(state, action) if action else state, message.seq)

    def _hold(self, content_id: str, found: Recorded) -> None:
        self._held.pop(content_id, None)
        if _needs_text(found.state):
            self._held[content_id] = found

    def _newest_known(self, content_id: str) -> Recorded:
        known = (one.get(content_id, Recorded()) for one in (self._held, self._remembered))
        return max(known, key=lambda one: one.seq)

    def _remember(self, content_id: str, found: Recorded) -> None:
        """Keep an item for the next act on it; of many, the one that was not used longest goes."""
        self._remembered.pop(content_id, None)
        self._remembered[content_id] = found
        if len(self._remembered) > _MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    async def sealed_act(self, message: Message) -> Action | None:
        """The act in *message*; None if Loa did not write that."""
        return parse_act(message) if await self.is_genuine(message) else None

    async def is_genuine(self, message: Message) -> bool:
        """Whether Loa wrote *message*; one that is not is logged."""
        if problem := await self._problem(message):
            facts = {"bucket": _STREAM, "key": message.subject, "reason": problem}
            log.error("act_not_sealed", **facts)
        return not problem

    async def _problem(self, message: Message) -> str:
        """Why Loa did not write *message*; nothing is told without the key."""
        seals = self.bus.seals_of(message.subject)
        return (
            "" if seals is None or isinstance(seals, RefusedSeals) else await seals.problem(message)
        )

    async def _append(self, content_id: str, action: Action, seen: int) -> bool:
        """Add *action* behind message *seen* of its item; False if this call has not stored it.

        Another act was first, or this one: it may be of another process, with another text.
        """
        subject, body = subjects.editorial(content_id), action.encode()
        name = f"{content_id}.{action.id}"
        return await append_sealed(self.bus, subject, body, name, seen=seen)


def _log_broken(content_id: str, broken: ContractError) -> None:
    fields = [one.field for one in broken.errors]
    log.error("editorial_item_broken", content_id=content_id, fields=fields)


def parse_act(message: Message) -> Action:
    """The act in *message*. Raises Conflict for one that this version can't read."""
    try:
        return Action.model_validate_json(message.data)
    except ValueError as error:
        raise Conflict(field_error("text", "editorial_unreadable")) from error


def _needs_text(state: ItemState) -> bool:
    """Whether a later act may need the text: a person has it, or it has to go out."""
    return state.is_unfinished or state.status in UNSENT


def _lean(state: ItemState) -> ItemState:
    """A state without a text that no later act needs."""
    return state if _needs_text(state) else replace(state, text=None)
